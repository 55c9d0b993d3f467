"""The HTTP session that kopf is given: what the API server says reaches kopf in a form that it gets over.

The list that kopf begins its watch with is read by ourselves, once and page by page, and kopf is told only where to go
on from: it would read the same a second time, and make a task of each object.

kopf's own would end the process at the first object that is too deep for Python's parser, and again at each start; as
it does at a torn line of a watch, at an error told by a watch, and at a 410 that is no event.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
import orjson

from fairlead.kube.errors import KubeError
from fairlead.kube.jsontext import read_json, shallow
from fairlead.model.crd import PLURAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from fairlead.kube.connection import Connection

_PAUSE: Final = 0.5
"""Seconds before a broken watch is given back: kopf begins the next one at once."""

_GONE: Final = b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"list it again"}}'

_WORKFLOWS: Final = re.compile(rf"(?:/namespaces/([^/]+))?/{PLURAL}$")


def open_session(
    connection: Connection,
    read_all: Callable[[str | None], Awaitable[int]],
    is_known: Callable[[str, Any], bool] = lambda _kind, _object: False,
) -> aiohttp.ClientSession:
    """Open a session with the credentials of this moment; kopf closes it, and asks for another when they expire.

    `read_all` reads all Workflows, or those of a namespace, and gives the version to watch from. Raises KubeError.
    kopf isn't told what `is_known` of the events of a watch: most tell of our own writes, and it makes much of each.
    """

    class Response(_Response):
        async def read_workflows(self, namespace: str | None) -> int:
            return await read_all(namespace)

        def is_known(self, kind: str, document: Any) -> bool:  # noqa: ANN401  a JSON document
            return is_known(kind, document)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=connection.ssl_context() or True),
        headers=connection.headers(),
        response_class=Response,
        # Proxies from the environment are not looked up: that costs a thread's hop for each request.
        trust_env=False,
    )


class _Response(aiohttp.ClientResponse):
    """An answer, as a document by `json`, or line by line by `content.iter_chunked`, which is how kopf watches."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:  # noqa: ANN401  aiohttp's own, not public
        await super().start(connection)
        gone = self.status == HTTPStatus.GONE
        if gone and "watch" not in self.url.query:
            raise aiohttp.ClientPayloadError("the list has expired while it was read")
        if gone:
            self.status = HTTPStatus.OK
        self.content = cast("aiohttp.StreamReader", _Lines(self.content, self.is_known, gone=gone))
        return self

    async def read_workflows(self, namespace: str | None) -> int:
        """Read all Workflows, or those of a namespace; give the version to watch from. Raises KubeError."""
        raise NotImplementedError

    def is_known(self, kind: str, document: Any) -> bool:  # noqa: ANN401  a JSON document
        """Whether an event of a watch says nothing new."""
        raise NotImplementedError

    async def json(self, **_: object) -> Any:  # noqa: ANN401  a JSON document
        """Read the whole as a document. Raises ClientPayloadError for what isn't JSON, where kopf begins anew."""
        try:
            document = read_json(await self.read())
        except ValueError as error:
            raise aiohttp.ClientPayloadError("not the answer of an API server") from error
        found = _WORKFLOWS.search(self.url.path)
        if found is None or not self.ok or self.method != "GET":
            return document
        try:
            version = await self.read_workflows(found[1])
        except KubeError as error:
            await asyncio.sleep(_PAUSE)
            raise aiohttp.ClientPayloadError("the Workflows couldn't be read") from error
        return {**document, "metadata": {"resourceVersion": str(version)}, "items": []}


class _Lines:
    """A stream whose chunks are whole lines, none of them too deep; in all else it is the one that it wraps.

    Of what `is_known` nothing is given.

    `gone`: it stands for an answer of 410.
    """

    def __init__(self, stream: aiohttp.StreamReader, is_known: Callable[[str, Any], bool], *, gone: bool) -> None:
        self._stream = stream
        self._is_known = is_known
        self._gone = gone

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the stream has
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Give line by line. Raises ClientPayloadError at a torn one: kopf goes on from the last that was whole."""
        rest = b""
        if not self._gone:
            async for chunk in self._stream.iter_chunked(size):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield await _sound(line, self._is_known) + b"\n"
            if rest:
                yield await _sound(rest, self._is_known)
            return
        await asyncio.sleep(_PAUSE)
        yield _GONE + b"\n"


async def _sound(line: bytes, is_known: Callable[[str, Any], bool]) -> bytes:
    """Make one line of a watch such that kopf lives on: whatever the server has against going on, kopf lists again."""
    line = shallow(line)
    if not line.strip():
        return line
    try:
        event = orjson.loads(line)
        error, known = event["type"] == "ERROR", is_known(event["type"], event.get("object") or {})
    except (ValueError, TypeError, KeyError) as torn:
        await asyncio.sleep(_PAUSE)
        raise aiohttp.ClientPayloadError("a torn line") from torn
    if error:
        await asyncio.sleep(_PAUSE)
        return _GONE
    return b"" if known else line
