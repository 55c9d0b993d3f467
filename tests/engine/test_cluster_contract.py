"""What every `engine.ports.Cluster` holds to: the fake that other tests rely on, and the adapter for the real thing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.errors import ConflictError, GoneError, RefusedError
from fairlead.engine.records import PodRecord, WorkflowRecord
from fairlead.engine.shelf import Shelf
from fairlead.engine.store import Store
from fairlead.kube.client import Client
from fairlead.kube.cluster import KubernetesCluster
from fairlead.kube.reduce import workflow_record
from fairlead.local.cluster import LocalCluster, annotated
from fairlead.local.state import State
from fairlead.local.values import Values
from fairlead.model.ids import RunNumber, WorkflowKey
from fairlead.model.phase import WorkflowPhase
from fairlead.plan import CancelWorkflow, ContainerTerminated, DeleteJob, ReadOutputs
from fairlead.plan.announcements import Announcement
from fairlead.render.call import call_manifest
from fairlead.syntax.template import instantiate
from tests.builders import (
    KEY,
    NOW,
    a_call,
    a_creation,
    a_run,
    a_spec,
    at,
    called,
    chain,
    ended,
    logged,
    name_of,
    node_of,
    pod,
    queued,
    reported,
    running,
)
from tests.fakes import FakeCluster, World
from tests.kube.apiserver import ApiServer
from tests.kube.documents import call_document, job_document, pod_document, template_document, workflow_document
from tests.local.runtimes import IdleRuntime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fairlead.engine.ports import Cluster
    from fairlead.model.report import Report
    from fairlead.model.status import WorkflowStatus
    from fairlead.plan import CalledWorkflow

FAIRLEAD, BATCH = "/apis/fairlead.dev/v1alpha1", "/apis/batch/v1"
TEMPLATE = a_spec().job("make").but(inputs={"level": {"type": "number", "required": True}}).document()
CALLED = WorkflowKey(KEY.namespace, name_of("build"))
POD = f"{name_of('build')}-pod"


@dataclass(frozen=True, slots=True)
class Stage:
    """A cluster with one Workflow; nothing but the adapter's own answers reaches its store.

    `jobs` gives the names of the Jobs that are there, `status` what is recorded, `events` the messages of the Events,
    `specs` the specs of the Workflows by name, `annotations` those of the Workflow that `build` has called.
    Without the engine's knowing: `make_unseen` makes the Job of the first attempt at `build`, `call_unseen` the
    Workflow that is called by it, `touch` changes the Workflow, `remove` deletes one, `remove_pod` the Pod of `build`.
    `has_logged` is what that Pod wrote last.
    """

    cluster: Cluster
    store: Store
    jobs: Callable[[], list[str]]
    status: Callable[[], dict[str, Any]]
    events: Callable[[], list[str]]
    specs: Callable[[], dict[str, dict[str, Any]]]
    annotations: Callable[[], dict[str, str]]
    make_unseen: Callable[[], object]
    call_unseen: Callable[[], object]
    touch: Callable[[], object]
    remove: Callable[[WorkflowKey], object]
    remove_pod: Callable[[], object]
    has_logged: Callable[[str], object]


@asynccontextmanager
async def fake() -> AsyncIterator[Stage]:
    """Give the fake."""
    world, store = World(), Store(lambda _: None)
    world.apply(chain().document())
    world.templates[KEY.namespace, "builder"] = TEMPLATE
    store.workflows.put((KEY.namespace, KEY.name), world.workflow())
    yield Stage(
        cluster=FakeCluster(world, store),
        store=store,
        jobs=lambda: [name for _, name in world.jobs],
        status=lambda: dict(world.workflow().status),
        events=lambda: [event.message for event in world.events.values()],
        specs=lambda: {name: dict(record.spec) for (_, name), record in world.workflows.items()},
        annotations=lambda: dict(world.workflow(CALLED).resource.annotations),
        make_unseen=lambda: world.make_job(world.workflow(), a_creation()),
        call_unseen=lambda: world.make_workflow(world.workflow(), a_call(inputs={"level": 1})),
        touch=lambda: world.annotate({"a": "b"}),
        remove=world.remove,
        remove_pod=lambda: world.pods.pop((KEY.namespace, POD)),
        has_logged=lambda text: world.output.update({(KEY.namespace, POD): text}),
    )


@asynccontextmanager
async def kubernetes() -> AsyncIterator[Stage]:
    """Give the adapter for a real cluster, with a server that speaks its protocol."""
    store = Store(lambda _: None)
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        record = workflow_record(server.put(FAIRLEAD, "workflows", workflow_document(chain().document())))
        store.workflows.put((KEY.namespace, KEY.name), record)
        server.put(FAIRLEAD, "workflowtemplates", template_document(TEMPLATE))

        def everything(resource: str) -> list[dict[str, Any]]:
            return [document for place, document in server.objects.items() if place[1] == resource]

        def make_unseen() -> None:
            server.put(BATCH, "jobs", job_document())
            server.put("/api/v1", "pods", pod_document(name=POD))

        yield Stage(
            cluster=KubernetesCluster(client, store, lambda: NOW, keep_seconds=60),
            store=store,
            jobs=lambda: [document["metadata"]["name"] for document in everything("jobs")],
            status=lambda: everything("workflows")[0].get("status", {}),
            specs=lambda: {each["metadata"]["name"]: each["spec"] for each in everything("workflows")},
            annotations=lambda: everything("workflows")[1]["metadata"]["annotations"],
            events=lambda: [document["message"] for document in everything("events")],
            make_unseen=make_unseen,
            call_unseen=lambda: server.put(FAIRLEAD, "workflows", call_document()),
            touch=lambda: server.put(FAIRLEAD, "workflows", everything("workflows")[0]),
            remove=lambda key: server.remove(FAIRLEAD, "workflows", key.namespace, key.name),
            remove_pod=lambda: server.remove("/api/v1", "pods", KEY.namespace, POD),
            has_logged=lambda text: server.logs.update({(KEY.namespace, POD): text.encode()}),
        )


@asynccontextmanager
async def local() -> AsyncIterator[Stage]:
    """Give the adapter for this machine, over a folder, with processes that do nothing."""
    store = Store(lambda _: None)
    with TemporaryDirectory() as folder:
        state, told = State(Path(folder) / "state"), list[str]()
        identity = {"name": KEY.name, "namespace": KEY.namespace}
        record = workflow_record(state.create({"metadata": identity, "spec": chain().document()}))
        store.workflows.put((KEY.namespace, KEY.name), record)
        cluster = LocalCluster(
            state,
            store,
            IdleRuntime(),
            lambda: NOW,
            values=Values(),
            workspace=Path(folder) / "workspace",
            shared=True,
            templates={"builder": TEMPLATE},
            where=f"in the namespace {KEY.namespace}",
            keep_seconds=60,
            announced=lambda announcement: told.append(announcement.message),
        )
        log = state.job_folder(KEY.name, name_of("build")) / "log"

        def recorded(name: str) -> dict[str, Any]:
            document = state.read(name)
            assert document is not None
            return document

        def make_unseen() -> None:
            seen = store.jobs, store.pods
            store.jobs, store.pods = Shelf(lambda _: None), Shelf(lambda _: None)
            with suppress(StopIteration):
                cluster.create_job(record, a_creation()).send(None)
            store.jobs, store.pods = seen

        def call_unseen() -> None:
            spec = instantiate(TEMPLATE, {"level": 1})
            state.create(call_manifest(a_call(), record.resource, spec, keep_seconds=60), called=True)

        yield Stage(
            cluster=cluster,
            store=store,
            jobs=lambda: cluster.jobs,
            status=lambda: recorded(KEY.name).get("status", {}),
            events=lambda: told,
            specs=lambda: {name: recorded(name)["spec"] for name in state.names()},
            annotations=lambda: recorded(CALLED.name)["metadata"]["annotations"],
            make_unseen=make_unseen,
            call_unseen=call_unseen,
            touch=lambda: state.change(KEY.name, lambda old: annotated(old, {"a": "b"})),
            remove=lambda key: state.remove(key.name),
            remove_pod=lambda: log.unlink(missing_ok=True),
            has_logged=log.write_text,
        )
        cluster.kill()
        if cluster.working:
            await asyncio.wait(cluster.working)


@pytest.fixture(params=[fake, kubernetes, local])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Give each implementation in its turn."""
    async with request.param() as made:
        yield made


