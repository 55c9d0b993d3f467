from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from fairlead.controller.http import HttpServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Answer = tuple[int, str, str]


@asynccontextmanager
async def serving(alive: str | None = None, ready: str | None = None) -> AsyncIterator[HttpServer]:
    """Serve the endpoints of an operator that is alive and ready, or isn't."""
    server = HttpServer(
        host="127.0.0.1",
        port=0,
        alive=lambda: alive,
        ready=lambda: ready,
        metrics=lambda: (b"up 1\n", "text/plain; version=1.0.0; charset=utf-8"),
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def get(server: HttpServer, path: str) -> Answer:
    """Ask for a path."""
    host, port = server._runner.addresses[0][:2]  # noqa: SLF001  which port it is, only the system knows
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as response:
        return response.status, await response.text(), response.headers["Content-Type"]


PLAIN = "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/healthz", (200, "ok", PLAIN)),
        ("/readyz", (200, "ok", PLAIN)),
        ("/metrics", (200, "up 1\n", "text/plain; version=1.0.0; charset=utf-8")),
        ("/", (404, "404: Not Found", PLAIN)),
    ],
)
async def test_well(path: str, expected: Answer) -> None:
    """The kubelet is told that all is well, and Prometheus reads its numbers."""
    async with serving() as server:
        assert await get(server, path) == expected


async def test_reading() -> None:
    """While it reads, it is alive and not ready, and says why."""
    async with serving(ready="still reading") as server:
        assert [await get(server, path) for path in ("/healthz", "/readyz")] == [
            (200, "ok", PLAIN),
            (503, "still reading", PLAIN),
        ]


async def test_dead() -> None:
    """When a part has died, the kubelet is told which."""
    async with serving(alive="OSError()", ready="OSError()") as server:
        assert [await get(server, path) for path in ("/healthz", "/readyz")] == [(503, "OSError()", PLAIN)] * 2


async def test_port_taken() -> None:
    """An address that is taken is told at once."""
    async with serving() as first:
        port = first._runner.addresses[0][1]  # noqa: SLF001  as above
        second = HttpServer(
            host="127.0.0.1", port=port, alive=lambda: None, ready=lambda: None, metrics=lambda: (b"", PLAIN)
        )
        with pytest.raises(OSError, match="in use"):
            await second.start()
        await second.stop()
