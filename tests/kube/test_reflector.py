from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.shelf import Shelf
from fairlead.kube.client import Client
from fairlead.kube.reduce import job_record
from fairlead.kube.reflector import Reflector
from tests.kube.apiserver import ApiServer, failure, until
from tests.kube.documents import job_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairlead.engine.records import JobRecord

API = "/apis/batch/v1"
SELECTOR = "app.kubernetes.io/managed-by%3Dfairlead"


class Stage:
    """A reflector of a server's Jobs."""

    def __init__(self, server: ApiServer, client: Client, namespace: str | None) -> None:
        self.server = server
        self.told: list[str] = []
        self.troubles: list[str] = []
        self.shelf: Shelf[JobRecord] = Shelf(lambda record: self.told.append(record.job.node.job))
        self.reflector = Reflector(
            client,
            api=API,
            resource="jobs",
            namespace=namespace,
            selector=SELECTOR,
            reduce=job_record,
            shelf=self.shelf,
            troubled=lambda resource, error, pause: self.troubles.append(
                f"{resource}: {type(error).__name__} {pause:g}"
            ),
        )

    def put(self, job: str, **metadata: Any) -> None:  # noqa: ANN401  any of the metadata's own
        """Make a Job, or change it."""
        document = job_document(job, **metadata)
        document["metadata"].pop("resourceVersion")
        self.server.put(API, "jobs", document)

    def remove(self, job: str) -> None:
        """Delete a Job."""
        self.server.remove(API, "jobs", "team", job_document(job)["metadata"]["name"])

    @property
    def jobs(self) -> list[str]:
        """Give what is known."""
        return sorted(record.job.node.job for record in self.shelf.values())


@asynccontextmanager
async def reflecting(namespace: str | None = None, **jobs: dict[str, Any]) -> AsyncIterator[Stage]:
    """Let a reflector follow a server that has some Jobs, until the end of the test."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        stage = Stage(server, client, namespace)
        for job, metadata in jobs.items():
            stage.put(job, **metadata)
        work = asyncio.create_task(stage.reflector.run())
        try:
            yield stage
            assert not work.done(), work.exception()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


async def test_list_then_watch() -> None:
    """The collection is read, and then followed from there; what isn't ours is passed over."""
    async with reflecting(a={}, b={}, foreign={"ownerReferences": []}) as stage:
        await asyncio.wait_for(stage.reflector.synced.wait(), 10)
        listed = stage.jobs
        await until(lambda: stage.server.watching)
        stage.put("c")
        stage.put("a", deletionTimestamp="2026-03-01T12:00:00Z")
        stage.remove("b")
        await until(lambda: stage.jobs == ["a", "c"])
        await until(lambda: len(stage.told) == 5)
    assert (listed, stage.told, stage.server.requests(), stage.troubles) == (
        ["a", "b"],
        ["a", "b", "c", "a", "b"],
        [f"GET {API}/jobs", f"WATCH {API}/jobs"],
        [],
    )


async def test_one_namespace() -> None:
    """A reflector of a namespace asks for that one."""
    async with reflecting("team", a={}) as stage:
        await until(lambda: stage.server.watching)
    assert stage.server.requests() == [f"{verb} {API}/namespaces/team/jobs" for verb in ("GET", "WATCH")]


async def test_goes_on_after_the_end() -> None:
    """When the server closes a watch, the next one goes on from the last version that was seen."""
    async with reflecting(a={}) as stage:
        await until(lambda: stage.server.watching)
        stage.put("b")
        await until(lambda: stage.jobs == ["a", "b"])
        stage.server.end_watches()
        await until(lambda: len(stage.server.requests("WATCH")) == 2)
        stage.put("c")
        await until(lambda: stage.jobs == ["a", "b", "c"])
    versions = [request.query.get("resourceVersion") for request in stage.server.asked]
    assert (versions, stage.troubles) == ([None, "1001", "1002"], [])


async def test_bookmarks_count() -> None:
    """A bookmark is a version to go on from."""
    async with reflecting(a={}) as stage:
        await until(lambda: stage.server.watching)
        stage.server.bookmark()
        stage.server.end_watches()
        await until(lambda: len(stage.server.requests("WATCH")) == 2)
    assert [request.query.get("resourceVersion") for request in stage.server.asked] == [None, "1001", "1002"]