def record_of(stage: Stage) -> WorkflowRecord:
    """Give what the engine knows of the Workflow."""
    record = stage.store.workflow(KEY)
    assert record is not None
    return record


def at_work(stage: Stage) -> list[str]:
    """Give the Jobs that the engine sees at work."""
    uid = record_of(stage).resource.uid
    return [job.name for job in stage.store.jobs_of(KEY.namespace, uid) if not job.deleting]


def calls(stage: Stage) -> tuple[CalledWorkflow, ...]:
    """Give the Workflows that the engine sees as called."""
    return stage.store.calls_of(KEY.namespace, record_of(stage).resource.uid)


def a_status(**fields: object) -> WorkflowStatus:
    """Give a status to write."""
    return a_run().with_job("build", queued()).but(**fields).status()


async def test_create(stage: Stage) -> None:
    """A Job that is made is there, and the engine sees it at once."""
    await stage.cluster.create_job(record_of(stage), a_creation())
    assert (stage.jobs(), at_work(stage)) == ([name_of("build")], [name_of("build")])


async def test_create_twice(stage: Stage) -> None:
    """Making a Job twice makes one."""
    for _ in range(2):
        await stage.cluster.create_job(record_of(stage), a_creation())
    assert (stage.jobs(), at_work(stage)) == ([name_of("build")], [name_of("build")])


