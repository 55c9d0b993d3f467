"""Progress, on stderr: what is being done and how long it took; stdout is for results."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def say(line: str) -> None:
    """One line of progress."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say `what` with its duration when it is done, or that it failed.

    One line, printed at the end, so that output in a CI log reads the same as on a terminal.
    Announce work of more than some seconds with `say` first.
    """
    started = time.monotonic()
    try:
        yield
    except BaseException:
        say(f"  ✗ {what} ({time.monotonic() - started:.1f}s)")
        raise
    say(f"  ✓ {what} ({time.monotonic() - started:.1f}s)")
