"""The tokens of PowerShell, as far as its data files and conditions need them.

Quotes, dashes and escapes are PowerShell's own: typographic quotes are quotes, a backtick escapes, two quotes in a
text are one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from fairlead.model.problem import quote

SINGLE: Final = "'\u2018\u2019\u201a\u201b"
"""What begins and ends a text without escapes."""

_DOUBLE: Final = '"\u201c\u201d\u201e'
_ESCAPES: Final = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_SPACE: Final = re.compile(r"(?:[ \t\f\v\x85\xa0]|`(?:\r\n|\r|\n))+")
_COMMENT: Final = re.compile(r"#[^\r\n]*")
_NUMBER: Final = re.compile(
    r"[-+]?(?:0x[0-9a-f]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?)(?:u?[dlysn]|u|)(?P<size>[kmgtp]b)?(?![\w.*-])",
    re.ASCII | re.IGNORECASE,
)
_DIGITS: Final = re.compile(
    r"(?P<sign>[-+]?)(?:0x(?P<hex>[0-9a-f]+)|(?P<plain>[0-9.]+(?:e[-+]?[0-9]+)?))", re.ASCII | re.IGNORECASE
)
_VARIABLE: Final = re.compile(r"\$(?:\{([^}\r\n]+)\}|((?:[A-Za-z]\w*:)?\w+)|([?$^]))")
_WORD: Final = re.compile(r"[A-Za-z_][\w.-]*|-[A-Za-z]+")
_CAST: Final = re.compile(r"\[([A-Za-z][\w.]*)\]")
_SYMBOL: Final = re.compile(r"&&|\|\||==|!=|<=|>=|[0-9][\w.*-]*|[^\s]")
_SIZES: Final = {"kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40, "pb": 2**50}
_MOST_DIGITS: Final = 40


class Kind(Enum):
    """What a token is. `SYMBOL` is any other character, and the operators of other languages."""

    TEXT = auto()
    NUMBER = auto()
    VARIABLE = auto()
    WORD = auto()
    CAST = auto()
    TABLE = auto()
    ARRAY = auto()
    OPEN = auto()
    CLOSE = auto()
    BLOCK = auto()
    COMMA = auto()
    EQUALS = auto()
    SEMICOLON = auto()
    NEWLINE = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its text in the source, where that begins, and the value of a literal, or a variable's name."""

    kind: Kind
    text: str
    offset: int
    value: str | float | None = None


