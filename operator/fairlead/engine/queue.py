"""A queue of keys to look at: no key twice at once, none lost, later looks and growing pauses for each key.

As Kubernetes' own controllers have it: a key that is added while it is being worked on is handed out again as soon as
that work is done, once, however often it was added.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 60.0
"""Seconds between two tries of a key that keeps failing: doubled each time, up to this."""


class KeyedQueue(Generic[K]):
    """For any number of workers of one event loop."""

    def __init__(self) -> None:
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """How many keys wait to be worked on now."""
        return len(self._ready)

    def add(self, key: K) -> None:
        """Have a key looked at as soon as somebody is free."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._wake.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Have a key looked at after a while; of several such wishes the earliest counts."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(max(seconds, 0), self._due, key)

    def retry(self, key: K, at_least: float = 0.0) -> float:
        """Have a key that failed looked at again, later each time; gives the pause in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause = max(at_least, min(FIRST_PAUSE * float(1 << min(failures, 20)), LONGEST_PAUSE))
        self.add_after(key, pause)
        return pause

    def succeeded(self, key: K) -> None:
        """Start over with short pauses."""
        self._failures.pop(key, None)

    def forget(self, key: K) -> None:
        """Drop the later looks at a key and its failures."""
        self._failures.pop(key, None)
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    async def take(self) -> K:
        """Wait for a key; `done` has to follow."""
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Give a key back after the work on it."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
