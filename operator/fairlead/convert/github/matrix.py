"""A job's matrix: its keys and values as far as they are written out, and what is left of it without some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.model.fields import scalar_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_LISTS = ("include", "exclude")


def keys_of(matrix: object) -> list[str] | None:
    """Give the keys that combinations have; None where they are computed."""
    if not isinstance(matrix, dict) or any("${{" in key for key in matrix):
        return None
    included = matrix.get("include") or []
    if not isinstance(included, list) or not all(isinstance(entry, dict) for entry in included):
        return None
    keys = [key for key in matrix if key not in _LISTS]
    keys += [key for entry in included for key in entry]
    return list(dict.fromkeys(keys))


def values_of(matrix: object, path: str) -> list[str] | None:
    """Give all values of a key (`os`) or of a field in its values (`platform.os`), as texts, each once.

    None where there are none, or they are computed.
    """
    if keys_of(matrix) is None or not isinstance(matrix, dict):
        return None
    key = path.partition(".")[0]
    own: object = next((values for each, values in matrix.items() if each.casefold() == key.casefold()), [])
    if not isinstance(own, list):
        return None
    found = [_field({key: value}, path) for value in own]
    found += [_field(entry, path) for entry in matrix.get("include") or []]
    given = [value for value in found if value is not None]
    if not given or not all(isinstance(value, str | bool | int | float) for value in given):
        return None
    texts = [str(scalar_text(value)) for value in given]
    return None if any("${{" in text for text in texts) else list(dict.fromkeys(texts))


def _field(combination: Mapping[str, object], path: str) -> object:
    """Give what stands at a path of a combination, or of a part of one; None where nothing does."""
    found: object = combination
    for step in path.split("."):
        if not isinstance(found, dict):
            return None
        found = next((value for key, value in found.items() if key.casefold() == step.casefold()), None)
    return found


def without(matrix: Mapping[str, Any], path: str, unwanted: Collection[str]) -> dict[str, Any]:
    """Give a matrix of `values_of` without the combinations with unwanted values at a path; {} if none is left."""
    key = path.partition(".")[0]

    def kept(combination: object) -> bool:
        found = _field(combination, path) if isinstance(combination, dict) else None
        return found is None or str(scalar_text(found)) not in unwanted

    rest: dict[str, Any] = {}
    for name, values in matrix.items():
        if name in _LISTS and isinstance(values, list):
            entries = [entry for entry in values if kept(entry)]
            rest |= {name: entries} if entries else {}
        elif name.casefold() == key.casefold():
            rest[name] = [value for value in values if kept({name: value})]
        else:
            rest[name] = values
    if any(values == [] for name, values in rest.items() if name not in _LISTS):
        # A product with an empty list is empty: only whole combinations of include are left.
        included = rest.get("include")
        return {"include": included} if included else {}
    return rest
