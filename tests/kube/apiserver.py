"""An API server for tests: real HTTP, in this process, for the few requests that the operator makes.

It keeps what it is told, counts versions, and streams watches. The test says when it answers otherwise, cuts a
connection, or has forgotten the past.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web
from kubernetes.client import Configuration

from fairlead.kube.connection import Connection
from tests.selectors import read, selects

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]
Place = tuple[str, str, str, str]
"""API, resource, namespace and name."""
_Shown = Callable[[Json], Json]


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until something holds; AssertionError when it doesn't in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it didn't come about in time"
        await asyncio.sleep(0.002)


def apply_patch(document: Any, patch: Any) -> Any:  # noqa: ANN401  JSON documents
    """Apply a JSON merge patch, in the words of RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply_patch(result.get(name), value)
    return result


@dataclass(slots=True)
class Answer:
    """What the next request of a verb is answered with, instead of what it asked for."""

    verb: str
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked."""

    verb: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Watch:
    collection: tuple[str, str, str]
    selector: str
    name: str
    response: web.StreamResponse
    request: web.Request
    lines: asyncio.Queue[bytes | None]


class ApiServer:
    """The server. `asked` has every request; `pieces` cuts what watches send into pieces of so many bytes.

    `past` is the oldest version that a watch can go on from. `logs` has what Pods have written, by namespace and name.
    """

    def __init__(self) -> None:
        self.version = 1000
        self.past = 0
        self.pieces = 0
        self.asked: list[Request] = []
        self.objects: dict[Place, Json] = {}
        self.logs: dict[tuple[str, str], bytes] = {}
        self.deletions_are_said_by_status = False
        self._events: list[tuple[int, str, Place, Json]] = []
        self._answers: deque[Answer] = deque()
        self._watches: list[_Watch] = []
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end_watches()
        await self._runner.cleanup()

    @property
    def connection(self) -> Connection:
        """Where it listens."""
        return Connection(self._url, Configuration())

    # What the test says

    def answer(self, verb: str, status: int, document: object = None, headers: Mapping[str, str] | None = None) -> None:
        """Answer the next request of a verb (WATCH is one) so: with a document, or with bytes as they are."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self._answers.append(Answer(verb, status, body, headers or {}))

    def refuse(
        self, verb: str, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer the next request of a verb with the server's own kind of error."""
        self.answer(verb, status, failure(status, reason, message), headers)

    def put(self, api: str, resource: str, document: Json) -> Json:
        """Make an object, or replace it, as somebody else would."""
        metadata = document["metadata"]
        place = (api, resource, metadata["namespace"], metadata["name"])
        kind = "MODIFIED" if place in self.objects else "ADDED"
        return self._store(kind, place, document)

    def remove(self, api: str, resource: str, namespace: str, name: str) -> None:
        """Delete an object, as somebody else would."""
        place = (api, resource, namespace, name)
        self._store("DELETED", place, self.objects[place])

    def bookmark(self) -> None:
        """Tell all watches how far they are."""
        self.version += 1
        for watch in self._watches:
            self._send(watch, "BOOKMARK", {"kind": "Job", "metadata": {"resourceVersion": str(self.version)}})

    def tell_of_error(self, document: Json) -> None:
        """Send an ERROR on all watches."""
        for watch in self._watches:
            self._send(watch, "ERROR", document)

    def garble(self) -> None:
        """Send what is no JSON on all watches."""
        for watch in self._watches:
            watch.lines.put_nowait(b"<html>\n")

    def forget_the_past(self) -> None:
        """Know nothing of earlier versions any more, as after a compaction."""
        self.past = self.version + 1

    def end_watches(self) -> None:
        """Close all watches in good order."""
        for watch in self._watches:
            watch.lines.put_nowait(None)

    def cut_watches(self) -> None:
        """Break the connections of all watches."""
        for watch in self._watches:
            if watch.request.transport is not None:
                watch.request.transport.abort()
            watch.lines.put_nowait(None)

    @property
    def watching(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    def requests(self, *verbs: str) -> list[str]:
        """Give what was asked, as `VERB path`; of some verbs only, where they are named."""
        return [f"{each.verb} {each.path}" for each in self.asked if not verbs or each.verb in verbs]

    # What the operator asks

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        verb = "WATCH" if request.query.get("watch") else request.method
        body = await request.read()
        said: Any = json.loads(body) if body else None
        self.asked.append(Request(verb, request.path, dict(request.query), said, dict(request.headers)))
        prepared = next((each for each in self._answers if each.verb == verb), None)
        if prepared is not None:
            self._answers.remove(prepared)
            return web.Response(status=prepared.status, body=prepared.body, headers=prepared.headers)
        api, resource, namespace, name, subresource = _parse(request.path)
        place = (api, resource, namespace, name)
        match verb:
            case "WATCH":
                return await self._watch(request, (api, resource, namespace))
            case "GET" if subresource == "log":
                return self._log(request, place)
            case "GET" if not name:
                return self._list(request, (api, resource, namespace))
            case "GET":
                return _answer(200, self.objects[place]) if place in self.objects else _not_found(resource, name)
            case "POST":
                return self._post(api, resource, namespace, said, _shown(request))
            case "PUT":
                return self._put(place, said)
            case "DELETE":
                return self._delete(place, said or {})
            case "PATCH" if subresource in ("", "status"):
                return self._patch(place, said, subresource, _shown(request))
            case _:
                return _refusal(405, "MethodNotAllowed", f"{verb} is not for {request.path}")

    def _list(self, request: web.Request, collection: tuple[str, str, str]) -> web.Response:
        offset, version = 0, self.version
        if token := request.query.get("continue"):
            offset, version = (int(part) for part in token.split("-"))
            if version < self.past:
                return _refusal(410, "Expired", "the provided continue parameter is too old")
        found = [
            document
            for place, document in self.objects.items()
            if _matches(place, document, collection, request.query.get("labelSelector", ""), _name_in(request))
        ]
        limit = int(request.query.get("limit", len(found)))
        metadata = {"resourceVersion": str(version)}
        if offset + limit < len(found):
            metadata["continue"] = f"{offset + limit}-{version}"
        return _answer(200, {"kind": "List", "metadata": metadata, "items": found[offset : offset + limit]})

    def _post(self, api: str, resource: str, namespace: str, document: Json, shown: _Shown) -> web.Response:
        metadata = document["metadata"]
        name = metadata.setdefault("name", f"{metadata.get('generateName', '')}{self.version}")
        place = (api, resource, namespace, name)
        if place in self.objects:
            return _refusal(409, "AlreadyExists", f'{resource} "{name}" already exists')
        document["metadata"]["namespace"] = namespace
        return _answer(201, shown(self._store("ADDED", place, document)))

    def _log(self, request: web.Request, place: Place) -> web.Response:
        """Answer as a kubelet does: with text, as many lines of its end as are asked for. Nothing is ever followed."""
        if place not in self.objects:
            return _not_found(place[1], place[3])
        lines = self.logs.get(place[2:], b"").splitlines(keepends=True)
        tail = b"".join(lines[-int(request.query.get("tailLines", len(lines))) :])
        return web.Response(body=tail, content_type="text/plain")

    def _put(self, place: Place, document: Json) -> web.Response:
        if place not in self.objects:
            return _not_found(place[1], place[3])
        if _differs(self.objects[place], document["metadata"]):
            return _refusal(409, "Conflict", "the object has been modified")
        return _answer(200, self._store("MODIFIED", place, document))

    def _delete(self, place: Place, options: Json) -> web.Response:
        if place not in self.objects:
            return _not_found(place[1], place[3])
        if _differs(self.objects[place], options.get("preconditions", {})):
            return _refusal(409, "Conflict", "Precondition failed")
        gone = self._store("DELETED", place, self.objects[place])
        if self.deletions_are_said_by_status:
            return _answer(200, {"kind": "Status", "status": "Success"})
        gone["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
        return _answer(200, gone)

    def _patch(self, place: Place, patch: Json, subresource: str, shown: _Shown) -> web.Response:
        known = self.objects.get(place)
        if known is None:
            return _not_found(place[1], place[3])
        if _differs(known, patch.get("metadata", {})):
            return _refusal(409, "Conflict", "the object has been modified")
        whole = apply_patch(known, patch)
        # Either side of the status lets the other alone.
        changed = {"status": whole.get("status")} if subresource else {**whole, "status": known.get("status")}
        return _answer(200, shown(self._store("MODIFIED", place, {**known, **changed})))

    async def _watch(self, request: web.Request, collection: tuple[str, str, str]) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        if since < self.past:
            return _refusal(410, "Expired", f"too old resource version: {since}")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        selector = request.query.get("labelSelector", "")
        name = _name_in(request)
        watch = _Watch(collection, selector, name, response, request, asyncio.Queue())
        self._watches.append(watch)
        for version, kind, place, document in self._events:
            if version > since and _matches(place, document, collection, selector, name):
                self._send(watch, kind, document)
        with contextlib.suppress(ConnectionError):
            try:
                while (line := await watch.lines.get()) is not None:
                    await self._write(response, line)
            finally:
                self._watches.remove(watch)
        return response

    async def _write(self, response: web.StreamResponse, line: bytes) -> None:
        size = self.pieces or len(line)
        for start in range(0, len(line), size):
            await response.write(line[start : start + size])
            if self.pieces:
                # Each piece is to arrive by itself.
                await asyncio.sleep(0.001)

    def _store(self, kind: str, place: Place, document: Json) -> Json:
        self.version += 1
        made = copy.deepcopy(document)
        made["metadata"] = {
            "uid": f"uid-{self.version}",
            "creationTimestamp": "2026-03-01T12:00:00Z",
            "generation": 1,
            **made["metadata"],
            "resourceVersion": str(self.version),
        }
        if kind == "DELETED":
            del self.objects[place]
        else:
            self.objects[place] = made
        self._events.append((self.version, kind, place, made))
        for watch in self._watches:
            if _matches(place, made, watch.collection, watch.selector, watch.name):
                self._send(watch, kind, made)
        return made

    @staticmethod
    def _send(watch: _Watch, kind: str, document: Json) -> None:
        watch.lines.put_nowait(json.dumps({"type": kind, "object": document}).encode() + b"\n")


def failure(status: int, reason: str, message: str) -> Json:
    """Give the Status that the server says no with."""
    return {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": status}


def _shown(request: web.Request) -> _Shown:
    """Tell how an object is to be answered: whole, or, where that was asked for, by its metadata."""
    if "as=PartialObjectMetadata" not in request.headers.get("Accept", ""):
        return lambda document: document
    kind = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata"}
    return lambda document: {**kind, "metadata": document["metadata"]}


def _differs(document: Json, wanted: Mapping[str, str]) -> bool:
    metadata = document["metadata"]
    return any(wanted[name] != metadata[name] for name in ("resourceVersion", "uid") if name in wanted)


def _parse(path: str) -> tuple[str, str, str, str, str]:
    parts = path.strip("/").split("/")
    split = 2 if parts[0] == "api" else 3
    api, rest = "/" + "/".join(parts[:split]), parts[split:]
    namespace = ""
    if rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    return api, resource, namespace, name, subresource


def _name_in(request: web.Request) -> str:
    """Read the only field selector that is used."""
    return request.query.get("fieldSelector", "").removeprefix("metadata.name=")


def _matches(place: Place, document: Json, collection: tuple[str, str, str], selector: str, name: str = "") -> bool:
    api, resource, namespace = collection
    return (
        place[:2] == (api, resource)
        and namespace in ("", place[2])
        and name in ("", place[3])
        and selects(read(selector), document)
    )


def _answer(status: int, document: Json) -> web.Response:
    return web.json_response(document, status=status)


def _refusal(status: int, reason: str, message: str) -> web.Response:
    return _answer(status, failure(status, reason, message))


def _not_found(resource: str, name: str) -> web.Response:
    return _refusal(404, "NotFound", f'{resource} "{name}" not found')
