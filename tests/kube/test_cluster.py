from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.errors import (
    ConflictError,
    GoneError,
    NotOwnedError,
    OverloadedError,
    RefusedError,
    UnavailableError,
)
from fairlead.engine.records import JobRecord, PodRecord
from fairlead.engine.store import Store
from fairlead.kube.client import MERGE_PATCH, Client
from fairlead.kube.cluster import KubernetesCluster
from fairlead.kube.reduce import workflow_record
from fairlead.model.ids import RunNumber
from fairlead.plan import CancelWorkflow, ContainerTerminated, DeleteJob, ReadEvents, ReadOutputs
from fairlead.plan.announcements import Announcement
from fairlead.plan.observed import Podless
from fairlead.render.call import call_manifest
from fairlead.render.job import job_manifest
from tests.builders import (
    KEY,
    NOW,
    UID,
    a_call,
    a_creation,
    a_run,
    a_spec,
    at,
    attempt_at,
    called,
    ended,
    logged,
    name_of,
    node_of,
    pod,
    queued,
    reported,
    running,
)
from tests.kube.apiserver import ApiServer
from tests.kube.documents import call_document, job_document, pod_document, template_document, workflow_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairlead.model.report import Report

FAIRLEAD = "/apis/fairlead.dev/v1alpha1"
BATCH = "/apis/batch/v1"
JOBS = f"{BATCH}/namespaces/team/jobs"
WORKFLOWS = f"{FAIRLEAD}/namespaces/team/workflows"
STATUS = f"{WORKFLOWS}/ci/status"
TEMPLATES = f"{FAIRLEAD}/namespaces/team/workflowtemplates"
TEMPLATE = a_spec().job("make").but(inputs={"level": {"type": "number"}}).document()
CALLED = name_of("build")
POD = f"{name_of('build')}-abcde"


