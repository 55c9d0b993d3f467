"""Keeps apart what this engine admits from what the one before it may still have on its way.

Who takes over from an engine that didn't end in good order can't know which of its requests are yet to be carried out:
it may only be stopped, or be dead with a request in some buffer. For one workflow that does no harm, as Jobs have
deterministic names and a status is written on condition of the version that was read. But two workflows may ask for one
concurrency group: while this engine admits one, the status that admits the other may arrive.

Such a status is conditional on a version that was there before this engine took over. So before a workflow is admitted,
the others that may ask for admission, and have a version from before, are given another one: each by a write of its own
status, in which `fence` counts up. Who is alone, or doesn't ask, needs none of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairlead.plan.neighbours import Admitted, Waits
from fairlead.plan.runs import requested

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fairlead.engine.records import WorkflowRecord
    from fairlead.model.ids import WorkflowKey
    from fairlead.plan.admission import Limits
    from fairlead.plan.neighbours import Claim, Neighbours, Room, Standing


class Fence:
    """The workflows that may still be admitted by an earlier engine, and who waits because of them.

    A *field* is within what one's admission concerns another's: a namespace, or everything where all Workflows are
    limited together.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._unsure: dict[str, dict[WorkflowKey, int]] = {}
        self._waiting: dict[str, set[WorkflowKey]] = {}

    def __bool__(self) -> bool:
        return bool(self._unsure)

    def set_up(self, records: Iterable[WorkflowRecord], version: int) -> None:
        """Be unsure of the workflows that ask for admission and have this version, or an older one."""
        for record in records:
            if record.version <= version and may_ask(record, limited=self._limits.on_workflows):
                key = record.resource.key
                self._unsure.setdefault(self._field(key), {})[key] = record.version

    def lift(self, mine: Callable[[WorkflowKey], bool]) -> None:
        """Care no more for what has become another engine's."""
        for field, unsure in tuple(self._unsure.items()):
            self._unsure[field] = {key: version for key, version in unsure.items() if not mine(key)}
            if not self._unsure[field]:
                del self._unsure[field]
                self._waiting.pop(field, None)

    def see(self, key: WorkflowKey, version: int | None) -> set[WorkflowKey]:
        """Hear of the version that a workflow has now, None where it is gone; gives who needn't wait any more."""
        field = self._field(key)
        unsure = self._unsure.get(field)
        known = unsure.get(key) if unsure is not None else None
        if unsure is None or known is None or (version is not None and version <= known):
            return set()
        del unsure[key]
        if not unsure:
            del self._unsure[field]
        # The last one may wait for nobody but itself.
        return self._waiting.pop(field, set()) if len(unsure) <= 1 else set()

    def before(self, key: WorkflowKey) -> set[WorkflowKey]:
        """Give the workflows that have to be written to before this one may be admitted; it waits for them."""
        field = self._field(key)
        others = set(self._unsure.get(field, ())) - {key}
        if others:
            self._waiting.setdefault(field, set()).add(key)
        return others

    def has_to_move(self, key: WorkflowKey) -> bool:
        """Whether somebody waits for another version of a workflow."""
        field = self._field(key)
        return key in self._unsure.get(field, ()) and bool(self._waiting.get(field, set()) - {key})

    def version(self, mine: Callable[[WorkflowKey], bool]) -> int:
        """Give the newest version of which one may still be unsure; 0 where there is none."""
        found = (version for unsure in self._unsure.values() for key, version in unsure.items() if mine(key))
        return max(found, default=0)

    def _field(self, key: WorkflowKey) -> str:
        return "" if self._limits.workflows is not None else key.namespace


@dataclass(slots=True)
class Fenced:
    """The neighbours of one workflow, which isn't let in as long as another one is unsure; that one is woken."""

    neighbours: Neighbours
    fence: Fence
    key: WorkflowKey
    wake: Callable[[Iterable[WorkflowKey]], None]

    @property
    def limited(self) -> bool:
        """Whether every run has to be admitted."""
        return self.neighbours.limited

    def standing(self, claim: Claim) -> Standing:
        """Tell how a claim of the workflow stands."""
        found = self.neighbours.standing(claim)
        if claim.admitted or not isinstance(found, Admitted):
            return found
        others = self.fence.before(self.key)
        self.wake(others)
        return Waits("waits until the operator has taken over from the one before it") if others else found

    def room(self, wanted: int, priority: int) -> Room:
        """Tell how many of so many nodes may start now."""
        return self.neighbours.room(wanted, priority)


def may_ask(record: WorkflowRecord, *, limited: bool) -> bool:
    """Whether a plan of exactly this version could admit its run, or a job of it. True also where that isn't sure."""
    jobs = record.spec.get("jobs")
    by_job = isinstance(jobs, dict) and any(isinstance(job, dict) and "concurrency" in job for job in jobs.values())
    by_run = limited or "concurrency" in record.spec
    status, resource = record.resource.status, record.resource
    if not (by_job or by_run):
        return False
    same = status.observed_generation == resource.generation and requested(resource) is None
    if not same or "schedules" in record.spec:
        return True
    if status.ended:
        return False
    return by_job or status.admission is None or not status.admission.admitted
