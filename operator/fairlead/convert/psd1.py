"""PowerShell data files → documents with the place of every part: the part of PowerShell that computes nothing.

    hashtable = "@{" { key "=" list } "}"            entries end at a line's end or at ";"
    array     = "@(" { list } ")"                    lists end there, too; an array alone is unrolled into it
    list      = value { "," value }
    value     = hashtable | array | "(" list ")" | "{" script "}" | text | number | $true | $false | $null

A script block is given as the text inside. Whatever would have to be run to know its value (variables, `$(…)`,
operators, commands) is an error that names its place.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fairlead.convert.powershell import Kind, PowerShellError, Token, Tokens
from fairlead.model.problem import quote
from fairlead.syntax.source import MOST_BYTES, Document, Position, SourceError

if TYPE_CHECKING:
    from fairlead.model.problem import Path

_MOST_DEPTH: Final = 100
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_BREAKS: Final = (Kind.NEWLINE, Kind.SEMICOLON)


def read_documents(text: str) -> list[Document]:
    """Read the one document of a data file; none where it is empty. Raises SourceError with the place."""
    if len(text) > MOST_BYTES or len(text.encode(errors="replace")) > MOST_BYTES:
        raise SourceError(f"it has more than {MOST_BYTES // 2**20} MiB, which no cluster would take")
    text = text.removeprefix("\ufeff")
    starts = [0, *(found.end() for found in _LINE_END.finditer(text))]
    try:
        node = _Parser(Tokens(text)).document()
    except PowerShellError as error:
        raise SourceError(error.message, _position(starts, error.offset)) from error
    if node is None:
        return []
    walk = _Walk(starts)
    value = walk.value(node, ())
    return [Document(value, walk.keys, walk.values, tuple(walk.duplicates))]


@dataclass(frozen=True, slots=True)
class _Scalar:
    value: str | float | bool | None
    offset: int


@dataclass(frozen=True, slots=True)
class _List:
    items: tuple[_Node, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class _Table:
    entries: tuple[tuple[str, int, _Node], ...]
    offset: int


_Node = _Scalar | _List | _Table


class _Parser:
    """Recursive descent, no deeper than `_MOST_DEPTH`."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._depth = 0

    def document(self) -> _Node | None:
        self._skip_breaks()
        if self._tokens.peek().kind is Kind.END:
            return None
        node = self._list()
        self._skip_breaks()
        after = self._tokens.peek()
        if after.kind is not Kind.END:
            raise PowerShellError(f"{_shown(after)} comes after the data; a data file has one value", after.offset)
        return node

    def _list(self) -> _Node:
        first = self._value()
        if self._tokens.peek().kind is not Kind.COMMA:
            self._check_end()
            return first
        items = [first]
        while self._tokens.peek().kind is Kind.COMMA:
            self._tokens.next()
            self._skip_newlines()
            items.append(self._value())
        self._check_end()
        return _List(tuple(items), first.offset)

    def _check_end(self) -> None:
        """Refuse what stands behind a value on its line: it would compute something with it."""
        after = self._tokens.peek()
        if after.kind not in (*_BREAKS, Kind.CLOSE, Kind.END):
            raise PowerShellError(f"{_shown(after)} can't stand here; a data file has only plain values", after.offset)

    def _value(self) -> _Node:
        token = self._tokens.next()
        match token.kind:
            case Kind.TEXT | Kind.NUMBER | Kind.BLOCK:
                return _Scalar(token.value, token.offset)
            case Kind.VARIABLE if str(token.value).casefold() in _CONSTANTS:
                return _Scalar(_CONSTANTS[str(token.value).casefold()], token.offset)
            case Kind.TABLE:
                return self._table(token)
            case Kind.ARRAY | Kind.OPEN:
                return self._array(token)
            case Kind.CAST if str(token.value).casefold() == "ordered" and self._tokens.peek().kind is Kind.TABLE:
                return self._value()
            case Kind.VARIABLE:
                said = f"${token.value} is known only when it is run; a data file has $true, $false and $null"
                raise PowerShellError(said, token.offset)
            case Kind.END | Kind.NEWLINE | Kind.SEMICOLON | Kind.CLOSE:
                raise PowerShellError("a value is missing here", token.offset)
            case _:
                said = f"{_shown(token)} is no plain value; texts go into quotes"
                raise PowerShellError(said, token.offset)

    def _table(self, opening: Token) -> _Table:
        self._enter(opening)
        entries: list[tuple[str, int, _Node]] = []
        while not self._closes(opening, "}"):
            key = self._tokens.next()
            if key.kind not in (Kind.TEXT, Kind.NUMBER, Kind.WORD):
                raise PowerShellError(f"{_shown(key)} is no key; write KEY = VALUE", key.offset)
            sign = self._tokens.peek()
            if sign.kind is not Kind.EQUALS:
                raise PowerShellError(f"the key {quote(key.text)} has no value; write KEY = VALUE", key.offset)
            self._tokens.next()
            self._skip_newlines()
            name = str(key.value) if key.kind is Kind.TEXT else key.text
            entries.append((name, key.offset, self._list()))
        self._depth -= 1
        return _Table(tuple(entries), opening.offset)

    def _array(self, opening: Token) -> _Node:
        self._enter(opening)
        items: list[_Node] = []
        while not self._closes(opening, ")"):
            found = self._list()
            # What is written as an array is put out one by one, and gathered again.
            items += found.items if isinstance(found, _List) else (found,)
        self._depth -= 1
        if opening.kind is Kind.OPEN:
            if not items:
                raise PowerShellError("a value is missing here", opening.offset)
            return items[0] if len(items) == 1 else _List(tuple(items), opening.offset)
        return _List(tuple(items), opening.offset)

    def _closes(self, opening: Token, closing: str) -> bool:
        self._skip_breaks()
        token = self._tokens.peek()
        if token.kind is Kind.END:
            raise PowerShellError(f"{quote(opening.text)} is never closed by {quote(closing)}", opening.offset)
        if token.kind is not Kind.CLOSE:
            return False
        if token.text != closing:
            raise PowerShellError(
                f"{quote(token.text)} can't stand here; {quote(opening.text)} is closed by {quote(closing)}",
                token.offset,
            )
        self._tokens.next()
        return True

    def _enter(self, opening: Token) -> None:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise PowerShellError(f"it is nested more than {_MOST_DEPTH} levels deep", opening.offset)

    def _skip_breaks(self) -> None:
        while self._tokens.peek().kind in _BREAKS:
            self._tokens.next()

    def _skip_newlines(self) -> None:
        while self._tokens.peek().kind is Kind.NEWLINE:
            self._tokens.next()


