"""Everything that can go wrong with an expression.

ExpressionError
 ├─ LexingError       a character sequence that is no token
 ├─ ParsingError      tokens in the wrong place, unknown names and functions, limits of size
 └─ EvaluationError   a value that a function cannot work with, limits of results
"""

from enum import StrEnum
from typing import ClassVar

from .caret import point_at


class ErrorKind(StrEnum):
    """The stage that found the error."""

    LEXING = "lexing"
    PARSING = "parsing"
    EVALUATION = "evaluation"


class ExpressionError(Exception):
    """The base: catch it, raise one of its subclasses.

    `source` is the whole text that the caller handed over, expression or template, and `position` an
    offset into it, from 0. `span` says where the expression itself begins and ends in the source. The
    message of an error that has a `symbol` counts positions from 1 inside the expression, and reads as
    GitHub's does (ParseException.cs in actions/runner).
    """

    kind: ClassVar[ErrorKind]

    def __init__(
        self,
        reason: str,
        *,
        symbol: str | None = None,
        position: int = 0,
        source: str = "",
        span: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.symbol = symbol
        self.position = position
        self.source = source
        self.span = (0, len(source)) if span is None else span

    @property
    def message(self) -> str:
        """One sentence, and the place in the expression where a symbol is to blame."""
        if self.symbol is None:
            return self.reason
        start, end = self.span
        place = f"position {self.position - start + 1} within expression: {self.source[start:end]}"
        return f"{self.reason}: '{self.symbol}'. Located at {place}"

    def __str__(self) -> str:
        return self.message

    def caret(self, width: int = 100) -> str:
        """Show the line of the source that is wrong, and a caret below it: two lines, safe for a terminal."""
        return point_at(self.source, self.position, width)


class LexingError(ExpressionError):
    """No token of the language looks like this."""

    kind = ErrorKind.LEXING


class ParsingError(ExpressionError):
    """The tokens are right, their order or what they name is not."""

    kind = ErrorKind.PARSING


class EvaluationError(ExpressionError):
    """The expression is well formed and has no value.

    A function raises it with a reason alone: the evaluator knows the place and adds it.
    """

    kind = ErrorKind.EVALUATION
    _located = False

    def locate(self, position: int, source: str) -> None:
        """Add the place, unless an inner call, which is nearer to the cause, has done so."""
        if not self._located:
            self.position = position
            self.source = source
            self.span = (0, len(source))
            self._located = True
