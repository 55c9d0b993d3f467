"""Reading objects one by one: one that can't be read is told of once, and hides none of the others."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_REMEMBERED: Final = 1000


class Reading(Generic[T]):
    """Calls `read` for a document, and gives None where that fails.

    `told` hears of it (namespace/name, the error), once for as long as that object can't be read. The API server keeps
    to its schemas, so nothing of this should ever happen; but whoever may write an object must not be able to stop the
    operator by what they find that we didn't think of.
    """

    def __init__(self, read: Callable[[dict[str, Any]], T | None], told: Callable[[str, Exception], None]) -> None:
        self._read = read
        self._told = told
        self._unread: OrderedDict[str, None] = OrderedDict()

    def __call__(self, document: dict[str, Any]) -> T | None:
        """Read one object."""
        metadata = document.get("metadata") or {}
        name = f"{metadata.get('namespace')}/{metadata.get('name')}"
        try:
            found = self._read(document)
        except Exception as error:  # noqa: BLE001  whatever it is, the others are still to be read
            if name not in self._unread:
                self._told(name, error)
            self._unread[name] = None
            while len(self._unread) > _REMEMBERED:
                self._unread.popitem(last=False)
            return None
        self._unread.pop(name, None)
        return found