def _shown(token: Token) -> str:
    return "the end" if token.kind is Kind.END else quote(token.text, 40)


@dataclass(slots=True)
class _Walk:
    """Makes the value of a tree, and notes the places."""

    starts: list[int]
    keys: dict[Path, Position] = field(default_factory=dict)
    values: dict[Path, Position] = field(default_factory=dict)
    duplicates: list[tuple[Path, Position]] = field(default_factory=list)

    def value(self, node: _Node, path: Path) -> object:
        self.values[path] = _position(self.starts, node.offset)
        match node:
            case _Scalar(value):
                return value
            case _List(items):
                return [self.value(each, (*path, index)) for index, each in enumerate(items)]
            case _Table(entries):
                return self._table(entries, path)

    def _table(self, entries: tuple[tuple[str, int, _Node], ...], path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        # PowerShell's keys have no case.
        names: dict[str, str] = {}
        for written, offset, node in entries:
            name = names.setdefault(written.casefold(), written)
            at = (*path, name)
            if at in self.keys:
                self.duplicates.append((at, _position(self.starts, offset)))
            self.keys[at] = _position(self.starts, offset)
            found[name] = self.value(node, at)
        return found


def _position(starts: list[int], offset: int) -> Position:
    line = bisect_right(starts, offset)
    return Position(line, offset - starts[line - 1] + 1)
