"""Findings as SARIF 2.1.0, which code hosts show beside the lines.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote as percent

from fairlead import __version__
from fairlead.model.problem import format_path, one_line
from fairlead.syntax.finding import DESCRIPTIONS, Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairlead.syntax.finding import Finding

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_MOST_MESSAGE: Final = 1000


def sarif(findings: Mapping[str, Sequence[Finding]]) -> dict[str, Any]:
    """Give the document for the findings of files, by the files' names."""
    used = {finding.rule for found in findings.values() for finding in found}
    rules = [rule for rule in Rule if rule in used]
    driver = {
        "name": "fairlead",
        "version": __version__,
        "rules": [
            {
                "id": str(rule),
                "shortDescription": {"text": DESCRIPTIONS[rule]},
                "help": {"text": f"{DESCRIPTIONS[rule]} docs/lint.md has an example and the way out."},
            }
            for rule in rules
        ],
    }
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                # Columns are counted as Python counts characters.
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(name, finding, rules.index(finding.rule))
                    for name, found in findings.items()
                    for finding in found
                ],
            }
        ],
    }


def _result(name: str, finding: Finding, rule: int) -> dict[str, Any]:
    at = finding.position
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": percent(PurePath(name).as_posix())},
            "region": {"startLine": at.line, "startColumn": at.column, "endColumn": at.column + finding.length},
        }
    }
    if finding.path:
        location["logicalLocations"] = [{"fullyQualifiedName": format_path(finding.path)}]
    return {
        "ruleId": str(finding.rule),
        "ruleIndex": rule,
        "level": str(finding.severity),
        "message": {"text": one_line(finding.sentence, _MOST_MESSAGE)},
        "locations": [location],
    }


def level_of(severity: Severity) -> str:
    """Give GitHub's word for a severity."""
    return "notice" if severity is Severity.NOTE else str(severity)