class Stage:
    """The adapter, with the server that it talks to."""

    def __init__(self, server: ApiServer, client: Client) -> None:
        self.server = server
        self.store = Store(lambda _: None)
        self.cluster = KubernetesCluster(client, self.store, lambda: NOW, keep_seconds=3600)
        server.put(FAIRLEAD, "workflowtemplates", template_document(TEMPLATE))
        self.record = workflow_record(server.put(FAIRLEAD, "workflows", workflow_document()))
        self.store.workflows.put((KEY.namespace, KEY.name), self.record)

    def call(self) -> None:
        """Let `build` have called a Workflow."""
        document = self.server.put(FAIRLEAD, "workflows", call_document())
        self.store.workflows.put((KEY.namespace, CALLED), workflow_record(document))

    def end_with_outputs(self, text: str, *, code: int = 0, version: int = 11, ago: float = 60) -> None:
        """Let the Pod of `build` have ended some seconds ago, with outputs in its log; `text` is the log."""
        self.server.put("/api/v1", "pods", pod_document())
        self.server.logs["team", POD] = text.encode()
        container = replace(ended(reported(code, log=LOGGED)), finished_at=at(-ago))
        seen = PodRecord(UID, KEY, name_of("build"), NOW, pod(container, name=POD), version)
        self.store.pods.put((KEY.namespace, POD), seen)
        self.store.jobs.put((KEY.namespace, name_of("build")), JobRecord(UID, KEY, attempt_at("build"), 1))

    @property
    def report(self) -> Report | None:
        """Give the report that the engine sees."""
        (job,) = self.store.jobs_of(KEY.namespace, UID)
        container = job.pods[-1].container
        return container.report if isinstance(container, ContainerTerminated) else None

    @property
    def known(self) -> list[str]:
        """Give the names of the Workflow's Jobs that the store knows."""
        return [job.name for job in self.store.jobs_of(KEY.namespace, UID)]


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """Give the stage, for one test."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        yield Stage(server, client)


async def test_create() -> None:
    """A Job is made as it is rendered, and known at once."""
    creation = a_creation()
    async with staged() as stage:
        await stage.cluster.create_job(stage.record, creation)
    (request,) = stage.server.asked
    assert (request.verb, request.path, request.body) == (
        "POST",
        JOBS,
        job_manifest(creation, stage.record.resource, keep_seconds=3600),
    )
    assert stage.store.jobs_of(KEY.namespace, UID) == (attempt_at("build"),)


async def test_create_again() -> None:
    """A name that is taken is our own Job from before, which is read instead."""
    async with staged() as stage:
        stage.server.put(BATCH, "jobs", job_document(deletionTimestamp="2026-03-01T12:00:00Z"))
        await stage.cluster.create_job(stage.record, a_creation())
    assert stage.server.requests() == [f"POST {JOBS}", f"GET {JOBS}/{name_of('build')}"]
    assert stage.store.jobs_of(KEY.namespace, UID) == (attempt_at("build", deleting=True),)


@pytest.mark.parametrize("metadata", [{"labels": {}}, {"ownerReferences": []}])
async def test_taken_by_a_stranger(metadata: dict[str, Any]) -> None:
    """A name that somebody else has taken is told, instead of waiting for what never comes."""
    async with staged() as stage:
        stage.server.put(BATCH, "jobs", job_document(**metadata))
        with pytest.raises(RefusedError) as caught:
            await stage.cluster.create_job(stage.record, a_creation())
    assert (caught.value.message, caught.value.final, stage.known) == (
        f"there is a Job {name_of('build')} that isn't this Workflow's",
        False,
        [],
    )


async def test_create_instead() -> None:
    """A Job is replaced only when the cluster says that it is gone."""
    creation = a_creation("build", 2, instead_of=name_of("build"))
    async with staged() as stage:
        await stage.cluster.create_job(stage.record, creation)
    assert stage.server.requests() == [f"GET {JOBS}/{name_of('build')}", f"POST {JOBS}"]
    assert stage.known == [name_of("build", 2)]


async def test_create_instead_of_what_is_there() -> None:
    """A Job that the watch hasn't shown yet isn't replaced; it is known from now on."""
    creation = a_creation("build", 2, instead_of=name_of("build"))
    async with staged() as stage:
        stage.server.put(BATCH, "jobs", job_document())
        with pytest.raises(ConflictError):
            await stage.cluster.create_job(stage.record, creation)
    assert (stage.server.requests("POST"), stage.known) == ([], [name_of("build")])


LOST = attempt_at("build", failure="BackoffLimitExceeded")


@asynccontextmanager
async def lost() -> AsyncIterator[Stage]:
    """Give the stage with a Job that was given up, of which no Pod was seen."""
    async with staged() as stage:
        stage.store.jobs.put((KEY.namespace, LOST.name), JobRecord(UID, KEY, LOST, 1))
        yield stage


async def test_create_after_a_lost_one() -> None:
    """An attempt whose Pod is lost is followed by another only when the cluster says that there is none."""
    async with lost() as stage:
        await stage.cluster.create_job(stage.record, a_creation("build", 2, lost=LOST))
    assert stage.server.requests() == ["GET /api/v1/namespaces/team/pods", f"POST {JOBS}"]


async def test_create_after_one_that_is_not_lost() -> None:
    """While the watch of Pods hangs, one that did its work is found, and nothing is made in its place."""
    async with lost() as stage:
        stage.server.put("/api/v1", "pods", pod_document())
        for _ in range(2):
            with pytest.raises(ConflictError):
                await stage.cluster.create_job(stage.record, a_creation("build", 2, lost=LOST))
        assert len(stage.store.pods) == 1
        (seen,) = stage.store.jobs_of(KEY.namespace, UID)
        await stage.cluster.create_job(stage.record, a_creation("build", 2, lost=seen))
    assert stage.server.requests("POST") == [f"POST {JOBS}"]


async def test_create_after_one_that_was_seen_meanwhile() -> None:
    """What the watch brings after that was decided, before the Pods are listed, isn't passed over either."""
    async with lost() as stage:
        done = pod(ended(reported(0)), name=POD)
        stage.store.pods.put((KEY.namespace, POD), PodRecord(UID, KEY, LOST.name, NOW, done, 9))
        with pytest.raises(ConflictError):
            await stage.cluster.create_job(stage.record, a_creation("build", 2, lost=LOST))
    assert stage.server.requests("POST") == []


@pytest.mark.parametrize(("more", "requests"), [(0, 1), (50, 2)])
async def test_list_pods(more: int, requests: int) -> None:
    """The Pods of Jobs that are gone are asked for, of many at once, and known from then on."""
    async with staged() as stage:
        stage.server.put("/api/v1", "pods", pod_document())
        await stage.cluster.list_pods(KEY, [*map(str, range(more)), name_of("build"), name_of("test")])
    assert stage.server.requests() == ["GET /api/v1/namespaces/team/pods"] * requests
    assert [record.job_name for record in stage.store.pods.values()] == [name_of("build")]


