"""The logs of a run that goes on, and nothing else of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fairlead.model.problem import one_line
from fairlead.view.machine import SilentView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairlead.engine.runs import Found
    from fairlead.model.ids import NodeId
    from fairlead.view.choosing import Choice
    from fairlead.view.nodes import Shown
    from fairlead.view.view import Source


class Written(Protocol):
    """Takes one log."""

    def feed(self, piece: bytes) -> None:
        """Take a piece."""

    def end(self) -> None:
        """Hear that this was all."""


class Writer(Protocol):
    """Where logs are written."""

    def begin(self, title: str, step: str | None, known: Sequence[str]) -> Written:
        """Begin one; `step` is the label of the only step to be shown, `known` are those that there are."""

    def remark(self, text: str) -> None:
        """Say something about a log."""


class LogView(SilentView):
    """Writes what the chosen jobs write."""

    def __init__(self, writer: Writer, choice: Choice, found: Found) -> None:
        self._writer = writer
        self._choice = choice
        self._found = found
        self._open: dict[Source, Written] = {}
        self._shown: dict[NodeId, Shown] = {}

    def wants(self, shown: Shown, *, was_over: bool) -> bool:  # noqa: ARG002  what ended before is asked for, too
        """Read the chosen ones."""
        self._shown[shown.node] = shown
        return self._choice.takes(shown)

    def opened(self, source: Source) -> None:
        """Begin one."""
        step = self._choice.label(self._found, self._shown.get(source.node))
        self._open[source] = self._writer.begin(source.title, step, source.labels)

    def wrote(self, source: Source, piece: bytes) -> None:
        """Write a piece."""
        self._open[source].feed(piece)

    def closed(self, source: Source, lost: str | None = None) -> None:
        """End one."""
        self._open.pop(source).end()
        if lost:
            self._writer.remark(f"{source.title}: {one_line(lost)}")
