"""All claims, in order: how each stands is read off, and a change tells whose standing it may have changed.

The rules are `plan.groups`'s, and tests/sharing.py's, which look at everything anew for each question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from fairlead.engine.group import Group
from fairlead.engine.places import Places
from fairlead.plan.groups import age, deadlock_message, identity, lasts_until, turn, waits_for, yields_to
from fairlead.plan.neighbours import Admitted, Deadlocked
from fairlead.plan.sharing import SHOWN, limit_reached

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fairlead.model.ids import NodeId, RunNumber, Uid, WorkflowKey
    from fairlead.plan.admission import Limits
    from fairlead.plan.groups import ClaimId
    from fairlead.plan.neighbours import Claim, Standing

_GroupKey: TypeAlias = "tuple[str, str]"
_Place: TypeAlias = "tuple[Uid, RunNumber, NodeId | None]"


class Ledger:
    """Claims by what is asked of them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._claims: dict[ClaimId, Claim] = {}
        self._groups: dict[_GroupKey, Group] = {}
        self._waited_for: dict[_Place, dict[ClaimId, Claim]] = {}
        self._places: Places[ClaimId] = Places(limits.workflows, limits.workflows_per_namespace)
        self._candidates: dict[_GroupKey, Claim] = {}

    def get(self, claim_id: ClaimId) -> Claim | None:
        """Look one up."""
        return self._claims.get(claim_id)

    # How it stands

    def standing(self, own: Claim) -> Standing:
        """Tell how a claim stands that is in here."""
        if own.group is not None:
            found = self._in_group(own, self._groups[own.workflow.namespace, own.group], own.group)
            if found is not None:
                return found
        if own.admitted or not self._counts(own) or self._places.given(identity(own)):
            return Admitted()
        active = self._places.active(own.workflow.namespace)
        return limit_reached(self._limits, active, self._places.ahead(identity(own)))

    def _in_group(self, own: Claim, group: Group, name: str) -> Standing | None:
        newer = group.superseded_by(own)
        if newer is not None:
            return yields_to(newer, name)
        if own.admitted:
            return None
        circle = self._circle(own)
        if circle is not None:
            return Deadlocked(deadlock_message(own, circle))
        ahead = group.before(own)
        holder = group.newest_holder
        if holder is not None:
            return waits_for(ahead or holder, name)
        return None if ahead is None or self._passes(own, group) else waits_for(ahead, name)

    def _passes(self, own: Claim, group: Group) -> bool:
        """Whether a claim goes before others of a free group, because those have to wait for the limits."""
        first = group.counted
        return own is group.other and first is not None and not self._places.given(identity(first))

    def _counts(self, claim: Claim) -> bool:
        return claim.counted and self._limits.on_workflows

    def _circle(self, own: Claim) -> list[Claim] | None:
        """Find a circle as `plan.groups.find_circle` does."""
        return self._walk(own, staying=True) or self._walk(own, staying=False)

    def _walk(self, own: Claim, *, staying: bool) -> list[Claim] | None:
        """Go over holders that stay, and older claims; or over all, to a last holder that makes way."""
        seen: set[ClaimId] = set()
        paths: list[tuple[Claim, list[Claim]]] = [(own, [])]
        while paths:
            at, path = paths.pop()
            for holder in self._group_of(at).holders.values():
                makes_way = self._makes_way(holder)
                if identity(holder) in seen or (staying and makes_way):
                    continue
                seen.add(identity(holder))
                if lasts_until(holder, own) and staying is not makes_way:
                    return [*path, holder]
                paths += [
                    (each, [*path, holder])
                    for each in self._awaited_by(holder)
                    if not staying or (age(each) < age(own) and not self._waits_for_itself(each))
                ]
        return None

    def _waits_for_itself(self, claim: Claim) -> bool:
        return any(lasts_until(holder, claim) for holder in self._group_of(claim).holders.values())

    def _awaited_by(self, holder: Claim) -> list[Claim]:
        """Give those that have to be over before a holder can be, and that don't make way."""
        waiting = self._waited_for.get((holder.uid, holder.run, holder.node), {}).values()
        return [each for each in waiting if not self._makes_way(each)]

    def _makes_way(self, claim: Claim) -> bool:
        return self._group_of(claim).superseded_by(claim) is not None

    def _group_of(self, claim: Claim) -> Group:
        return self._groups[claim.workflow.namespace, claim.group or ""]

    # What changes

    def change(self, removed: Iterable[Claim], added: Iterable[Claim]) -> set[WorkflowKey]:
        """Take claims out, then others in; give the workflows whose claims may stand otherwise than before."""
        removed, added = tuple(removed), tuple(added)
        touched = {_group_key(claim): None for claim in (*removed, *added) if claim.group is not None}
        before = {
            key: _fronts(self._groups.setdefault(key, Group(limited=self._limits.on_workflows))) for key in touched
        }
        concerned: list[Claim] = []
        unsure = list(added)
        for claim in removed:
            freed = self._take_out(claim)
            concerned += freed
            unsure += freed
        for claim in added:
            concerned += self._put_in(claim)
        for key in touched:
            concerned += self._advance(key, before[key])
        concerned += self._settle()
        for claim in (*unsure, *self._behind(added)):
            concerned += self._circling(claim)
        return {claim.workflow for claim in concerned}

    def _behind(self, added: Iterable[Claim]) -> list[Claim]:
        """Give those behind new holders that already have others to wait for; these are seldom."""
        holders = (each for each in added if each.admitted and each.group is not None)
        awaited = [each for each in holders if (each.uid, each.run, each.node) in self._waited_for]
        return [waiting for holder in awaited for waiting in self._group_of(holder).waiting()]

    def _circling(self, claim: Claim) -> list[Claim]:
        """Give all that may be in a circle with a claim, if there is one; the newest of it is told when it looks."""
        if claim.group is None or claim.admitted or self._claims.get(identity(claim)) is not claim:
            return []
        found, seen, closed = [claim], {identity(claim)}, False
        for at in found:
            for holder in self._group_of(at).holders.values():
                closed = closed or lasts_until(holder, claim)
                fresh = [each for each in self._awaited_by(holder) if identity(each) not in seen]
                seen.update(map(identity, fresh))
                found += fresh
        return found if closed else []

    def _put_in(self, claim: Claim) -> list[Claim]:
        self._claims[identity(claim)] = claim
        concerned: list[Claim] = []
        if self._counts(claim) and claim.admitted:
            self._places.take_up(claim.workflow.namespace, 1)
        if claim.group is None:
            return self._apply(claim) if self._counts(claim) and not claim.admitted else []
        group = self._group_of(claim)
        concerned += group.add(claim)
        if not claim.admitted:
            for place in _who_waits_for(claim):
                self._waited_for.setdefault(place, {})[identity(claim)] = claim
            after = group.after(claim)
            concerned += [after] if after is not None else []
        return concerned

    def _take_out(self, claim: Claim) -> list[Claim]:
        del self._claims[identity(claim)]
        if self._counts(claim) and claim.admitted:
            self._places.take_up(claim.workflow.namespace, -1)
        if claim.group is None:
            return self._withdraw(claim) if self._counts(claim) and not claim.admitted else []
        group = self._group_of(claim)
        concerned: list[Claim] = []
        if self._candidates.get(_group_key(claim)) == claim:
            del self._candidates[_group_key(claim)]
            concerned += self._withdraw(claim)
        if not claim.admitted:
            for place in _who_waits_for(claim):
                del self._waited_for[place][identity(claim)]
                if not self._waited_for[place]:
                    del self._waited_for[place]
            after = group.after(claim)
            concerned += [after] if after is not None else []
        if group.remove(claim):
            concerned += [*group.waiting(), *group.holders.values()]
        return concerned

    def _advance(self, key: _GroupKey, before: tuple[Claim | None, ...]) -> list[Claim]:
        """Bring up to date who of a group may go."""
        group = self._groups[key]
        fronts = _fronts(group)
        candidate = group.first if not group.holders else None
        candidate = candidate if candidate is group.counted else None
        known = self._candidates.get(key)
        concerned: list[Claim] = []
        if candidate is not known:
            if known is not None:
                del self._candidates[key]
                concerned += self._withdraw(known)
            if candidate is not None:
                self._candidates[key] = candidate
                concerned += self._apply(candidate)
        if fronts != before:
            concerned += [each for each in (group.counted, group.other) if each is not None]
        if not group:
            del self._groups[key]
        return concerned

    def _apply(self, claim: Claim) -> list[Claim]:
        """Have a claim wait for the limits alone."""
        namespace = claim.workflow.namespace
        index = self._places.put(identity(claim), namespace, turn(claim))
        return [] if index is None else self._at(namespace, (step + 1 for step in SHOWN if step >= index))

    def _withdraw(self, claim: Claim) -> list[Claim]:
        namespace = claim.workflow.namespace
        index = self._places.drop(identity(claim))
        return [] if index is None else self._at(namespace, (step for step in SHOWN if step >= index))

    def _at(self, namespace: str, indexes: Iterable[int]) -> list[Claim]:
        """Give those at some indexes of a line: what they are told of how many go first changes there."""
        found = (self._places.at(namespace, index) for index in indexes)
        return [self._claims[each] for each in found if each is not None and each in self._claims]

    def _settle(self) -> Iterator[Claim]:
        more, less = self._places.settle()
        for each in more:
            yield self._claims[each]
        for each in less:
            # Who had to let it go first needn't now.
            claim = self._claims[each]
            other = self._group_of(claim).other if claim.group is not None else None
            if other is not None:
                yield other


def _group_key(claim: Claim) -> _GroupKey:
    return claim.workflow.namespace, claim.group or ""


def _fronts(group: Group) -> tuple[Claim | None, ...]:
    return group.newest_holder, group.counted, group.other


def _who_waits_for(claim: Claim) -> Iterator[_Place]:
    """Give the runs and nodes that can't be over before a claim is, as `plan.groups.lasts_until` has it."""
    if claim.node is not None:
        yield claim.uid, claim.run, None
    for caller in claim.callers:
        yield caller.uid, caller.run, None
        yield caller.uid, caller.run, caller.node
