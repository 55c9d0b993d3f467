"""The changes that a person wants to be told of, as Kubernetes Events: few, and each once.

That all went as it was asked for is no news: the status says so, and an Event costs the API server as much as that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fairlead.model.phase import JobPhase, Reason, WorkflowPhase
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairlead.model.ids import JobId
    from fairlead.model.status import JobStatus, WorkflowStatus

_ENDS = {
    WorkflowPhase.PARTIAL: "PartlySucceeded",
    WorkflowPhase.FAILED: "Failed",
    WorkflowPhase.CANCELLED: "Cancelled",
    WorkflowPhase.INVALID: "Invalid",
}

MOST_JOBS: Final = 10
"""Jobs that are told of one by one, of those that one status is new of; each costs a request."""

_IN_ORDER: Final = frozenset({Reason.WAITING_FOR_ROOM, Reason.SUSPENDED})
"""Everybody waits for their turn, and who suspended a workflow knows it."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One Event. `identity` is the same for the same change, whoever tells it and however often."""

    reason: str
    message: str
    warning: bool
    identity: str


def announce(before: WorkflowStatus, after: WorkflowStatus) -> tuple[Announcement, ...]:
    """Tell what a person wants to know of the step from one recorded status to the next."""
    return tuple(_announce(before, after))


def _announce(before: WorkflowStatus, after: WorkflowStatus) -> Iterator[Announcement]:
    invalid = after.phase is WorkflowPhase.INVALID
    here = f"{after.observed_generation if invalid else after.spec_digest}/{after.run}"
    fresh = before.spec_digest != after.spec_digest or before.run != after.run
    fresh = fresh or (invalid and before.observed_generation != after.observed_generation)
    if fresh and after.history and after.history[:1] != before.history[:1]:
        earlier = after.history[0]
        if before.started_at is not None and not before.ended:
            said = f"run {earlier.run} was {earlier.message}"
            yield Announcement("Superseded", said, warning=False, identity=f"{here}/superseded")
    if after.missed_runs and (fresh or before.missed_runs != after.missed_runs):
        said = f"{after.missed_runs} times of the schedule passed without a run"
        yield Announcement("MissedRuns", said, warning=True, identity=f"{here}/missed/{after.missed_runs}")
    known = {} if fresh else before.jobs
    changes = (after.jobs if fresh else after.changes_from(before)).items()
    told = [_job(known.get(job_id), state, job_id, here) for job_id, state in changes if state.kept_from is None]
    jobs = [each for each in told if each is not None]
    yield from jobs[:MOST_JOBS]
    if others := jobs[MOST_JOBS:]:
        said = f"{len(others)} more jobs failed, were restarted, or wait: see the status"
        yield Announcement("MoreJobs", said, warning=True, identity=f"{others[0].identity}/more")
    if after.phase in _ENDS and (fresh or before.phase is not after.phase):
        warning = after.phase in (WorkflowPhase.FAILED, WorkflowPhase.INVALID)
        said = f"run {after.run}: {after.message}" if after.phase is not WorkflowPhase.INVALID else after.message or ""
        yield Announcement(_ENDS[after.phase], said, warning=warning, identity=f"{here}/{after.phase}")


def _job(before: JobStatus | None, after: JobStatus, job_id: JobId, here: str) -> Announcement | None:
    def warning(reason: str, otherwise: str, change: str) -> Announcement:
        said = f"job {quote(job_id)}: {after.message or otherwise}"
        return Announcement(reason, said, warning=True, identity=f"{here}/{job_id}/{change}")

    if after.phase is JobPhase.FAILED and (before is None or before.phase is not JobPhase.FAILED):
        return warning("JobFailed", "failed", "failed")
    if (after.attempt or 0) > max(1, (before.attempt or 0) if before else 0):
        return warning("JobRestarted", "restarted", f"{after.attempt}")
    if _is_stuck(after) and not after.phase.ended and (before is None or not _is_stuck(before)):
        return warning("JobWaiting", "waits", f"{after.attempt}/waiting")
    return None


def _is_stuck(state: JobStatus) -> bool:
    return state.message is not None and state.reason not in _IN_ORDER
