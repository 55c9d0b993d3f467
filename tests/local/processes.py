"""Processes as tests need them: started with some Python, found by what they are called, waited for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 20.0
"""Seconds for what should take moments."""


class Process(subprocess.Popen[str]):
    """A process that doesn't outlive the test: on leaving its context it is killed, where it hasn't ended."""

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:  # noqa: ANN401, PYI036  as Popen has it
        """End it."""
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)


def python(code: str, *arguments: object, **options: Any) -> Process:  # noqa: ANN401  any of Popen's
    """Start a process that runs some Python; what it prints can be read."""
    return Process([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True, **options)


def alive(mark: str) -> list[int]:
    """Give the processes that have a text in their command line or their variables, and aren't dead."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes() + b"\0" + (folder / "environ").read_bytes()
                if mark.encode() in words and "\nState:\tZ" not in (folder / "status").read_text():
                    found.append(int(folder.name))
    return found


def until(holds: Callable[[], object], what: str = "it") -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen in {PATIENCE} s"
        time.sleep(0.005)


async def happens(holds: Callable[[], object], what: str = "it") -> None:
    """Wait for what this process does meanwhile, or another one."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen in {PATIENCE} s"
        await asyncio.sleep(0.005)
