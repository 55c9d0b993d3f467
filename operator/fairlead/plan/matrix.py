"""A matrix → its combinations.

    product of the lists ── exclude ──→ surviving ── include ──→ with what was merged in, and what was appended

The rules are those of MatrixBuilder.cs in actions/runner, held by tests/conformance/matrix.json. As there, keys have no
case, but `include` and `exclude` are what they are in lower case only: `Include` is a key with values like any other.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import compress, product
from typing import TYPE_CHECKING, Final

from fairlead.expressions import EvaluationError, fold, to_text
from fairlead.expressions.values import is_array, is_object
from fairlead.model.problem import quote
from fairlead.plan.matrix_filters import MatrixError, Vector, Work, leaves

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fairlead.model.problem import Path

MOST_BEFORE_EXCLUDE: Final = 100_000
"""Combinations that a product may have before `exclude` takes some away."""

MOST_NAME: Final = 100
"""Characters of a combination's name, as GitHub cuts it."""

_ELLIPSIS = "..."
_MOST_KEYS_SHOWN = 10
_SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class Combination:
    """One combination: the `matrix` context in its order, and the values that its name shows: `3.12, sqlite`.

    `name` may be '', and is cut where no name of a job could show more.
    """

    values: Mapping[str, object]
    name: str


def combination_name(job_label: str, combination: Combination) -> str:
    """Name a combination of a job: `test (3.12, sqlite)`, at most 100 characters."""
    name = f"{job_label} ({combination.name})" if combination.name else job_label
    return name if len(name) <= MOST_NAME else name[: MOST_NAME - len(_ELLIPSIS)] + _ELLIPSIS


def expand(matrix: Mapping[str, object], *, most: int) -> tuple[Combination, ...]:
    """Give the combinations in order; none at all where `exclude` leaves none.

    The first list varies slowest. An include is merged into every surviving combination whose own values it agrees
    with, over what earlier includes merged in; one that agrees with none is appended, whatever was excluded. Values
    compare as `==` does; of a map or list in a filter only what it names is compared. Raises MatrixError for the
    first mistake, and for more than `most` combinations, before they are made.
    """
    try:
        return _expand(matrix, most)
    except EvaluationError as error:
        raise MatrixError((), error.reason) from None


def _expand(matrix: Mapping[str, object], most: int) -> tuple[Combination, ...]:
    work = Work()
    keys = _keys(matrix, ())
    vectors = [Vector(key, name, _values(matrix[name], name), work) for key, name in keys.items() if _is_vector(name)]
    excludes = _filters(matrix.get("exclude"), "exclude")
    includes = _filters(matrix.get("include"), "include")
    if not vectors and not includes:
        raise MatrixError((), "Matrix must define at least one vector; give it a key with a list of values, or include")
    grid = _Grid(vectors, work)
    for index, exclude in enumerate(excludes):
        grid.exclude(exclude, ("exclude", index))
    appended = [include for index, include in enumerate(includes) if not grid.include(include, ("include", index))]
    count = grid.count() + len(appended)
    if count > most:
        way_out = "shorten its lists or exclude some of them"
        raise MatrixError((), f"the matrix has {count} combinations, and at most {most} are allowed; {way_out}")
    return (*grid.combinations(), *(grid.combination(include) for include in appended))


def _is_vector(name: str) -> bool:
    return name not in ("include", "exclude")


def _keys(mapping: Mapping[str, object], path: Path) -> dict[str, str]:
    """Give the keys by what tells them apart."""
    keys: dict[str, str] = {}
    for name in mapping:
        first = keys.setdefault(fold(name), name)
        if first is not name:
            raise MatrixError(
                (*path, name), f"{quote(first)} is the same key; keys have no case, so use one of the two"
            )
    return keys


def _values(vector: object, name: str) -> Sequence[object]:
    if not is_array(vector):
        raise MatrixError((name,), f"a matrix key takes a list of values, not {_shown(vector)}; write [VALUE, …]")
    if not vector:
        shown = quote(name)[1:-1]
        said = f"Matrix vector '{shown}' does not contain any values"
        raise MatrixError((name,), f"{said}; give it one, or leave the key out")
    return vector


def _filters(filters: object, name: str) -> list[Mapping[str, object]]:
    if filters is None:
        return []
    if not is_array(filters):
        raise MatrixError((name,), f"takes a list of maps, not {_shown(filters)}; write a list of KEY: VALUE maps")
    found: list[Mapping[str, object]] = []
    for index, each in enumerate(filters):
        if not is_object(each):
            raise MatrixError((name, index), f"takes a map, not {_shown(each)}; write KEY: VALUE")
        if not each:
            said = "Matrix exclude filter must not be empty"
            if name == "include":
                said = "Matrix include mapping does not contain any values"
            raise MatrixError((name, index), f"{said}; name a key and its value, or take the entry out")
        found.append({to_text(key): value for key, value in each.items()})
    return found