class PowerShellError(Exception):
    """What can't be read, and its offset in the text."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message, offset)
        self.message = message
        self.offset = offset

    def __str__(self) -> str:
        return self.message


_FIXED: Final = {
    "@{": Kind.TABLE,
    "@(": Kind.ARRAY,
    "(": Kind.OPEN,
    ")": Kind.CLOSE,
    "}": Kind.CLOSE,
    ",": Kind.COMMA,
    ";": Kind.SEMICOLON,
}


class Tokens:
    """The tokens of a text, one after another. Raises PowerShellError."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._next: Token | None = None

    def peek(self) -> Token:
        """Give the next token without taking it."""
        if self._next is None:
            self._next = self._read()
        return self._next

    def next(self) -> Token:
        """Take the next token; after the last one END, again and again."""
        token = self.peek()
        if token.kind is not Kind.END:
            self._next = None
        return token

    def _read(self) -> Token:
        self._skip()
        text, at = self._text, self._at
        if at >= len(text):
            return Token(Kind.END, "", at)
        character = text[at]
        if found := _LINE_END.match(text, at):
            return self._token(Kind.NEWLINE, found.end())
        for fixed, kind in _FIXED.items():
            if text.startswith(fixed, at):
                return self._token(kind, at + len(fixed))
        if character == "@" and text[at + 1 : at + 2] and text[at + 1] in SINGLE + _DOUBLE:
            return self._here_string(at)
        if character in SINGLE:
            return self._single(at)
        if character in _DOUBLE:
            return self._double(at)
        if character == "{":
            return self._block(at)
        return self._other(at)

    def _other(self, at: int) -> Token:
        text = self._text
        if found := _NUMBER.match(text, at):
            return self._number(found)
        if found := _VARIABLE.match(text, at):
            return self._token(Kind.VARIABLE, found.end(), next(filter(None, found.groups())))
        if found := _WORD.match(text, at):
            return self._token(Kind.WORD, found.end())
        if found := _CAST.match(text, at):
            return self._token(Kind.CAST, found.end(), found[1])
        if text.startswith("=", at) and not text.startswith("==", at):
            return self._token(Kind.EQUALS, at + 1)
        found = _SYMBOL.match(text, at)
        return self._token(Kind.SYMBOL, found.end() if found else at + 1)

    def _token(self, kind: Kind, end: int, value: str | float | None = None) -> Token:
        token = Token(kind, self._text[self._at : end], self._at, value)
        self._at = end
        return token

    def _skip(self) -> None:
        while True:
            if found := _SPACE.match(self._text, self._at) or _COMMENT.match(self._text, self._at):
                self._at = found.end()
            elif self._text.startswith("<#", self._at):
                end = self._text.find("#>", self._at + 2)
                if end < 0:
                    raise PowerShellError("this comment is never closed by #>", self._at)
                self._at = end + 2
            else:
                return

    def _number(self, found: re.Match[str]) -> Token:
        digits = _DIGITS.match(found[0])
        plain = digits["plain"] if digits else None
        if digits is None or len(found[0]) > _MOST_DIGITS or (plain or "").count(".") > 1:
            raise PowerShellError(
                f"{quote(found[0], 40)} is no number that JSON has; put it into quotes", found.start()
            )
        value: float = int(digits["hex"], 16) if digits["hex"] else _plain_number(plain or "0")
        if digits["sign"] == "-":
            value = -value
        value *= _SIZES[found["size"].casefold()] if found["size"] else 1
        if value - value != 0:
            raise PowerShellError(
                f"{quote(found[0], 40)} is no number that JSON has; put it into quotes", found.start()
            )
        return self._token(Kind.NUMBER, found.end(), value)

    def _single(self, at: int) -> Token:
        text, index = self._text, at + 1
        parts: list[str] = []
        while index < len(text):
            character = text[index]
            if character in SINGLE:
                if text[index + 1 : index + 2] and text[index + 1] in SINGLE:
                    index += 1
                else:
                    return self._token(Kind.TEXT, index + 1, "".join(parts))
            parts.append(character)
            index += 1
        raise PowerShellError("this text is never closed by a quote", at)

    def _double(self, at: int) -> Token:
        text, index = self._text, at + 1
        parts: list[str] = []
        while index < len(text):
            character = text[index]
            if character in _DOUBLE:
                if text[index + 1 : index + 2] and text[index + 1] in _DOUBLE:
                    index += 1
                else:
                    return self._token(Kind.TEXT, index + 1, "".join(parts))
            elif character == "`":
                piece, index = _escape(text, index)
                parts.append(piece)
                continue
            else:
                _refuse_computed(text, index)
            parts.append(character)
            index += 1
        raise PowerShellError("this text is never closed by a quote", at)

    def _here_string(self, at: int) -> Token:
        single = self._text[at + 1] in SINGLE
        begin = re.compile(r"@.[ \t]*(?:\r\n|\r|\n)").match(self._text, at)
        if begin is None:
            raise PowerShellError("the text of a here-string begins on the next line", at)
        ending = re.compile(rf"(?:\r\n|\r|\n)[{SINGLE if single else _DOUBLE}]@")
        # The line's end that the text begins after may be the one that it ends at.
        found = ending.search(self._text, begin.end() - (2 if begin[0].endswith("\r\n") else 1))
        if found is None:
            raise PowerShellError("this here-string is never closed by a quote and @ at a line's beginning", at)
        raw = self._text[begin.end() : max(begin.end(), found.start())]
        value = raw if single else self._expanded(begin.end(), begin.end() + len(raw))
        return self._token(Kind.TEXT, found.end(), value)

    def _expanded(self, start: int, end: int) -> str:
        parts, index = [], start
        while index < end:
            if self._text[index] == "`" and index + 1 < end:
                piece, index = _escape(self._text, index)
                parts.append(piece)
                continue
            _refuse_computed(self._text, index)
            parts.append(self._text[index])
            index += 1
        return "".join(parts)

    def _block(self, at: int) -> Token:
        """Take a script block whole; texts and comments in it are read, so that their braces don't count."""
        depth, index = 0, at
        while index < len(self._text):
            character = self._text[index]
            if character == "{":
                depth += 1
            elif character == "}":
                depth -= 1
                if depth == 0:
                    return self._token(Kind.BLOCK, index + 1, self._text[at + 1 : index])
            index = self._past(index)
        raise PowerShellError('this script block is never closed by "}"', at)

    def _past(self, index: int) -> int:
        """Give where the next piece of a script begins: after a text, a comment, an escape, or one character."""
        text = self._text
        if found := _COMMENT.match(text, index):
            return found.end() if index == 0 or text[index - 1] in " \t\r\n;{(" else index + 1
        if text.startswith("<#", index):
            end = text.find("#>", index)
            return len(text) if end < 0 else end + 2
        if text[index] == "`":
            return index + 2
        if text[index] not in SINGLE + _DOUBLE:
            return index + 1
        quotes = SINGLE if text[index] in SINGLE else _DOUBLE
        index += 1
        while index < len(text) and text[index] not in quotes:
            index += 2 if text[index] == "`" and quotes is _DOUBLE else 1
        return index + 1


def _plain_number(text: str) -> float:
    return int(text) if text.isdigit() else float(text)


def _escape(text: str, index: int) -> tuple[str, int]:
    """Give what a backtick and what follows stand for, and where it goes on."""
    following = text[index + 1 : index + 2]
    if following == "u" and (found := re.compile(r"\{([0-9a-fA-F]{1,6})\}").match(text, index + 2)):
        code = int(found[1], 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004  what Unicode has
            raise PowerShellError("there is no such character", index)
        return chr(code), found.end()
    return _ESCAPES.get(following, following), index + 1 + len(following)


def _refuse_computed(text: str, index: int) -> None:
    if text[index] == "$" and (_VARIABLE.match(text, index) or text.startswith("$(", index)):
        said = "a text in double quotes is filled in where it has $; write it in single quotes, or `$"
        raise PowerShellError(said, index)
