from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.errors import ConflictError, EngineError, GoneError, RefusedError, UnavailableError
from fairlead.engine.store import Store
from fairlead.kube.client import MERGE_PATCH, Client
from fairlead.kube.cluster import KubernetesCluster
from fairlead.kube.reduce import workflow_record
from fairlead.plan import DeleteJob
from fairlead.plan.announcements import Announcement
from fairlead.render.job import job_manifest
from tests.builders import KEY, NOW, UID, a_creation, a_run, attempt_at, name_of, queued, running
from tests.kube.apiserver import ApiServer
from tests.kube.documents import job_document, workflow_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairlead.engine.store import WorkflowRecord

FAIRLEAD = "/apis/fairlead.dev/v1alpha1"
BATCH = "/apis/batch/v1"
JOBS = f"{BATCH}/namespaces/team/jobs"
STATUS = f"{FAIRLEAD}/namespaces/team/workflows/ci/status"


class Stage:
    """The adapter, with the server that it talks to."""

    def __init__(self, server: ApiServer, client: Client) -> None:
        self.server = server
        self.store = Store(lambda _: None)
        self.cluster = KubernetesCluster(client, self.store, lambda: NOW, keep_seconds=3600)
        self.record = workflow_record(server.put(FAIRLEAD, "workflows", workflow_document()))
        self.store.workflows.put((KEY.namespace, KEY.name), self.record)

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
        {"metadata": {"resourceVersion": "1001", "uid": UID}, "status": before.to_json()},
        {
            "metadata": {"resourceVersion": "1002", "uid": UID},
            "status": {"jobs": {"build": {"phase": "Running", "startedAt": "2026-03-01T12:00:00Z"}}},
        },
    ]
    written = stage.store.workflow(KEY)
    assert written is not None
    assert (written.resource.status, written.version) == (after, 1003)


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
        {"propagationPolicy": "Background"},
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
    """An Event that may not be made is refused for good."""
    async with staged() as stage:
        stage.server.refuse("POST", 403, "Forbidden", "no Events for you")
        with pytest.raises(RefusedError) as caught:
            await stage.cluster.announce(stage.record, WARNING)
    assert (caught.value.message, caught.value.final) == ("no Events for you", True)


async def call(cluster: KubernetesCluster, verb: str, record: WorkflowRecord) -> None:
    """Do what takes a request of a verb."""
    match verb:
        case "POST":
            await cluster.create_job(record, a_creation())
        case "GET":
            await cluster.create_job(record, a_creation("build", 2, instead_of=name_of("build")))
        case "DELETE":
            await cluster.delete_job(record, DeleteJob(name_of("build")))
        case _:
            await cluster.write_status(record, a_run().status())


@pytest.mark.parametrize("verb", ["POST", "GET", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    ("status", "headers", "retry_after"),
    [(429, {"Retry-After": "5"}, 5), (500, {}, None), (503, {"Retry-After": "a"}, None)],
)
async def test_busy(verb: str, status: int, headers: dict[str, str], retry_after: float | None) -> None:
    """A server that is too busy is unavailable, for as long as it says."""
    async with staged() as stage:
        stage.server.refuse(verb, status, "", "slowly", headers)
        with pytest.raises(UnavailableError) as caught:
            await call(stage.cluster, verb, stage.record)
    assert (str(caught.value), caught.value.retry_after) == (f"slowly (HTTP {status})", retry_after)


@pytest.mark.parametrize("verb", ["POST", "GET", "DELETE", "PATCH"])
async def test_unreachable(verb: str) -> None:
    """A server that doesn't answer is unavailable."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        stage = Stage(server, client)
        await server.__aexit__()
        with pytest.raises(UnavailableError):
            await call(stage.cluster, verb, stage.record)


@pytest.mark.parametrize("verb", ["DELETE", "PATCH"])
async def test_forbidden(verb: str) -> None:
    """What the operator itself isn't allowed to do is the API's own error, which is told and tried again."""
    async with staged() as stage:
        stage.server.refuse(verb, 403, "Forbidden", "not you")
        with pytest.raises(Exception, match="not you") as caught:
            await call(stage.cluster, verb, stage.record)
    assert not isinstance(caught.value, EngineError)
