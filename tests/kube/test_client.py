from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import Configuration

from fairlead.kube.client import MERGE_PATCH, WATCH_SECONDS, Client, in_namespace
from fairlead.kube.connection import Connection
from fairlead.kube.errors import ApiError, BusyError, ExpiredError, NotFoundError, UnreachableError
from tests.kube.apiserver import ApiServer, until
from tests.kube.documents import job_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

JOBS = "/apis/batch/v1/namespaces/team/jobs"
SELECTOR = "fairlead.dev/workflow%3Dci"
Asked = list[tuple[str, str, int]]


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """Give an API server."""
    async with ApiServer() as made:
        yield made


@pytest.fixture
def asked() -> Asked:
    """Give what the client says of its requests."""
    return []


@pytest.fixture
async def client(server: ApiServer, asked: Asked) -> AsyncIterator[Client]:
    """Give a client of the server."""

    def take(verb: str, resource: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        asked.append((verb, resource, status))

    async with Client(server.connection, user_agent="fairlead/test", asked=take) as made:
        yield made


def job(index: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any of the metadata's own
    """Give one of many Jobs."""
    return job_document(f"j{index}", **fields)


async def test_request(server: ApiServer, client: Client, asked: Asked) -> None:
    """A request goes out with its body and its headers, and its answer comes back."""
    server.put("/apis/batch/v1", "jobs", job(1))
    name = job(1)["metadata"]["name"]
    patch = b'{"status": {"a": 1}}'
    answer = await client.request("PATCH", f"{JOBS}/{name}/status", "jobs", patch, MERGE_PATCH)
    (request,) = server.asked
    headers = {name: request.headers[name] for name in ("Content-Type", "User-Agent", "Accept")}
    assert (answer["status"]["a"], request.body, headers, asked) == (
        1,
        {"status": {"a": 1}},
        {"Content-Type": MERGE_PATCH, "User-Agent": "fairlead/test", "Accept": "application/json"},
        [("PATCH", "jobs", 200)],
    )


async def test_token(server: ApiServer) -> None:
    """A bearer token goes with each request, and nothing does where there is none."""
    configuration = Configuration()
    configuration.api_key["authorization"] = "Bearer sesame"
    connection = Connection(server.connection.server, configuration)
    async with Client(connection, user_agent="a") as client, Client(server.connection, user_agent="a") as stranger:
        await client.list(JOBS, "jobs")
        await stranger.list(JOBS, "jobs")
    assert [each.headers.get("Authorization") for each in server.asked] == ["Bearer sesame", None]


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (403, {"reason": "Forbidden", "message": "not you"}, {}, ApiError(403, "Forbidden", "not you")),
        (429, {"message": "slowly"}, {"Retry-After": "7"}, BusyError(429, "", "slowly", 7)),
        (503, {}, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, BusyError(503, "", "")),
        (500, b"<html>proxy</html>", {}, BusyError(500, "", "<html>proxy</html>")),
        (502, b"\xff", {}, BusyError(502, "", "�")),
        (400, b"[]", {}, ApiError(400, "", "[]")),
    ],
)
async def test_errors(
    server: ApiServer,
    client: Client,
    asked: Asked,
    status: int,
    body: object,
    headers: dict[str, str],
    expected: ApiError,
) -> None:
    """An answer that is no success is raised with the server's own words, whatever they are."""
    server.answer("GET", status, body, headers)
    with pytest.raises(ApiError) as caught:
        await client.request("GET", JOBS, "jobs")
    assert (type(caught.value), vars(caught.value), asked) == (
        type(expected),
        vars(expected),
        [("GET", "jobs", status)],
    )


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b"[" * 2000 + b"]" * 2000])
async def test_not_an_api_server(server: ApiServer, client: Client, body: bytes) -> None:
    """A success that isn't an API server's is no answer."""
    server.answer("GET", 200, body)
    with pytest.raises(UnreachableError, match="not the answer of an API server"):
        await client.request("GET", JOBS, "jobs")


async def test_nobody_there(asked: Asked) -> None:
    """Where nobody listens, there is no answer, and the metrics know it."""
    async with ApiServer() as server:
        connection = server.connection
    async with Client(connection, user_agent="a", asked=lambda *each: asked.append(each[:3])) as client:
        with pytest.raises(UnreachableError, match=connection.server):
            await client.request("GET", JOBS, "jobs")
    assert asked == [("GET", "jobs", 0)]


@pytest.mark.parametrize(("most", "text"), [(100_000, "é" * 30_000), (9, "\N{REPLACEMENT CHARACTER}éééé"), (2, "é")])
async def test_text(server: ApiServer, client: Client, asked: Asked, most: int, text: str) -> None:
    """What is text is read as it is: its end, where it is long, and whatever bytes it has."""
    server.answer("GET", 200, ("é" * 30_000).encode())
    assert await client.text("/api/v1/namespaces/team/pods/a/log", "pods/log", most) == text
    assert ([each.headers["Accept"] for each in server.asked], asked) == (["*/*"], [("GET", "pods/log", 200)])


async def test_no_text(server: ApiServer, client: Client) -> None:
    """An error is the server's own, also where text was asked for."""
    server.refuse("GET", 404, "NotFound", 'pods "a" not found')
    with pytest.raises(NotFoundError, match='pods "a" not found'):
        await client.text("/api/v1/namespaces/team/pods/a/log", "pods/log", 10)


