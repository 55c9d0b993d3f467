"""Knocking at a port, as the kubelet does."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Final
from urllib.parse import quote

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: |\r?\n|$)")


async def answers_tcp(host: str, port: int, timeout: float) -> bool:  # noqa: ASYNC109  the check's own word
    """Whether a connection can be made."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return True
    return False


async def answers_http(host: str, port: int, path: str, timeout: float) -> bool:  # noqa: ASYNC109  as above
    """Whether a GET is answered with a status from 200 to 399."""
    place = quote(path if path.startswith("/") else f"/{path}", safe="/?&=%+:;,@!$'()*~#[]").partition("#")[0]
    request = f"GET {place} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: fairlead\r\nConnection: close\r\n\r\n"
    with suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request.encode())
                found = _STATUS.match(await reader.readline())
            finally:
                writer.close()
            return found is not None and 200 <= int(found[1]) < 400  # noqa: PLR2004  as Kubernetes documents it
    return False
