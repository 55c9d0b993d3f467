"""The endpoints for kubelet and Prometheus: /healthz, /readyz, /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class HttpServer:
    """Serves the endpoints.

    `alive` and `ready` give None where all is well, else what isn't; `metrics` gives text and content type.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        alive: Callable[[], str | None],
        ready: Callable[[], str | None],
        metrics: Callable[[], tuple[bytes, str]],
    ) -> None:
        app = web.Application()
        app.router.add_get("/healthz", _probe(alive))
        app.router.add_get("/readyz", _probe(ready))

        async def show(_: web.Request) -> web.Response:
            text, kind = metrics()
            return web.Response(body=text, headers={"Content-Type": kind})

        app.router.add_get("/metrics", show)
        self._runner = web.AppRunner(app, access_log=None)
        self._host, self._port = host, port

    async def start(self) -> None:
        """Listen. Raises OSError where the address is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()


def _probe(check: Callable[[], str | None]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.Response:
        trouble = check()
        return web.Response(text=trouble or "ok", status=503 if trouble else 200)

    return answer
