"""What every `engine.ports.Cluster` holds to: the fake that other tests rely on, and the adapter for the real thing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.errors import ConflictError, GoneError
from fairlead.engine.store import Store, WorkflowRecord
from fairlead.kube.client import Client
from fairlead.kube.cluster import KubernetesCluster
from fairlead.kube.reduce import workflow_record
from fairlead.plan import DeleteJob
from fairlead.plan.announcements import Announcement
from tests.builders import KEY, NOW, a_creation, a_run, at, chain, name_of, queued, running
from tests.fakes import FakeCluster, World
from tests.kube.apiserver import ApiServer
from tests.kube.documents import job_document, workflow_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fairlead.engine.ports import Cluster
    from fairlead.model.status import WorkflowStatus

FAIRLEAD, BATCH = "/apis/fairlead.dev/v1alpha1", "/apis/batch/v1"


@dataclass(frozen=True, slots=True)
class Stage:
    """A cluster with one Workflow; nothing but the adapter's own answers reaches its store.

    `jobs` gives the names of the Jobs that are there, `status` what is recorded, `events` the messages of the Events.
    Without the engine's knowing: `make_unseen` makes the Job of the first attempt at `build`, `touch` changes the
    Workflow, `remove` deletes it.
    """

    cluster: Cluster
    store: Store
    jobs: Callable[[], list[str]]
    status: Callable[[], dict[str, Any]]
    events: Callable[[], list[str]]
    make_unseen: Callable[[], object]
    touch: Callable[[], object]
    remove: Callable[[], object]


@asynccontextmanager
async def fake() -> AsyncIterator[Stage]:
    """Give the fake."""
    world, store = World(), Store(lambda _: None)
    world.apply(chain().document())
    store.workflows.put((KEY.namespace, KEY.name), world.workflow())
    yield Stage(
        cluster=FakeCluster(world, store),
        store=store,
        jobs=lambda: [name for _, name in world.jobs],
        status=lambda: dict(world.workflow().status),
        events=lambda: [event.message for event in world.events.values()],
        make_unseen=lambda: world.make_job(world.workflow(), a_creation()),
        touch=lambda: world.annotate({"a": "b"}),
        remove=world.remove,
    )


@asynccontextmanager
async def kubernetes() -> AsyncIterator[Stage]:
    """Give the adapter for a real cluster, with a server that speaks its protocol."""
    store = Store(lambda _: None)
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        record = workflow_record(server.put(FAIRLEAD, "workflows", workflow_document(chain().document())))
        store.workflows.put((KEY.namespace, KEY.name), record)

        def everything(resource: str) -> list[dict[str, Any]]:
            return [document for place, document in server.objects.items() if place[1] == resource]

        yield Stage(
            cluster=KubernetesCluster(client, store, lambda: NOW, keep_seconds=60),
            store=store,
            jobs=lambda: [document["metadata"]["name"] for document in everything("jobs")],
            status=lambda: everything("workflows")[0].get("status", {}),
            events=lambda: [document["message"] for document in everything("events")],
            make_unseen=lambda: server.put(BATCH, "jobs", job_document()),
            touch=lambda: server.put(FAIRLEAD, "workflows", everything("workflows")[0]),
            remove=lambda: server.remove(FAIRLEAD, "workflows", KEY.namespace, KEY.name),
        )


@pytest.fixture(params=[fake, kubernetes])
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
    stage.remove()
    with pytest.raises(GoneError):
        await stage.cluster.write_status(record_of(stage), a_status())
    assert stage.store.workflow(KEY) is None


async def test_announce(stage: Stage) -> None:
    """The same change is told once, another one too."""
    for identity in ("1/1/Failed", "1/1/Failed", "2/2/Failed"):
        said = Announcement("Failed", f"it failed: {identity}", warning=True, identity=identity)
        await stage.cluster.announce(record_of(stage), said)
    assert stage.events() == ["it failed: 1/1/Failed", "it failed: 2/2/Failed"]
