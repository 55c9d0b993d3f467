"""A matrix of OrcaOps → `strategy.matrix`.

`include` and `exclude` stand beside the matrix, in it, or in it beside `parameters`. In OrcaOps an entry of `include`
is always a combination of its own, where here it is merged into those that it agrees with; and an entry of `exclude`
that names no list of the matrix takes nothing away, where here it is a mistake.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final, TypeAlias

from fairlead.model.fields import scalar_text
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.convert.origins import Origins
    from fairlead.convert.part import Part
    from fairlead.model.problem import Path

Entry: TypeAlias = dict[str, object]

_MOST_WRITTEN_OUT: Final = 256
"""Combinations that a matrix may have, by default."""

_FILTERS: Final = ("include", "exclude")


def convert_matrix(job: Part, at: Path, origins: Origins) -> object:
    """Give what `strategy.matrix` is for a job that has a `matrix`; `at` is that place, whose origins are noted."""
    matrix = job.get("matrix")
    assert matrix is not None  # noqa: S101  as said above
    origins.put(at, matrix.path)
    if isinstance(matrix.value, str):
        return matrix.value
    lists = matrix.get("parameters")
    if lists is None or not isinstance(lists.value, dict):
        lists = matrix
    found: dict[str, object] = {}
    for key, each in lists.members().items():
        if lists is matrix and key in _FILTERS:
            continue
        found[key] = each.value
        origins.put((*at, key), each.path)
    for name in ("exclude", "include"):
        entries = [each for holder in (matrix, job) if (part := holder.get(name)) for each in part.elements()]
        kept = [each for each in entries if name != "exclude" or _names_lists(each, found)]
        if kept:
            found[name] = [each.value for each in kept]
            for index, each in enumerate(kept):
                origins.put((*at, name, index), each.path)
    return _written_out(found, matrix)


def _names_lists(entry: Part, lists: Mapping[str, object]) -> bool:
    if not isinstance(entry.value, dict):
        return True
    unknown = next((key for key in entry.value if key not in lists), None)
    if unknown is None:
        return True
    entry.notes.left_out(entry.path, f"the matrix has no list {quote(unknown)}, so this takes nothing away")
    return False


def _written_out(matrix: dict[str, object], source: Part) -> dict[str, object]:
    """Give the same matrix, or a list of all its combinations, where `include` would be merged into some."""
    include = _entries(matrix.get("include"))
    exclude = _entries(matrix.get("exclude", []))
    values = {key: each for key, each in matrix.items() if isinstance(each, list) and key not in _FILTERS}
    unknown = any(key not in values and key not in _FILTERS for key in matrix)
    if not include or exclude is None or unknown or not values:
        return matrix
    if prod(len(each) for each in values.values()) > _MOST_WRITTEN_OUT:
        source.notes.approximated(
            source.path, "an include that agrees with combinations is merged into them; OrcaOps adds one of its own"
        )
        return matrix
    grid: list[Entry] = [dict(zip(values, row, strict=True)) for row in product(*values.values())]
    grid = [each for each in grid if not any(_agrees(each, wanted, wanted) for wanted in exclude)]
    added = [each for each in include if not any(_same(each, there) for there in grid)]
    if not any(_agrees(there, each, values) for each in added for there in grid):
        return matrix
    said = "each include is a combination of its own in OrcaOps, so all combinations are written out in include"
    source.notes.mapped(source.path, said)
    return {"include": [*grid, *added]}


def _entries(value: object) -> list[Entry] | None:
    """Give a list of maps; None for anything else."""
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return [dict(each) for each in value]
    return None


def _agrees(combination: Entry, wanted: Entry, keys: Mapping[str, object]) -> bool:
    return all(_text(combination[key]) == _text(value) for key, value in wanted.items() if key in keys)


def _same(one: Entry, other: Entry) -> bool:
    return one.keys() == other.keys() and _agrees(one, other, one)


def _text(value: object) -> object:
    return scalar_text(value)