REFUSALS = {
    "invalid": (422, "Invalid", 'Job.batch "a" is invalid: spec.template: Required value', True),
    "not understood": (400, "BadRequest", "unknown field", True),
    "over quota": (403, "Forbidden", "exceeded quota: pods, requested: 1, used: 9, limited: 9", False),
    "not allowed": (403, "Forbidden", "cannot create resource jobs", False),
    "not known any more": (401, "Unauthorized", "Unauthorized", False),
    "no namespace": (404, "NotFound", 'namespaces "team" not found', False),
    "refused by a webhook": (400, "", "admission webhook denied the request", False),
    "another conflict": (409, "Conflict", "object is being modified", False),
}


@pytest.mark.parametrize(("status", "reason", "message", "final"), REFUSALS.values(), ids=REFUSALS)
async def test_refused(status: int, reason: str, message: str, final: bool) -> None:  # noqa: FBT001  a table's column
    """What the server says no to is said in its words, and whether that will ever change."""
    async with staged() as stage:
        stage.server.refuse("POST", status, reason, message)
        with pytest.raises(RefusedError) as caught:
            await stage.cluster.create_job(stage.record, a_creation())
    assert (caught.value.message, caught.value.final) == (message, final)


async def test_gone_between_two_requests() -> None:
    """A Job that was there for the POST and gone for the GET is tried again."""
    async with staged() as stage:
        stage.server.refuse("POST", 409, "AlreadyExists", "already exists")
        with pytest.raises(RefusedError) as caught:
            await stage.cluster.create_job(stage.record, a_creation())
    assert caught.value.final is False


async def test_status() -> None:
    """A status is patched by what has changed, on condition that nobody else has written, and known at once."""
    before = a_run().with_job("build", queued()).status()
    after = a_run().with_job("build", running()).status()
    async with staged() as stage:
        await stage.cluster.write_status(stage.record, before)
        known = stage.store.workflow(KEY)
        assert known is not None
        await stage.cluster.write_status(known, after)
    requests = stage.server.asked
    assert [(each.verb, each.path, each.headers["Content-Type"]) for each in requests] == [
        ("PATCH", STATUS, MERGE_PATCH)
    ] * 2
    assert [each.body for each in requests] == [
        {"metadata": {"resourceVersion": "1002", "uid": UID}, "status": before.to_json()},
        {
            "metadata": {"resourceVersion": "1003", "uid": UID},
            "status": {"jobs": {"build": {"phase": "Running", "startedAt": "2026-03-01T12:00:00Z"}}},
        },
    ]
    written = stage.store.workflow(KEY)
    assert written is not None
    assert (written.resource.status, written.version) == (after, 1004)


async def test_unreadable_status() -> None:
    """A status that nobody understands is replaced whole."""
    status = a_run().with_job("build", queued()).status()
    async with staged() as stage:
        document = workflow_document() | {"status": {"phase": "?", "junk": [1], "jobs": "none"}}
        document["metadata"].pop("resourceVersion")
        record = workflow_record(stage.server.put(FAIRLEAD, "workflows", document))
        await stage.cluster.write_status(record, status)
        (written,) = [each for place, each in stage.server.objects.items() if place[1] == "workflows"]
    assert written["status"] == status.to_json()


@pytest.mark.parametrize("other", ["version", "uid"])
async def test_conflict(other: str) -> None:
    """A status isn't written over what somebody else has written, nor into a namesake's."""
    async with staged() as stage:
        record = (
            replace(stage.record, version=1)
            if other == "version"
            else replace(stage.record, resource=replace(stage.record.resource, uid=UID[:-1]))  # type: ignore[arg-type]
        )
        with pytest.raises(ConflictError):
            await stage.cluster.write_status(record, a_run().status())


async def test_gone() -> None:
    """The status of what is no more is nowhere to be written; the store forgets it."""
    async with staged() as stage:
        stage.server.remove(FAIRLEAD, "workflows", "team", "ci")
        with pytest.raises(GoneError):
            await stage.cluster.write_status(stage.record, a_run().status())
    assert stage.store.workflow(KEY) is None


