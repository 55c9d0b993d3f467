"""Knocking at a port, as the kubelet does."""

from __future__ import annotations

import asyncio
from contextlib import suppress


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
    # Half a second to import, and most runs have no such check.
    import aiohttp  # noqa: PLC0415

    url = f"http://{host}:{port}{path if path.startswith('/') else f'/{path}'}"
    limit = aiohttp.ClientTimeout(total=timeout)
    with suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url, allow_redirects=False) as response:
            return 200 <= response.status < 400  # noqa: PLR2004  as Kubernetes documents it
    return False