async def test_connection_cut() -> None:
    """A connection that breaks is made again, from the last version; what happened meanwhile comes then."""
    async with reflecting(a={}) as stage:
        await until(lambda: stage.server.watching)
        stage.put("b")
        await until(lambda: stage.jobs == ["a", "b"])
        stage.server.cut_watches()
        stage.remove("a")
        await until(lambda: stage.jobs == ["b"])
    versions = [request.query.get("resourceVersion") for request in stage.server.asked]
    assert (versions, stage.troubles) == ([None, "1001", "1002"], ["jobs: UnreachableError 0.2"])


@pytest.mark.parametrize("on_the_stream", [False, True], ids=["by status", "on the stream"])
async def test_expired(on_the_stream: bool) -> None:  # noqa: FBT001  a parameter
    """When the server has forgotten the version, everything is read again, and what is gone is dropped."""
    async with reflecting(a={}, b={}) as stage:
        await until(lambda: stage.server.watching)
        if on_the_stream:
            stage.server.tell_of_error(failure(410, "Expired", "too old resource version"))
            await until(lambda: len(stage.server.requests("GET")) == 2)
        else:
            stage.server.answer("WATCH", 410, failure(410, "Expired", "too old resource version"))
            stage.server.cut_watches()
        stage.remove("a")
        stage.put("c")
        await until(lambda: stage.jobs == ["b", "c"])
        await until(lambda: stage.server.watching)
    assert stage.server.requests("GET") == [f"GET {API}/jobs"] * 2


async def test_pruned_after_a_gap() -> None:
    """What was deleted while nobody watched is dropped by the next list, and told."""
    async with reflecting(a={}, b={}) as stage:
        await until(lambda: stage.server.watching)
        stage.server.answer("WATCH", 410, failure(410, "Expired", "too old resource version"))
        stage.server.cut_watches()
        await until(lambda: stage.server.watching == 0)
        stage.remove("a")
        stage.told.clear()
        await until(lambda: stage.jobs == ["b"])
    assert stage.told == ["a"]


@pytest.mark.parametrize(
    ("code", "lists"),
    [(500, 2), (403, 2)],
)
async def test_error_on_the_stream(code: int, lists: int) -> None:
    """After any other error of the server's everything is read again, too: it may not let us go on from there."""
    async with reflecting(a={}) as stage:
        await until(lambda: stage.server.watching)
        stage.server.tell_of_error(failure(code, "InternalError", "etcd event received with PrevKv=nil"))
        await until(lambda: len(stage.server.requests("WATCH")) == 2)
    assert (len(stage.server.requests("GET")), stage.troubles) == (lists, ["jobs: ApiError 0.2"])


async def test_busy_at_the_start() -> None:
    """While the server is too busy to list, it is asked again when it says."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        stage = Stage(server, client, None)
        stage.put("a")
        for _ in range(2):
            server.refuse("GET", 503, "ServiceUnavailable", "starting", {"Retry-After": "1"})
        work = asyncio.create_task(stage.reflector.run())
        await asyncio.wait_for(stage.reflector.synced.wait(), 10)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    assert (stage.jobs, stage.troubles) == (["a"], ["jobs: BusyError 1", "jobs: BusyError 1"])


async def test_garbled() -> None:
    """What isn't an API server's answer doesn't end the reflector."""
    async with reflecting(a={}) as stage:
        await until(lambda: stage.server.watching)
        stage.server.garble()
        await until(lambda: len(stage.server.requests("WATCH")) == 2)
        stage.put("b")
        await until(lambda: stage.jobs == ["a", "b"])
    assert stage.troubles == ["jobs: UnreachableError 0.2"]


async def test_closed_at_once() -> None:
    """A server that closes each watch at once is not asked without end."""
    async with reflecting(a={}) as stage:
        for _ in range(100):
            stage.server.answer("WATCH", 200, b"")
        await until(lambda: len(stage.server.requests("WATCH")) == 2)
        now = asyncio.get_running_loop().time()
        await until(lambda: len(stage.server.requests("WATCH")) == 4)
        assert asyncio.get_running_loop().time() - now > 0.3
