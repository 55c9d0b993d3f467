"""Workflows that others call: their inputs' declarations, and a Workflow made of one with a caller's values."""

from __future__ import annotations

import re
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from fairlead.model.fields import scalar_text
from fairlead.model.problem import InvalidWorkflowError, Path, Problem, closest, quote
from fairlead.model.spec import Input, InputType, WorkflowTemplateSpec
from fairlead.syntax.document import checked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Value = str | int | float | bool

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_MOST_WHOLE = 2**53
"""From here on a double has gaps, and JSON's readers may disagree."""
_MOST_LISTED = 20


def parse_template_spec(document: Mapping[str, object]) -> WorkflowTemplateSpec:
    """Read the `spec` of a WorkflowTemplate, as JSON gives it.

    Raises InvalidWorkflowError with every problem at once, as `parse_spec` does for a Workflow.
    """
    return checked(document, WorkflowTemplateSpec, _declarations)


def instantiate(document: Mapping[str, object], given: Mapping[str, Value]) -> dict[str, Any]:
    """Make the spec of a Workflow out of a WorkflowTemplate's and the values for its inputs.

    Numbers and booleans may be given as texts. What isn't given has its default, or else an empty text, 0, false or
    the first option. Raises InvalidWorkflowError where the template itself is wrong, or else with each input that is
    unknown, missing, or of another type: their places begin with `with`.
    """
    inputs = parse_template_spec(document).inputs
    problems = [
        Problem(("with", name), "the template has no such input", closest(name, inputs))
        for name in given
        if name not in inputs
    ]
    values: dict[str, Value] = {}
    for name, declared in inputs.items():
        try:
            values[name] = _value(name, declared, given)
        except ValueError as error:
            problems.append(Problem(("with", name), str(error)))
    if problems:
        raise InvalidWorkflowError(tuple(problems))
    return {**document, "inputs": values}


def _value(name: str, declared: Input, given: Mapping[str, Value]) -> Value:
    if name in given:
        return _fit(given[name], declared)
    if declared.required:
        raise ValueError(f"is missing: the template needs {_kind(declared)}")
    if declared.default is not None:
        return _fit(declared.default, declared)
    match declared.type:
        case InputType.STRING:
            return ""
        case InputType.NUMBER:
            return 0
        case InputType.BOOLEAN:
            return False
        case InputType.CHOICE:
            return declared.options[0]


def _fit(value: Value, declared: Input) -> Value:
    """Give a value as the type that an input takes. Raises ValueError."""
    match declared.type:
        case InputType.STRING:
            return str(scalar_text(value))
        case InputType.NUMBER:
            return _number(value)
        case InputType.BOOLEAN:
            return _boolean(value)
        case InputType.CHOICE:
            return _choice(str(scalar_text(value)), declared.options)


def _number(value: Value) -> int | float:
    if isinstance(value, bool) or (isinstance(value, str) and not _NUMBER.fullmatch(value.strip())):
        raise ValueError(f"{quote(str(scalar_text(value)))} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if not isfinite(number):
        raise ValueError("is too large for a number")
    return int(number) if number.is_integer() and abs(number) < _MOST_WHOLE else number


def _boolean(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    folded = value.strip().casefold() if isinstance(value, str) else ""
    if folded not in ("true", "false"):
        raise ValueError(f"{quote(str(scalar_text(value)))} is neither true nor false")
    return folded == "true"


def _choice(value: str, options: tuple[str, ...]) -> str:
    if value not in options:
        near = closest(value, options)
        hint = f"; did you mean {quote(near)}?" if near else ""
        raise ValueError(f"{quote(value)} is none of {_listed(options)}{hint}")
    return value


def _kind(declared: Input) -> str:
    match declared.type:
        case InputType.STRING:
            return "a text"
        case InputType.NUMBER:
            return "a number"
        case InputType.BOOLEAN:
            return "true or false"
        case InputType.CHOICE:
            return f"one of {_listed(declared.options)}"


def _listed(options: tuple[str, ...]) -> str:
    shown = ", ".join(map(quote, options[:_MOST_LISTED]))
    return shown if len(options) <= _MOST_LISTED else f"{shown}, …"


def _declarations(spec: WorkflowTemplateSpec, document: Mapping[str, Any]) -> Iterator[Problem]:
    """Find the inputs that no caller could make sense of."""
    seen: dict[str, str] = {}
    for name, declared in spec.inputs.items():
        at: Path = ("spec", "inputs", name)
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            yield Problem(at, f"duplicate name: {quote(twin)} differs only in case")
        if document["inputs"][name].get("type", InputType.STRING) == declared.type:
            # A type that there isn't was reported as such already, and says nothing of the rest.
            yield from _options(declared, at)
            yield from _default(declared, at)


def _options(declared: Input, at: Path) -> Iterator[Problem]:
    if declared.type is not InputType.CHOICE:
        if declared.options:
            yield Problem((*at, "options"), f"means nothing here: a {declared.type} has none; write type: choice")
        return
    if not declared.options:
        yield Problem((*at, "options"), "is missing: a choice needs the values to choose from")
    for index, option in enumerate(declared.options):
        if option in declared.options[:index]:
            yield Problem((*at, "options", index), f"{quote(option)} is listed twice")


def _default(declared: Input, at: Path) -> Iterator[Problem]:
    if declared.default is None:
        return
    if declared.required:
        yield Problem((*at, "default"), "is never used: the input is required; leave one of the two out")
    if declared.type is InputType.CHOICE and not declared.options:
        return
    try:
        _fit(declared.default, declared)
    except ValueError as error:
        yield Problem((*at, "default"), str(error))
