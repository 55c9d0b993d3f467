"""Waiting: every poll has a deadline, and giving up says what was waited for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def poll(condition: Callable[[], bool], *, seconds: float, interval: float = 0.1) -> bool:
    """Whether `condition` came true within `seconds`; asked once more right at the end."""
    deadline = time.monotonic() + seconds
    while not condition():
        left = deadline - time.monotonic()
        if left <= 0:
            return condition()
        time.sleep(min(interval, left))
    return True
