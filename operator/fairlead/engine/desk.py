"""Who may go: what plans ask of the other workflows, and what the engine has to tell for it.

The desk holds nothing that isn't in a status or in the cluster, but for what is on its way there: an admission whose
status is being written counts from the moment it was decided (`reserve`), and so does a Kubernetes Job that is being
made (`starting`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from fairlead.engine.ledger import Ledger
from fairlead.engine.rooms import Rooms
from fairlead.plan.groups import identity, waits_for
from fairlead.plan.neighbours import Admitted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fairlead.model.ids import WorkflowKey
    from fairlead.plan.actions import Demand
    from fairlead.plan.admission import Limits
    from fairlead.plan.groups import ClaimId
    from fairlead.plan.neighbours import Claim, Neighbours, Room, Standing

_Claims: TypeAlias = "dict[ClaimId, Claim]"
_Keys: TypeAlias = "set[WorkflowKey]"


@dataclass(slots=True)
class _File:
    """What is known of one workflow. What is reserved stands until its record is seen in a later version."""

    recorded: _Claims = field(default_factory=dict)
    reserved: _Claims = field(default_factory=dict)
    version: int = 0
    counting: _Claims = field(default_factory=dict)

    def claims(self) -> _Claims:
        """Give what counts: what is recorded, and what may be so any moment."""
        going = {name for name, claim in self.recorded.items() if claim.admitted}
        return self.recorded | {name: claim for name, claim in self.reserved.items() if name not in going}


class Desk:
    """For the workers of one event loop: none of its methods waits for anything.

    Each change gives the workflows that have to look again because of it. The one that it was called for may be among
    them: who is about to plan that one anyway passes over it.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._ledger = Ledger(limits)
        self._rooms = Rooms(limits)
        self._files: dict[WorkflowKey, _File] = {}

    # What the engine tells

    def update(
        self,
        key: WorkflowKey,
        claims: Iterable[Claim],
        *,
        version: int,
        working: Collection[str] = (),
        unstarted: Collection[str] = (),
    ) -> _Keys:
        """Take note of a workflow's claims and Kubernetes Jobs that count, with its record in some version."""
        file = self._files.setdefault(key, _File())
        file.recorded = _by_identity(claims)
        if version > file.version:
            file.reserved = {}
        return self._refile(key, file) | self._rooms.update(key, working, unstarted)

    def reserve(self, key: WorkflowKey, claims: Iterable[Claim], *, version: int) -> _Keys:
        """Count what a status admits that is about to be written over a version of the record.

        It may have been written though no answer comes, so it counts until a later version is seen.
        """
        file = self._files.setdefault(key, _File())
        reserved = _by_identity(claim for claim in claims if claim.admitted)
        # What an earlier try may have written over the same version counts as well.
        file.reserved = file.reserved | reserved if version == file.version else reserved
        file.version = version
        return self._refile(key, file)

    def release(self, key: WorkflowKey) -> _Keys:
        """Count no longer what was reserved."""
        file = self._files.setdefault(key, _File())
        file.reserved = {}
        return self._refile(key, file)

    def forget(self, key: WorkflowKey, remains: Iterable[Claim] = (), working: Collection[str] = ()) -> _Keys:
        """Take note that a workflow is gone; `remains` and `working` tell what of it still works."""
        file = self._files.setdefault(key, _File())
        file.recorded, file.reserved = _by_identity(remains), {}
        return self._refile(key, file) | self._rooms.forget(key, working)

    def demand(self, key: WorkflowKey, demand: Demand) -> _Keys:
        """Take note, after each plan, of how many nodes of a workflow wait for room."""
        return self._rooms.demand(key, demand.waiting, demand.priority)

    def starting(self, key: WorkflowKey, names: Collection[str]) -> _Keys:
        """Count Kubernetes Jobs that are about to be made, by name, after each plan.

        Of those that no answer came for the last time, the ones that aren't asked for again count no longer.
        """
        return self._rooms.starting(key, names)

    def started(self, key: WorkflowKey, names: Collection[str]) -> _Keys:
        """Stop counting them as such, once it is certain that they were made (and `update` has told so), or weren't."""
        return self._rooms.started(key, names)

    def unstarted(self, key: WorkflowKey, names: Collection[str]) -> _Keys:
        """Take note of a workflow's unstarted Kubernetes Jobs alone."""
        return self._rooms.unstarted(key, names)

    @property
    def unstarted_jobs(self) -> int:
        """How many Kubernetes Jobs are unstarted; 0 where they aren't limited."""
        return self._rooms.unstarted_jobs()

    @property
    def waiting_nodes(self) -> int:
        """How many nodes wait for room."""
        return self._rooms.waiting()

    # What plans ask

    def neighbours(self, key: WorkflowKey) -> Neighbours:
        """Give what one plan of a workflow may ask."""
        return _Seat(self, key)

    def standing(self, claim: Claim) -> Standing:
        """Tell how a claim stands. Where it is recorded, or reserved, it stands as that says."""
        known = self._ledger.get(identity(claim))
        if known is not None:
            return self._ledger.standing(known)
        self._ledger.change((), (claim,))
        found = self._ledger.standing(claim)
        self._ledger.change((claim,), ())
        return found

    def room(self, key: WorkflowKey, wanted: int, priority: int) -> Room:
        """Tell how many of so many nodes of a workflow may start now."""
        return self._rooms.room(key, wanted, priority)

    def _refile(self, key: WorkflowKey, file: _File) -> _Keys:
        before, after = file.counting, file.claims()
        file.counting = after
        if not after and not file.reserved:
            del self._files[key]
        return self._ledger.change(
            [claim for name, claim in before.items() if after.get(name) != claim],
            [claim for name, claim in after.items() if before.get(name) != claim],
        )


@dataclass(slots=True)
class _Seat:
    """The neighbours of one workflow while it is planned. What was let go already stands in the way of the rest."""

    desk: Desk
    key: WorkflowKey
    let_go: dict[str, Claim] = field(default_factory=dict)

    @property
    def limited(self) -> bool:
        """Whether every run has to be admitted."""
        return self.desk.limits.on_workflows

    def standing(self, claim: Claim) -> Standing:
        """Tell how a claim of the workflow stands."""
        found = self.desk.standing(claim)
        if not isinstance(found, Admitted) or claim.admitted or claim.group is None:
            return found
        first = self.let_go.setdefault(claim.group, claim)
        return found if identity(first) == identity(claim) else waits_for(first, claim.group)

    def room(self, wanted: int, priority: int) -> Room:
        """Tell how many of so many nodes may start now."""
        return self.desk.room(self.key, wanted, priority)


def _by_identity(claims: Iterable[Claim]) -> _Claims:
    return {identity(claim): claim for claim in claims}
