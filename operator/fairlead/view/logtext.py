"""Logs as text: harmless lines, steps under headers, a prefix that says whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from fairlead.model.problem import one_line
from fairlead.view.folding import Began, Ended, Folder, Lines, Nested, Remarked, Wrote
from fairlead.view.harmless import RESET, Colours, harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fairlead.view.folding import Event

_BOLD, _FAINT, _RED, _YELLOW = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m"
PALETTE: Final = ("\x1b[36m", "\x1b[35m", "\x1b[34m", "\x1b[32m", "\x1b[33m", "\x1b[96m", "\x1b[95m", "\x1b[94m")


class Style(StrEnum):
    """How steps are shown: under a header, without one, as GitHub's commands, or all as it was written."""

    FOLDED = "folded"
    FLAT = "flat"
    GITHUB = "github"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class Look:
    """How a log is written. `step` is the label of the only step to be shown.

    `neutral`: nothing of it may be a command to GitHub's runner, in whose log it will stand.
    """

    style: Style = Style.FOLDED
    colours: bool = False
    prefix: str = ""
    step: str | None = None
    neutral: bool = False


class LogText:
    """Writes one log. `labels` as `Folder` takes them."""

    def __init__(self, write: Callable[[str], object], look: Look, labels: Sequence[str] = ()) -> None:
        self._write = write
        self._look = look
        self._lines = Lines()
        self._folder = Folder(labels)
        self._colours = Colours()
        self._chosen = look.step is None

    def feed(self, piece: bytes) -> None:
        """Write what a piece completes."""
        self._take(self._lines.feed(piece))

    def end(self) -> None:
        """Write the rest."""
        self._take(self._lines.end())

    def _take(self, lines: Sequence[str]) -> None:
        for line in lines:
            if self._look.style is Style.RAW:
                self._say(self._of_somebody(line))
                continue
            for event in self._folder.feed(line):
                self._show(event)

    def _show(self, event: Event) -> None:
        look = self._look
        if isinstance(event, Began) and look.step is not None:
            self._chosen = event.label == look.step
        if not self._chosen:
            return
        match event:
            case Wrote(text=text):
                self._say(self._of_somebody(text))
            case Began(label=label) | Nested(label=label) if look.style is not Style.FLAT:
                self._begin(one_line(label), nested=isinstance(event, Nested))
            case Ended() if look.style is Style.GITHUB:
                self._say("::endgroup::")
            case Remarked(text=text, warning=warning):
                self._remark(one_line(text, 1000), warning=warning)
            case _:
                pass

    def _begin(self, label: str, *, nested: bool) -> None:
        if self._look.style is Style.GITHUB:
            # GitHub's groups don't nest.
            self._say(f"▸ {label}" if nested else f"::group::{self._look.prefix}{label}")
        else:
            self._say(self._in(_FAINT if nested else _BOLD, f"{'  ' if nested else ''}▸ {label}"))

    def _remark(self, text: str, *, warning: bool) -> None:
        if self._look.style is Style.GITHUB:
            self._say(f"::{'warning' if warning else 'error'}::{text}")
        else:
            self._say(self._in(_YELLOW if warning else _RED, f"{'!' if warning else '✗'} {text}"))

    def _of_somebody(self, text: str) -> str:
        shown = harmless(text, colours=self._look.colours)
        if self._look.neutral:
            shown = neutral(shown)
        return self._colours.line(shown) if self._look.colours else shown

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{RESET}" if self._look.colours else text

    def _say(self, text: str) -> None:
        # GitHub's groups name the job; before a command nothing may stand.
        self._write(f"{'' if self._look.style is Style.GITHUB else self._look.prefix}{text}\n")


def neutral(text: str) -> str:
    """Give a line that GitHub's runner takes for text and not for a command to it."""
    marked = text.replace("##[", "## [")
    return f"| {marked}" if marked.lstrip().startswith("::") else marked
