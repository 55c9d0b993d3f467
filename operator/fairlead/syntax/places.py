"""From a part of a document to its place in the text: a key, a value, or some characters inside of a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fairlead.syntax.source import Position

if TYPE_CHECKING:
    from fairlead.model.problem import Path
    from fairlead.syntax.source import Document

_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"?|\'(?:\'\'|[^\'])*\'?')
_PLAIN = re.compile(r"[^\s,\[\]{}#][^\s,\[\]{}]*")
_BLOCK = re.compile(r"(?:[&!]\S*\s+)*[|>]")
_MOST_LINES: Final = 400
"""Lines of a value that are searched for what doesn't stand where it is expected."""

Span = tuple[Position, int]
"""Where something begins, and how many characters of that line it takes."""


def split_lines(text: str) -> list[str]:
    """Give the lines of a text as YAML counts them."""
    return _LINE_BREAK.split(text)


class Places:
    """The places of one document in its file."""

    def __init__(self, document: Document, lines: list[str]) -> None:
        self.document = document
        self.lines = lines

    def value_at(self, path: Path) -> object:
        """Give what stands at a path; None where nothing does."""
        at: Any = self.document.value
        for part in path:
            try:
                at = at[part]
            except (KeyError, IndexError, TypeError):
                return None
        return at

    def key(self, path: Path) -> Span:
        """Give the place of a part's name; where it is missing, that of what it would be in."""
        found = self.document.keys.get(path)
        if found is not None:
            name = str(path[-1])
            rest = self.rest(found)
            return found, len(name) if rest.startswith(name) else self._token(rest)
        if path in self.document.values:
            return self.value(path)
        return self.key(path[:-1]) if path else (self.document.values[()], 1)

    def value(self, path: Path) -> Span:
        """Give the place of a part itself: a map's or list's is its name's."""
        found = self.document.values.get(path)
        if found is None:
            # One that may stand for a list of itself, as `needs: build` does.
            short = bool(path) and isinstance(path[-1], int) and isinstance(self.value_at(path[:-1]), str)
            return self.value(path[:-1]) if short else self.key(path)
        value = self.value_at(path)
        if isinstance(value, dict | list) or value is None:
            return self.key(path) if path in self.document.keys else (found, self._token(self.rest(found)))
        rest = self.rest(found)
        first = value.split("\n", 1)[0] if isinstance(value, str) else ""
        return found, len(first) if first and rest.startswith(first) else self._token(rest)

    def inside(self, path: Path, offset: int, length: int) -> Span:
        """Give the place of some characters of a text; where they can't be found, that of the text."""
        text, start = self.value_at(path), self.document.values.get(path)
        if not isinstance(text, str) or start is None:
            return self.value(path)
        before = text[:offset].count("\n")
        line_start = text.rfind("\n", 0, offset) + 1
        line_end = text.find("\n", line_start)
        line = text[line_start : line_end if line_end >= 0 else len(text)]
        length = max(1, min(length, len(line) - (offset - line_start)))
        column = offset - line_start
        block = _BLOCK.match(self.rest(start))
        expected = start.line + before + (1 if block else 0)
        found = self._find(line, column, length, expected, start.column - 1 if expected == start.line else 0)
        if found is None:
            found = self._search(line[column : column + length], start)
        return (found, length) if found is not None else self.value(path)

    def rest(self, at: Position) -> str:
        """Give what follows in the line from a place on."""
        return self._line(at.line)[at.column - 1 :]

    def _line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def _find(self, line: str, column: int, length: int, number: int, begin: int) -> Position | None:
        """Find a line of a text in the line of the file where it should be, whole or as far as the place."""
        written = self._line(number)
        for wanted in (line, line[: column + length]):
            at = written.find(wanted, begin)
            if at >= 0:
                return Position(number, at + column + 1)
        return None

    def _search(self, wanted: str, start: Position) -> Position | None:
        """Look for the characters themselves: a folded text, or one with escapes before them."""
        for number in range(start.line, min(start.line + _MOST_LINES, len(self.lines) + 1)):
            at = self._line(number).find(wanted, start.column - 1 if number == start.line else 0)
            if at >= 0:
                return Position(number, at + 1)
        return None

    def _token(self, rest: str) -> int:
        """Measure what begins here, as far as it is on this line."""
        found = _QUOTED.match(rest) or _PLAIN.match(rest)
        return max(1, len(found[0].rstrip(":")) if found else 1)
