"""Fields, types and ranges: what pydantic finds, said in our words.

To report all mistakes at once, also those that only a whole spec shows, the parts in error are taken out (or, where
something has to stand there, replaced) and the rest is read again.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from fairlead.model.containers import UNION_TAGS
from fairlead.model.problem import MOST_PROBLEMS, Path, Problem, closest, quote
from fairlead.model.spec import Body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

_MOST_ROUNDS = 4
_MOST_DEPTH = 64
"""Levels below a field of the spec: far more than a Pod's template has, far fewer than Python's stack."""
_MOST_EXPRESSIONS = 50_000
"""Ten for each of the most jobs that there may be: what can be read, and filled in, within a few seconds."""
_PLACEHOLDER = "placeholder"
_KEY = "[key]"
_WORDS = {
    "string_type": "write a text",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "dict_type": "write a map (KEY: VALUE)",
    "tuple_type": "write a list",
    "list_type": "write a list",
    "missing": "is missing",
    "model_type": "write a map (KEY: VALUE)",
}


B = TypeVar("B", bound=Body)


def check_shape(document: Mapping[str, object], model: type[B]) -> tuple[B | None, list[Problem]]:
    """Read a spec; beside the problems, give what is left of it without the parts in error, if anything is."""
    deep = [Problem(("spec", name), "is nested too deeply") for name, value in document.items() if _too_deep(value)]
    if deep:
        return None, deep
    written = _expressions(document)
    if written > _MOST_EXPRESSIONS:
        return None, [Problem(("spec",), f"has {written} expressions; at most {_MOST_EXPRESSIONS} can be filled in")]
    problems: list[Problem] = []
    rest: Any = document
    for turn in range(_MOST_ROUNDS):
        try:
            return model.model_validate(rest, by_alias=True, by_name=False), problems
        except ValidationError as error:
            # What shows up only after a repair is of the repair's making.
            details = error.errors(include_url=False, include_context=True)
            problems = problems or [_problem(each, model) for each in details[:MOST_PROBLEMS]]
            rest = rest if turn > 0 else deepcopy(dict(document))
            for each in reversed(details):
                _repair(rest, each, again=turn > 0)
    return None, problems


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(_MOST_DEPTH):
        if not level:
            return False
        insides = (part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list))
        level = [each for inside in insides for each in inside]
    return bool(level)


def _expressions(value: object) -> int:
    match value:
        case str():
            return value.count("${{")
        case dict():
            return sum(map(_expressions, value.values()))
        case list():
            return sum(map(_expressions, value))
        case _:
            return 0


def _problem(error: ErrorDetails, model: type[Body]) -> Problem:
    path = _path(error)
    name = path[-1]
    match error["type"]:
        case "extra_forbidden":
            return Problem(path, "unknown field", closest(str(name), _fields_at(model, path[1:-1])))
        case "value_error":
            return Problem(path, str(error["ctx"]["error"]))
        case "enum" | "literal_error":
            known = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            said = f"{quote(str(error['input']))} is none of {', '.join(known)}"
            return Problem(path, said, closest(str(error["input"]), known))
        case "too_long":
            return Problem(path, f"has more than {error['ctx']['max_length']} of them, which are the most")
        case kind if kind in _WORDS:
            return Problem(path, _WORDS[kind])
        case "too_short" if path == ("spec", "jobs"):
            return Problem(path, "there are no jobs; a workflow has at least one")
        case _:
            return Problem(path, error["msg"][:1].lower() + error["msg"][1:])


def _path(error: ErrorDetails) -> Path:
    return ("spec", *(part for part in error["loc"] if part not in UNION_TAGS and part != _KEY))


def _fields_at(model: type[Body], path: Path) -> list[str]:
    """Give the fields that the model knows at a place of the spec."""
    at: Any = model
    for part in path:
        at = _below(at, part)
    if not (isinstance(at, type) and issubclass(at, BaseModel)):
        return []
    return [str(field.alias) for field in at.model_fields.values()]


def _below(at: Any, part: str | int) -> Any:  # noqa: ANN401  annotations have no common type
    if isinstance(at, type) and issubclass(at, BaseModel):
        found = [field.annotation for field in at.model_fields.values() if field.alias == part]
        return _bare(found[0]) if found else None
    arguments = [each for each in get_args(at) if each is not Ellipsis]
    return _bare(arguments[-1]) if arguments else None


def _bare(annotation: Any) -> Any:  # noqa: ANN401  as above
    """Take off Annotated and Optional; of a union the last member, which is the one with fields."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif (members := [each for each in get_args(annotation) if each is not type(None)]) and get_origin(
            annotation
        ) not in (dict, tuple, list):
            annotation = members[-1]
        else:
            return annotation


def _repair(rest: Any, error: ErrorDetails, *, again: bool) -> None:  # noqa: ANN401  a JSON document
    loc = [part for part in error["loc"] if part not in UNION_TAGS]
    if loc and loc[-1] == _KEY:
        loc.pop()
    if not loc:
        return
    *parents, last = loc
    at = rest
    for part in parents:
        try:
            at = at[part]
        except (KeyError, IndexError, TypeError):
            return
    if error["type"] == "missing" and isinstance(at, dict) and last != "jobs":
        at[last] = _PLACEHOLDER
    elif isinstance(at, dict):
        at.pop(last, None)
    elif isinstance(at, list) and isinstance(last, int) and last < len(at):
        if again:
            del at[last]
            return
        # The others keep their indexes, and so their places in what is said of them.
        at[last] = {"run": _PLACEHOLDER} if "steps" in parents else _PLACEHOLDER
