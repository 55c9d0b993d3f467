"""How much happens at once, and when a status is written: soon where somebody waits for it, else with others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fairlead.model.status import JobStatus

if TYPE_CHECKING:
    from fairlead.model.ids import WorkflowKey
    from fairlead.model.status import NodeStatus, WorkflowStatus

_NOTHING: Final = JobStatus()
_MANY: Final = 1000


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a status is written, in seconds, and how much happens at once.

    What ended is recorded at once, but never twice within `spacing`; what merely started, within `patience`.
    Writing takes no more than `share` of the time, so that a large status, or a slow API server, is written to less
    often; but nothing waits for that longer than `longest`, and what the run as a whole has come to doesn't wait.

    What nobody waits for is written no more than `starts` times a second, of all workflows of a namespace together,
    after the first `at_once`: of many short runs most are over before that, and are written to once. That something
    goes on is told within `begun`, and that a run has yet to begin within `queued`.
    """

    workers: int = 8
    creations: int = 16
    spacing: float = 0.1
    patience: float = 1.0
    share: float = 0.2
    longest: float = 2.0
    starts: float = 2.0
    at_once: int = 10
    begun: float = 15.0
    queued: float = 60.0


@dataclass(frozen=True, slots=True)
class _Unwritten:
    """What nobody waits for: since when it is to be written, when its turn is, and how long it waits for it."""

    since: float
    turn: float
    longest: float


class Schedule:
    """When the statuses of workflows are due. Times are the event loop's, in seconds."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        # When the next may be written: what the run has come to, and what else.
        self._next: dict[WorkflowKey, tuple[float, float]] = {}
        self._unwritten: dict[WorkflowKey, _Unwritten] = {}
        self._next_turns: dict[str, float] = {}

    def due(
        self, key: WorkflowKey, before: WorkflowStatus, after: WorkflowStatus, now: float, *, awaited: bool = False
    ) -> float:
        """Tell from when on a status may be written over another one; `awaited`: somebody waits for the first one."""
        first = not awaited and _is_first(before, after)
        soonest, rested = self._next.get(key, (now, now))
        if not first and _run_changed(before, after):
            return soonest
        if _urgent(before, after):
            return rested
        known = self._waiting(key, now, self._pace.queued if first and not _has_begun(after) else self._pace.begun)
        turn = min(known.turn, known.since + known.longest)
        return max(rested, turn if first else max(turn, known.since + self._pace.patience))

    def written(self, key: WorkflowKey, began: float, now: float) -> None:
        """Take note that one was written, and how long that took."""
        rest = min((now - began) / self._pace.share, self._pace.longest)
        self._next[key] = (now + self._pace.spacing, now + max(rest, self._pace.spacing))
        self._settle(key, began)

    def unchanged(self, key: WorkflowKey, now: float) -> None:
        """Take note that there is nothing to be written."""
        self._settle(key, now)

    def forget(self, key: WorkflowKey, now: float) -> None:
        """Forget a workflow."""
        self._next.pop(key, None)
        self._settle(key, now)

    def _waiting(self, key: WorkflowKey, now: float, longest: float) -> _Unwritten:
        known = self._unwritten.get(key)
        if known is None or known.longest != longest:
            self._settle(key, now)
            burst = (self._pace.at_once - 1) / self._pace.starts
            earliest = max(self._next_turns.get(key.namespace, now - burst), now - burst)
            turn = max(now, earliest)
            self._next_turns[key.namespace] = earliest + 1 / self._pace.starts
            if len(self._next_turns) > _MANY:
                self._next_turns = {name: next_ for name, next_ in self._next_turns.items() if next_ > now - burst}
            known = self._unwritten[key] = _Unwritten(now, turn, longest)
        return known

    def _settle(self, key: WorkflowKey, now: float) -> None:
        known = self._unwritten.pop(key, None)
        if known is not None and now < known.turn:
            # It didn't need its turn, so those to come have theirs sooner.
            self._next_turns[key.namespace] = self._next_turns.get(key.namespace, now) - 1 / self._pace.starts


def _is_first(before: WorkflowStatus, after: WorkflowStatus) -> bool:
    """Whether nothing is recorded yet, and nothing rests on that it is.

    An edit does: what works for an earlier spec is ended once the newer one is recorded. So does a schedule, which
    counts from what is recorded, and the fence.
    """
    ended = after.phase is not None and after.phase.ended
    plain = after.observed_generation == 1 and after.scheduled_at is None and after.fence == before.fence
    return before.phase is None and plain and not ended


def _has_begun(status: WorkflowStatus) -> bool:
    return any(
        state.attempt is not None or any(each.attempt is not None for each in state.combinations)
        for state in status.jobs.values()
    )


def _run_changed(before: WorkflowStatus, after: WorkflowStatus) -> bool:
    """Whether the run has ended, or another has begun; or others wait for the write as such.

    That it goes on can wait as what merely started does: under load it would be a write more for each workflow.
    """
    if after.phase is not before.phase and after.phase is not None and after.phase.ended:
        return True
    old, new = ((each.observed_generation, each.run, each.fence) for each in (before, after))
    return old != new


def _urgent(before: WorkflowStatus, after: WorkflowStatus) -> bool:
    """Whether somebody waits for this change: something ended or was restarted."""
    return any(
        _node_urgent(known := before.jobs.get(job_id, _NOTHING), state)
        or any(_node_urgent(*each) for each in zip(known.combinations, state.combinations, strict=False))
        for job_id, state in after.changes_from(before).items()
    )


def _node_urgent(before: NodeStatus, after: NodeStatus) -> bool:
    if before is after:
        return False
    return (after.phase.ended and not before.phase.ended) or (after.attempt or 0) > max(1, before.attempt or 0)
