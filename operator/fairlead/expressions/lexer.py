"""Cuts an expression into tokens, as LexicalAnalyzer.cs in actions/runner does.

Two tokens depend on the one before: a `.` after something that can have properties is a dereference and
else begins a number, and a word after a dereference is a property even if it reads `null` or `true`.
"""

import math
import re
from enum import StrEnum, auto
from typing import Final, NamedTuple

from .errors import LexingError
from .limits import MAX_LENGTH
from .values import WHITESPACE, parse_number, plain_number


class TokenKind(StrEnum):
    """What the parser has to tell apart; a symbol is known by its text."""

    SYMBOL = auto()
    NAME = auto()
    LITERAL = auto()
    END = auto()


class Token(NamedTuple):
    """A token: its raw text, its offset in the source, and for a literal its value."""

    kind: TokenKind
    text: str
    position: int
    value: bool | float | str | None = None


KEYWORDS: Final[dict[str, bool | float | None]] = {
    "null": None,
    "true": True,
    "false": False,
    "NaN": math.nan,
    "Infinity": math.inf,
}
"""The words that are values. They have a case, unlike all other words of the language."""

IDENTIFIER: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]*")

_BOUNDARY = rf"()\[\],!<>=&|{WHITESPACE}"
_SPACE = re.compile(f"[{WHITESPACE}]*")
_STRING = re.compile(r"'(?:[^']|'')*+'")
_NUMBER = re.compile(f"[^{_BOUNDARY}]+")
_SYMBOL = re.compile(r"==|!=|<=|>=|&&|\|\||[()\[\],!<>*]")
_WORD = re.compile(f"(?s:.)[^.{_BOUNDARY}]*")

_NUMBER_STARTS = frozenset("+-.0123456789")
_PROPERTY_OWNERS = frozenset(")]*")


def tokenize(source: str, start: int, end: int) -> list[Token]:
    """Return the tokens of `source[start:end]`, an END last, with offsets into the whole source.

    LexingError names the first sequence that is no token, or tells that the expression is too long.
    """
    if end - start > MAX_LENGTH:
        raise LexingError(f"Exceeded max expression length {MAX_LENGTH}", position=start, source=source)
    return _Lexer(source, start, end).tokens()


class _Lexer:
    def __init__(self, source: str, start: int, end: int) -> None:
        self._source = source
        self._start = start
        self._end = end

    def tokens(self) -> list[Token]:
        tokens: list[Token] = []
        previous: Token | None = None
        position = self._skip_space(self._start)
        while position < self._end:
            previous = self._token(position, previous)
            tokens.append(previous)
            position = self._skip_space(position + len(previous.text))
        tokens.append(Token(TokenKind.END, "", self._end))
        return tokens

    def _token(self, position: int, previous: Token | None) -> Token:
        first = self._source[position]
        if first == "'":
            return self._string(position)
        if first == "." and _can_have_properties(previous):
            return Token(TokenKind.SYMBOL, first, position)
        if first in _NUMBER_STARTS:
            return self._number(position)
        if symbol := self._take(_SYMBOL, position):
            return Token(TokenKind.SYMBOL, symbol, position)
        return self._word(position, previous)

    def _string(self, position: int) -> Token:
        text = self._take(_STRING, position)
        if not text:
            raise self._unexpected(self._source[position : self._end], position)
        return Token(TokenKind.LITERAL, text, position, text[1:-1].replace("''", "'"))

    def _number(self, position: int) -> Token:
        text = self._take(_NUMBER, position)
        number = parse_number(text)
        if math.isnan(number):
            raise self._unexpected(text, position)
        return Token(TokenKind.LITERAL, text, position, plain_number(number))

    def _word(self, position: int, previous: Token | None) -> Token:
        text = self._take(_WORD, position)
        if not IDENTIFIER.fullmatch(text):
            raise self._unexpected(text, position)
        if text in KEYWORDS and not (previous and previous.text == "."):
            return Token(TokenKind.LITERAL, text, position, KEYWORDS[text])
        return Token(TokenKind.NAME, text, position)

    def _skip_space(self, position: int) -> int:
        return position + len(self._take(_SPACE, position))

    def _take(self, pattern: re.Pattern[str], position: int) -> str:
        found = pattern.match(self._source, position, self._end)
        return found[0] if found else ""

    def _unexpected(self, text: str, position: int) -> LexingError:
        span = (self._start, self._end)
        return LexingError("Unexpected symbol", symbol=text, position=position, source=self._source, span=span)


def _can_have_properties(token: Token | None) -> bool:
    return token is not None and (token.kind is TokenKind.NAME or token.text in _PROPERTY_OWNERS)