async def test_create_instead_of_what_is_gone(stage: Stage) -> None:
    """A Job takes the place of one that is gone."""
    await stage.cluster.create_job(record_of(stage), a_creation("build", 2, instead_of=name_of("build")))
    assert (stage.jobs(), at_work(stage)) == ([name_of("build", 2)], [name_of("build", 2)])


async def test_create_instead_of_what_is_there(stage: Stage) -> None:
    """No Job takes the place of one that is there after all; the engine sees that one instead."""
    stage.make_unseen()
    with pytest.raises(ConflictError):
        await stage.cluster.create_job(record_of(stage), a_creation("build", 2, instead_of=name_of("build")))
    assert stage.jobs() == [name_of("build")]


async def test_delete(stage: Stage) -> None:
    """A Job that is ended is gone, and the engine doesn't see it at work any more."""
    await stage.cluster.create_job(record_of(stage), a_creation())
    await stage.cluster.delete_job(record_of(stage), DeleteJob(name_of("build")))
    assert (stage.jobs(), at_work(stage)) == ([], [])


async def test_delete_twice(stage: Stage) -> None:
    """Ending what is gone, or never was, is no error."""
    await stage.cluster.create_job(record_of(stage), a_creation())
    for name in (name_of("build"), name_of("build"), "never-there"):
        await stage.cluster.delete_job(record_of(stage), DeleteJob(name))
    assert (stage.jobs(), at_work(stage)) == ([], [])


async def test_call(stage: Stage) -> None:
    """A called Workflow is its template with the caller's values, and the engine sees it at once, on both sides."""
    await stage.cluster.call_workflow(record_of(stage), a_call(inputs={"level": "3"}, priority=5, retries=1, group="g"))
    record = stage.store.workflow(CALLED)
    assert record is not None
    uid = record_of(stage).resource.uid
    assert (stage.specs()[CALLED.name], calls(stage), [(each.uid, each.node) for each in record.resource.callers]) == (
        {**TEMPLATE, "inputs": {"level": 3}, "priority": 5, "ttlAfterFinished": 60},
        (called("build", retries=1, group="g"),),
        [(uid, node_of("build"))],
    )


async def test_call_twice(stage: Stage) -> None:
    """Calling twice makes one Workflow."""
    for level in (1, 2):
        await stage.cluster.call_workflow(record_of(stage), a_call(inputs={"level": level}))
    assert (list(stage.specs()), stage.specs()[CALLED.name]["inputs"], calls(stage)) == (
        [KEY.name, CALLED.name],
        {"level": 1},
        (called("build"),),
    )


async def test_call_from_a_call(stage: Stage) -> None:
    """Who was called knows the whole chain of its callers, the nearest last."""
    await stage.cluster.call_workflow(record_of(stage), a_call(inputs={"level": 1}))
    first = stage.store.workflow(CALLED)
    assert first is not None
    await stage.cluster.call_workflow(first, a_call("inner", inputs={"level": 1}))
    second = stage.store.workflow(WorkflowKey(KEY.namespace, name_of("inner")))
    assert second is not None
    assert [(each.uid, str(each.node)) for each in second.resource.callers] == [
        (record_of(stage).resource.uid, "build"),
        (first.resource.uid, "inner"),
    ]


