"""The kinds of value that fields of a spec hold, each with one error message and its place in the CRD's schema.

A field that takes more than one YAML type has no type in a structural schema; it is checked here alone.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue, PlainValidator, WithJsonSchema

from fairlead.model.duration import MOST_SECONDS, parse_duration
from fairlead.model.ids import JobId, StepId
from fairlead.model.problem import quote

ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}
"""The schema of a field whose YAML type varies."""

_JOB_ID = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?", re.ASCII)
_STEP_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)
_QUANTITY = re.compile(r"\d+(?:\.\d+)?(?:[numkKMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?|\.\d+", re.ASCII)
_MARK = "${{"


def _duration(value: object) -> int:
    return parse_duration(value)


def _positive_duration(value: object) -> int:
    seconds = parse_duration(value)
    if seconds == 0:
        raise ValueError("a timeout is at least 1s")
    return seconds


def _job_id(value: object) -> object:
    if isinstance(value, str) and not _JOB_ID.fullmatch(value):
        raise ValueError(
            "a job's id has letters, digits, - and _, starts with a letter, ends with a letter or digit, "
            "and has at most 63 of them"
        )
    return value


def _step_id(value: object) -> object:
    if isinstance(value, str) and not _STEP_ID.fullmatch(value):
        raise ValueError("a step's id has letters, digits, - and _, starts with a letter or _, at most 63 of them")
    return value


def _name(value: object) -> object:
    if isinstance(value, str) and not _STEP_ID.fullmatch(value):
        raise ValueError("a name has letters, digits, - and _, starts with a letter or _, at most 63 of them")
    return value


def _variable(value: object) -> object:
    if isinstance(value, str) and not _VARIABLE.fullmatch(value):
        raise ValueError("a variable's name has letters, digits and _, and starts with a letter or _")
    return value


def _quantity(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a quantity is a number or a text such as 500m or 1Gi")  # noqa: TRY004  pydantic wants ValueError
    if not _QUANTITY.fullmatch(str(value)):
        raise ValueError(f"{quote(str(value), 40)} is not a quantity; write 500m, 2, 512Mi or 1Gi")
    return str(value)


def _label(value: object) -> object:
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("a name is one line without control characters")
    return value


def _script(value: object) -> object:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a text for the shell has no NUL characters")
    return value


def scalar_text(value: object) -> object:
    """Write a YAML scalar as the text that a variable holds; anything else is returned as it is."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if not isfinite(value):
            raise ValueError("write a finite number")
        case int() | float():
            return str(int(value)) if value == int(value) else repr(value)
        case _:
            return value


def _condition(value: object) -> object:
    return value if isinstance(value, str) else scalar_text(value)


def _flag(value: object) -> bool | str:
    if isinstance(value, bool) or (isinstance(value, str) and _MARK in value):
        return value
    raise ValueError("write true, false or an expression in ${{ }}")


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


Duration = Annotated[
    int,
    BeforeValidator(_duration),
    WithJsonSchema({"x-kubernetes-int-or-string": True}),
    Field(ge=0, le=MOST_SECONDS),
]
"""Seconds."""

Timeout = Annotated[
    int,
    BeforeValidator(_positive_duration),
    WithJsonSchema({"x-kubernetes-int-or-string": True}),
    Field(ge=1, le=MOST_SECONDS),
]
"""Seconds, at least one."""

JobKey = Annotated[JobId, BeforeValidator(_job_id)]
StepKey = Annotated[StepId, BeforeValidator(_step_id)]
Name = Annotated[str, BeforeValidator(_name)]
"""A name that expressions use: of an input or an output."""

VariableName = Annotated[str, BeforeValidator(_variable)]

Quantity = Annotated[str, BeforeValidator(_quantity), WithJsonSchema({"x-kubernetes-int-or-string": True})]
"""An amount as Kubernetes writes it."""

Label = Annotated[str, BeforeValidator(_label), Field(min_length=1, max_length=256)]
"""A line that people read, expressions allowed."""

Script = Annotated[str, BeforeValidator(_script)]
"""Text that reaches a shell, expressions allowed."""

Expression = Annotated[str, BeforeValidator(_condition), WithJsonSchema(ANYTHING)]
"""A condition: with or without `${{ }}`; `true` and `false` are conditions, too."""

Flag = Annotated[bool | str, PlainValidator(_flag), WithJsonSchema(ANYTHING)]
"""true, false or an expression in `${{ }}`."""

Needs = Annotated[tuple[JobId, ...], BeforeValidator(_one_or_many), WithJsonSchema(ANYTHING)]
"""One job's id or a list of them."""

Raw = Annotated[dict[str, JsonValue], WithJsonSchema({"type": "object", **ANYTHING})]
"""A piece of a Pod, as Kubernetes defines it."""
