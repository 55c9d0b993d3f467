"""A conversion in a nutshell: a text in, the resources and the report as lines out."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

from fairlead.convert.conversion import Options, Outcome
from fairlead.convert.formats import FormatName, load, read
from fairlead.syntax import parse_spec
from fairlead.syntax.template import parse_template_spec

if TYPE_CHECKING:
    from collections.abc import Mapping


class Trial:
    """What one text of a format is converted to. What isn't refused has passed the checks of its kind."""

    def __init__(self, name: FormatName, text: str, files: Mapping[str, str] | None = None, **options: Any) -> None:  # noqa: ANN401  those of Options
        (document,) = read("source.yml", dedent(text))
        found = {path: dedent(each) for path, each in (files or {}).items()}
        given = Options(**{"name": "source", "read": found.get, **options})
        self.conversion = load(name).convert(document, given)
        if not self.conversion.refused:
            for resource in self.conversion.resources:
                check = parse_template_spec if resource["kind"] == "WorkflowTemplate" else parse_spec
                check(resource["spec"])

    @property
    def spec(self) -> dict[str, Any]:
        """The spec of the only, or the last, resource."""
        spec: dict[str, Any] = self.conversion.resources[-1]["spec"]
        return spec

    def job(self, name: str = "test") -> dict[str, Any]:
        """Give a job."""
        job: dict[str, Any] = self.spec["jobs"][name]
        return job

    def steps(self, name: str = "test") -> list[dict[str, Any]]:
        """Give a job's steps."""
        steps: list[dict[str, Any]] = self.job(name)["steps"]
        return steps

    def told(self, *outcomes: Outcome) -> list[str]:
        """Give the report's lines as `LINE message`, of these outcomes (all where none is named)."""
        return [
            f"{note.position.line if note.position else 0} {note.message}"
            for note in self.conversion.notes
            if not outcomes or note.outcome in outcomes
        ]

    @property
    def refused(self) -> list[str]:
        """The lines of what is refused."""
        return self.told(Outcome.REFUSED)
