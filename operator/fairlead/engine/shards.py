"""Which replica works on which workflows: a Lease for each shard, as one replica sees them. Pure.

A shard is what falls to one Lease: some namespaces, by a hash of their names, so that concurrency groups, limits of a
namespace and called Workflows stay within one decider.

No clock of another machine is believed. Others count a Lease's duration from when they last *saw* its holder renew it;
the holder counts from when it *began* the last renewal that succeeded, and stops a margin earlier. Every write is on
condition of the version that was read.

`shards` may differ from replica to replica while an upgrade changes it: a *layout*. Each layout has Leases of its own,
and who has taken one reads them all again before it acts (`contested`): of two that take Leases of different layouts,
the later one sees the earlier one's, so never do both act. Which layout stays is told by the oldest live Lease; the
others let go of theirs.

None of this is needed for correctness, which rests on names, versions and the fence (`engine.fence`).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, NewType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fairlead.model.ids import WorkflowKey

Shard = NewType("Shard", int)
"""Counts the shards of a layout, from 0."""

_LATEST = datetime.max.replace(tzinfo=UTC)
_UNEVEN = 2
"""By how many Leases one has to have more than another, before one is handed over."""


def shard_of(namespace: str, shards: int) -> Shard:
    """Tell which shard a namespace belongs to. Every version of this program has to give the same."""
    return Shard(int.from_bytes(sha256(namespace.encode()).digest()[:8]) % shards)


class LeaseId(NamedTuple):
    """A shard in a layout."""

    shards: int
    shard: Shard


@dataclass(frozen=True, slots=True)
class Holder:
    """A replica: its name, and which of the processes that had this name one after the other."""

    name: str
    process: str

    def __str__(self) -> str:
        return f"{self.name}_{self.process}"


@dataclass(frozen=True, slots=True)
class Lease:
    """What stands in a Lease. `holder` is empty where it is free, `version` 0 where there is none yet.

    `fence`: left by a holder that ended in good order: up to which version of Workflows something that was sent may
    still be carried out; None where that isn't known. `wanted_by`: a replica that asks for it. `seconds`: its duration.
    """

    id: LeaseId
    holder: str = ""
    seconds: float = 0.0
    acquired_at: datetime | None = None
    renewed_at: datetime | None = None
    transitions: int = 0
    fence: int | None = None
    wanted_by: str = ""
    version: int = 0

    @property
    def pulse(self) -> tuple[str, datetime | None, int]:
        """What changes when its holder lives; that others have asked for it is no sign of life."""
        return self.holder, self.renewed_at, self.transitions


@dataclass(frozen=True, slots=True)
class LeasePace:
    """Durations, in seconds.

    `duration`: how long others leave a Lease alone that isn't renewed. `margin`: how long before that its holder stops
    by itself. `renewal`: how often it is renewed; `retry`: how soon again where that failed; `timeout`: of one request.
    `courtesy`: how long a Lease that was let go is left to who asked for it.
    """

    duration: float = 10.0
    margin: float = 2.0
    renewal: float = 3.0
    retry: float = 1.0
    timeout: float = 2.5
    courtesy: float = 2.0


class Act(Enum):
    """What is done with a Lease."""

    TAKE = auto()
    RENEW = auto()
    LEAVE = auto()
    ASK = auto()


@dataclass(frozen=True, slots=True)
class Move:
    """Something to be done now. `lease`: what is to be written; with LEAVE what is to be left, once it is at rest.

    `before`: what a Lease was when it was decided to take it.
    """

    act: Act
    lease: Lease
    before: Lease | None = None


@dataclass(slots=True)
class _Seen:
    lease: Lease
    at: float


@dataclass(slots=True)
class _Held:
    """A Lease of ours: until when it is certainly ours, and whether we act on it."""

    since: float
    before: Lease
    acting: bool = False
    leaving: bool = False


@dataclass(slots=True)
class Roster:
    """The Leases, as one replica sees them, and which of them it holds.

    `now` is always the local, monotonic clock, in seconds; `wall` the time of day, which is only written down.
    """

    me: Holder
    shards: int
    pace: LeasePace = field(default_factory=LeasePace)
    _seen: dict[LeaseId, _Seen] = field(default_factory=dict)
    _held: dict[LeaseId, _Held] = field(default_factory=dict)
    _not_before: dict[LeaseId, float] = field(default_factory=dict)
    _read: bool = False

    # What is asked

    def acts_on(self, namespace: str, now: float) -> bool:
        """Whether this replica works on a namespace's workflows, at this very moment."""
        held = self._held.get(LeaseId(self.shards, shard_of(namespace, self.shards)))
        return held is not None and held.acting and not held.leaving and now < self._until(held)

    def held(self) -> tuple[LeaseId, ...]:
        """Give the Leases that are ours, whether we act on them already or still."""
        return tuple(self._held)

    def acting(self) -> tuple[LeaseId, ...]:
        """Give the Leases on which we act."""
        return tuple(lease_id for lease_id, held in self._held.items() if held.acting and not held.leaving)

    def contested(self, now: float) -> bool:
        """Whether somebody holds a Lease of another layout; to be asked of what was read after one was taken."""
        return any(lease.id.shards != self.shards for lease in self._live(now))

    def clean(self, lease_id: LeaseId) -> int | None:
        """Give the fence that a Lease of ours was left with; None where its last holder's writes may be on their way.

        What another layout has done since counts like a holder that left nothing.
        """
        held = self._held.get(lease_id)
        if held is None or held.before.holder or held.before.fence is None:
            return None
        others = (seen.lease.version for seen in self._seen.values() if seen.lease.id.shards != self.shards)
        return held.before.fence if all(version < held.before.version for version in others) else None

    # What is heard

    def see(self, lease: Lease, now: float) -> None:
        """Take note of a Lease, from wherever it is heard; an older version never replaces a newer one."""
        known = self._seen.get(lease.id)
        if known is None:
            self._seen[lease.id] = _Seen(lease, now)
        elif lease.version > known.lease.version:
            at = known.at if lease.pulse == known.lease.pulse else now
            self._seen[lease.id] = _Seen(lease, at)
        if lease.id in self._held and self._seen[lease.id].lease.holder != str(self.me):
            del self._held[lease.id]

    def see_all(self, leases: Iterable[Lease], version: int, now: float) -> None:
        """Take note of a whole list, taken at a version: what it doesn't have is gone, unless it came later."""
        found = {lease.id: lease for lease in leases}
        for lease in found.values():
            self.see(lease, now)
        for lease_id, seen in tuple(self._seen.items()):
            if lease_id not in found and seen.lease.version <= version:
                self.see_gone(lease_id, version)
        self._read = True

    def see_gone(self, lease_id: LeaseId, version: int) -> None:
        """Take note that somebody has deleted a Lease; whoever held it holds it no longer."""
        known = self._seen.get(lease_id)
        if known is not None and known.lease.version <= version:
            del self._seen[lease_id]
            self._held.pop(lease_id, None)

    def written(self, move: Move, lease: Lease, began: float, now: float) -> None:
        """Take note of the answer to a write that was begun at some time.

        What ran out before its renewal was answered is lost like any other, and to be taken once more: the looks that
        came meanwhile found it not to be ours, and were dropped.
        """
        held = self._held.get(lease.id)
        if move.before is not None:
            self._held[lease.id] = _Held(began, move.before)
        elif move.act is Act.RENEW and held is not None:
            if now < self._until(held):
                held.since = began
            else:
                del self._held[lease.id]
        self.see(lease, now)

    def failed(self, move: Move, now: float) -> None:
        """Take note that a write wasn't answered, or refused: pause before the next try."""
        self._not_before[move.lease.id] = now + self.pace.retry

    # What is done

    def act_on(self, lease_id: LeaseId) -> None:
        """Act on a Lease from now on."""
        self._held[lease_id].acting = True

    def leave(self, lease_id: LeaseId) -> None:
        """Act on a Lease no longer, and renew it no more."""
        if lease_id in self._held:
            self._held[lease_id].leaving = True

    def left(self, lease_id: LeaseId, fence: int | None, wall: datetime) -> Move | None:
        """Give what to write to let a Lease go, now that it is at rest; None where it isn't ours any more."""
        if lease_id not in self._held:
            return None
        lease = self._seen[lease_id].lease
        return Move(Act.LEAVE, replace(lease, holder="", fence=fence, renewed_at=_after(lease.renewed_at, wall)))

    def expire(self, now: float) -> tuple[LeaseId, ...]:
        """Forget the Leases that we couldn't renew in time; gives them."""
        lost = tuple(lease_id for lease_id, held in self._held.items() if now >= self._until(held))
        for lease_id in lost:
            del self._held[lease_id]
        return lost

    def moves(self, now: float, wall: datetime) -> list[Move]:
        """Tell what to do now."""
        if not self._read:
            return []
        live = list(self._live(now))
        oldest = min(live, key=lambda lease: (lease.acquired_at or _LATEST, lease.id), default=None)
        if oldest is not None and oldest.id.shards != self.shards:
            return [Move(Act.LEAVE, self._seen[each].lease) for each, held in self._held.items() if not held.leaving]
        counts = Counter(lease.holder for lease in live if lease.id.shards == self.shards)
        counts.setdefault(str(self.me), 0)
        found: list[Move] = []
        for lease_id, held in self._held.items():
            found += self._keep(lease_id, held, counts, now, wall)
        taken = self._take(counts, now, wall)
        return [*found, *(taken or self._ask(counts, now))]

    def next_look(self, now: float) -> float:
        """Tell when to ask for the next moves, if nothing is heard until then."""
        times = [now + self.pace.renewal]
        for held in self._held.values():
            times += [held.since + self.pace.renewal, self._until(held)]
        for seen in self._seen.values():
            lease = seen.lease
            if lease.id not in self._held:
                times.append(seen.at + (lease.seconds if lease.holder else self.pace.courtesy))
        times += self._not_before.values()
        return min((time for time in times if time > now), default=now + self.pace.renewal)

    def _keep(self, lease_id: LeaseId, held: _Held, counts: Counter[str], now: float, wall: datetime) -> Iterator[Move]:
        """Renew a Lease of ours in time, or hand it over where somebody who has fewer asks for it."""
        lease = self._seen[lease_id].lease
        if held.leaving:
            return
        wanted = bool(lease.wanted_by) and lease.wanted_by != str(self.me)
        if wanted and held.acting and counts[str(self.me)] >= counts[lease.wanted_by] + _UNEVEN:
            counts[str(self.me)] -= 1
            yield Move(Act.LEAVE, lease)
        elif now >= held.since + self.pace.renewal and self._may_try(lease_id, now):
            yield Move(Act.RENEW, replace(lease, renewed_at=_after(lease.renewed_at, wall), wanted_by=""))

    def _take(self, counts: Counter[str], now: float, wall: datetime) -> list[Move]:
        """Take free Leases, up to our part."""
        part = math.ceil(self.shards / len(counts)) - counts[str(self.me)]
        free = [
            lease_id
            for lease_id in (LeaseId(self.shards, Shard(shard)) for shard in range(self.shards))
            if lease_id not in self._held and self._may_try(lease_id, now) and self._free(lease_id, now)
        ]
        return [self._taking(lease_id, wall) for lease_id in free[: max(part, 0)]]

    def _taking(self, lease_id: LeaseId, wall: datetime) -> Move:
        seen = self._seen.get(lease_id)
        before = seen.lease if seen is not None else Lease(lease_id)
        taken = Lease(
            id=lease_id,
            holder=str(self.me),
            seconds=self.pace.duration,
            acquired_at=wall,
            renewed_at=_after(before.renewed_at, wall),
            transitions=before.transitions + (1 if before.version else 0),
            version=before.version,
        )
        return Move(Act.TAKE, taken, before)

    def _ask(self, counts: Counter[str], now: float) -> list[Move]:
        """Ask for a Lease of who has the most, if that is uneven; one at a time."""
        me = str(self.me)
        most = max(counts, key=lambda name: (counts[name], name))
        leases = [seen.lease for seen in self._seen.values() if seen.lease.id.shards == self.shards]
        if counts[most] < counts[me] + _UNEVEN or any(lease.wanted_by == me for lease in leases):
            return []
        wishes = [lease for lease in leases if lease.holder == most and not lease.wanted_by]
        wishes = [lease for lease in wishes if self._may_try(lease.id, now)]
        last = max(wishes, key=lambda lease: lease.id, default=None)
        return [] if last is None else [Move(Act.ASK, replace(last, wanted_by=me))]

    def _live(self, now: float) -> Iterator[Lease]:
        """Give the Leases that somebody holds, we among them."""
        for seen in self._seen.values():
            lease = seen.lease
            if lease.id in self._held or (lease.holder and not self._dead(seen, now)):
                yield lease

    def _free(self, lease_id: LeaseId, now: float) -> bool:
        seen = self._seen.get(lease_id)
        if seen is None:
            return True
        if seen.lease.holder:
            return self._dead(seen, now)
        return seen.lease.wanted_by in ("", str(self.me)) or now >= seen.at + self.pace.courtesy

    def _dead(self, seen: _Seen, now: float) -> bool:
        """Whether a holder acts no more: its time is over, or it was an earlier process of this replica, or we."""
        name = seen.lease.holder.rpartition("_")[0]
        return name == self.me.name or now >= seen.at + seen.lease.seconds

    def _may_try(self, lease_id: LeaseId, now: float) -> bool:
        return now >= self._not_before.get(lease_id, now)

    def _until(self, held: _Held) -> float:
        return held.since + self.pace.duration - self.pace.margin


def _after(before: datetime | None, wall: datetime) -> datetime:
    """Give the time of day, but never the same twice: others see by it that a Lease was renewed."""
    return wall if wall != before else wall + timedelta(microseconds=1)


def in_shard(lease_id: LeaseId, key: WorkflowKey) -> bool:
    """Whether a workflow belongs to a shard."""
    return shard_of(key.namespace, lease_id.shards) == lease_id.shard
