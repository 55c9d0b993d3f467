"""`secrets.NAME` and `vars.NAME`: values that stay in the cluster, so that no expression ever reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fairlead.expressions import ExpressionError, parse_template, references
from fairlead.model.containers import EnvReference
from fairlead.model.status_functions import STEP_FUNCTIONS

if TYPE_CHECKING:
    from fairlead.expressions import Node, Template

BY_REFERENCE: Final = frozenset({"secrets", "vars"})
"""The contexts, in lower case."""


def names_reference(subject: Node | Template) -> bool:
    """Whether something in an expression stays in the cluster."""
    return any(each.path[0].casefold() in BY_REFERENCE for each in references(subject))


def holds_reference(value: object) -> bool:
    """Whether a variable's value stays in the cluster, or a part of it; a text that doesn't parse holds nothing."""
    if isinstance(value, EnvReference):
        return True
    if not isinstance(value, str) or "${{" not in value:
        return False
    folded = value.casefold()
    if not any(context in folded for context in BY_REFERENCE):
        return False
    try:
        return names_reference(parse_template(value, functions=STEP_FUNCTIONS))
    except ExpressionError:
        return False
