"""Waiting with a deadline: never a blind sleep."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

INTERVAL = 0.25
"""Seconds between two looks; a look is a kubectl of some 60 ms."""


class WaitedInVainError(AssertionError):
    """What was waited for didn't come in time."""

    def __init__(self, what: str, seconds: float, last: object) -> None:
        super().__init__(f"waited {seconds:g}s in vain for {what}; at last it was: {last!r}")


def wait_for(what: str, look: Callable[[], T], *, seconds: float = 60, interval: float = INTERVAL) -> T:
    """Look until something true is seen, and give it. Raises WaitedInVainError."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise WaitedInVainError(what, seconds, seen)
        time.sleep(interval)