async def test_gone_and_made_again() -> None:
    """The news of an end doesn't remove what was made anew since."""
    async with staged() as stage:
        stage.server.remove(FAIRLEAD, "workflows", "team", "ci")
        anew = replace(stage.record, version=2000)
        stage.store.workflows.put((KEY.namespace, KEY.name), anew)
        with pytest.raises(GoneError):
            await stage.cluster.write_status(stage.record, a_run().status())
    assert stage.store.workflow(KEY) == anew


async def test_call() -> None:
    """A template is read, and a Workflow made of it as it is rendered."""
    wish = a_call(inputs={"level": 1}, combination=3)
    async with staged() as stage:
        await stage.cluster.call_workflow(stage.record, wish)
    assert stage.server.requests() == [f"GET {TEMPLATES}/builder", f"POST {WORKFLOWS}"]
    assert stage.server.asked[-1].body == call_manifest(
        wish, stage.record.resource, {**TEMPLATE, "inputs": {"level": 1}}, keep_seconds=3600
    )
    assert stage.store.calls_of(KEY.namespace, UID) == (called("build", combination=3),)


async def test_call_instead() -> None:
    """A called Workflow is replaced only when the cluster says that it is gone, or about to be."""
    wish = a_call("build", 2, instead_of=CALLED)
    async with staged() as stage:
        stage.server.put(FAIRLEAD, "workflows", call_document(deletionTimestamp="2026-03-01T12:00:00Z"))
        await stage.cluster.call_workflow(stage.record, wish)
    assert stage.server.requests() == [
        f"GET {WORKFLOWS}/{CALLED}",
        f"GET {TEMPLATES}/builder",
        f"POST {WORKFLOWS}",
    ]
    assert stage.store.calls_of(KEY.namespace, UID) == (called("build", attempt=2),)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"labels": {}}, "isn't this Workflow's"),
        ({"ownerReferences": []}, "isn't this Workflow's"),
        ({"deletionTimestamp": "2026-03-01T12:00:00Z"}, "is being deleted"),
    ],
)
async def test_call_whose_name_is_taken(metadata: dict[str, Any], said: str) -> None:
    """A name that somebody else has, or that isn't free yet, is told and tried again."""
    async with staged() as stage:
        stage.server.put(FAIRLEAD, "workflows", call_document(**metadata))
        with pytest.raises(RefusedError) as caught:
            await stage.cluster.call_workflow(stage.record, a_call())
    assert (caught.value.message, caught.value.final, stage.store.calls_of(KEY.namespace, UID)) == (
        f"there is a Workflow {CALLED} that {said}",
        False,
        (),
    )


@pytest.mark.parametrize("name", ["../secrets/ci", "a/b", "A", "", "a?b", "-a", "a" * 254, "a\n"])
async def test_no_name(name: str) -> None:
    """What can't be a template's name is never asked for."""
    async with staged() as stage:
        with pytest.raises(RefusedError, match="can't be the name of a WorkflowTemplate") as caught:
            await stage.cluster.call_workflow(stage.record, a_call(template=name))
    assert (caught.value.final, stage.server.requests()) == (True, [])


async def test_call_of_what_is_wrong() -> None:
    """A template, or values, in which many things are wrong are refused for good, with the first few of them."""
    wrong: dict[str, Any] = {"jobs": {name: {} for name in "abcde"}}
    async with staged() as stage:
        stage.server.put(FAIRLEAD, "workflowtemplates", template_document(wrong, name="wrong"))
        with pytest.raises(RefusedError) as caught:
            await stage.cluster.call_workflow(stage.record, a_call(template="wrong"))
    said = (
        'the WorkflowTemplate "wrong" can\'t be called: '
        "spec.jobs.a: nothing to run; give it steps, commands, a check or uses; "
        "spec.jobs.a: has no image; set image here, or for all jobs in spec.defaults.image; "
        "spec.jobs.b: nothing to run; give it steps, commands, a check or uses; and 7 more"
    )
    assert (caught.value.message, caught.value.final) == (said, True)


