"""Texts and documents, filled in as far as what they name is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.expressions import (
    ANY,
    Expression,
    ExpressionError,
    evaluate_template,
    fold,
    parse_template,
    references,
    to_text,
)
from fairlead.model.status_functions import STEP_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fairlead.plan.contexts import Contexts


def is_known(text: str, unknown: Iterable[str]) -> bool:
    """Whether nothing in a text leads to, through or around something unknown."""
    try:
        found = references(parse_template(text, functions=STEP_FUNCTIONS))
    except ExpressionError:
        return False
    return not any(_meets(each.path, name) for each in found for name in unknown)


def _meets(path: Sequence[str], unknown: str) -> bool:
    return all(
        ANY in (step, other) or fold(step) == fold(other) for step, other in zip(path, unknown.split("."), strict=False)
    )


def filled(text: str, contexts: Contexts, unknown: Iterable[str]) -> str:
    """Fill in what is known; the rest of the text stays as it is, on one line."""
    if "${{" not in text:
        return text
    try:
        template = parse_template(text, functions=STEP_FUNCTIONS)
    except ExpressionError:
        return text
    filled = ""
    for part in template.parts:
        if not isinstance(part, Expression):
            filled += part.text
            continue
        source = text[part.position : part.end]
        try:
            filled += to_text(evaluate_template(source, contexts)) if is_known(source, unknown) else source
        except ExpressionError:
            filled += source
    return filled


def unknown_texts(value: object, unknown: set[str]) -> Iterator[str]:
    """Give the texts of a document that name something unknown."""
    match value:
        case str() if "${{" in value and not is_known(value, unknown):
            yield value
        case dict():
            for each in value.values():
                yield from unknown_texts(each, unknown)
        case list() | tuple():
            for each in value:
                yield from unknown_texts(each, unknown)
        case _:
            pass


def evaluated(value: Any, contexts: Contexts) -> Any:  # noqa: ANN401  a JSON document
    """Fill in the texts of a document of which all is known. Raises ExpressionError."""
    match value:
        case str() if "${{" in value:
            return evaluate_template(value, contexts)
        case dict():
            return {key: evaluated(each, contexts) for key, each in value.items()}
        case list() | tuple():
            return [evaluated(each, contexts) for each in value]
        case _:
            return value
