"""One thin client: requests with bytes, lists page by page, watches line by line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson

from fairlead.kube.errors import ApiError, ExpiredError, UnreachableError, error_for
from fairlead.kube.jsontext import read_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from fairlead.kube.connection import Connection

MERGE_PATCH = "application/merge-patch+json"
JSON = "application/json"
METADATA = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1, {JSON}"

FIRST_PAGE = 100
MOST_AT_A_TIME = 1000
PAGE_BYTES = 2_500_000
"""How much is listed at a time: a hundred objects first, and then as many as are so large. Reading an object takes far
more memory than what is kept of it, and a process keeps what it once took: with pages of 12 MB it had grown by a half
more. Small objects by the hundred cost the server a third more than by the thousand."""
WATCH_SECONDS = 20
"""How long a watch is asked to last. The server closes it then, after a bookmark; going on from there costs it little.
"""
SILENCE_SECONDS = 25.0
"""A watch that is neither heard of nor closed by then hangs half-open: nobody is there any more who would close it."""


class Client:
    """A connection to one API server. `asked` is told of each request: verb, resource, status (0: none), seconds.

    `compressed`: long answers may be; that spares a slow network, and costs both sides where the server is near.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        user_agent: str,
        asked: Callable[[str, str, int, float], None] | None = None,
        compressed: bool = True,
    ) -> None:
        self._connection = connection
        self._asked = asked or (lambda _verb, _resource, _status, _seconds: None)
        # Proxies from the environment are not looked up: that costs a thread's hop for each request.
        headers = {"User-Agent": user_agent, "Accept": JSON} | ({} if compressed else {"Accept-Encoding": "identity"})
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(ssl=connection.ssl_context() or True, limit=64),
            timeout=aiohttp.ClientTimeout(total=30),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def request(
        self,
        verb: str,
        path: str,
        resource: str,
        body: bytes | None = None,
        content_type: str = JSON,
        *,
        metadata_only: bool = False,
    ) -> dict[str, Any]:
        """Send one request and read its JSON. Raises ApiError and UnreachableError.

        `metadata_only`: the answer may be without spec and status, which saves sending and reading them.
        """
        headers = {"Content-Type": content_type} if body is not None else {}
        if metadata_only:
            headers["Accept"] = METADATA
        return self._read(await self._send(verb, path, resource, headers, body))

    async def text(self, path: str, resource: str, most: int) -> str:
        """Read what is text and not JSON, as a log: its end, `most` bytes of it. Raises as `request` does."""
        content = await self._send("GET", path, resource, {"Accept": "*/*"}, most=most)
        return content.decode(errors="replace")

    async def _send(
        self,
        verb: str,
        path: str,
        resource: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        most: int | None = None,
    ) -> bytes:
        start, status = time.perf_counter(), 0
        headers = {**self._connection.headers(), **headers}
        try:
            async with self._session.request(
                verb, self._connection.server + path, data=body, headers=headers
            ) as response:
                if most is None or not response.ok:
                    content = await response.read()
                else:
                    content = await _end(response, most)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnreachableError(f"{self._connection.server}: {str(error) or type(error).__name__}") from error
        finally:
            self._asked(verb, resource, status, time.perf_counter() - start)
        if status >= 400:  # noqa: PLR2004  HTTP's errors
            raise _error(status, content, response.headers.get("Retry-After"))
        return content

    async def pages(
        self, path: str, resource: str, selector: str = "", *, name: str = ""
    ) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        """Read a whole collection as `list` does, page by page, so that never all of it is in memory.

        The version is that of the whole, and the same for each page.
        """
        chosen, token, limit = _and_selector(selector, name), "", FIRST_PAGE
        while True:
            content = await self._send("GET", f"{path}?limit={limit}{chosen}{token}", resource, {})
            size, page = len(content), self._read(content)
            del content
            metadata, items = page.get("metadata") or {}, page.pop("items", None) or []
            if "resourceVersion" not in metadata:
                raise UnreachableError(f"{self._connection.server}: not the answer of an API server: no list")
            limit = _next_limit(limit, len(items), size)
            yield items, metadata["resourceVersion"]
            if not metadata.get("continue"):
                return
            token = f"&continue={metadata['continue']}"
            # The next page mustn't be read while this one is still in memory.
            del items, page

    async def list(
        self, path: str, resource: str, selector: str = "", *, name: str = ""
    ) -> tuple[list[dict[str, Any]], str]:
        """Read a whole collection, page by page; give it with its version, from which a watch goes on.

        With `name` only what is called so.
        """
        items: list[dict[str, Any]] = []
        version = ""
        async for page, version in self.pages(path, resource, selector, name=name):  # noqa: B007  the last one's
            items += page
        return items, version

    async def watch(
        self, path: str, resource: str, version: str, selector: str = "", *, name: str = ""
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Follow a collection, or what is called `name` in it, from a version on.

        Gives (ADDED | MODIFIED | DELETED | BOOKMARK, object).

        Ends when the server closes it, or is silent for too long.
        Raises ExpiredError when it has to be listed again, UnreachableError when the connection breaks.
        """
        query = f"?watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}"
        url = f"{self._connection.server}{path}{query}{_and_selector(selector, name)}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_SECONDS)
        start = time.perf_counter()
        try:
            async with self._session.get(url, headers=self._connection.headers(), timeout=timeout) as response:
                self._asked("WATCH", resource, response.status, time.perf_counter() - start)
                if response.status >= 400:  # noqa: PLR2004  HTTP's errors
                    raise _error(response.status, await response.read(), response.headers.get("Retry-After"))
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield _event(self._read_event(line))
        except aiohttp.SocketTimeoutError:
            return
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnreachableError(f"{self._connection.server}: {str(error) or type(error).__name__}") from error

    async def stream(self, path: str, resource: str) -> AsyncIterator[bytes]:
        """Read what is text and has no end yet, as a followed log, in pieces. Raises as `request` does."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        headers = {**self._connection.headers(), "Accept": "*/*"}
        start = time.perf_counter()
        try:
            async with self._session.get(self._connection.server + path, headers=headers, timeout=timeout) as response:
                self._asked("GET", resource, response.status, time.perf_counter() - start)
                if response.status >= 400:  # noqa: PLR2004  HTTP's errors
                    raise _error(response.status, await response.read(), response.headers.get("Retry-After"))
                async for piece in response.content.iter_any():
                    yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnreachableError(f"{self._connection.server}: {str(error) or type(error).__name__}") from error

    def _read(self, content: bytes) -> dict[str, Any]:
        try:
            document = read_json(content)
        except orjson.JSONDecodeError as error:
            raise UnreachableError(f"{self._connection.server}: not the answer of an API server: {error}") from error
        if not isinstance(document, dict):
            raise UnreachableError(f"{self._connection.server}: not the answer of an API server: no JSON object")
        return document

    def _read_event(self, line: bytes) -> dict[str, Any]:
        event = self._read(line)
        found = event.get("object")
        if not isinstance(found, dict) or not (event.get("type") == "ERROR" or found.get("metadata")):
            raise UnreachableError(f"{self._connection.server}: not the answer of an API server: no event")
        return event


def _next_limit(limit: int, count: int, size: int) -> int:
    """How many objects make a page, after one of so many objects and bytes; those to come may be larger."""
    fitting = PAGE_BYTES * count // size if count else limit
    return max(1, min(fitting, 4 * limit, MOST_AT_A_TIME))


def in_namespace(namespace: str | None) -> str:
    """Give the part of a path that narrows a collection to a namespace; nothing for all of them."""
    return f"/namespaces/{namespace}" if namespace is not None else ""


async def _end(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Read a body of any size, and keep the end of it."""
    kept = bytearray()
    async for chunk in response.content.iter_any():
        kept += chunk
        if len(kept) > 2 * most:
            del kept[:-most]
    return bytes(kept[-most:])


def _and_selector(selector: str, name: str) -> str:
    labels = f"&labelSelector={selector}" if selector else ""
    return labels + (f"&fieldSelector=metadata.name%3D{name}" if name else "")


def _event(event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    kind, found = str(event.get("type")), event["object"]
    if kind == "ERROR":
        code = found.get("code", 500)
        said = found.get("message", "")
        raise ExpiredError(code, found.get("reason", ""), said) if code == 410 else ApiError(code, "", said)  # noqa: PLR2004  Gone
    return kind, found


def _error(status: int, content: bytes, retry_after: str | None) -> ApiError:
    try:
        answer = read_json(content)
        reason, message = str(answer.get("reason", "")), str(answer.get("message", ""))
    except (orjson.JSONDecodeError, AttributeError):
        reason, message = "", content[:300].decode(errors="replace")
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return error_for(status, reason, message, seconds)
