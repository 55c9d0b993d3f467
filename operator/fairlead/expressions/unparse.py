"""Writes a tree as an expression again, with no more parentheses than it needs."""

import math
from typing import assert_never

from .lexer import IDENTIFIER
from .nodes import Call, Comparison, Filter, Index, Literal, Logical, Name, Node, Not
from .values import plain_number


def unparse(node: Node) -> str:
    """Return the source of a tree: parse(unparse(node)) == node for every tree that parse can give."""
    match node:
        case Literal():
            return _literal(node)
        case Name():
            return node.name
        case Index():
            return f"{_target(node.target)}{_key(node.key)}"
        case Filter():
            return f"{_target(node.target)}.*"
        case Not():
            return f"!{_operand(node.operand, _UNARY)}"
        case Comparison():
            precedence = node.operator.precedence
            # To the left of an operator of the same strength no parentheses are needed.
            left = _operand(node.left, precedence)
            return f"{left} {node.operator} {_operand(node.right, precedence + 1)}"
        case Logical():
            precedence = node.operator.precedence
            return f" {node.operator} ".join(_operand(operand, precedence + 1) for operand in node.operands)
        case Call():
            return f"{node.name}({', '.join(map(unparse, node.arguments))})"
        case _:
            assert_never(node)


_UNARY = 5


def _operand(node: Node, precedence: int) -> str:
    """Write the node where something binds with `precedence`, in parentheses if it binds less."""
    text = unparse(node)
    weak = isinstance(node, Comparison | Logical) and node.operator.precedence < precedence
    return f"({text})" if weak else text


def _target(node: Node) -> str:
    text = unparse(node)
    return f"({text})" if isinstance(node, Literal | Not | Comparison | Logical) else text


def _key(node: Node) -> str:
    if isinstance(node, Literal) and isinstance(node.value, str) and IDENTIFIER.fullmatch(node.value):
        return f".{node.value}"
    return f"[{unparse(node)}]"


def _literal(node: Literal) -> str:
    match node.value:
        case None:
            return "null"
        case bool():
            return "true" if node.value else "false"
        case str():
            return "'" + node.value.replace("'", "''") + "'"
        case number if math.isinf(number):
            return "Infinity" if number > 0 else "-Infinity"
        case number if math.isnan(number):
            return "NaN"
        case number:
            return repr(plain_number(float(number)))
