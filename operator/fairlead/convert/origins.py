"""Where the parts of a resource come from, so that what is wrong with one is told at its place in the source."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fairlead.convert.conversion import Outcome
from fairlead.model.problem import InvalidWorkflowError, quote
from fairlead.syntax.document import parse_spec
from fairlead.syntax.template import parse_template_spec

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from fairlead.convert.notes import Notes
    from fairlead.model.problem import Path

_MOST_NAME: Final = 63
_MOST_KEY: Final = 57
"""Characters of a job's id, short of what one may have, so that a number fits behind it."""

_OTHERS: Final = re.compile(r"[^a-z0-9]+", re.ASCII)


@dataclass(slots=True)
class Origins:
    """Paths of a resource, each with the path of the source that it was made of.

    `words` has the source's names of fields by ours, where they are others.
    """

    notes: Notes
    words: Mapping[str, str] = field(default_factory=dict)
    _found: dict[Path, Path] = field(default_factory=dict)

    def put(self, made: Path, source: Path) -> None:
        """Say what a part was made of."""
        self._found[made] = source

    def of(self, made: Path) -> Path:
        """Give what a part was made of; where nobody said, what the part around it was made of."""
        for length in range(len(made), -1, -1):
            source = self._found.get(made[:length])
            if source is not None:
                return self._inside(source, made[length:])
        return ()

    def _inside(self, source: Path, rest: Path) -> Path:
        """Go on in the source by the same names, as far as it has them: much is taken over as it is."""
        known = self.notes.document.values
        for part in rest:
            name = self.words.get(part, part) if isinstance(part, str) else part
            if (*source, name) not in known:
                break
            source = (*source, name)
        return source

    def check(self, resource: Mapping[str, Any]) -> None:
        """Refuse, at its place in the source, whatever Fairlead itself would refuse in the resource.

        What stands at a place that was refused already isn't said again.
        """
        parse = parse_template_spec if resource["kind"] == "WorkflowTemplate" else parse_spec
        try:
            parse(resource["spec"])
        except InvalidWorkflowError as error:
            refused = {note.path for note in self.notes.all if note.outcome is Outcome.REFUSED}
            for problem in error.problems:
                path = self.of(problem.path)
                if path not in refused:
                    hint = f"; did you mean {quote(problem.suggestion)}?" if problem.suggestion else ""
                    self.notes.refused(path, f"{problem.message}{hint}")


def resource_name(text: str, otherwise: str = "workflow") -> str:
    """Make a text the name of a resource: lower-case letters, digits and `-`; `otherwise`, if none of it is left."""
    return _OTHERS.sub("-", text.casefold()).strip("-")[:_MOST_NAME].rstrip("-") or otherwise


def job_key(text: str, taken: Container[str]) -> str:
    """Make a text the id of a job that isn't taken: `Unit Tests` is `unit-tests`, the second time `unit-tests-2`."""
    name = _OTHERS.sub("-", text.casefold()).strip("-")[:_MOST_KEY].rstrip("-") or "job"
    if not name[0].isalpha():
        name = f"job-{name}"
    found = name
    count = 1
    while found in taken:
        count += 1
        found = f"{name}-{count}"
    return found
