from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kopf._cogs.clients.api import iter_jsonlines
from kubernetes.client import Configuration

from fairlead.controller.session import open_session
from fairlead.kube.connection import Connection
from fairlead.kube.errors import UnreachableError
from fairlead.kube.jsontext import MOST_LEVELS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEEP = b'{"type": "ADDED", "object": {"metadata": {"name": "deep"}, "spec": %b}}' % (
    b'{"a":' * 9900 + b"1" + b"}" * 9900
)
EVENTS = [
    b'{"type": "ADDED", "object": {"metadata": {"name": "before"}}}',
    DEEP,
    b'{"type": "ADDED", "object": {"metadata": {"name": "after"}}}',
]


def serving(content: bytes, status: int = 200) -> TestServer:
    """Serve one text, in pieces that end anywhere."""

    async def give(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for at in range(0, len(content), 7777):
            await response.write(content[at : at + 7777])
        return response

    app = web.Application()
    app.router.add_get("/", give)
    return TestServer(app)


async def read_all(_: str | None) -> int:
    """Read nothing."""
    return 1


async def lines(content: bytes) -> AsyncIterator[object]:
    """Read a text as kopf reads a watch."""
    async with serving(content) as server:
        connection = Connection(str(server.make_url("")), Configuration(host=str(server.make_url(""))))
        async with open_session(connection, read_all) as session, session.get(server.make_url("/")) as response:
            async for line in iter_jsonlines(response.content):
                yield json.loads(line)


async def test_a_watch_goes_on_after_a_deep_object() -> None:
    """Kopf's own parser reads each event, that of an object of 9,900 levels too, and those after it."""
    read = [each["object"] for each in [each async for each in lines(b"\n".join([*EVENTS, b""]))]]  # type: ignore[index]
    assert [each["metadata"]["name"] for each in read] == ["before", "deep", "after"]


async def test_a_line_without_an_end_is_given_too() -> None:
    """What comes last, without a newline, isn't lost."""
    assert [each async for each in lines(b'{"type": "A"}\n{"type": "B"}')] == [{"type": "A"}, {"type": "B"}]


async def test_a_list_has_what_stands_beside_a_deep_object() -> None:
    """A whole document is read the same way: what is too deep is left out, nothing else is."""
    content = b'{"items": [%b]}' % b", ".join(EVENTS)
    async with serving(content) as server:
        connection = Connection(str(server.make_url("")), Configuration(host=str(server.make_url(""))))
        async with open_session(connection, read_all) as session, session.get(server.make_url("/")) as response:
            document = await response.json()
    assert len(document["items"]) == 3
    assert json.dumps(document).count("{") < 2 * MOST_LEVELS


TROUBLES = {
    "a line cut short, and more after it": (200, b'{"type": "ADDED", "obj\n{"type": "ADDED", "object": {}}\n', "torn"),
    "an end in mid-line": (200, b'{"type": "ADDED", "object": {"met', "torn"),
    "no event": (200, b"[]\n", "torn"),
    "an error of its own": (200, b'{"type": "ERROR", "object": {"code": 500}}\n', "410"),
    "too old a version": (200, b'{"type": "ERROR", "object": {"code": 410}}\n', "410"),
    "too old a version, by the status": (410, b'{"kind": "Status", "code": 410}', "410"),
}


@pytest.mark.parametrize(("status", "content", "outcome"), TROUBLES.values(), ids=TROUBLES)
async def test_a_watch_that_breaks(monkeypatch: pytest.MonkeyPatch, status: int, content: bytes, outcome: str) -> None:
    """Whatever breaks a watch reaches kopf as something that it lives on after: a torn connection or a 410."""
    monkeypatch.setattr("fairlead.controller.session._PAUSE", 0.0)
    async with serving(content, status) as server:
        connection = Connection(str(server.make_url("")), Configuration(host=str(server.make_url(""))))
        async with (
            open_session(connection, read_all) as session,
            session.get(server.make_url("/?watch=true")) as response,
        ):
            answered = response.status
            try:
                seen = [json.loads(line)["object"]["code"] async for line in iter_jsonlines(response.content)]
            except aiohttp.ClientPayloadError:
                seen = ["torn"]
    assert (answered, [str(each) for each in seen]) == (200, [outcome])


@pytest.mark.parametrize(("status", "content"), [(200, b'{"items": ['), (410, b"{}")])
async def test_a_list_that_breaks(status: int, content: bytes) -> None:
    """A list that is cut short, or has expired while it was read, is a broken connection: kopf lists again."""
    async with serving(content, status) as server:
        connection = Connection(str(server.make_url("")), Configuration(host=str(server.make_url(""))))
        async with open_session(connection, read_all) as session:
            with pytest.raises(aiohttp.ClientPayloadError):
                await (await session.get(server.make_url("/"))).json()


WHOLE = "/apis/fairlead.dev/v1alpha1/workflows"
LISTS = [
    (WHOLE, [None]),
    ("/apis/fairlead.dev/v1alpha1/namespaces/team/workflows", ["team"]),
    ("/apis/fairlead.dev/v1alpha1/workflowtemplates", []),
    ("/api/v1/namespaces/workflows/pods", []),
]


@pytest.mark.parametrize(("path", "expected"), LISTS)
async def test_a_list_of_workflows_is_ours(path: str, expected: list[str | None]) -> None:
    """All Workflows are read by ourselves: kopf hears of none, of no further page, and from where to watch."""
    page = {"kind": "List", "metadata": {"resourceVersion": "9", "continue": "more"}, "items": [{"metadata": {}}]}
    asked: list[str | None] = []

    async def give(_: web.Request) -> web.Response:
        return web.json_response(page)

    async def read(namespace: str | None) -> int:
        asked.append(namespace)
        return 7

    app = web.Application()
    app.router.add_get(path, give)
    async with TestServer(app) as server:
        connection = Connection(str(server.make_url("")), Configuration(host=str(server.make_url(""))))
        async with open_session(connection, read) as session, session.get(server.make_url(f"{path}?limit=1")) as answer:
            found = await answer.json()
    ours = {"kind": "List", "metadata": {"resourceVersion": "7"}, "items": []}
    assert (found, asked) == (ours if expected else page, expected)


async def test_a_list_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where reading the Workflows breaks off, the connection counts as broken: kopf lists again."""
    monkeypatch.setattr("fairlead.controller.session._PAUSE", 0.0)

    async def give(_: web.Request) -> web.Response:
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": []})

    async def read(_: str | None) -> int:
        raise UnreachableError("gone")

    app = web.Application()
    app.router.add_get(WHOLE, give)
    async with TestServer(app) as server:
        connection = Connection(str(server.make_url("")), Configuration(host=str(server.make_url(""))))
        async with open_session(connection, read) as session:
            with pytest.raises(aiohttp.ClientPayloadError, match="couldn't be read"):
                await (await session.get(server.make_url(WHOLE))).json()
