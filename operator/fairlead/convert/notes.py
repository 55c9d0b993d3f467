"""Collects the lines of a report, each with its place in the source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairlead.convert.conversion import Conversion, Note, Outcome
from fairlead.syntax.source import Position

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fairlead.model.problem import Path
    from fairlead.syntax.source import Document

_NOWHERE = Position(0, 0)


@dataclass(slots=True)
class Notes:
    """The notes on one document. A path is that of the source; one that isn't there gets the place of what holds it.

    The same said twice of the same place is kept once. `file` is as that of a note.
    """

    document: Document
    file: str | None = None
    _found: dict[Note, None] = field(default_factory=dict)

    def mapped(self, path: Path, message: str) -> None:
        """Say that it means the same here, under another name or at another place."""
        self.add(Outcome.MAPPED, path, message)

    def approximated(self, path: Path, message: str) -> None:
        """Say that what it became does nearly the same, and what differs."""
        self.add(Outcome.APPROXIMATED, path, message)

    def left_out(self, path: Path, message: str) -> None:
        """Say that nothing stands for it, and why the workflow does its work without it."""
        self.add(Outcome.LEFT_OUT, path, message)

    def refused(self, path: Path, message: str) -> None:
        """Say that nothing can stand for it, why, and what to do about it."""
        self.add(Outcome.REFUSED, path, message)

    def add(self, outcome: Outcome, path: Path, message: str) -> None:
        """Add a note."""
        self._found.setdefault(Note(outcome, path, message, self.document.position(path), self.file))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._found)

    @property
    def all(self) -> tuple[Note, ...]:
        """All notes, in the order of the source."""
        return tuple(sorted(self._found, key=lambda note: note.position or _NOWHERE))

    def conversion(self, *resources: Mapping[str, Any]) -> Conversion:
        """Give the result that these notes are on."""
        return Conversion(resources, self.all)