@pytest.mark.parametrize(("size", "limits"), [(0, ["100", "400"]), (60_000, ["100", "41", "41", "41", "41"])])
async def test_list_in_pages(server: ApiServer, client: Client, size: int, limits: list[str]) -> None:
    """A large collection comes in pages, the fewer objects in each the larger they are; all of it is one version."""
    for index in range(260 if size else 201):
        server.put("/apis/batch/v1", "jobs", job(index) | {"spec": "x" * size})
    server.put("/apis/batch/v1", "jobs", job(9999, labels={}))
    items, version = await client.list(JOBS, "jobs", SELECTOR)
    queries = [(each.query["limit"], each.query["labelSelector"], "continue" in each.query) for each in server.asked]
    assert (len(items), version, queries) == (
        260 if size else 201,
        str(server.version),
        [(each, "fairlead.dev/workflow=ci", place > 0) for place, each in enumerate(limits)],
    )


async def test_uncompressed(server: ApiServer) -> None:
    """Who is near the server asks for answers as they are."""
    async with Client(server.connection, user_agent="test", compressed=False) as client:
        await client.list(JOBS, "jobs")
    assert [each.headers["Accept-Encoding"] for each in server.asked] == ["identity"]


async def test_list_of_nothing(server: ApiServer, client: Client) -> None:
    """An empty collection has a version, too."""
    server.answer("GET", 200, {"metadata": {"resourceVersion": "5"}, "items": None})
    assert await client.list(JOBS, "jobs") == ([], "5")


@pytest.mark.parametrize("document", [{"kind": "no list"}, {"metadata": None}, {"metadata": {}, "items": []}])
async def test_no_list(server: ApiServer, client: Client, document: object) -> None:
    """A document that has no version to watch from is no list, and nobody's."""
    server.answer("GET", 200, document)
    with pytest.raises(UnreachableError, match="not the answer of an API server: no list"):
        await client.list(JOBS, "jobs")


@pytest.mark.parametrize("pieces", [0, 7])
async def test_watch(server: ApiServer, client: Client, pieces: int) -> None:
    """Changes come as they happen, however the network cuts their lines."""
    server.pieces = pieces
    seen: list[tuple[str, str]] = []

    async def follow() -> None:
        async for kind, document in client.watch(JOBS, "jobs", str(server.version), SELECTOR):
            seen.append((kind, document["metadata"]["resourceVersion"]))

    task = asyncio.create_task(follow())
    await until(lambda: server.watching)
    server.put("/apis/batch/v1", "jobs", job(1))
    server.put("/apis/batch/v1", "jobs", job(1))
    server.put("/apis/batch/v1", "jobs", job(2, labels={}))
    server.bookmark()
    server.remove("/apis/batch/v1", "jobs", "team", job(1)["metadata"]["name"])
    await until(lambda: len(seen) == 4)
    server.end_watches()
    await asyncio.wait_for(task, 10)
    (request,) = server.asked
    assert (seen, request.query) == (
        [("ADDED", "1001"), ("MODIFIED", "1002"), ("BOOKMARK", "1004"), ("DELETED", "1005")],
        {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
            "resourceVersion": "1000",
            "labelSelector": "fairlead.dev/workflow=ci",
        },
    )


async def test_watch_expired_at_once(server: ApiServer, client: Client, asked: Asked) -> None:
    """A watch from a forgotten version says so by its status."""
    server.forget_the_past()
    with pytest.raises(ExpiredError):
        await anext(aiter(client.watch(JOBS, "jobs", "1000")))
    assert asked == [("WATCH", "jobs", 410)]


async def watch_through(server: ApiServer, client: Client, misfortune: Callable[[], None]) -> None:
    """Open a watch, have something happen to it, and follow it to its end."""

    async def follow() -> None:
        async for _ in client.watch(JOBS, "jobs", "1000"):
            pass

    following = asyncio.create_task(follow())
    await until(lambda: server.watching)
    misfortune()
    await asyncio.wait_for(following, 10)


@pytest.mark.parametrize(("code", "kind"), [(410, ExpiredError), (500, ApiError)])
async def test_error_on_a_watch(server: ApiServer, client: Client, code: int, kind: type[ApiError]) -> None:
    """A watch can break off with an error of its own."""
    status = {"kind": "Status", "code": code, "message": "too old"}
    with pytest.raises(kind) as caught:
        await watch_through(server, client, lambda: server.tell_of_error(status))
    assert (type(caught.value), caught.value.status, caught.value.message) == (kind, code, "too old")


async def test_watch_cut_off(server: ApiServer, client: Client) -> None:
    """A connection that breaks is told as such."""
    with pytest.raises(UnreachableError):
        await watch_through(server, client, server.cut_watches)


async def test_watch_garbled(server: ApiServer, client: Client) -> None:
    """A stream that isn't an API server's is told as such."""
    with pytest.raises(UnreachableError, match="not the answer of an API server"):
        await watch_through(server, client, server.garble)


@pytest.mark.parametrize(("namespace", "part"), [(None, ""), ("team", "/namespaces/team")])
def test_namespace(namespace: str | None, part: str) -> None:
    """A collection is that of a namespace, or of all."""
    assert in_namespace(namespace) == part
