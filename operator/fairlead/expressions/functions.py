"""The functions that every expression may call, as records.

Names have no case. What each does follows https://docs.github.com/actions/reference/workflows-and-actions/expressions
and the sources of actions/runner. The status functions and `hashFiles` need a run, so their callers add them:
`BUILTINS.extended(Function("always", 0, 0, lambda: True))`.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from .errors import EvaluationError
from .jsontext import from_json, to_json
from .limits import TextBuilder
from .values import equal, fold, is_array, is_primitive, to_text

_EXCERPT = 200
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{0*([0-9]{1,3})\}|[{}]")


class Signature(NamedTuple):
    """All that a parser has to know of a function."""

    name: str
    min_args: int
    max_args: int
    odd_args: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A function: its name, how many arguments it takes, and what it does with them.

    `call` gets the values of the arguments, or with `lazy` a callable for each, so that it can leave some
    unevaluated. It raises EvaluationError with a reason alone; the evaluator adds the place.
    """

    name: str
    min_args: int
    max_args: int
    call: Callable[..., object]
    odd_args: bool = False
    lazy: bool = False

    @property
    def signature(self) -> Signature:
        """The part that does not change when a function of the same name is bound to another run."""
        return Signature(self.name, self.min_args, self.max_args, self.odd_args)


class Functions(Mapping[str, Function]):
    """An immutable table of functions, looked up without case."""

    __slots__ = ("_functions", "signatures")

    def __init__(self, *functions: Function) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self.signatures: Final = frozenset(function.signature for function in self._functions.values())

    def __getitem__(self, name: str) -> Function:
        return self._functions[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return (function.name for function in self._functions.values())

    def __len__(self) -> int:
        return len(self._functions)

    def extended(self, *functions: Function) -> "Functions":
        """Return a table with these as well; one of the same name replaces the old one."""
        return Functions(*self._functions.values(), *functions)


def _case(*branches: Callable[[], object]) -> object:
    for predicate, value in zip(branches[:-1:2], branches[1::2], strict=True):
        holds = predicate()
        if not isinstance(holds, bool):
            raise EvaluationError("case predicate must evaluate to a boolean value")
        if holds:
            return value()
    return branches[-1]()


def _contains(searched: object, item: object) -> bool:
    if is_array(searched):
        return any(equal(item, element) for element in searched)
    return is_primitive(searched) and is_primitive(item) and fold(to_text(item)) in fold(to_text(searched))


def _ends_with(text: object, end: object) -> bool:
    return is_primitive(text) and is_primitive(end) and fold(to_text(text)).endswith(fold(to_text(end)))


def _starts_with(text: object, start: object) -> bool:
    return is_primitive(text) and is_primitive(start) and fold(to_text(text)).startswith(fold(to_text(start)))


def _format(template: object, *values: object) -> str:
    template = to_text(template)
    result = TextBuilder()
    end = 0
    for placeholder in _PLACEHOLDER.finditer(template):
        result.append(template[end : placeholder.start()])
        result.append(_replacement(placeholder, template, values))
        end = placeholder.end()
    result.append(template[end:])
    return result.build()


def _replacement(placeholder: re.Match[str], template: str, values: Sequence[object]) -> str:
    if placeholder[0] in {"{{", "}}"}:
        return placeholder[0][0]
    if not placeholder[1]:
        raise EvaluationError(f"The following format string is invalid: {_excerpt(template)}")
    index = int(placeholder[1])
    if index >= len(values):
        problem = "references more arguments than were supplied"
        raise EvaluationError(f"The following format string {problem}: {_excerpt(template)}")
    return to_text(values[index])


def _excerpt(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"


def _join(items: object, separator: object = ",") -> str:
    if not is_array(items):
        return to_text(items) if is_primitive(items) else ""
    separator = to_text(separator) if is_primitive(separator) else ","
    result = TextBuilder()
    for position, item in enumerate(items):
        if position:
            result.append(separator)
        result.append(to_text(item))
    return result.build()


def _from_json(text: object) -> object:
    return from_json(to_text(text))


BUILTINS: Final = Functions(
    Function("case", 3, sys.maxsize, _case, odd_args=True, lazy=True),
    Function("contains", 2, 2, _contains),
    Function("endsWith", 2, 2, _ends_with),
    Function("format", 1, 255, _format),
    Function("fromJson", 1, 1, _from_json),
    Function("join", 1, 2, _join),
    Function("startsWith", 2, 2, _starts_with),
    Function("toJson", 1, 1, to_json),
)
"""case, contains, endsWith, format, fromJson, join, startsWith and toJson."""
