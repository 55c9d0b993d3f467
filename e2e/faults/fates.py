"""What becomes of a request on its way to the API server: decided by a seed, the same for the same request each time.

A request is known by its verb, its path and how often it came before. So which of them meet a fault doesn't hang on
the order in which they come, and a seed can be tried again.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Fault(StrEnum):
    """What a proxy does to one request."""

    LATE = "answered late"
    RESET = "connection reset before the request was forwarded"
    DROPPED = "forwarded, but the answer dropped"
    CUT = "connection reset in mid-body"
    SHORT = "body ended in mid-line"
    GARBLED = "a line cut short, and more after it"
    HALF_OPEN = "connection held open, nothing comes any more"
    CONFLICT = "409 Conflict"
    GONE = "410 Gone"
    GONE_EVENT = "410 Gone as an event of the watch"
    ERROR_EVENT = "500 as an event of the watch"
    BUSY = "429 Too Many Requests, with Retry-After"
    BROKEN = "500 Internal Server Error"
    UNAVAILABLE = "503 Service Unavailable"


class Kind(StrEnum):
    """What a request asks for."""

    WATCH = "watch"
    READ = "read"
    WRITE = "write"


POSSIBLE: Final[Mapping[Kind, tuple[Fault, ...]]] = {
    Kind.WATCH: (
        Fault.LATE,
        Fault.RESET,
        Fault.CUT,
        Fault.SHORT,
        Fault.GARBLED,
        Fault.HALF_OPEN,
        Fault.GONE,
        Fault.GONE_EVENT,
        Fault.ERROR_EVENT,
        Fault.BUSY,
        Fault.BROKEN,
    ),
    Kind.READ: (Fault.LATE, Fault.RESET, Fault.CUT, Fault.SHORT, Fault.BUSY, Fault.BROKEN, Fault.UNAVAILABLE),
    Kind.WRITE: (
        Fault.LATE,
        Fault.RESET,
        Fault.DROPPED,
        Fault.CUT,
        Fault.CONFLICT,
        Fault.BUSY,
        Fault.BROKEN,
        Fault.UNAVAILABLE,
    ),
}
"""Which faults a kind of request can meet. A hung request that is no watch costs its sender a whole timeout, so that
is tried by itself."""

_NAMESPACE: Final = re.compile(r"/namespaces/[^/?]+")


@dataclass(frozen=True, slots=True)
class Fate:
    """A fault, the lines of a watch that come through before it, and seconds to wait where it is about time."""

    fault: Fault
    lines: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Fates:
    """Deals out faults. `rates` gives, for each kind of request, how many of 1 meet one; they may change any time."""

    seed: int
    rates: Mapping[Kind, float] = field(default_factory=dict)
    faults: frozenset[Fault] = frozenset(Fault)
    _seen: dict[tuple[str, str], int] = field(default_factory=dict)

    def next(self, verb: str, path: str, kind: Kind) -> Fate | None:
        """Give the fate of a request; None for one that nothing happens to. `path` is without its query."""
        key = (verb, _NAMESPACE.sub("/namespaces/*", path))
        number = self._seen[key] = self._seen.get(key, -1) + 1
        dice = random.Random(f"{self.seed} {key} {number}")  # noqa: S311  it has to be repeatable, not secret
        possible = [fault for fault in POSSIBLE[kind] if fault in self.faults]
        if not possible or dice.random() >= self.rates.get(kind, 0.0):
            return None
        return Fate(dice.choice(possible), dice.randrange(12), round(dice.uniform(0.05, 3.0), 2))
