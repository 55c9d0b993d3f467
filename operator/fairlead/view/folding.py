"""A job's log, step by step: the driver's markers (docs/driver.md, The log) read back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_GROUP: Final = "::group::"
_END: Final = "::endgroup::"
_ERROR: Final = "::error::"
_WARNING: Final = "::warning::"
_OUTPUTS: Final = re.compile(r"Outputs: \d+ bytes, [0-9a-f]{64}")
_MOST: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Began:
    """A step begins; `step` counts those that ran, from 0."""

    step: int
    label: str


@dataclass(frozen=True, slots=True)
class Wrote:
    """A line of a step, without its newline."""

    step: int
    text: str


@dataclass(frozen=True, slots=True)
class Nested:
    """A group that the step itself opened in its log."""

    step: int
    label: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A step has ended."""

    step: int


@dataclass(frozen=True, slots=True)
class Remarked:
    """What the driver says: why a step or the job failed, or with `warning` what was left out."""

    step: int
    text: str
    warning: bool = False


Event = Began | Wrote | Nested | Ended | Remarked


class Lines:
    """Cuts pieces of bytes into lines of text. A line that is too long comes in parts."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[str]:
        """Take a piece; give the lines that it completes."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        while len(self._rest) > _MOST:
            whole.append(self._rest[:_MOST])
            self._rest = self._rest[_MOST:]
        return [line.decode(errors="replace") for line in whole]

    def end(self) -> list[str]:
        """Give what stood at the end without a newline."""
        rest, self._rest = self._rest, b""
        return [rest.decode(errors="replace")] if rest else []


class Folder:
    """Reads lines into events.

    A script may print the same markers. Where the `labels` of the steps that ran are known, in their order, only they
    begin steps; where they aren't, a group within a group is the script's. The frame of large outputs is left out.
    """

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self._labels = list(labels)
        self._known = bool(labels)
        self._step = -1
        self._depth = 0
        self._in_outputs = False

    def feed(self, line: str) -> list[Event]:
        """Take a line without its newline."""
        if self._in_outputs:
            self._in_outputs = line != _END
            return []
        if line.startswith(_GROUP):
            return self._open(line.removeprefix(_GROUP))
        if line.endswith(_END):
            # It follows directly on a last line that has no newline.
            text = line.removesuffix(_END)
            return [*([Wrote(self._step, text)] if text else []), *self._close()]
        if not self._depth:
            for marker in (_ERROR, _WARNING):
                if line.startswith(marker):
                    return [Remarked(self._step, line.removeprefix(marker), warning=marker is _WARNING)]
        return [Wrote(self._step, line)]

    def _open(self, label: str) -> list[Event]:
        if not self._depth and _OUTPUTS.fullmatch(label):
            self._in_outputs = True
            return []
        begins = label in self._labels if self._known else not self._depth
        if not begins:
            self._depth += 1
            return [Nested(self._step, label)]
        if self._known:
            del self._labels[: self._labels.index(label) + 1]
        before: list[Event] = [Ended(self._step)] if self._depth else []
        self._step += 1
        self._depth = 1
        return [*before, Began(self._step, label)]

    def _close(self) -> list[Event]:
        if not self._depth:
            return []
        self._depth -= 1
        return [] if self._depth else [Ended(self._step)]