async def test_cancel() -> None:
    """A called Workflow's run is cancelled by the annotation alone, and only on the Workflow that is meant."""
    async with staged() as stage:
        stage.call()
        await stage.cluster.cancel_workflow(stage.record, CancelWorkflow(CALLED, RunNumber(2)))
    (request,) = stage.server.asked
    assert (request.verb, request.path, request.headers["Content-Type"], request.body) == (
        "PATCH",
        f"{WORKFLOWS}/{CALLED}",
        MERGE_PATCH,
        {"metadata": {"uid": "uid-of-build-1", "annotations": {"fairlead.dev/cancel": "2"}}},
    )


async def test_cancel_a_namesake() -> None:
    """Who has the name now isn't asked to end."""
    async with staged() as stage:
        stage.call()
        stage.server.put(FAIRLEAD, "workflows", call_document(uid="another"))
        await stage.cluster.cancel_workflow(stage.record, CancelWorkflow(CALLED, RunNumber(1)))
    annotations = [each["metadata"].get("annotations", {}) for each in stage.server.objects.values()]
    assert ["fairlead.dev/cancel" in each for each in annotations] == [False] * len(annotations)
    assert stage.store.calls_of(KEY.namespace, UID) == ()


async def test_cancel_in_vain() -> None:
    """A conflict over the Workflow that is meant says nothing of its end: it stays known, and is asked again."""
    async with staged() as stage:
        stage.call()
        stage.server.refuse("PATCH", 409, "Conflict", "the object has been modified")
        with pytest.raises(ConflictError):
            await stage.cluster.cancel_workflow(stage.record, CancelWorkflow(CALLED, RunNumber(1)))
    assert [call.name for call in stage.store.calls_of(KEY.namespace, UID)] == [CALLED]


@pytest.mark.parametrize("by_status", [False, True])
async def test_delete_workflow(by_status: bool) -> None:  # noqa: FBT001  a parameter
    """The Workflow is deleted as it was read, with what it owns, and known to be gone."""
    async with staged() as stage:
        stage.server.deletions_are_said_by_status = by_status
        await stage.cluster.delete_workflow(stage.record)
    (request,) = stage.server.asked
    assert (request.verb, request.path, request.body) == (
        "DELETE",
        f"{WORKFLOWS}/ci",
        {"preconditions": {"uid": UID, "resourceVersion": "1002"}, "propagationPolicy": "Background"},
    )
    assert stage.store.workflow(KEY) is None


OUTPUTS = {"v": {"notes": "x" * 5000}}
TEXT, LOGGED = logged(OUTPUTS)
READ = ReadOutputs(POD, node_of("build"))


async def test_read_outputs() -> None:
    """Only the end of the main container's log is asked for, as text."""
    async with staged() as stage:
        stage.end_with_outputs("noise\n" * 1000 + TEXT)
        await stage.cluster.read_outputs(stage.record, READ)
        await stage.cluster.read_outputs(stage.record, ReadOutputs("another", node_of("build")))
    (request,) = stage.server.asked
    assert (request.path, request.query, request.headers["Accept"]) == (
        f"/api/v1/namespaces/team/pods/{POD}/log",
        {"container": "main", "tailLines": str(LOGGED.lines + 50)},
        "*/*",
    )
    assert stage.report == reported(0, outputs=OUTPUTS)


def an_event(message: str, told: str) -> dict[str, Any]:
    """Give an Event of the Job controller."""
    return {"metadata": {"name": message}, "message": message, "lastTimestamp": told, "reason": "FailedCreate"}


NO_EVENTS: dict[str, Any] = {"items": []}
TWO_EVENTS = {"items": [an_event("second", "2026-03-01T12:00:09Z"), an_event("first", "2026-03-01T12:00:08Z")]}


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (200, TWO_EVENTS, "second"),
        (200, NO_EVENTS, None),
        (403, {"reason": "Forbidden", "message": "not allowed"}, None),
    ],
    ids=["told", "nothing told", "not allowed"],
)
async def test_read_events(status: int, answer: dict[str, Any], message: str | None) -> None:
    """The latest word on why a Job has no Pod is kept; only its own Events are asked for, and it goes without, too."""
    async with staged() as stage:
        stage.store.jobs.put((KEY.namespace, name_of("build")), JobRecord(UID, KEY, attempt_at("build"), 1))
        stage.server.answer("GET", status, answer)
        await stage.cluster.read_events(stage.record, ReadEvents(name_of("build"), node_of("build")))
    (request,) = stage.server.asked
    of = f"involvedObject.kind=Job,involvedObject.name={name_of('build')},reason=FailedCreate"
    assert (request.path, request.query) == ("/api/v1/namespaces/team/events", {"limit": "100", "fieldSelector": of})
    (job,) = stage.store.jobs_of(KEY.namespace, UID)
    assert job.podless == Podless(message, NOW, 1)


