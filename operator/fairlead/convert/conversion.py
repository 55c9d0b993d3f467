"""What every format's converter takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fairlead.model.problem import Path
    from fairlead.syntax.source import Document, Position


class Outcome(StrEnum):
    """What became of a part of the source."""

    MAPPED = "mapped"
    """It means the same here, under another name or at another place, and a reader might look for it."""
    APPROXIMATED = "approximated"
    """What it became does nearly the same; the note says what differs."""
    LEFT_OUT = "left out"
    """Nothing here stands for it, and the workflow does its work without it."""
    REFUSED = "refused"
    """Nothing here stands for it, and without it the workflow would do something else: nothing is written."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the report: a part of the source, where it stands, and what became of it, and why.

    `file` is the path of another file of the project that it stands in, None for the one that was asked for.
    """

    outcome: Outcome
    path: Path
    message: str
    position: Position | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """The resources made of one document (Workflow and WorkflowTemplate, as JSON has them), and the report.

    Where a note refuses something, `resources` is what there would be without it, and isn't to be written.
    """

    resources: tuple[Mapping[str, Any], ...]
    notes: tuple[Note, ...]

    @property
    def refused(self) -> bool:
        """Whether something stands in the way."""
        return any(note.outcome is Outcome.REFUSED for note in self.notes)


def _no_file(_: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says besides. `name` is the Workflow's where the source has none: its file's, without a suffix.

    `images` maps a label of `runs-on` to an image, `scripts` has the numbered scripts by file name with their texts,
    `stages` what a stage's id stands for; None where nothing was given. `read` gives another file of the project by
    its path from the project's root, None where there is none. With `skip_unsupported` a step that can't be mapped
    becomes one that says so instead of a refusal.
    """

    name: str = "workflow"
    images: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] | None = None
    stages: Mapping[str, Any] | None = None
    read: Callable[[str], str | None] = _no_file
    skip_unsupported: bool = False


class Format(Protocol):
    """One format: a module's functions."""

    def recognises(self, document: Document) -> bool:
        """Whether a document is of this format, judged by what it holds."""

    def convert(self, document: Document, options: Options) -> Conversion:
        """Convert it. What is wrong in it is a refusal with its place, never an exception."""
