"""Which values of a matrix agree with a filter.

A filter agrees with a value when all its leaves are there and equal, as `==` has it: a map by its subset, a list by its
first items. This is what MatrixFilter in MatrixBuilder.cs of actions/runner evaluates as `matrix.os.name == 'x'`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypeAlias

from fairlead.expressions import fold, to_number, to_text
from fairlead.expressions.values import is_array, is_object, is_primitive
from fairlead.model.problem import Path, format_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_WORK: Final = 1_000_000
"""Values put into combinations, and values compared: what keeps any matrix under a second and some 100 MB."""


class MatrixError(ValueError):
    """A matrix that can't be expanded. `path` leads to the place inside the matrix, `reason` has no place in it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{format_path(self.path)}: {self.reason}" if self.path else self.reason


class Work:
    """Counts what the expansion costs, so that no matrix stops the operator."""

    def __init__(self) -> None:
        self._left = MOST_WORK

    def spend(self, amount: int) -> None:
        """Raise MatrixError when the steps are used up."""
        self._left -= amount
        if self._left < 0:
            way_out = "use fewer or smaller values, or fewer entries in include and exclude"
            raise MatrixError((), f"expanding the matrix takes more than {MOST_WORK} steps; {way_out}")


class _Column:
    """What the values of a list have at one place inside of them, ready to be compared with `==`."""

    def __init__(self, found: Sequence[object]) -> None:
        self._texts: defaultdict[str, set[int]] = defaultdict(set)
        self._numbers_of_texts: defaultdict[float, set[int]] = defaultdict(set)
        self._numbers: defaultdict[float, set[int]] = defaultdict(set)
        for index, value in enumerate(found):
            if isinstance(value, str):
                self._texts[fold(value)].add(index)
                self._numbers_of_texts[to_number(value)].add(index)
            elif is_primitive(value):
                self._numbers[to_number(value)].add(index)

    def equal_to(self, value: object) -> set[int]:
        """Find the values that are equal to a scalar: texts by their characters, all else by its number."""
        number = to_number(value)
        if isinstance(value, str):
            same = self._texts.get(fold(value), set())
        else:
            same = self._numbers_of_texts.get(number, set())
        # NaN equals nothing, but it would find itself in a dict.
        return same | self._numbers.get(number, set()) if number == number else set(same)  # noqa: PLR0124


_Place: TypeAlias = tuple[str | int, ...]


class Vector:
    """A key of the matrix, `key` without case and `name` as written, and its values."""

    def __init__(self, key: str, name: str, values: Sequence[object], work: Work) -> None:
        self.key = key
        self.name = name
        self.values = values
        self._work = work
        self._columns: dict[_Place, _Column] = {}

    def matching(self, wanted: object) -> list[int]:
        """Find the values that agree with a filter's: all leaves of the filter are there, and equal."""
        found: set[int] | None = None
        for place, leaf in leaves(wanted):
            equal = self._column(place).equal_to(leaf)
            self._work.spend(1 + len(equal))
            found = equal if found is None else found & equal
        return list(range(len(self.values))) if found is None else sorted(found)

    def _column(self, place: _Place) -> _Column:
        if place not in self._columns:
            self._work.spend(len(self.values) * (1 + len(place)))
            self._columns[place] = _Column([self._at(value, place) for value in self.values])
        return self._columns[place]

    def _at(self, value: object, place: _Place) -> object:
        for step in place:
            if is_object(value):
                value = self._member(value, to_text(step))
            elif is_array(value):
                number = to_number(step)
                value = value[int(number)] if 0 <= number < len(value) else None
            else:
                return None
        return value

    def _member(self, mapping: Mapping[object, object], name: str) -> object:
        if name in mapping:
            return mapping[name]
        self._work.spend(len(mapping))
        wanted = fold(name)
        return next((value for key, value in mapping.items() if fold(to_text(key)) == wanted), None)


def leaves(value: object) -> Iterator[tuple[_Place, object]]:
    """Yield the scalars inside a value, depth first, with where they are. An empty map or list has none."""
    pending: list[tuple[_Place, object]] = [((), value)]
    while pending:
        place, value = pending.pop()
        if is_object(value):
            pending += [((*place, to_text(key)), item) for key, item in reversed(list(value.items()))]
        elif is_array(value):
            pending += [((*place, index), item) for index, item in reversed(list(enumerate(value)))]
        else:
            yield place, value