async def test_call_instead_of_what_is_there(stage: Stage) -> None:
    """No Workflow takes the place of one that is there after all; the engine sees that one instead."""
    stage.call_unseen()
    wish = a_call("build", 2, inputs={"level": 1}, instead_of=CALLED.name)
    with pytest.raises(ConflictError):
        await stage.cluster.call_workflow(record_of(stage), wish)
    assert (list(stage.specs()), [each.name for each in calls(stage)]) == ([KEY.name, CALLED.name], [CALLED.name])


async def test_call_instead_of_what_is_gone(stage: Stage) -> None:
    """A Workflow takes the place of one that is gone."""
    wish = a_call("build", 2, inputs={"level": 1}, instead_of=CALLED.name)
    await stage.cluster.call_workflow(record_of(stage), wish)
    assert calls(stage) == (called("build", attempt=2),)


@pytest.mark.parametrize(
    ("template", "inputs", "said", "final", "impatient"),
    [
        ("biulder", {}, 'there is no WorkflowTemplate "biulder" in the namespace team', False, True),
        (
            "builder",
            {},
            'the WorkflowTemplate "builder" can\'t be called: with.level: is missing: the template needs a number',
            True,
            False,
        ),
    ],
)
async def test_call_refused(
    stage: Stage,
    template: str,
    inputs: dict[str, str],
    said: str,
    final: bool,  # noqa: FBT001  a table's column
    impatient: bool,  # noqa: FBT001  a table's column
) -> None:
    """A template that isn't there may come yet; values that don't fit never will."""
    with pytest.raises(RefusedError) as caught:
        await stage.cluster.call_workflow(record_of(stage), a_call(template=template, inputs=inputs))
    refusal = caught.value
    assert (refusal.message, refusal.final, refusal.impatient, calls(stage)) == (said, final, impatient, ())


async def test_call_gets_on(stage: Stage) -> None:
    """What is recorded of a called Workflow is what its caller sees of it."""
    await stage.cluster.call_workflow(record_of(stage), a_call(inputs={"level": 1}))
    record = stage.store.workflow(CALLED)
    assert record is not None
    status = a_run(WorkflowPhase.SUCCEEDED).but(outputs={"a": "b"}).status()
    await stage.cluster.write_status(record, status)
    assert calls(stage) == (called("build", status),)


async def test_cancel(stage: Stage) -> None:
    """A called Workflow is asked once to end its run, and the engine sees that it was asked."""
    await stage.cluster.call_workflow(record_of(stage), a_call(inputs={"level": 1}))
    record = stage.store.workflow(CALLED)
    assert record is not None
    await stage.cluster.write_status(record, a_run().status())
    for _ in range(2):
        await stage.cluster.cancel_workflow(record_of(stage), CancelWorkflow(CALLED.name, RunNumber(1)))
    assert stage.annotations()["fairlead.dev/cancel"] == "1"
    assert calls(stage) == (called("build", a_run().status(), cancelling=True),)


async def test_cancel_what_is_gone(stage: Stage) -> None:
    """Nobody asks what is gone, never was, or is somebody else's."""
    await stage.cluster.call_workflow(record_of(stage), a_call(inputs={"level": 1}))
    stage.remove(CALLED)
    for name in (CALLED.name, "never-there", KEY.name):
        await stage.cluster.cancel_workflow(record_of(stage), CancelWorkflow(name, RunNumber(1)))
    assert (list(stage.specs()), calls(stage), record_of(stage).resource.annotations) == ([KEY.name], (), {})


async def test_delete_workflow(stage: Stage) -> None:
    """A Workflow that is deleted is gone, and the engine forgets it; so is one that was gone already."""
    record = record_of(stage)
    for _ in range(2):
        await stage.cluster.delete_workflow(record)
    assert (stage.specs(), stage.store.workflow(KEY)) == ({}, None)


async def test_delete_what_was_written_to(stage: Stage) -> None:
    """A Workflow that somebody has written to meanwhile stays."""
    stage.touch()
    with pytest.raises(ConflictError):
        await stage.cluster.delete_workflow(record_of(stage))
    assert list(stage.specs()) == [KEY.name]


OUTPUTS = {"v": {"notes": "ein Wörtchen\n" * 500, "empty": ""}, "w": {"a": "b"}}
TEXT, LOGGED = logged(OUTPUTS)


