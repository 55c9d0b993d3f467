"""What is left of a condition, as a condition: whether it holds counts, and not which value says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairlead.expressions import Literal, Logical, Not, Operator, truthy

if TYPE_CHECKING:
    from fairlead.expressions import Node


def truth(node: Node) -> bool | None:
    """Tell whether a condition holds; None where that isn't known. `success() && false` doesn't."""
    match node:
        case Literal():
            return truthy(node.value)
        case Not():
            inside = truth(node.operand)
            return None if inside is None else not inside
        case Logical():
            decides = node.operator is Operator.OR
            parts = [truth(each) for each in node.operands]
            if decides in parts:
                return decides
            return None if None in parts else not decides
        case _:
            return None


def tidy(node: Node) -> Node:
    """Leave out what doesn't change whether a condition holds: `a && true` becomes `a`."""
    if not isinstance(node, Logical):
        return node
    decides = node.operator is Operator.OR
    parts = tuple(tidy(each) for each in node.operands if truth(each) is not (not decides))
    if not parts:
        return node
    return parts[0] if len(parts) == 1 else replace(node, operands=parts)
