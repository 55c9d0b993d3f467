"""Virtual time for several processes at once: everything that is due stands in one list, in a fixed order.

Each process of the simulation has an event loop of its own on that list, so that it can be stopped between any two of
its callbacks, go on later with what it was doing, or never run again, while the others and the cluster go on.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

Ts = TypeVarTuple("Ts")

_MOST_AT_ONCE = 50_000
"""Callbacks in one moment; more of them are a loop that never waits."""


class StuckError(Exception):
    """Time stands still: something goes round without ever waiting."""


class Schedule:
    """The list. `now` is in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._at_once = 0

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something happen so much later."""
        heapq.heappush(self._due, (self.now + max(seconds, 0.0), next(self._order), act))

    def step(self) -> bool:
        """Let the next thing happen; False where nothing is due any more. Raises StuckError."""
        if not self._due:
            return False
        when, _, act = heapq.heappop(self._due)
        self._at_once = self._at_once + 1 if when <= self.now else 0
        if self._at_once > _MOST_AT_ONCE:
            raise StuckError(f"{_MOST_AT_ONCE} callbacks at {self.now:.3f}")
        self.now = max(self.now, when)
        act()
        return True

    def drop(self) -> None:
        """Forget everything that is due."""
        self._due.clear()


class Process(asyncio.AbstractEventLoop):
    """An event loop that can be stopped and killed. `failed` hears of what nobody handles."""

    def __init__(self, schedule: Schedule, name: str, failed: Callable[[str], None]) -> None:
        self.name = name
        self.dead = False
        self.buried = False
        self._schedule = schedule
        self._failed = failed
        self._stopped = False
        self._parked: list[asyncio.Handle] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._turns_left: int | None = None

    # What befalls it

    @property
    def still(self) -> bool:
        """Whether it does nothing, for a while or for good."""
        return self.dead or self._stopped

    def freeze(self) -> None:
        """Stop it, as SIGSTOP does."""
        self._stopped = True
        self.dead = self.dead or self._turns_left is not None

    def thaw(self) -> None:
        """Let it go on with what it was doing."""
        self._stopped = False
        if not self.dead:
            self._unpark()

    def kill(self, turns: int = 0) -> None:
        """End it for good, after so many more callbacks; at once where it is stopped."""
        self._turns_left = turns
        self.dead = self.dead or self._stopped or not turns

    def bury(self) -> None:
        """Let what it left be cleaned up, once the simulation is over, without anything of it taking effect."""
        self.dead, self.buried, self._stopped, self._turns_left = False, True, False, None
        for task in self._tasks:
            task.cancel()
        self._unpark()

    @property
    def over(self) -> bool:
        """Whether nothing is left of it."""
        return all(task.done() for task in self._tasks)

    def _unpark(self) -> None:
        parked, self._parked = self._parked, []
        for handle in parked:
            self._schedule.after(0.0, partial(self._turn, handle))

    def _turn(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        if self.still:
            self._parked.append(handle)
            return
        if self._turns_left is not None:
            self._turns_left -= 1
            self.dead = self._turns_left <= 0
        events._set_running_loop(self)  # noqa: SLF001  offered to whoever writes an event loop
        try:
            handle._run()  # noqa: SLF001  as above
        finally:
            events._set_running_loop(None)  # noqa: SLF001  as above

    # What asyncio asks of a loop

    def time(self) -> float:
        """Give the seconds since the simulation began."""
        return self._schedule.now

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Have something called next."""
        handle = asyncio.Handle(callback, args, self, context)
        self._schedule.after(0.0, partial(self._turn, handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Have something called so many seconds later."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Have something called at a time."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._schedule.after(when - self.time(), partial(self._turn, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:  # type: ignore[override]  # noqa: ANN401  what options there are depends on the version
        """Make a task."""
        task = asyncio.Task(coro, loop=self, **options)
        self._tasks = [each for each in self._tasks if not each.done()] if len(self._tasks) > 200 else self._tasks
        self._tasks.append(task)
        return task

    def add_signal_handler(self, sig: int, callback: Callable[[Unpack[Ts]], object], *args: *Ts) -> None:
        """Have a signal do nothing: what befalls a process here is none."""

    def get_debug(self) -> bool:
        """Say that nothing is to be watched closely."""
        return False

    def is_running(self) -> bool:
        """Say that it runs."""
        return True

    def is_closed(self) -> bool:
        """Say that it can be used."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Hear of what nobody handles."""
        if not self.buried:
            self._failed(f"{self.name}: {context.get('message')}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave it where it is: it is passed over when its time comes."""
