"""What is wrong with a workflow, in a form that a status, an admission answer and a terminal can all show."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_PROBLEMS = 100
"""What somebody can be told at once."""

_MOST_SHOWN = 80
_MOST_COMPARED = 500
"""Comparing costs some ten microseconds a name, and nobody waits for a better guess."""

Path = tuple[str | int, ...]
"""Field names, map keys and list indexes from the resource's root."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: where it is, what it is, and (where that can be told) what was probably meant."""

    path: Path
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        hint = f"; did you mean {quote(self.suggestion)}?" if self.suggestion else ""
        return f"{format_path(self.path)}: {self.message}{hint}"


def format_path(path: Path) -> str:
    """Write a path as kubectl does: `spec.jobs.test.needs[0]`; keys with dots go into brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif len(part) <= _MOST_SHOWN and part.replace("-", "").replace("_", "").isalnum():
            text += f".{part}" if text else part
        else:
            text += f"[{quote(part)}]"
    return text or "(root)"


def quote(text: str, most: int = _MOST_SHOWN) -> str:
    """Show a piece of somebody's text on one line, in quotes, harmless to a terminal."""
    shown = escaped(text[: most + 1])
    return f'"{shown[:most]}…"' if len(shown) > most else f'"{shown}"'


def escaped(text: str) -> str:
    """Write what a terminal would obey, or not show, as Python does in its own texts."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def one_line(text: str, most: int = 300) -> str:
    """Make somebody's text fit for a message: one line, nothing that a terminal would obey, not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def closest(wrong: str, known: Iterable[str]) -> str | None:
    """Give the known name that `wrong` was probably meant to be."""
    by_fold = {name.casefold(): name for name in islice(known, _MOST_COMPARED)}
    found = get_close_matches(wrong.casefold()[:100], by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


class InvalidWorkflowError(Exception):
    """A spec that can't run, with every problem found in it (at least one), in the order of the document."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))
