"""Computes the value of a tree.

evaluate("needs.build.result == 'success'", {"needs": {"build": {"result": "success"}}})  # True
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from itertools import islice
from typing import Any, Final, TypeAlias, assert_never

from .errors import EvaluationError
from .functions import BUILTINS, Functions
from .limits import MAX_ITEMS, MAX_WORK
from .nodes import Call, Comparison, Filter, Index, Literal, Logical, Name, Node, Not, Operator
from .parser import parse
from .values import (
    equal,
    fold,
    is_array,
    is_object,
    is_primitive,
    less,
    plain_number,
    to_number,
    to_text,
    truthy,
)

Contexts: TypeAlias = Mapping[str, object]


def evaluate(expression: str | Node, contexts: Contexts, functions: Functions = BUILTINS) -> object:
    """Compute the value of an expression: its source without `${{ }}`, or an already parsed tree.

    A context is any JSON-like value of Mappings, Sequences and scalars; the names in `contexts` are all
    that a source may use. The result is None, a bool, an int (a whole number up to 2**53), a float, a str,
    or a list or dict; what it takes from a context is the context's own object. Raises ExpressionError.
    """
    if isinstance(expression, str):
        node = parse(expression, contexts, functions)
        return Evaluator(contexts, functions, expression).result(node)
    return Evaluator(contexts, functions).result(expression)


class FilteredArray(list[object]):
    """What `*` gives: an array of which an index or a property is taken item by item."""

    __slots__ = ()


class Evaluator:
    """One evaluation, with its share of work. A subclass may decide some nodes in its own way.

    `source` is what the positions of the nodes refer to; it goes into errors.
    """

    def __init__(self, contexts: Contexts, functions: Functions = BUILTINS, source: str = "") -> None:
        self._contexts = contexts
        self._functions = functions
        self._source = source
        self._work = 0

    def result(self, node: Node) -> object:
        """Return the value as a program wants it: see the function evaluate."""
        try:
            value = self.evaluate(node)
        except EvaluationError as error:
            error.locate(node.position, self._source)
            raise
        match value:
            case FilteredArray():
                return list(value)
            case float():
                return plain_number(value)
            case _:
                return value

    def evaluate(self, node: Node) -> object:
        """Return the value as the language has it: a filter's is a FilteredArray, a number may be -0.0."""
        match node:
            case Literal():
                return node.value
            case Name():
                return self.name(node)
            case Index():
                return self.index(node)
            case Filter():
                return self.filter(node)
            case Not():
                return not truthy(self.evaluate(node.operand))
            case Comparison():
                return self.comparison(node)
            case Logical():
                return self.logical(node)
            case Call():
                return self.call(node)
            case _:
                assert_never(node)

    def name(self, node: Name) -> object:
        """Look a context up, without case."""
        value = self._member(self._contexts, _Key(node.name), node)
        if value is _MISSING:
            raise self._error(f"Unrecognized named-value: '{node.name}'", node)
        return value

    def index(self, node: Index) -> object:
        """Take an item or property, null if there is none; of a filter's items, those that have it."""
        target = self.evaluate(node.target)
        if is_primitive(target):
            return None
        key = _Key(self.evaluate(node.key))
        self._spend(len(key.text), node)
        if not isinstance(target, FilteredArray):
            value = self._at(target, key, node)
            return None if value is _MISSING else value
        self._spend(len(target), node)
        values = (self._at(item, key, node) for item in target)
        return FilteredArray(value for value in values if value is not _MISSING)

    def filter(self, node: Filter) -> object:
        """Take all items or values; of a filter's items, all of theirs."""
        target = self.evaluate(node.target)
        sources = target if isinstance(target, FilteredArray) else (target,)
        items = (item for source in sources for item in _elements(source))
        found = FilteredArray(islice(items, MAX_ITEMS + 1))
        if len(found) > MAX_ITEMS:
            raise self._error(f"A filter selects more than {MAX_ITEMS} items", node)
        self._spend(len(found), node)
        return found

    def comparison(self, node: Comparison) -> bool:
        """Compare two values, which may be of different kinds."""
        left = self.evaluate(node.left)
        right = self.evaluate(node.right)
        self._spend(_characters_to_compare(left, right), node)
        return _COMPARISONS[node.operator](left, right)

    def logical(self, node: Logical) -> object:
        """Return the operand that decides; those after it are not evaluated."""
        stops_at = node.operator is Operator.OR
        value: object = None
        for operand in node.operands:
            value = self.evaluate(operand)
            if truthy(value) is stops_at:
                break
        return value

    def call(self, node: Call) -> object:
        """Call a function of the table."""
        function = self._functions.get(node.name)
        if function is None:
            raise self._error(f"Unrecognized function: '{node.name}'", node)
        arguments: list[Any]
        if function.lazy:
            arguments = [partial(self.evaluate, argument) for argument in node.arguments]
        else:
            arguments = [self.evaluate(argument) for argument in node.arguments]
            self._spend(sum(map(_weight, arguments)), node)
        try:
            value = function.call(*arguments)
        except EvaluationError as error:
            error.locate(node.position, self._source)
            raise
        self._spend(_weight(value), node)
        return value

    def _at(self, target: object, key: "_Key", node: Node) -> object:
        if is_object(target) and is_primitive(key.value):
            return self._member(target, key, node)
        if is_array(target):
            return target[int(key.number)] if 0 <= key.number < len(target) else _MISSING
        return _MISSING

    def _member(self, mapping: Mapping[Any, object], key: "_Key", node: Node) -> object:
        value = mapping.get(key.text, _MISSING)
        if value is not _MISSING:
            return value
        self._spend(len(mapping), node)
        items = mapping.items()
        return next((value for name, value in items if fold(to_text(name)) == key.folded), _MISSING)

    def _spend(self, amount: int, node: Node) -> None:
        self._work += amount
        if self._work > MAX_WORK:
            raise self._error("The evaluation handles too much text or too many items", node)

    def _error(self, reason: str, node: Node) -> EvaluationError:
        error = EvaluationError(reason)
        error.locate(node.position, self._source)
        return error


class _Missing:
    """A key that is not there, as opposed to one whose value is null."""


_MISSING: Final = _Missing()


class _Key:
    """An index, coerced once however many items it is applied to."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.text = to_text(value)

    @cached_property
    def number(self) -> float:
        return to_number(self.value)

    @cached_property
    def folded(self) -> str:
        return fold(self.text)


def _elements(value: object) -> Iterable[object]:
    if is_object(value):
        return value.values()
    return value if is_array(value) else ()


def _weight(value: object) -> int:
    return len(value) if isinstance(value, str | Sequence) else 0


def _characters_to_compare(left: object, right: object) -> int:
    lengths = [len(value) for value in (left, right) if isinstance(value, str)]
    return min(lengths, default=0)


_COMPARISONS: Final[dict[Operator, Callable[[object, object], bool]]] = {
    Operator.EQUAL: equal,
    Operator.NOT_EQUAL: lambda left, right: not equal(left, right),
    Operator.LESS: less,
    Operator.LESS_OR_EQUAL: lambda left, right: equal(left, right) or less(left, right),
    Operator.GREATER: lambda left, right: less(right, left),
    Operator.GREATER_OR_EQUAL: lambda left, right: equal(left, right) or less(right, left),
}
