"""Processes of this machine: which of them belong to a job, and their end.

A process can leave its session and its parent, so a job's are known by a variable of their environment, and by whose
children they are. What has lost its parent becomes ours (`adopt`), and so is still found when the run is over.
Linux only; elsewhere nothing is adopted and a job's process group has to do.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK: Final = "FAIRLEAD_HOME"
"""The variable whose value tells an attempt's processes from all others: its driver's folder."""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_PATIENCE: Final = 5.0
"""Seconds for what was killed to be gone; what the kernel holds longer is left to it."""

_MOST_HALTING: Final = 0.5
"""Seconds for what was halted to stand still."""

# Loaded before any fork: a child between fork and exec must not wait for a lock.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def adopt() -> None:
    """Become the parent of what descends from this process and loses its own."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Have this process asked to end (SIGTERM) when its parent dies, however it does; for between fork and exec."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def end_all(mark: str, *, below: bool = False) -> None:
    """Kill all processes that have this mark, and their descendants, until there is none. Blocks for moments.

    With `below` those that have a mark below it, too, as `MARK/db`. They are halted first: a child that is being made
    while its parent is killed could get away without either.
    """
    deadline = time.monotonic() + _PATIENCE
    while (found := _halted(mark, below=below)) and time.monotonic() < deadline:
        _signal(found, signal.SIGKILL)
        reap(found)
        time.sleep(0.001)


def _halted(mark: str, *, below: bool) -> set[int]:
    known: set[int] = set()
    deadline = time.monotonic() + _MOST_HALTING
    while True:
        states = dict(_marked(mark, below=below))
        going = {pid for pid, state in states.items() if state not in "Tt"}
        if (not (states.keys() - known) and not going) or time.monotonic() > deadline:
            return set(states)
        _signal(going, signal.SIGSTOP)
        known |= states.keys()


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_adopted(own: set[int]) -> None:
    """Kill what has become a child of this process, but for those that it started itself."""
    deadline = time.monotonic() + _PATIENCE
    while (found := {pid for pid, parent, _ in _table() if parent == os.getpid()} - own) and (
        time.monotonic() < deadline
    ):
        _signal(found, signal.SIGKILL)
        reap(found)
        time.sleep(0.001)


def reap(pids: set[int]) -> None:
    """Let those go that have ended, as far as they are children of this process. Nobody else may wait for them."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _marked(mark: str, *, below: bool) -> Iterator[tuple[int, str]]:
    """Give the processes that have a mark, and their descendants, with their states; none that is dead already."""
    table = [each for each in _table() if each[2] not in "ZX"]
    wanted = f"{MARK}={mark}".encode()
    found = {pid for pid, _, _ in table if pid != os.getpid() and _has(_environment(pid), wanted, below=below)}
    more = True
    while more:
        children = {pid for pid, parent, _ in table if parent in found} - found
        found |= children
        more = bool(children)
    yield from ((pid, state) for pid, _, state in table if pid in found)


def _has(environment: Iterable[bytes], wanted: bytes, *, below: bool) -> bool:
    return any(each == wanted or (below and each.startswith(wanted + b"/")) for each in environment)


def _environment(pid: int) -> list[bytes]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


def _table() -> Iterator[tuple[int, int, str]]:
    """Give each process with its parent and its state; none where there is no /proc."""
    with suppress(FileNotFoundError):
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                with suppress(OSError):
                    state, parent = (folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[:2]
                    yield int(folder.name), int(parent), state
