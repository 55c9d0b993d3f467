"""A finding as a terminal shows it: one line that says it, the line of the file, and carets under the place.

ci.yaml:12:15: error: spec.jobs.report.needs[0]: no job "tset"; did you mean "test"? [unknown-job]
   12 |       needs: [tset]
      |               ^^^^
"""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from fairlead.cli.files import shown
from fairlead.model.problem import one_line
from fairlead.syntax.finding import Severity
from fairlead.syntax.places import split_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fairlead.syntax.finding import Finding

_COLOURS: Final = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}
_WIDTH: Final = 100
_MOST_MESSAGE: Final = 1000
_UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"
_HIDDEN: Final = "*"


def terminal(*, stderr: bool = False) -> Console:
    """Give a console that colours what goes to a terminal, wraps nothing, and reads no markup in what it prints.

    Where the stream can't show a character, it shows another one.
    """
    stream = sys.stderr if stderr else sys.stdout
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)


def excerpts(name: str, text: str, findings: Sequence[Finding]) -> Iterator[Text]:
    """Give each finding of a file, as it is printed. What was found to be secret is shown as stars in all of them."""
    lines = split_lines(text)
    for finding in findings:
        if finding.secret:
            number, start = finding.position.line - 1, finding.position.column - 1
            if number < len(lines):
                line = lines[number]
                hidden = _HIDDEN * len(line[start : start + finding.length])
                lines[number] = line[:start] + hidden + line[start + finding.length :]
    for finding in findings:
        yield _excerpt(name, lines, finding)


def show(console: Console, texts: Iterable[Text]) -> None:
    """Print texts, each on lines of its own."""
    for text in texts:
        console.print(text, soft_wrap=True)


def _excerpt(name: str, lines: Sequence[str], finding: Finding) -> Text:
    at = finding.position
    colour = _COLOURS[finding.severity]
    text = Text()
    text.append(f"{shown(name)}:{at.line}:{at.column}: ", "bold")
    text.append(f"{finding.severity}: ", colour)
    text.append(one_line(finding.sentence, _MOST_MESSAGE))
    text.append(f" [{finding.rule}]", "dim")
    if at.line > len(lines):
        return text
    line, start, length = _window(lines[at.line - 1], at.column - 1, finding.length)
    gutter = f"{at.line:5}"
    text.append(f"\n{gutter} | ", "dim")
    text.append(_printable(line))
    text.append(f"\n{' ' * len(gutter)} | ", "dim")
    text.append(" " * _columns(_printable(line[:start])))
    text.append("^" * max(1, _columns(_printable(line[start : start + length]))), colour)
    return text


def _window(line: str, start: int, length: int) -> tuple[str, int, int]:
    """Cut a long line around the place; give it with the place's offset in it."""
    line = line.rstrip()
    start = min(start, len(line))
    if len(line) <= _WIDTH:
        return line, start, length
    left = max(0, min(start - _WIDTH // 3, len(line) - _WIDTH))
    right = left + _WIDTH
    before, after = ("…" if left else ""), ("…" if right < len(line) else "")
    shift = len(before) - left
    return before + line[left:right] + after, start + shift, min(length, right - start)


def _printable(text: str) -> str:
    """Give a text that moves no cursor: a tab is a blank, anything else that can't be seen a mark."""
    return "".join(each if each.isprintable() else " " if each.isspace() else _UNPRINTABLE for each in text)


def _columns(text: str) -> int:
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
