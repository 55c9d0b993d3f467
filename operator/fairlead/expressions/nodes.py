"""The syntax tree.

Nodes are plain frozen data. Equality is about meaning: where a node stands in the source takes no part,
and grouping parentheses leave no trace but the shape of the tree.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, assert_never

from .values import Kind


class Operator(StrEnum):
    """The operators with two operands or more."""

    OR = "||"
    AND = "&&"
    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="

    @property
    def precedence(self) -> int:
        """How strongly it binds: 1 (`||`) to 4 (`<` and its like)."""
        return _PRECEDENCE[self]


_PRECEDENCE = {
    Operator.OR: 1,
    Operator.AND: 2,
    Operator.EQUAL: 3,
    Operator.NOT_EQUAL: 3,
    Operator.LESS: 4,
    Operator.LESS_OR_EQUAL: 4,
    Operator.GREATER: 4,
    Operator.GREATER_OR_EQUAL: 4,
}


@dataclass(frozen=True, slots=True)
class Literal:
    """`null`, `true`, `12.5` or `'text'`. The kind keeps `true` and `1`, which Python calls equal, apart."""

    kind: Kind
    value: bool | float | str | None
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A context: `github`."""

    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Index:
    """`target.key`, `target['key']` or `target[expression]`."""

    target: "Node"
    key: "Node"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Filter:
    """`target.*` or `target[*]`."""

    target: "Node"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """`!operand`."""

    operand: "Node"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left == right`, for all operators but `&&` and `||`."""

    operator: Operator
    left: "Node"
    right: "Node"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Logical:
    """`a && b && c` or `a || b || c`: one level of the tree, however many operands."""

    operator: Operator
    operands: tuple["Node", ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`function(argument, …)`. The name is as written; functions have no case."""

    name: str
    arguments: tuple["Node", ...]
    position: int = field(default=0, compare=False)


Node: TypeAlias = Literal | Name | Index | Filter | Not | Comparison | Logical | Call


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below, in the order of the source."""
    match node:
        case Literal() | Name():
            return ()
        case Index():
            return (node.target, node.key)
        case Filter():
            return (node.target,)
        case Not():
            return (node.operand,)
        case Comparison():
            return (node.left, node.right)
        case Logical():
            return node.operands
        case Call():
            return node.arguments
        case _:
            assert_never(node)


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all below it, parents first, in the order of the source."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(children(current)))
