"""Places that are given out one by one, kept up to date: without counting anew.

Each namespace has a line of those who want places, in their order; the first places of each line are given. The next
place goes to the line with the fewest taken; it is taken back from the line with the most. Both are found by bisection,
so that a change costs as much as it changes, however many wait.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")

Turn: TypeAlias = "tuple[Any, ...]"
_Rank: TypeAlias = "tuple[int, Turn]"


@dataclass(slots=True)
class _Line(Generic[K]):
    """Those of one namespace. Given are all places of those before `at`, and `part` of that one's."""

    order: list[tuple[Turn, K]] = field(default_factory=list)
    active: int = 0
    given: int = 0
    at: int = 0
    part: int = 0


class Places(Generic[K]):
    """`most` places, and so many of each namespace; None: any number. Turns are unlike each other."""

    def __init__(self, most: int | None, most_per_namespace: int | None) -> None:
        self._most = most
        self._most_per_namespace = most_per_namespace
        self._lines: dict[str, _Line[K]] = {}
        self._wants: dict[K, tuple[str, Turn, int]] = {}
        self._taken = 0
        self._heads: list[tuple[_Rank, str]] = []
        self._tails: list[tuple[_Rank, str]] = []
        self._ranked: dict[str, tuple[_Rank | None, _Rank | None]] = {}
        self._touched: set[str] = set()
        self._changes: Counter[K] = Counter()

    def put(self, key: K, namespace: str, turn: Turn, places: int = 1) -> int | None:
        """Take note of who wants how many; give their index in the line where they are new in it."""
        known = self._wants.get(key)
        if known == (namespace, turn, places):
            return None
        if known is not None and known[:2] == (namespace, turn) and places:
            self._resize(key, places)
            return None
        self.drop(key)
        if not places:
            return None
        line = self._lines.setdefault(namespace, _Line())
        self._touched.add(namespace)
        self._wants[key] = (namespace, turn, places)
        index = bisect_left(line.order, (turn,))
        line.order.insert(index, (turn, key))
        if index < line.at or (index == line.at and line.part):
            line.at += 1
            self._count(line, key, places)
        return index

    def drop(self, key: K) -> int | None:
        """Forget somebody; give their index in the line."""
        known = self._wants.pop(key, None)
        if known is None:
            return None
        namespace, turn, places = known
        line = self._lines[namespace]
        self._touched.add(namespace)
        index = bisect_left(line.order, (turn,))
        del line.order[index]
        if index < line.at:
            line.at -= 1
            self._count(line, key, -places)
        elif index == line.at:
            self._count(line, key, -line.part)
            line.part = 0
        del self._changes[key]
        return index

    def take_up(self, namespace: str, places: int) -> None:
        """Take note that so many more are taken, or so many fewer where it is negative."""
        if places:
            self._lines.setdefault(namespace, _Line()).active += places
            self._taken += places
            self._touched.add(namespace)

    def settle(self) -> tuple[set[K], set[K]]:
        """Give out what is left and take back what is too much; tell who has got more, and who has less."""
        for namespace in self._touched:
            line = self._lines[namespace]
            while (
                line.given and self._most_per_namespace is not None and self._full(line, self._most_per_namespace + 1)
            ):
                self._take_back(line)
            self._rank(namespace)
        self._touched.clear()
        while self._most is not None and self._taken > self._most and self._tails:
            self._move(self._tails[-1][1], back=True)
        while self._heads and (self._most is None or self._taken < self._most):
            self._move(self._heads[0][1], back=False)
        while self._heads and self._tails and self._heads[0] < self._tails[-1]:
            first, last = self._heads[0][1], self._tails[-1][1]
            self._move(last, back=True)
            self._move(first, back=False)
        more = {key for key, change in self._changes.items() if change > 0}
        less = {key for key, change in self._changes.items() if change < 0}
        self._changes.clear()
        return more, less

    def given(self, key: K) -> int:
        """Tell how many places somebody may take now."""
        if key not in self._wants:
            return 0
        namespace, turn, places = self._wants[key]
        line = self._lines[namespace]
        index = bisect_left(line.order, (turn,))
        return places if index < line.at else line.part if index == line.at else 0

    def ahead(self, key: K) -> int:
        """Tell how many of the namespace go before somebody."""
        namespace, turn, _ = self._wants[key]
        return bisect_left(self._lines[namespace].order, (turn,))

    def at(self, namespace: str, index: int) -> K | None:
        """Tell who is at an index of a line."""
        line = self._lines.get(namespace)
        return line.order[index][1] if line is not None and index < len(line.order) else None

    def active(self, namespace: str) -> int:
        """Tell how many places of a namespace are taken or given."""
        line = self._lines.get(namespace)
        return line.active + line.given if line is not None else 0

    def _resize(self, key: K, places: int) -> None:
        namespace, turn, before = self._wants[key]
        line = self._lines[namespace]
        self._touched.add(namespace)
        self._wants[key] = (namespace, turn, places)
        index = bisect_left(line.order, (turn,))
        if index < line.at:
            self._count(line, key, places - before)
        elif index == line.at and line.part >= places:
            self._count(line, key, places - line.part)
            line.at, line.part = line.at + 1, 0

    def _count(self, line: _Line[K], key: K, places: int) -> None:
        line.given += places
        self._taken += places
        self._changes[key] += places

    def _full(self, line: _Line[K], most: int | None) -> bool:
        return most is not None and line.active + line.given >= most

    def _move(self, namespace: str, *, back: bool) -> None:
        line = self._lines[namespace]
        if back:
            self._take_back(line)
        else:
            key = line.order[line.at][1]
            line.part += 1
            self._count(line, key, 1)
            if line.part == self._wants[key][2]:
                line.at, line.part = line.at + 1, 0
        self._rank(namespace)

    def _take_back(self, line: _Line[K]) -> None:
        if not line.part:
            line.at -= 1
            line.part = self._wants[line.order[line.at][1]][2]
        line.part -= 1
        self._count(line, line.order[line.at][1], -1)

    def _rank(self, namespace: str) -> None:
        """Bring up to date where a line stands among the others."""
        line = self._lines[namespace]
        level = line.active + line.given
        waits = line.at < len(line.order) and not self._full(line, self._most_per_namespace)
        head = (level, line.order[line.at][0]) if waits else None
        tail = (level - 1, line.order[line.at if line.part else line.at - 1][0]) if line.given else None
        before = self._ranked.get(namespace, (None, None))
        for ranks, old, new in ((self._heads, before[0], head), (self._tails, before[1], tail)):
            if old != new:
                if old is not None:
                    del ranks[bisect_left(ranks, (old, namespace))]
                if new is not None:
                    insort(ranks, (new, namespace))
        self._ranked[namespace] = (head, tail)
        if not line.order and not line.active:
            del self._lines[namespace], self._ranked[namespace]
