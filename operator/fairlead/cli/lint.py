"""`fairlead lint`: what is wrong with a file, and what will surprise."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from fairlead.cli.excerpt import excerpts, show, terminal
from fairlead.cli.files import (
    STANDARD_INPUT,
    SourceFile,
    UnreadableFileError,
    kind_of,
    listed,
    read_text,
    shown,
    templates_of,
    what_else,
)
from fairlead.cli.sarif import level_of, sarif
from fairlead.model.crd import GROUP
from fairlead.model.problem import format_path, one_line, quote
from fairlead.plan.matrix_check import matrix_problems
from fairlead.syntax.finding import Finding, Rule, Severity
from fairlead.syntax.lint import lint, problem_findings
from fairlead.syntax.places import Places, split_lines
from fairlead.syntax.resource import KINDS
from fairlead.syntax.source import Position, SourceError, read_documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fairlead.syntax.source import Document

_FORMATS: Final = ("text", "json", "sarif", "github")
_MOST_MESSAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Linted:
    """A file with what was found in it, in the order of its text."""

    source: SourceFile
    findings: Sequence[Finding] = field(default=())


@click.command("lint", short_help="Find what is wrong with workflows, and what will surprise.")
@click.argument("paths", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "-o",
    "--output",
    type=click.Choice(_FORMATS),
    default="text",
    show_default=True,
    help="How findings are printed; github writes commands that GitHub Actions shows beside the lines.",
)
@click.option("--strict", is_flag=True, help="Let warnings fail, too.")
def lint_command(paths: tuple[str, ...], output: str, *, strict: bool) -> None:
    """Check the Workflows and WorkflowTemplates in each FILE: a folder stands for its YAML files, - for standard input.

    All mistakes are told at once, each with its place. Warnings are about what runs, but hardly as it is meant; a
    comment at the end of the line answers one: # fairlead: ignore=RULE. docs/lint.md has all rules.

    Exit code 0: nothing is wrong. 1: there are errors (with --strict, or warnings). 2: a file can't be read, or the
    command was called wrongly.
    """
    sources, unreadable = _read(paths)
    linted = lint_files(sources)
    console = terminal()
    match output:
        case "json":
            console.print(json.dumps(_document(linted), indent=2))
        case "sarif":
            console.print(json.dumps(sarif({each.source.name: each.findings for each in linted}), indent=2))
        case "github":
            for each in linted:
                for finding in each.findings:
                    console.print(_command(each.source.name, finding))
        case _:
            for each in linted:
                show(console, excerpts(each.source.name, each.source.text, each.findings))
            console.print(summary(linted))
    for error in unreadable:
        error.show()
    if unreadable:
        raise SystemExit(UnreadableFileError.exit_code)
    severities = {finding.severity for each in linted for finding in each.findings}
    if Severity.ERROR in severities or (strict and Severity.WARNING in severities):
        raise SystemExit(1)


def lint_files(sources: Iterable[SourceFile]) -> list[Linted]:
    """Check files together: a template in one may be called from another."""
    read = [(source, *_documents(source)) for source in sources]
    templates: dict[str, Document] = {}
    for _, documents, _ in read:
        templates |= templates_of(documents)
    return [
        Linted(source, [broken] if broken is not None else lint_documents(source, documents, templates))
        for source, documents, broken in read
    ]


def _read(paths: Sequence[str]) -> tuple[list[SourceFile], list[UnreadableFileError]]:
    """Read each file once; what can't be read doesn't keep the others from being checked."""
    sources: dict[str, SourceFile] = {}
    unreadable: list[UnreadableFileError] = []
    for path in paths:
        try:
            for name in listed(path) if path != STANDARD_INPUT and Path(path).is_dir() else (path,):
                if name not in sources:
                    sources[name] = read_text(name)
        except UnreadableFileError as error:
            unreadable.append(error)
        except ValueError as error:
            unreadable.append(UnreadableFileError(path, f"can't be read: {one_line(str(error))}"))
    return list(sources.values()), unreadable


def _documents(source: SourceFile) -> tuple[list[Document], Finding | None]:
    try:
        documents = read_documents(source.text)
    except SourceError as error:
        return [], Finding(error.position or Position(1, 1), 1, Severity.ERROR, Rule.YAML, error.message)
    if not documents:
        said = "is empty; a Workflow is expected"
        return [], Finding(Position(1, 1), 1, Severity.ERROR, Rule.RESOURCE, said)
    return documents, None


def lint_documents(
    source: SourceFile, documents: Sequence[Document], templates: Mapping[str, Document]
) -> list[Finding]:
    """Give all that is to be said of some documents of a file, in the order of its text."""
    lines = split_lines(source.text)
    known = [document for document in documents if _is_ours(document)]
    found: list[Finding] = []
    for document in documents:
        kind = kind_of(document)
        if document in known:
            found += _of_document(document, source.text, templates)
        elif kind is not None and (known or not what_else([document]).endswith("?")):
            position, length = Places(document, lines).value(("kind",))
            said = f"a {quote(kind)} is passed over; only Workflows and WorkflowTemplates are checked"
            found.append(Finding(position, length, Severity.NOTE, Rule.OTHER_KIND, said))
        else:
            position, length = Places(document, lines).value(("kind",) if kind else ())
            found.append(Finding(position, length, Severity.ERROR, Rule.RESOURCE, what_else([document])))
    return sorted(found, key=lambda each: (each.position, each.severity))


def _is_ours(document: Document) -> bool:
    """Whether a resource is one of ours, or was to be: by its kind, or by its apiVersion."""
    value = document.value
    version = value.get("apiVersion") if isinstance(value, dict) else None
    ours = isinstance(version, str) and version.startswith(f"{GROUP}/")
    return ours or kind_of(document) in KINDS


def _of_document(document: Document, text: str, templates: Mapping[str, Document]) -> list[Finding]:
    found = lint(document, text, templates)
    if not any(finding.severity is Severity.ERROR for finding in found):
        value = document.value
        assert isinstance(value, dict)  # noqa: S101  or there were errors
        found += problem_findings(matrix_problems(value), document, text, Rule.MATRIX)
    return found


# What is printed


def summary(linted: Sequence[Linted]) -> str:
    """Count what was found: `3 errors, 1 warning in 2 files`."""
    counts = Counter(finding.severity for each in linted for finding in each.findings)
    found = [counted(counts[severity], str(severity)) for severity in Severity if counts[severity]]
    wrong = any(severity is not Severity.NOTE for severity in counts)
    said = ", ".join(found if wrong else ["no problems", *found])
    return f"{said} in {counted(len(linted), 'file')}"


def counted(number: int, what: str) -> str:
    """Write a number with its word: `1 job`, `2 jobs`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _document(linted: Sequence[Linted]) -> dict[str, Any]:
    counts = Counter(finding.severity for each in linted for finding in each.findings)
    return {
        "files": len(linted),
        **{f"{severity}s": counts[severity] for severity in Severity},
        "findings": [finding_document(each.source.name, finding) for each in linted for finding in each.findings],
    }


def finding_document(name: str, finding: Finding) -> dict[str, Any]:
    """Give a finding as JSON has it."""
    return {
        "file": name,
        "line": finding.position.line,
        "column": finding.position.column,
        "endColumn": finding.position.column + finding.length,
        "severity": str(finding.severity),
        "rule": str(finding.rule),
        "path": format_path(finding.path) if finding.path else None,
        "message": finding.message,
        "suggestion": finding.suggestion,
    }


def _command(name: str, finding: Finding) -> str:
    """Write a finding as a command of GitHub's runner; nothing in it can end the command or begin another."""
    at = finding.position
    place = f"file={_property(shown(name))},line={at.line},col={at.column},endColumn={at.column + finding.length}"
    said = one_line(finding.sentence, _MOST_MESSAGE).replace("%", "%25")
    return f"::{level_of(finding.severity)} {place},title={finding.rule}::{said}"


def _property(text: str) -> str:
    for character, escape in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        text = text.replace(character, escape)
    return text
