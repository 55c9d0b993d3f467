"""Expressions in which some of what they name is called otherwise here. What isn't renamed is kept to the letter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, assert_never

from fairlead.expressions import (
    Call,
    Comparison,
    Expression,
    ExpressionError,
    Filter,
    Index,
    Literal,
    Logical,
    Name,
    Not,
    fold,
    parse,
    parse_template,
    to_text,
    unparse,
)
from fairlead.model.status_functions import STEP_CONDITION_FUNCTIONS
from fairlead.syntax.conditions import bare

if TYPE_CHECKING:
    from collections.abc import Callable

    from fairlead.expressions import Node

Replace: TypeAlias = "Callable[[tuple[str, ...]], Node | None]"
"""Gives what stands for a path into the contexts (`("github", "event", "number")`, the context in lower case); None to
keep it. Paths end before what has to be computed."""


def rewrite_text(text: str, change: Replace) -> str:
    """Rewrite the `${{ }}` in a text; one that doesn't parse is left for the checks."""
    if "${{" not in text:
        return text
    try:
        template = parse_template(text, functions=STEP_CONDITION_FUNCTIONS)
    except ExpressionError:
        return text
    found = ""
    for part in template.parts:
        if isinstance(part, Expression):
            node = rewrite(part.node, change)
            same = node == part.node
            found += text[part.position : part.end] if same else f"${{{{ {unparse(node)} }}}}"
        else:
            found += part.text
    return found


def rewrite_condition(text: str, change: Replace) -> str:
    """Rewrite an expression with or without `${{ }}` around it; one that doesn't parse is left for the checks."""
    try:
        inner = bare(text)
        node = parse(inner, functions=STEP_CONDITION_FUNCTIONS)
    except (ExpressionError, ValueError):
        return text
    changed = rewrite(node, change)
    return text if changed == node else unparse(changed)


def rewrite(node: Node, change: Replace) -> Node:
    """Rewrite a tree. `change` is asked for each access as a whole, as far as its steps are known."""
    path = static_path(node)
    if path:
        found = change(path)
        return node if found is None else found
    match node:
        case Literal() | Name():
            return node
        case Index():
            return replace(node, target=rewrite(node.target, change), key=rewrite(node.key, change))
        case Filter():
            return replace(node, target=rewrite(node.target, change))
        case Not():
            return replace(node, operand=rewrite(node.operand, change))
        case Comparison():
            return replace(node, left=rewrite(node.left, change), right=rewrite(node.right, change))
        case Logical():
            return replace(node, operands=tuple(rewrite(each, change) for each in node.operands))
        case Call():
            return replace(node, arguments=tuple(rewrite(each, change) for each in node.arguments))
        case _:
            assert_never(node)


def static_path(node: Node) -> tuple[str, ...]:
    """Give the path of an access whose every step is known; nothing for any other node."""
    steps: list[str] = []
    while isinstance(node, Index) and isinstance(node.key, Literal):
        steps.append(to_text(node.key.value))
        node = node.target
    return (fold(node.name).lower(), *reversed(steps)) if isinstance(node, Name) else ()


def access(*path: str) -> Node:
    """Make the node of a path: `access("inputs", "ref")` is `inputs.ref`."""
    node: Node = Name(path[0])
    for step in path[1:]:
        node = Index(node, text(step))
    return node


def text(value: str) -> Literal:
    """Make the literal of a text."""
    return _literal(f"'{value.replace(chr(39), chr(39) * 2)}'")


NULL = parse("null")
"""The literal `null`."""


def literal(value: str | float | bool) -> Literal:  # noqa: FBT001  a value of the language
    """Make the literal of a scalar."""
    if isinstance(value, str):
        return text(value)
    return _literal(("true" if value else "false") if isinstance(value, bool) else repr(value))


def _literal(source: str) -> Literal:
    node = parse(source)
    assert isinstance(node, Literal)  # noqa: S101  what the source is
    return node
