"""How late the event loop is: what one callback takes, all others wait for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY = 0.1
"""Seconds between two measurements."""


async def measure_lag(lagged: Callable[[float], None]) -> None:
    """Tell, until cancelled, by how many seconds the loop was late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + EVERY
        await asyncio.sleep(EVERY)
        lagged(max(loop.time() - due, 0.0))
