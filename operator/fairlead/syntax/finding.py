"""What lint finds: how bad it is, which rule it breaks, and where in the text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from fairlead.model.problem import Path, format_path, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.syntax.source import Position


class Severity(StrEnum):
    """What a finding means for the workflow."""

    ERROR = "error"
    """It can't run."""
    WARNING = "warning"
    """It runs, and will probably do something else than what is meant."""
    NOTE = "note"
    """Nothing is wrong, but not everything could be looked at."""


class Rule(StrEnum):
    """What can be found. `docs/lint.md` has an example of each, and the way out."""

    YAML = "yaml"
    DUPLICATE_KEY = "duplicate-key"
    RESOURCE = "resource"
    UNKNOWN_FIELD = "unknown-field"
    MISSING_FIELD = "missing-field"
    INVALID_VALUE = "invalid-value"
    UNKNOWN_JOB = "unknown-job"
    CYCLE = "cycle"
    UNREACHABLE_JOB = "unreachable-job"
    BAD_EXPRESSION = "bad-expression"
    UNKNOWN_REFERENCE = "unknown-reference"
    MATRIX = "matrix"
    TEMPLATE_INPUT = "template-input"
    NEVER_RUNS = "never-runs"
    TEXT_AS_CONDITION = "text-as-condition"
    UNSET_OUTPUT = "unset-output"
    SCRIPT_INJECTION = "script-injection"
    LITERAL_SECRET = "literal-secret"  # noqa: S105  a rule's name
    UNKNOWN_PROPERTY = "unknown-property"
    UNSET_VARIABLE = "unset-variable"
    WORKFLOW_COMMAND = "workflow-command"
    YAML_WORD = "yaml-word"
    NO_HEALTH_CHECK = "no-health-check"
    USELESS_TIMEOUT = "useless-timeout"
    UNKNOWN_TEMPLATE = "unknown-template"
    OTHER_KIND = "other-kind"


DESCRIPTIONS: Final[Mapping[Rule, str]] = {
    Rule.YAML: "The file is not YAML that JSON could hold.",
    Rule.DUPLICATE_KEY: "A key stands twice in one map; only the last one counts.",
    Rule.RESOURCE: "apiVersion, kind or metadata are not what the API server takes.",
    Rule.UNKNOWN_FIELD: "There is no such field.",
    Rule.MISSING_FIELD: "Something that has to be there is not.",
    Rule.INVALID_VALUE: "A value is not what its field takes.",
    Rule.UNKNOWN_JOB: "A job needs one that there is not.",
    Rule.CYCLE: "Jobs need each other in a circle.",
    Rule.UNREACHABLE_JOB: "A job needs one that can never run.",
    Rule.BAD_EXPRESSION: "An expression does not parse.",
    Rule.UNKNOWN_REFERENCE: "An expression names what is not there.",
    Rule.MATRIX: "A matrix can't be expanded.",
    Rule.TEMPLATE_INPUT: "A template is called with inputs that it does not take.",
    Rule.NEVER_RUNS: "A job or step never runs, whatever happens before it.",
    Rule.TEXT_AS_CONDITION: 'A text is used as a condition, and the text "false" counts as true.',
    Rule.UNSET_OUTPUT: "An output is read that its step never sets.",
    Rule.SCRIPT_INJECTION: "A value from outside becomes a part of a script.",
    Rule.LITERAL_SECRET: "A secret is written out.",
    Rule.UNKNOWN_PROPERTY: "An expression names a property that is always empty.",
    Rule.UNSET_VARIABLE: "A script uses a variable of GitHub Actions that is not set here.",
    Rule.WORKFLOW_COMMAND: "A script prints a command of GitHub Actions that does nothing here.",
    Rule.YAML_WORD: "An unquoted word or number means something else to YAML.",
    Rule.NO_HEALTH_CHECK: "Steps may start before a service answers.",
    Rule.USELESS_TIMEOUT: "A timeout is longer than the one around it.",
    Rule.UNKNOWN_TEMPLATE: "A template is called that is not among the files.",
    Rule.OTHER_KIND: "A resource of another kind is passed over.",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """What a check says of a part of the document.

    `span` is the offset and length inside the text that stands at `path`. `at_key`: it is about the name, not about
    what it holds. `secret`: the text there is not to be shown.
    """

    rule: Rule
    path: Path
    message: str
    suggestion: str | None = None
    span: tuple[int, int] | None = None
    at_key: bool = False
    severity: Severity = Severity.WARNING
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to be told: where it stands, over how many characters of that line, and what it is.

    `path` is the place in the document, () for the whole of it.
    """

    position: Position
    length: int
    severity: Severity
    rule: Rule
    message: str
    suggestion: str | None = None
    path: Path = ()
    secret: bool = False

    @property
    def sentence(self) -> str:
        """Say it in one line, with the place in the document and what was probably meant."""
        place = f"{format_path(self.path)}: " if self.path else ""
        hint = f"; did you mean {quote(self.suggestion)}?" if self.suggestion else ""
        return f"{place}{self.message}{hint}"
