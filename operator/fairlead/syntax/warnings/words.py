"""Unquoted words and numbers that YAML reads as something else: `no` as false, 3.10 as 3.1."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fairlead.model.fields import scalar_text
from fairlead.syntax.finding import Remark, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairlead.model.problem import Path
    from fairlead.syntax.places import Places

_PLAIN = re.compile(r"[^\s,\[\]{}#'\"]+")
_TRUE_OR_FALSE: Final = frozenset({"true", "false"})
_TEXTS: Final = frozenset({"env", "inputs", "with", "matrix"})
"""Maps whose values reach scripts as texts."""


def yaml_words(places: Places) -> Iterator[Remark]:
    """Find words and numbers, in places for texts, that stand for another one; and keys that are words."""
    resource = places.document.value
    spec = resource.get("spec") if isinstance(resource, dict) else None
    pending: list[tuple[Path, Any, bool]] = [(("spec",), spec, False)]
    while pending:
        path, value, wanted = pending.pop()
        if isinstance(value, dict):
            for key, below in value.items():
                at = (*path, key)
                yield from _key(places, at)
                # A template declares its inputs: `required: yes` there is what it says.
                declares = len(path) > 1 and path[-2:-1] == ("inputs",) and key in ("required", "type", "description")
                pending.append((at, below, (wanted or key in _TEXTS) and not declares))
        elif isinstance(value, list):
            pending += [((*path, index), below, wanted) for index, below in enumerate(value)]
        elif wanted and not isinstance(value, str) and value is not None:
            yield from _value(places, path, value)


def _key(places: Places, path: Path) -> Iterator[Remark]:
    if path[-1] not in _TRUE_OR_FALSE or path not in places.document.keys:
        return
    written = _PLAIN.match(places.rest(places.document.keys[path]))
    word = written[0].rstrip(":") if written else ""
    # `on` of a retry is taken for what it means.
    if word and word.casefold() not in _TRUE_OR_FALSE and path[-2:] != ("retry", "true"):
        said = f'unquoted, the key {word} is read as {path[-1]}; write "{word}"'
        yield Remark(Rule.YAML_WORD, path, said, at_key=True)


def _value(places: Places, path: Path, value: object) -> Iterator[Remark]:
    found = places.document.values.get(path)
    written = _PLAIN.match(places.rest(found)) if found is not None else None
    if written is None:
        return
    word, read = written[0], str(scalar_text(value))
    if isinstance(value, bool):
        if word.casefold() not in _TRUE_OR_FALSE:
            yield Remark(Rule.YAML_WORD, path, f'unquoted, {word} is read as {read}; write "{word}", or {read}')
    elif word != read and not _same_number(word, read):
        yield Remark(Rule.YAML_WORD, path, f'unquoted, {word} is read as the number {read}; write "{word}"')


def _same_number(word: str, read: str) -> bool:
    """Whether only the writing differs in a way that nobody minds: a sign, or .5 for 0.5."""
    return word.removeprefix("+") == read or word.removeprefix("-").lstrip("0") == read.removeprefix("-").lstrip("0")
