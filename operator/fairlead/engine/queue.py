"""A queue of keys to look at: no key twice at once, none lost, later looks and growing pauses for each key.

As Kubernetes' own controllers have it: a key that is added while it is being worked on is handed out again as soon as
that work is done, once, however often it was added.

Keys are in lanes, which take turns: however many keys one lane has, another one's wait for one of them and no more.
Inside of a lane the keys for which somebody waits (`soon`) go before the others, but for every fifth, each in the order
in which they came: thousands of newcomers must not hold up what is under way, nor wait for ever themselves.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 60.0
"""Seconds between two tries of a key that keeps failing: doubled each time, up to this."""


_IN_A_ROW = 4
"""Keys for which somebody waits that go before one of the others. What is under way has some ten looks for each Job, a
newcomer has one."""


@dataclass(slots=True)
class _Lane(Generic[K]):
    """Keys that are ready, in two lines; each key is in one of them."""

    soon: OrderedDict[K, None] = field(default_factory=OrderedDict)
    later: OrderedDict[K, None] = field(default_factory=OrderedDict)
    in_a_row: int = 0

    def __bool__(self) -> bool:
        return bool(self.soon or self.later)

    def pop(self) -> K:
        if self.soon and (self.in_a_row < _IN_A_ROW or not self.later):
            self.in_a_row += 1
            return self.soon.popitem(last=False)[0]
        self.in_a_row = 0
        return self.later.popitem(last=False)[0]


class KeyedQueue(Generic[K]):
    """For any number of workers of one event loop. `lane_of` says which lane a key is in; all in one by default."""

    def __init__(self, lane_of: Callable[[K], Hashable] = lambda _: None) -> None:
        self._lane_of = lane_of
        self._lanes: dict[Hashable, _Lane[K]] = {}
        self._turns: deque[Hashable] = deque()
        # Since when, by the loop's clock, a key waits, or waited before it was handed out.
        self._waiting: dict[K, float] = {}
        self._working: dict[K, float] = {}
        self._again: dict[K, tuple[bool, float]] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """How many keys wait to be worked on now."""
        return len(self._waiting)

    def add(self, key: K, *, soon: bool = True) -> None:
        """Have a key looked at as soon as somebody is free; not `soon`: nobody waits for it yet."""
        now = asyncio.get_running_loop().time()
        if key in self._working:
            sooner, since = self._again.get(key, (soon, now))
            self._again[key] = (soon or sooner, since)
        elif key in self._waiting:
            self._hurry(key, soon=soon)
        else:
            self._enter(key, now, soon=soon)

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

    def since(self, key: K) -> float | None:
        """Tell when a key that is worked on was added for that, by the loop's clock."""
        return self._working.get(key)

    async def take(self) -> K:
        """Wait for a key; `done` has to follow."""
        while not self._turns:
            self._wake.clear()
            await self._wake.wait()
        name = self._turns.popleft()
        lane = self._lanes[name]
        key = lane.pop()
        if lane:
            self._turns.append(name)
        else:
            del self._lanes[name]
        self._working[key] = self._waiting.pop(key)
        return key

    def done(self, key: K) -> None:
        """Give a key back after the work on it."""
        self._working.pop(key, None)
        if (again := self._again.pop(key, None)) is not None:
            soon, since = again
            self._enter(key, since, soon=soon)

    def _enter(self, key: K, since: float, *, soon: bool) -> None:
        name = self._lane_of(key)
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane()
            self._turns.append(name)
        self._waiting[key] = since
        (lane.soon if soon else lane.later)[key] = None
        self._wake.set()

    def _hurry(self, key: K, *, soon: bool) -> None:
        lane = self._lanes[self._lane_of(key)]
        if soon and key in lane.later:
            del lane.later[key]
            lane.soon[key] = None

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