def _shown(value: object) -> str:
    if isinstance(value, str):
        return quote(value)
    return "nothing" if value is None else to_text(value)


def _segments(value: object, work: Work) -> str:
    """Join the scalars inside a value, without null and '', as far as any name could show them."""
    found: list[str] = []
    length = 0
    for _, leaf in leaves(value):
        work.spend(1)
        text = to_text(leaf)[:MOST_NAME]
        if text:
            found.append(text)
            length += len(text)
        if length > MOST_NAME:
            break
    return _SEPARATOR.join(found)


class _Grid:
    """The product: its combinations by their number, which of them are left, and what was merged into them."""

    def __init__(self, vectors: list[Vector], work: Work) -> None:
        self._vectors = vectors
        self._work = work
        self._keys = {vector.key for vector in vectors}
        size = 1 if vectors else 0
        for vector in vectors:
            size *= len(vector.values)
            if size > MOST_BEFORE_EXCLUDE:
                said = f"the lists have more than {MOST_BEFORE_EXCLUDE} combinations, before exclude takes any away"
                raise MatrixError((), f"{said}; shorten them")
        self._left = bytearray(b"\x01" * size)
        self._merged: defaultdict[int, dict[str, tuple[str, object]]] = defaultdict(dict)

    def exclude(self, wanted: Mapping[str, object], path: Path) -> None:
        """Take away what agrees with a filter."""
        named = _keys(wanted, path)
        for key, name in named.items():
            if key not in self._keys:
                said = f"Matrix exclude key '{quote(name)[1:-1]}' does not match any key within the matrix"
                known = ", ".join(quote(vector.name) for vector in self._vectors[:_MOST_KEYS_SHOWN])
                raise MatrixError((*path, name), f"{said}; it has {known or 'none'}")
        for start, end in self._blocks(named, wanted):
            self._left[start:end] = bytes(end - start)

    def include(self, wanted: Mapping[str, object], path: Path) -> bool:
        """Merge an include into what it agrees with; whether there is any such combination."""
        named = _keys(wanted, path)
        added = [(key, name, wanted[name]) for key, name in named.items() if key not in self._keys]
        matched = False
        for start, end in self._blocks(named, wanted):
            places = [place for place in range(start, end) if self._left[place]]
            matched = matched or bool(places)
            self._work.spend(end - start + len(places) * len(added))
            for place in places:
                merged = self._merged[place]
                for key, name, value in added:
                    first, _ = merged.get(key, (name, None))
                    merged[key] = first, value
        return matched

    def _blocks(self, named: Mapping[str, str], wanted: Mapping[str, object]) -> Iterator[tuple[int, int]]:
        """Yield the ranges of numbers whose own values agree with a filter; other keys of it don't matter."""
        size = len(self._left)
        starts = [0] if size else []
        last = max((index for index, vector in enumerate(self._vectors) if vector.key in named), default=-1)
        for vector in self._vectors[: last + 1]:
            size //= len(vector.values)
            name = named.get(vector.key)
            indexes = range(len(vector.values)) if name is None else vector.matching(wanted[name])
            self._work.spend(len(starts) * len(indexes))
            starts = [start + index * size for start in starts for index in indexes]
        return ((start, start + size) for start in starts)

    def count(self) -> int:
        """Count what is left."""
        return sum(self._left)

    def combinations(self) -> Iterator[Combination]:
        """Make what is left, with what was merged in."""
        if not self._left:
            return
        self._work.spend(self.count() * len(self._vectors))
        names = [vector.name for vector in self._vectors]
        rows = compress(product(*(vector.values for vector in self._vectors)), self._left)
        shown = compress(product(*map(self._shown, self._vectors)), self._left)
        places = compress(range(len(self._left)), self._left)
        for place, row, segments in zip(places, rows, shown, strict=True):
            values = dict(zip(names, row, strict=True))
            if place in self._merged:
                values.update(self._merged[place].values())
            yield Combination(values, _SEPARATOR.join(filter(None, segments)))

    def _shown(self, vector: Vector) -> list[str]:
        return [_segments(value, self._work) for value in vector.values]

    def combination(self, include: Mapping[str, object]) -> Combination:
        """Make a combination of its own: first the matrix's keys, then the others, all of them in its name."""
        self._work.spend(len(include))
        own = sorted(include, key=lambda name: fold(name) not in self._keys)
        segments = [_segments(include[name], self._work) for name in own]
        return Combination({name: include[name] for name in own}, _SEPARATOR.join(filter(None, segments)))
