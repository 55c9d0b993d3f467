from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fairlead.local.probes import answers_http, answers_tcp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def a_server(answer: bytes | None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answer each request with this, or not at all; give the port, and the requests."""
    heard: list[bytes] = []
    leaving = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is None:
            await leaving.wait()
        else:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard
        leaving.set()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.0 204 \r\n\r\n", True),
        (b"HTTP/1.1 302 Found\r\nLocation: /nowhere\r\n\r\n", True),
        (b"HTTP/1.1 399\r\n\r\n", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"HTTP/1.1 503 Busy\r\n\r\n", False),
        (b"HTTP/1.1 2000 What\r\n\r\n", False),
        (b"hello, this is SMTP\r\n", False),
        (b"x" * 100_000, False),
        (b"", False),
    ],
)
async def test_http(answer: bytes, expected: bool) -> None:  # noqa: FBT001  a column
    """A status from 200 to 399 is an answer, wherever it leads; anything else isn't."""
    async with a_server(answer) as (port, _):
        assert await answers_http("127.0.0.1", port, "/", 5) == expected


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/health?a=b&c=%20", b"GET /health?a=b&c=%20 HTTP/1.1"),
        ("health", b"GET /health HTTP/1.1"),
        ("/a b\r\nX: y", b"GET /a%20b%0D%0AX:%20y HTTP/1.1"),
        ("/ä#part", b"GET /%C3%A4 HTTP/1.1"),
    ],
)
async def test_request(path: str, line: bytes) -> None:
    """The request is one for the path, whatever that contains."""
    async with a_server(b"HTTP/1.1 200 OK\r\n\r\n") as (port, heard):
        await answers_http("127.0.0.1", port, path, 5)
    host = b"Host: 127.0.0.1:%d" % port
    assert [each.split(b"\r\n") for each in heard] == [
        [line, host, b"User-Agent: fairlead", b"Connection: close", b"", b""]
    ]


async def test_no_answer() -> None:
    """Who accepts a connection and says nothing answers by TCP, and not by HTTP."""
    async with a_server(None) as (port, _):
        assert await answers_tcp("127.0.0.1", port, 5)
        assert not await answers_http("127.0.0.1", port, "/", 0.02)


async def test_nobody_there() -> None:
    """A port at which nobody listens doesn't answer."""
    async with a_server(None) as (port, _):
        pass
    assert (await answers_tcp("127.0.0.1", port, 5), await answers_http("127.0.0.1", port, "/", 5)) == (False, False)
