"""When the cluster says that it is too busy, everybody pauses: one answer is enough, and nobody else has to ask."""

from __future__ import annotations

import asyncio

_FIRST = 1.0
LONGEST = 30.0
"""Seconds of a pause; each one that follows another at once is twice as long, up to this, whatever is asked for."""

_ENOUGH = 10
"""Requests that got through since the last pause, if that has helped: one refusal among many is no reason to stop."""


class Brake:
    """For the workers of one event loop."""

    def __init__(self) -> None:
        self._until = float("-inf")
        self._pause = 0.0
        self._passed = 0

    @property
    def on(self) -> bool:
        """Whether nothing should be sent now."""
        return asyncio.get_running_loop().time() < self._until

    def passed(self) -> None:
        """Take note that the cluster took something that was sent."""
        self._passed += 1

    def pull(self, seconds: float) -> None:
        """Begin a pause of so many seconds, or of more if the last one didn't help.

        What was sent before the pause began, and is answered in it, makes it no longer than is asked for.
        """
        now = asyncio.get_running_loop().time()
        if now < self._until:
            self._until = max(self._until, now + min(seconds, LONGEST))
            return
        helped = self._passed >= _ENOUGH or now - self._until > self._pause
        self._passed = 0
        self._pause = min(max(seconds, _FIRST if helped else 2 * self._pause), LONGEST)
        self._until = now + self._pause

    async def released(self) -> None:
        """Wait for the end of the pause, if there is one."""
        while (left := self._until - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110  time is all it waits for
            await asyncio.sleep(left)
