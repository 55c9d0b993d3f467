"""One concurrency group, kept in order: who holds it, who waits, and in which turn. The rules are `plan.groups`'."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from fairlead.model.spec import QueueKind
from fairlead.plan.groups import age, identity, supersedes, turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairlead.plan.groups import Age, ClaimId, Turn
    from fairlead.plan.neighbours import Claim


class Group:
    """Its members. Those that wait and don't make way are in one of two lines: `counted` by the limits, or not."""

    def __init__(self, *, limited: bool) -> None:
        self.holders: dict[ClaimId, Claim] = {}
        self._limited = limited
        self._counted: list[tuple[Turn, Claim]] = []
        self._others: list[tuple[Turn, Claim]] = []
        self._making_way: dict[ClaimId, Claim] = {}
        self._cancelling: list[tuple[Age, Claim]] = []
        self._latest: list[tuple[Age, Claim]] = []

    def __bool__(self) -> bool:
        """Whether there is anybody."""
        return bool(self.holders or self._counted or self._others or self._making_way)

    @property
    def counted(self) -> Claim | None:
        """The first of those that the limits count."""
        return self._counted[0][1] if self._counted else None

    @property
    def other(self) -> Claim | None:
        """The first of those that the limits don't count."""
        return self._others[0][1] if self._others else None

    @property
    def first(self) -> Claim | None:
        """The first of those that wait."""
        return min((line[0] for line in (self._counted, self._others) if line), default=(None, None))[1]

    @property
    def newest_holder(self) -> Claim | None:
        """The one of the holders that is named, where there are several."""
        return max(self.holders.values(), key=age, default=None)

    def waiting(self) -> Iterator[Claim]:
        """Give those that wait and don't make way."""
        for line in (self._counted, self._others):
            yield from (claim for _, claim in line)

    def add(self, claim: Claim) -> list[Claim]:
        """Take a claim in; give those that make way for it from now on."""
        before = self._threshold()
        if claim.cancel_in_progress:
            insort(self._cancelling, (age(claim), claim))
        if claim.queue is QueueKind.LATEST:
            insort(self._latest, (age(claim), claim))
        if claim.admitted:
            self.holders[identity(claim)] = claim
        else:
            self._place(claim)
        pushed = [each for each in self.waiting() if self._makes_way(each)] if self._threshold() != before else []
        for each in pushed:
            self._unplace(each)
            self._making_way[identity(each)] = each
        return pushed + [each for each in self.holders.values() if supersedes(claim, each)]

    def remove(self, claim: Claim) -> bool:
        """Take a claim out; tell whether others that made way don't have to any more."""
        before = self._threshold()
        if claim.cancel_in_progress:
            del self._cancelling[bisect_left(self._cancelling, (age(claim),))]
        if claim.queue is QueueKind.LATEST:
            del self._latest[bisect_left(self._latest, (age(claim),))]
        if claim.admitted:
            del self.holders[identity(claim)]
        elif self._making_way.pop(identity(claim), None) is None:
            self._unplace(claim)
        if self._threshold() == before:
            return False
        for each in [each for each in self._making_way.values() if not self._makes_way(each)]:
            del self._making_way[identity(each)]
            self._place(each)
        return True

    def superseded_by(self, own: Claim) -> Claim | None:
        """Find the newest for which a member has to make way."""
        if not own.admitted:
            newest = [line[-1] for line in (self._cancelling, self._latest) if line]
            newer = max(newest, key=lambda each: each[0], default=None)
            return newer[1] if newer is not None and supersedes(newer[1], own) else None
        oldest = age(own)
        for newer in reversed(self._cancelling):
            if newer[0] <= oldest:
                break
            if supersedes(newer[1], own):
                return newer[1]
        return None

    def before(self, own: Claim) -> Claim | None:
        """Find who waits right before a member."""
        return self._last_of((line[index - 1] for line, index in self._positions(own) if index))

    def after(self, own: Claim) -> Claim | None:
        """Find who waits right after a member, or where it would be."""
        found = []
        for line, index in self._positions(own):
            skip = index < len(line) and line[index][0] == turn(own)
            found += line[index + skip : index + skip + 1]
        return min(found, key=lambda each: each[0])[1] if found else None

    def _last_of(self, found: Iterator[tuple[Turn, Claim]]) -> Claim | None:
        last = max(found, key=lambda each: each[0], default=None)
        return last[1] if last is not None else None

    def _positions(self, own: Claim) -> Iterator[tuple[list[tuple[Turn, Claim]], int]]:
        for line in (self._counted, self._others):
            yield line, bisect_left(line, (turn(own),))

    def _threshold(self) -> Age | None:
        """Give the age up to which those that wait make way."""
        return max((line[-1][0] for line in (self._cancelling, self._latest) if line), default=None)

    def _makes_way(self, claim: Claim) -> bool:
        threshold = self._threshold()
        return threshold is not None and age(claim) < threshold

    def _line(self, claim: Claim) -> list[tuple[Turn, Claim]]:
        return self._counted if self._limited and claim.counted else self._others

    def _place(self, claim: Claim) -> None:
        if self._makes_way(claim):
            self._making_way[identity(claim)] = claim
        else:
            insort(self._line(claim), (turn(claim), claim))

    def _unplace(self, claim: Claim) -> None:
        line = self._line(claim)
        del line[bisect_left(line, (turn(claim),))]
