"""Everything that can go wrong, each with the way out.

ClusterError
├── MissingRequirement   the machine lacks something, and only its owner can change that
├── CommandFailed        a program that we ran said no
└── ComponentFailed      a component of the cluster did not come up, or died
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def tail(text: str, lines: int = 15) -> str:
    """Return the last lines of a log, indented so that they stand out below a message."""
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-lines:])


def read_tail(path: Path, lines: int = 15, window: int = 16_384) -> str:
    """`tail` of a file, of which at most `window` bytes are read; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - window))
            return tail(file.read().decode(errors="replace"), lines)
    except FileNotFoundError:
        return ""


class ClusterError(Exception):
    """The root: its message is for the person at the terminal, and needs no traceback."""


class MissingRequirement(ClusterError):  # noqa: N818 -- says what happened, as httpx names its errors
    """`what` is missing on this machine; `remedy` says what its owner can do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what}\n  What to do: {remedy}")


class CommandFailed(ClusterError):  # noqa: N818 -- says what happened, as httpx names its errors
    """`command` ended with `code`; `output` is what it printed last."""

    def __init__(self, command: Sequence[str], code: int, output: str) -> None:
        self.command = tuple(command)
        self.code = code
        self.output = output
        shown = tail(output) or "    (it printed nothing)"
        super().__init__(f"command failed with exit code {code}: {shlex.join(command)}\n{shown}")


class ComponentFailed(ClusterError):  # noqa: N818 -- says what happened, as httpx names its errors
    """`component` is not what it should be (`problem`); `log` is where it says why."""

    def __init__(self, component: str, problem: str, log: Path | None = None) -> None:
        self.component = component
        self.problem = problem
        self.log = log
        where = f"\n  The end of {log}:\n{read_tail(log) or '    (empty)'}" if log else ""
        super().__init__(f"{component}: {problem}{where}")
