"""Every text and every expression of a document, with its path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairlead.expressions import ExpressionError, fold, parse, parse_template
from fairlead.model.status_functions import STEP_CONDITION_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fairlead.expressions import Node
    from fairlead.model.problem import Path

_CONDITIONS = frozenset({"if", "unless", "check"})
_NAMED_BY_US = 3
"""Steps of a path that have a meaning of their own: a context, an id, a property. What follows is a name."""


@dataclass(frozen=True, slots=True)
class Written:
    """An expression as it stands in the text at `path`; `shift` leads from a node's position to its offset there.

    `start` and `end` are those of the whole `${{ }}`, or of a condition without one.
    """

    path: Path
    text: str
    node: Node
    start: int
    end: int
    shift: int = 0


def folded(path: Sequence[str]) -> list[str]:
    """Take the case away from a path's context, id and property; what follows is as it was written."""
    return [fold(part) if at < _NAMED_BY_US else part for at, part in enumerate(path)]


def member(mapping: object, name: str) -> object:
    """Give what a map has under a name, whatever its case; None where it has nothing."""
    if not isinstance(mapping, dict):
        return None
    return next((value for key, value in mapping.items() if fold(str(key)) == fold(name)), None)


def submap(part: Mapping[str, object], name: str) -> Mapping[str, Any]:
    """Give a field that should be a map; an empty one where it isn't."""
    found = part.get(name)
    return found if isinstance(found, dict) else {}


def texts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Give each text in a document, in its order."""
    pending: list[tuple[Path, object]] = [(path, value)]
    while pending:
        at, each = pending.pop()
        if isinstance(each, str):
            yield at, each
        elif isinstance(each, dict):
            pending += [((*at, str(key)), below) for key, below in reversed(each.items())]
        elif isinstance(each, list):
            pending += [((*at, index), below) for index, below in reversed(list(enumerate(each)))]


def expressions(value: object, path: Path) -> Iterator[Written]:
    """Give each expression in a document that parses: in `${{ }}`, or a whole condition."""
    for at, text in texts(value, path):
        try:
            yield from _of_text(at, text)
        except ExpressionError:
            continue


def condition_of(text: object, path: Path) -> Written | None:
    """Give a condition, with or without `${{ }}`, if it is one that parses."""
    if not isinstance(text, str):
        return None
    try:
        found = list(_of_text(path, text, condition=True))
    except ExpressionError:
        return None
    return found[0] if len(found) == 1 else None


def _of_text(path: Path, text: str, *, condition: bool = False) -> Iterator[Written]:
    if "${{" in text:
        for each in parse_template(text, functions=STEP_CONDITION_FUNCTIONS).expressions:
            yield Written(path, text, each.node, each.position, each.end)
    elif condition or (path and path[-1] in _CONDITIONS):
        stripped = text.strip()
        shift = text.index(stripped) if stripped else 0
        yield Written(
            path, text, parse(stripped, functions=STEP_CONDITION_FUNCTIONS), shift, shift + len(stripped), shift
        )
