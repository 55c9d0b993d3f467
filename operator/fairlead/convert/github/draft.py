"""What the converters of one workflow file share: its notes, and what the file as a whole turns out to need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairlead.convert.conversion import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.convert.conversion import Options
    from fairlead.convert.notes import Notes
    from fairlead.convert.origins import Origins
    from fairlead.convert.part import Part
    from fairlead.model.problem import Path
    from fairlead.model.spec import InputType


@dataclass(slots=True)
class Draft:
    """One file on its way.

    `inputs` has the type of each declared input, `env` the workflow's own variables. `needed_env` collects variables
    that GitHub sets by itself and scripts read; `sources` says that some job checks the project out. `event` is the
    trigger that a run stands for, and `names_event` says that something asks for it. `guessed` has the images of which
    was said that they are only nearly what is asked for.
    """

    notes: Notes
    options: Options
    images: Mapping[str, str]
    origins: Origins
    inputs: dict[str, InputType] = field(default_factory=dict)
    env: dict[str, object] = field(default_factory=dict)
    needed_env: dict[str, str] = field(default_factory=dict)
    sources: bool = False
    event: str = ""
    names_event: bool = False
    guessed: set[str] = field(default_factory=set)
    _said: set[tuple[object, ...]] = field(default_factory=set)

    def unsupported(self, part: Part, message: str) -> None:
        """Refuse a part, or where the user wants to do without it, leave it out."""
        outcome = Outcome.LEFT_OUT if self.options.skip_unsupported else Outcome.REFUSED
        self.notes.add(outcome, part.path, message)

    def once(self, outcome: Outcome, path: Path, message: str) -> None:
        """Add a note that is true of the whole file, at the first place that gives reason for it."""
        if (outcome, message) not in self._said:
            self._said.add((outcome, message))
            self.notes.add(outcome, path, message)

    @property
    def source_inputs(self) -> tuple[str, str]:
        """The names of the inputs that say what is checked out: the file may have some of these names itself."""
        taken = {name.casefold() for name in self.inputs}
        own = "repository" in taken or "ref" in taken
        return ("checkout-repository", "checkout-ref") if own else ("repository", "ref")
