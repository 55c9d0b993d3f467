"""A proxy between the operator and the API server that does to requests what networks and servers do."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import web

from e2e.faults.fates import Fate, Fates, Fault, Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from e2e.testcluster.settings import Settings

_STATUS: Final = {
    Fault.CONFLICT: (409, "Conflict"),
    Fault.GONE: (410, "Expired"),
    Fault.GONE_EVENT: (410, "Expired"),
    Fault.ERROR_EVENT: (500, "InternalError"),
    Fault.BUSY: (429, "TooManyRequests"),
    Fault.BROKEN: (500, "InternalError"),
    Fault.UNAVAILABLE: (503, "ServiceUnavailable"),
}
_READS: Final = frozenset({"GET", "HEAD"})
_HOP: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
_PATIENCE: Final = 120
"""Seconds for which a half-open connection is held, where its client doesn't give up."""


@dataclass(slots=True)
class Proxy:
    """A running proxy. `met` counts the faults so far, by kind of request; `watches` those begun, by resource."""

    fates: Fates
    address: str = ""
    met: Counter[tuple[Kind, Fault]] = field(default_factory=Counter)
    frosts: Counter[str] = field(default_factory=Counter)
    forwarded: int = 0
    watches: Counter[str] = field(default_factory=Counter)

    def freeze(self, *resources: str) -> None:
        """Let nothing through any more on the watches of a resource that there are now; those begun later work."""
        self.frosts.update(resources)

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig whose cluster is this proxy."""
        path = folder / "proxy.kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": self.address}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
            "current-context": "proxy",
        }
        path.write_text(json.dumps(document))
        return path


@contextmanager
def open_proxy(settings: Settings, server: str, fates: Fates) -> Iterator[Proxy]:
    """Run one in a thread of its own, as the cluster's admin towards `server`, on a free port of this machine."""
    proxy, ready, loop = Proxy(fates), threading.Event(), asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        async with _upstream(settings) as session:
            handler = _Handler(proxy, server, session)
            runner = web.AppRunner(_application(handler), access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            proxy.address = f"http://{host}:{port}"
            ready.set()
            await over.wait()
            await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="proxy", daemon=True)
    thread.start()
    try:
        assert ready.wait(10), "the proxy doesn't start"
        yield proxy
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)


def _upstream(settings: Settings) -> aiohttp.ClientSession:
    pki = settings.state / "pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)


def _application(handler: _Handler) -> web.Application:
    application = web.Application(client_max_size=64 * 2**20)
    application.router.add_route("*", "/{path:.*}", handler.handle)
    return application


@dataclass(frozen=True, slots=True)
class _Handler:
    proxy: Proxy
    server: str
    session: aiohttp.ClientSession

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, as its fate wants it."""
        kind = _kind(request)
        fate = self.proxy.fates.next(request.method, request.path, kind)
        if fate is not None:
            self.proxy.met[kind, fate.fault] += 1
        match fate:
            case Fate(Fault.LATE):
                await asyncio.sleep(fate.seconds)
            case Fate(Fault.RESET):
                return _reset(request)
            case Fate(Fault.CONFLICT | Fault.GONE | Fault.BUSY | Fault.BROKEN | Fault.UNAVAILABLE):
                return _refusal(fate.fault)
            case _:
                pass
        try:
            return await self._forward(request, kind, fate)
        except aiohttp.ClientError:
            # The API server itself is away: what its client would see without us.
            return _reset(request)

    async def _forward(self, request: web.Request, kind: Kind, fate: Fate | None) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        body = await request.read() if request.can_read_body else None
        url = self.server + request.raw_path
        self.proxy.forwarded += 1
        async with self.session.request(request.method, url, headers=headers, data=body) as answer:
            if kind is Kind.WATCH and answer.ok:
                return await self._watch(request, answer, fate)
            content = await answer.read()
            if fate is not None and fate.fault is Fault.DROPPED:
                return _reset(request)
            response = web.StreamResponse(status=answer.status, headers=_headers(answer))
            if fate is None or fate.fault is Fault.LATE:
                return web.Response(status=answer.status, headers=_headers(answer), body=content)
            # A body without a length, or one that is longer than what comes.
            response.content_length = len(content) if fate.fault is Fault.CUT else None
            await response.prepare(request)
            with suppress(ConnectionError):
                await response.write(content[: len(content) // 2])
                if fate.fault is Fault.CUT:
                    return _reset(request, response)
                await response.write_eof()
            return response

    async def _watch(
        self, request: web.Request, answer: aiohttp.ClientResponse, fate: Fate | None
    ) -> web.StreamResponse:
        resource = request.path.rpartition("/")[2]
        response = web.StreamResponse(status=answer.status, headers=_headers(answer))
        await response.prepare(request)
        self.proxy.watches[resource] += 1
        frosts = self.proxy.frosts[resource]
        left = fate.lines if fate is not None and fate.fault is not Fault.LATE else None
        with suppress(ConnectionError):
            async for line in _lines(answer):
                if self.proxy.frosts[resource] > frosts:
                    break
                if fate is not None and left == 0:
                    return await _break(request, response, fate.fault, line)
                left = None if left is None else left - 1
                await response.write(line)
            if self.proxy.frosts[resource] > frosts:
                await _hold(request)
            await response.write_eof()
        return response


async def _break(request: web.Request, response: web.StreamResponse, fault: Fault, line: bytes) -> web.StreamResponse:
    """Do to a watch, in the place of a line, what its fate is."""
    match fault:
        case Fault.HALF_OPEN:
            await _hold(request)
        case Fault.GARBLED:
            await response.write(line[: len(line) // 2] + b"\n" + line)
        case Fault.SHORT:
            await response.write(line[: len(line) // 2])
        case Fault.GONE_EVENT | Fault.ERROR_EVENT:
            event = {"type": "ERROR", "object": _status(fault)}
            await response.write(json.dumps(event).encode() + b"\n")
        case _:
            await response.write(line[: len(line) // 2])
            return _reset(request, response)
    if fault is not Fault.HALF_OPEN:
        await response.write_eof()
    return response


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in answer.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"


async def _hold(request: web.Request) -> None:
    """Keep a connection open and say nothing, until the client goes away."""
    for _ in range(_PATIENCE * 4):
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(0.25)


def _kind(request: web.Request) -> Kind:
    if request.query.get("watch", "") in ("1", "true"):
        return Kind.WATCH
    return Kind.READ if request.method in _READS else Kind.WRITE


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}


def _reset(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return response or web.Response(status=502)


def _refusal(fault: Fault) -> web.Response:
    headers = {"Retry-After": "1"} if fault is Fault.BUSY else {}
    status, _ = _STATUS[fault]
    return web.json_response(_status(fault), status=status, headers=headers)


def _status(fault: Fault) -> dict[str, object]:
    code, reason = _STATUS[fault]
    said = f"{fault}: made up by the proxy between you and the API server"
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": said, "reason": reason, "code": code}