async def test_read_events_later() -> None:
    """A server that is pressed too hard is asked again later."""
    async with staged() as stage:
        stage.server.refuse("GET", 429, "TooManyRequests", "later")
        with pytest.raises(OverloadedError):
            await stage.cluster.read_events(stage.record, ReadEvents(name_of("build"), node_of("build")))


async def test_outputs_survive_the_watch() -> None:
    """Later versions of the Pod, which tell of the log again, don't bring the question back."""
    async with staged() as stage:
        stage.end_with_outputs(TEXT)
        await stage.cluster.read_outputs(stage.record, READ)
        stage.end_with_outputs("", version=12)
    assert stage.report == reported(0, outputs=OUTPUTS)


async def test_log_is_late() -> None:
    """Right after a container's end its log may lack the last lines: they are waited for, but not for ever."""
    async with staged() as stage:
        stage.end_with_outputs(TEXT[:-100], ago=9)
        with pytest.raises(UnavailableError, match="isn't complete yet"):
            await stage.cluster.read_outputs(stage.record, READ)
        before = stage.report
        stage.end_with_outputs(TEXT[:-100], version=12, ago=10)
        await stage.cluster.read_outputs(stage.record, READ)
    said = "its outputs, at the end of its log, could not be read: they aren't there, or not as they were written"
    assert (before, stage.report) == (
        reported(0, log=LOGGED),
        replace(reported(0), error=said, outputs_lost=True),
    )


async def test_failure_before_the_loss() -> None:
    """What went wrong before its outputs were lost is still what a job failed of."""
    async with staged() as stage:
        stage.end_with_outputs("", code=3)
        await stage.cluster.read_outputs(stage.record, READ)
    assert stage.report == replace(reported(3), outputs_lost=True)


@pytest.mark.parametrize("by_status", [False, True])
async def test_delete(by_status: bool) -> None:  # noqa: FBT001  a parameter
    """A Job is deleted with its Pods, and known to go or to be gone, however the server puts it."""
    async with staged() as stage:
        await stage.cluster.create_job(stage.record, a_creation())
        stage.server.deletions_are_said_by_status = by_status
        await stage.cluster.delete_job(stage.record, DeleteJob(name_of("build")))
    request = stage.server.asked[-1]
    assert (request.verb, request.path, request.body) == (
        "DELETE",
        f"{JOBS}/{name_of('build')}",
        {"propagationPolicy": "Foreground"},
    )
    assert stage.store.jobs_of(KEY.namespace, UID) == (() if by_status else (attempt_at("build", deleting=True),))


async def test_delete_what_is_gone() -> None:
    """What is gone already is deleted, and known to be."""
    async with staged() as stage:
        await stage.cluster.create_job(stage.record, a_creation())
        stage.server.remove(BATCH, "jobs", "team", name_of("build"))
        await stage.cluster.delete_job(stage.record, DeleteJob(name_of("build")))
        await stage.cluster.delete_job(stage.record, DeleteJob("never-there"))
    assert stage.known == []


WARNING = Announcement("JobFailed", "x" * 2000, warning=True, identity="1/1/build/failed")


async def test_announce() -> None:
    """An Event says who tells what of which Workflow, under a name that the same change always has."""
    async with staged() as stage:
        await stage.cluster.announce(stage.record, WARNING)
        await stage.cluster.announce(stage.record, WARNING)
        await stage.cluster.announce(stage.record, replace(WARNING, warning=False, identity="other"))
        events = [each for place, each in stage.server.objects.items() if place[1] == "events"]
    first, second = events
    assert {**first, "metadata": {"name": first["metadata"]["name"], "namespace": "team"}} == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": first["metadata"]["name"], "namespace": "team"},
        "involvedObject": {
            "apiVersion": "fairlead.dev/v1alpha1",
            "kind": "Workflow",
            "namespace": "team",
            "name": "ci",
            "uid": UID,
        },
        "reason": "JobFailed",
        "message": "x" * 1000,
        "type": "Warning",
        "firstTimestamp": "2026-03-01T12:00:00Z",
        "lastTimestamp": "2026-03-01T12:00:00Z",
        "count": 1,
        "source": {"component": "fairlead"},
        "reportingComponent": "fairlead",
    }
    assert (second["type"], first["metadata"]["name"].startswith("ci."), len(stage.server.asked)) == ("Normal", True, 3)


