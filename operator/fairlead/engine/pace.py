"""How much happens at once, and when a status is written: soon where somebody waits for it, else with others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.model.ids import WorkflowKey
    from fairlead.model.status import NodeStatus, WorkflowStatus


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a status is written, in seconds, and how much happens at once.

    What ended is recorded at once, but never twice within `spacing`; what merely started, within `patience`.
    Writing takes no more than `share` of the time, so that a large status, or a slow API server, is written to less
    often; but nothing waits for that longer than `longest`, and what the run as a whole has come to doesn't wait.
    """

    workers: int = 8
    creations: int = 16
    spacing: float = 0.1
    patience: float = 1.0
    share: float = 0.2
    longest: float = 2.0


class Schedule:
    """When the statuses of workflows are due. Times are the event loop's, in seconds."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        # When the next may be written: what the run has come to, and what else.
        self._next: dict[WorkflowKey, tuple[float, float]] = {}
        self._unwritten_since: dict[WorkflowKey, float] = {}

    def due(self, key: WorkflowKey, before: WorkflowStatus, after: WorkflowStatus, now: float) -> float:
        """Tell from when on a status may be written over another one."""
        since = self._unwritten_since.setdefault(key, now)
        soonest, rested = self._next.get(key, (now, now))
        if _run_changed(before, after):
            return soonest
        return rested if _urgent(before, after) else max(rested, since + self._pace.patience)

    def written(self, key: WorkflowKey, began: float, now: float) -> None:
        """Take note that one was written, and how long that took."""
        rest = min((now - began) / self._pace.share, self._pace.longest)
        self._next[key] = (now + self._pace.spacing, now + max(rest, self._pace.spacing))
        self._unwritten_since.pop(key, None)

    def unchanged(self, key: WorkflowKey) -> None:
        """Take note that there is nothing to be written."""
        self._unwritten_since.pop(key, None)

    def forget(self, key: WorkflowKey) -> None:
        """Forget a workflow."""
        self._next.pop(key, None)
        self._unwritten_since.pop(key, None)


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
        _node_urgent(before.jobs[job_id], state)
        or any(_node_urgent(*each) for each in zip(before.jobs[job_id].combinations, state.combinations, strict=False))
        for job_id, state in after.changes_from(before).items()
        if job_id in before.jobs
    )


def _node_urgent(before: NodeStatus, after: NodeStatus) -> bool:
    if before is after:
        return False
    return (after.phase.ended and not before.phase.ended) or (after.attempt or 0) > max(1, before.attempt or 0)