async def job_that_logged(stage: Stage) -> None:
    """Let the Job of `build` be there, and end with outputs in its log, a minute ago."""
    stage.make_unseen()
    await stage.cluster.create_job(record_of(stage), a_creation())
    report = reported(0, outputs={"v": {"version": "1"}}, log=LOGGED)
    container = replace(ended(report), finished_at=at(-60))
    uid = record_of(stage).resource.uid
    seen = PodRecord(uid, KEY, name_of("build"), NOW, pod(container, name=POD), 1)
    stage.store.pods.put((KEY.namespace, POD), seen)


def report_of(stage: Stage) -> Report | None:
    """Give the report that the engine sees."""
    (job,) = stage.store.jobs_of(KEY.namespace, record_of(stage).resource.uid)
    container = job.pods[-1].container
    return container.report if isinstance(container, ContainerTerminated) else None


READ = ReadOutputs(POD, node_of("build"))


async def test_read_outputs(stage: Stage) -> None:
    """Outputs are read from the log's end, whatever else stands there, and are in the report from then on."""
    await job_that_logged(stage)
    stage.has_logged(f"hello\n{TEXT}bye\n")
    await stage.cluster.read_outputs(record_of(stage), READ)
    assert report_of(stage) == reported(0, outputs={"v": {"version": "1", **OUTPUTS["v"]}, "w": OUTPUTS["w"]})


@pytest.mark.parametrize("text", ["", TEXT.replace("W", "X"), TEXT[:-100]])
async def test_outputs_lost(stage: Stage, text: str) -> None:
    """Outputs that aren't in the log as they were written are lost, and the report says so."""
    await job_that_logged(stage)
    stage.has_logged(text)
    await stage.cluster.read_outputs(record_of(stage), READ)
    found = report_of(stage)
    assert found is not None
    assert (found.log, found.outputs_lost, found.exit_code, (found.error or "").partition(":")[0]) == (
        None,
        True,
        0,
        "its outputs, at the end of its log, could not be read",
    )


async def test_outputs_gone(stage: Stage) -> None:
    """Outputs whose Pod is gone are lost; what isn't known to have any isn't asked for."""
    await job_that_logged(stage)
    stage.remove_pod()
    await stage.cluster.read_outputs(record_of(stage), ReadOutputs("never-there", node_of("build")))
    before = report_of(stage)
    await stage.cluster.read_outputs(record_of(stage), READ)
    after = report_of(stage)
    assert before is not None
    assert after is not None
    assert (before.log, after.log, after.outputs_lost) == (LOGGED, None, True)


async def test_status(stage: Stage) -> None:
    """A status is recorded, and the engine sees it as it is recorded: to the second."""
    before = record_of(stage)
    await stage.cluster.write_status(before, a_status(started_at=at(0.7)))
    after = record_of(stage)
    assert (stage.status(), after.status, after.resource.status, after.version > before.version) == (
        a_status().to_json(),
        a_status().to_json(),
        a_status(),
        True,
    )


async def test_next_status(stage: Stage) -> None:
    """A status replaces the one before it, whole."""
    await stage.cluster.write_status(record_of(stage), a_status(message="one", outputs={"a": "b"}))
    later = a_run().with_job("other", running()).status()
    await stage.cluster.write_status(record_of(stage), later)
    assert (stage.status(), record_of(stage).resource.status) == (later.to_json(), later)


async def test_conflict(stage: Stage) -> None:
    """A status isn't written over what somebody else has written."""
    stage.touch()
    with pytest.raises(ConflictError):
        await stage.cluster.write_status(record_of(stage), a_status())
    assert stage.status() == {}


async def test_gone(stage: Stage) -> None:
    """The status of what is gone isn't written, and the engine forgets it."""
    stage.remove(KEY)
    with pytest.raises(GoneError):
        await stage.cluster.write_status(record_of(stage), a_status())
    assert stage.store.workflow(KEY) is None


async def test_announce(stage: Stage) -> None:
    """The same change is told once, another one too."""
    for identity in ("1/1/Failed", "1/1/Failed", "2/2/Failed"):
        said = Announcement("Failed", f"it failed: {identity}", warning=True, identity=identity)
        await stage.cluster.announce(record_of(stage), said)
    assert stage.events() == ["it failed: 1/1/Failed", "it failed: 2/2/Failed"]
