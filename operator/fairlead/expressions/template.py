"""Text with `${{ }}` in it.

A `}}` inside a string of the expression does not end it. A text without `${{` is its own value.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from .errors import EvaluationError, ParsingError
from .evaluator import Contexts, Evaluator
from .functions import BUILTINS, Functions
from .limits import TextBuilder, count
from .nodes import Node
from .parser import CACHED_LENGTH, Names, Signatures, parse_span
from .values import WHITESPACE, to_text

OPENING: Final = "${{"
_STRING_OR_END = re.compile(r"'[^']*'|\}\}")
_UNCLOSED: Final = (
    "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found"
)


@dataclass(frozen=True, slots=True)
class Text:
    """What stands between expressions, and its offset in the template."""

    text: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Expression:
    """One `${{ }}`: its tree, and where in the template its `${{` begins and its `}}` ends."""

    node: Node
    position: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. The positions in its trees are offsets in `source` as well."""

    source: str
    parts: tuple[Text | Expression, ...]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The parts that are no literal text."""
        return tuple(part for part in self.parts if isinstance(part, Expression))

    @property
    def single(self) -> Node | None:
        """The tree, when the whole template is one `${{ }}`."""
        match self.parts:
            case (Expression(node),):
                return node
            case _:
                return None


def parse_template(source: str, names: Collection[str] | None = None, functions: Functions = BUILTINS) -> Template:
    """Return the parts of a template; `names` and `functions` as for parse, and the same errors.

    An error's source is the whole template, and its position an offset there.
    """
    known = None if names is None else frozenset(names)
    if len(source) > CACHED_LENGTH:
        return _parse(source, known, functions.signatures)
    return _parse_cached(source, known, functions.signatures)


def interpolate(template: str | Template, contexts: Contexts, functions: Functions = BUILTINS) -> str:
    """Replace each expression by its value, as `format` prints it: always a str.

    null is '', a number `1.5`, an array or object the name of its kind. Raises ExpressionError.
    """
    if isinstance(template, str):
        if OPENING not in template:
            return template
        template = parse_template(template, contexts, functions)
    return _interpolate(template, Evaluator(contexts, functions, template.source))


def evaluate_template(template: str | Template, contexts: Contexts, functions: Functions = BUILTINS) -> object:
    """Return the value itself when the whole template is one `${{ }}`, without even a space around it.

    Anything else is text, as interpolate gives it.
    """
    if isinstance(template, str):
        if OPENING not in template:
            return template
        template = parse_template(template, contexts, functions)
    evaluator = Evaluator(contexts, functions, template.source)
    node = template.single
    if node is None:
        return _interpolate(template, evaluator)
    value = evaluator.result(node)
    count(value)
    return value


def _interpolate(template: Template, evaluator: Evaluator) -> str:
    if not template.expressions:
        return template.source
    text = TextBuilder()
    for part in template.parts:
        value = part.text if isinstance(part, Text) else to_text(evaluator.result(part.node))
        try:
            text.append(value)
        except EvaluationError as error:
            error.locate(part.position, template.source)
            raise
    whole = text.build()
    count(whole)
    return whole


@lru_cache(maxsize=1024)
def _parse_cached(source: str, names: Names, signatures: Signatures) -> Template:
    return _parse(source, names, signatures)


def _parse(source: str, names: Names, signatures: Signatures) -> Template:
    parts: list[Text | Expression] = []
    end = 0
    while (opening := source.find(OPENING, end)) >= 0:
        if opening > end:
            parts.append(Text(source[end:opening], end))
        closing = _find_closing(source, opening)
        node = parse_span(source, *_trimmed(source, opening + len(OPENING), closing), names, signatures)
        end = closing + len("}}")
        parts.append(Expression(node, opening, end))
    if end < len(source):
        parts.append(Text(source[end:], end))
    return Template(source, tuple(parts))


def _find_closing(source: str, opening: int) -> int:
    for found in _STRING_OR_END.finditer(source, opening + len(OPENING)):
        if found[0] == "}}":
            return found.start()
    raise ParsingError(_UNCLOSED, position=opening, source=source)


def _trimmed(source: str, start: int, end: int) -> tuple[int, int]:
    """Without the white space at both ends, which GitHub leaves out of what its errors show."""
    text = source[start:end]
    start += len(text) - len(text.lstrip(WHITESPACE))
    return start, max(start, start + len(text.strip(WHITESPACE)))
