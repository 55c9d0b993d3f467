"""The present moment, for decisions that compare it with moments of before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SteadyClock:
    """A clock that never goes back: where the machine's is set back, it goes on by itself.

    What waits for a moment would wait for as long as the clock was set back, otherwise. A clock that is set forward is
    believed, and one that a process was started with, too. `wall` gives the machine's time, `monotonic` seconds that
    nobody can set.
    """

    def __init__(self, wall: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._last = wall(), monotonic()

    def __call__(self) -> datetime:
        """Give the present moment."""
        moment, seconds = self._last
        now = self._monotonic()
        self._last = max(self._wall(), moment + timedelta(seconds=now - seconds)), now
        return self._last[0]
