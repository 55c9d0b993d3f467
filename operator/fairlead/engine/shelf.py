"""The newest known version of each thing of one kind, whichever way it was heard of."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ItemKey = tuple[str, str]
"""Namespace and name."""

_REMEMBERED = 10_000
"""Deletions kept in mind, so that the answer to an earlier write doesn't bring the thing back."""


class Versioned(Protocol):
    """Something of the cluster that has a version."""

    @property
    def version(self) -> int:
        """The resourceVersion."""


V = TypeVar("V", bound=Versioned)


class Shelf(Generic[V]):
    """The newest known version of each thing of one kind. `changed` hears of every thing that came, went or changed.

    `same` tells whether a newer version says nothing new; of that nobody hears.
    """

    def __init__(
        self, changed: Callable[[V], None], same: Callable[[V, V], bool] = lambda _before, _after: False
    ) -> None:
        self._items: dict[ItemKey, V] = {}
        self._gone: OrderedDict[ItemKey, int] = OrderedDict()
        self._changed = changed
        self._same = same

    def __len__(self) -> int:
        return len(self._items)

    def keys(self) -> tuple[ItemKey, ...]:
        """Give what is known by name."""
        return tuple(self._items)

    def values(self) -> tuple[V, ...]:
        """Give what is known."""
        return tuple(self._items.values())

    def get(self, key: ItemKey) -> V | None:
        """Look one up."""
        return self._items.get(key)

    def put(self, key: ItemKey, item: V) -> None:
        """Take note of a version, unless a newer one, or a later deletion, is known."""
        known = self._items.get(key)
        if (known is not None and known.version >= item.version) or self._gone.get(key, -1) >= item.version:
            return
        self._items[key] = item
        if known is None or not self._same(known, item):
            self._changed(item)

    def drop(self, key: ItemKey, version: int) -> None:
        """Take note that it was deleted, at a version."""
        known = self._items.get(key)
        if known is not None and known.version <= version:
            del self._items[key]
            self._gone[key] = version
            if len(self._gone) > _REMEMBERED:
                self._gone.popitem(last=False)
            self._changed(known)

    def keep_only(self, keys: Iterable[ItemKey], version: int, namespace: str | None = None) -> None:
        """Drop what a whole list (of one namespace), taken at a version, doesn't have; what came later stays."""
        kept = set(keys)
        lost = [
            key
            for key, item in self._items.items()
            if key not in kept and item.version <= version and namespace in (None, key[0])
        ]
        for key in lost:
            self.drop(key, version)