async def test_announce_refused() -> None:
    """An Event that may not be made is refused."""
    async with staged() as stage:
        stage.server.refuse("POST", 403, "Forbidden", "no Events for you")
        with pytest.raises(RefusedError) as caught:
            await stage.cluster.announce(stage.record, WARNING)
    assert (caught.value.message, caught.value.final) == ("no Events for you", False)


Act = Callable[[Stage], Awaitable[None]]


async def _cancel(stage: Stage) -> None:
    stage.call()
    await stage.cluster.cancel_workflow(stage.record, CancelWorkflow(CALLED, RunNumber(1)))


async def _read(stage: Stage) -> None:
    stage.end_with_outputs("")
    await stage.cluster.read_outputs(stage.record, READ)


REPLACEMENT = a_creation("build", 2, instead_of=name_of("build"))
ACTS: dict[str, tuple[str, Act]] = {
    "create": ("POST", lambda stage: stage.cluster.create_job(stage.record, a_creation())),
    "create instead": ("GET", lambda stage: stage.cluster.create_job(stage.record, REPLACEMENT)),
    "call, the template": ("GET", lambda stage: stage.cluster.call_workflow(stage.record, a_call())),
    "call, the Workflow": ("POST", lambda stage: stage.cluster.call_workflow(stage.record, a_call())),
    "delete a Job": ("DELETE", lambda stage: stage.cluster.delete_job(stage.record, DeleteJob(name_of("build")))),
    "delete the Workflow": ("DELETE", lambda stage: stage.cluster.delete_workflow(stage.record)),
    "status": ("PATCH", lambda stage: stage.cluster.write_status(stage.record, a_run().status())),
    "cancel": ("PATCH", _cancel),
    "read outputs": ("GET", _read),
    "announce": ("POST", lambda stage: stage.cluster.announce(stage.record, WARNING)),
}


@pytest.mark.parametrize(("verb", "act"), ACTS.values(), ids=ACTS)
@pytest.mark.parametrize(
    ("status", "headers", "retry_after"),
    [(429, {"Retry-After": "5"}, 5), (500, {}, None), (503, {"Retry-After": "a"}, None)],
)
async def test_busy(verb: str, act: Act, status: int, headers: dict[str, str], retry_after: float | None) -> None:
    """A server that is too busy is unavailable, for as long as it says, and with 429 for everybody."""
    async with staged() as stage:
        stage.server.refuse(verb, status, "", "slowly", headers)
        with pytest.raises(UnavailableError) as caught:
            await act(stage)
    assert (str(caught.value), caught.value.retry_after, isinstance(caught.value, OverloadedError)) == (
        f"slowly (HTTP {status})",
        retry_after,
        status == 429,
    )


@pytest.mark.parametrize("act", [act for _, act in ACTS.values()], ids=ACTS)
async def test_unreachable(act: Act) -> None:
    """A server that doesn't answer is unavailable."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        stage = Stage(server, client)
        await server.__aexit__()
        with pytest.raises(UnavailableError):
            await act(stage)


@pytest.mark.parametrize(("verb", "act"), ACTS.values(), ids=ACTS)
async def test_forbidden(verb: str, act: Act) -> None:
    """What the operator itself isn't allowed to do is refused, which is told and tried again."""
    async with staged() as stage:
        stage.server.refuse(verb, 403, "Forbidden", "not you")
        with pytest.raises(RefusedError) as caught:
            await act(stage)
    assert (caught.value.message, caught.value.final, caught.value.impatient) == ("not you", False, False)


@pytest.mark.parametrize("name", sorted(ACTS.keys() - {"read outputs", "call, the template"}))
async def test_not_ours_any_more(name: str) -> None:
    """What has become another replica's isn't written to, however far a look at it had come."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        stage = Stage(server, client)
        stage.cluster = KubernetesCluster(client, stage.store, lambda: NOW, keep_seconds=60, owns=lambda _: False)
        with pytest.raises(NotOwnedError):
            await ACTS[name][1](stage)
        assert server.requests("POST", "PUT", "PATCH", "DELETE") == []
