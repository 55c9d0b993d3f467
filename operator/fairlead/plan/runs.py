"""Which run a plan is about: the recorded one, or the next, because of an edit, a request or a schedule."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fairlead.model.ids import JobId, RunNumber, SpecDigest
from fairlead.model.phase import JobPhase, WorkflowPhase
from fairlead.model.problem import quote
from fairlead.model.schedules import due, next_time
from fairlead.model.status import JobStatus, RunRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fairlead.model.status import AdmissionStatus, WorkflowStatus
    from fairlead.model.workflow import Workflow
    from fairlead.plan.observed import Resource

CANCEL = "fairlead.dev/cancel"
"""The annotation that asks for a run's end; its value is the run's number, so that it can't hit a later one."""

RERUN = "fairlead.dev/rerun"
"""The annotation that asks for another run: `N`, `N failed` or `N from JOB`, N being the number of the ended run."""


@dataclass(frozen=True, slots=True)
class Current:
    """The run that a plan is about.

    `idle`: there is none to be planned, only a schedule to be waited for. `scheduled_at`: the time up to which the
    schedule has been dealt with. `missed`: how many of its times before passed without a run.
    """

    run: RunNumber
    digest: SpecDigest
    started_at: datetime
    jobs: Mapping[JobId, JobStatus] = field(default_factory=dict)
    history: tuple[RunRecord, ...] = ()
    admission: AdmissionStatus | None = None
    idle: bool = False
    fresh: bool = False
    scheduled_at: datetime | None = None
    next_run_at: datetime | None = None
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Rerun:
    """A request for another run, as the annotation has it. `job` is set for `from JOB`."""

    failed: bool = False
    job: JobId | None = None


def begin(workflow: Workflow, resource: Resource, now: datetime, since: datetime | None = None) -> Current:
    """Go on with the recorded run, or start the next one; the very first, if nothing is recorded, began `since`."""
    recorded = resource.status
    scheduled_at, time, missed = _schedule(workflow, recorded, now)
    upcoming = _next(workflow, scheduled_at or now) if workflow.schedules else None
    waits = bool(workflow.schedules)
    base = replace(
        _go_on(workflow, resource, now), scheduled_at=recorded.scheduled_at or scheduled_at, next_run_at=upcoming
    )
    if _same(workflow, resource):
        rerun = requested(resource)
        if rerun is not None and recorded.ended:
            return replace(_next_run(resource, base, now), jobs=kept(workflow, recorded, rerun))
        if base.idle or recorded.ended:
            if time is not None:
                return replace(_next_run(resource, base, now), scheduled_at=scheduled_at, missed=missed)
            return replace(base, scheduled_at=scheduled_at, missed=missed or base.missed)
        if time is not None and _cancels(workflow, recorded):
            return replace(_next_run(resource, base, now), scheduled_at=scheduled_at, missed=missed)
        return base
    if not waits:
        first = since is not None and recorded.phase is None
        return _next_run(resource, base, min(since, now) if first and since is not None else now)
    if time is not None:
        return replace(_next_run(resource, base, now), scheduled_at=scheduled_at, missed=missed)
    if recorded.ended:
        return replace(base, digest=workflow.digest, scheduled_at=scheduled_at)
    superseded = _next_run(resource, base, now)
    return replace(superseded, run=RunNumber(recorded.run or 0), idle=True, scheduled_at=scheduled_at)


def _cancels(workflow: Workflow, recorded: WorkflowStatus) -> bool:
    """Whether a time of the schedule has the run before it ended; an expression was decided when that run began."""
    if workflow.concurrency is None:
        return False
    asked = workflow.concurrency.cancel_in_progress
    if isinstance(asked, bool):
        return asked
    return recorded.admission is not None and recorded.admission.cancel_in_progress


def _same(workflow: Workflow, resource: Resource) -> bool:
    """Whether the recorded status is of this spec, as far as what it runs goes."""
    recorded = resource.status
    if recorded.phase in (None, WorkflowPhase.INVALID):
        return False
    return recorded.observed_generation == resource.generation or recorded.spec_digest == workflow.digest


def _go_on(workflow: Workflow, resource: Resource, now: datetime) -> Current:
    recorded = resource.status
    never = recorded.started_at is None
    return Current(
        run=RunNumber(recorded.run or (0 if workflow.schedules else 1)),
        # Jobs were named after the digest that was recorded; another version may compute another one.
        digest=recorded.spec_digest if recorded.spec_digest and _same(workflow, resource) else workflow.digest,
        started_at=recorded.started_at or now,
        jobs=recorded.jobs,
        history=recorded.history,
        admission=recorded.admission,
        idle=bool(workflow.schedules) and never,
        missed=recorded.missed_runs or 0,
    )


def _next_run(resource: Resource, base: Current, now: datetime) -> Current:
    recorded = resource.status
    history = recorded.history
    if recorded.run is not None and recorded.started_at is not None:
        history = (remember(recorded, resource, now), *history)
    number = RunNumber((recorded.run or 0) + 1)
    return replace(
        base, run=number, started_at=now, jobs={}, history=history, admission=None, idle=False, fresh=True, missed=0
    )


def remember(recorded: WorkflowStatus, resource: Resource, now: datetime) -> RunRecord:
    """Give what the history keeps of the recorded run."""
    phase = recorded.phase or WorkflowPhase.PENDING
    superseded = not recorded.ended
    run, edited = recorded.run or RunNumber(1), recorded.observed_generation != resource.generation
    newer = f"generation {resource.generation}" if edited else f"run {run + 1}"
    return RunRecord(
        run=run,
        generation=recorded.observed_generation or 0,
        phase=WorkflowPhase.CANCELLED if superseded else phase,
        message=f"superseded by {newer}" if superseded else recorded.message,
        started_at=recorded.started_at,
        finished_at=now if superseded else recorded.finished_at,
    )


def requested(resource: Resource) -> Rerun | None:
    """Read the request for another run, if it is about the recorded one."""
    words = resource.annotations.get(RERUN, "").split()
    if not words or words[0] != str(resource.status.run):
        return None
    match words[1:]:
        case []:
            return Rerun()
        case ["failed"]:
            return Rerun(failed=True)
        case ["from", job] if job in resource.status.jobs:
            return Rerun(job=JobId(job))
        case _:
            return None


def misdirected(resource: Resource, run: RunNumber) -> str | None:
    """Say so when a request can't be understood; a number that has passed is an old request."""
    asked = resource.annotations.get(CANCEL, "").strip()
    if asked and not asked.isdecimal():
        return f"{CANCEL} is {quote(asked)}, which names no run; to cancel this one, set it to {run}"
    words = resource.annotations.get(RERUN, "").split()
    understood = not words or (words[0].isdecimal() and (words[0] != str(run) or requested(resource) is not None))
    if understood:
        return None
    said = f'set it to "{run}", "{run} failed" or "{run} from JOB"'
    return f"{RERUN} is {quote(' '.join(words))}, which can't be done; to run it again, {said}"


def kept(workflow: Workflow, recorded: WorkflowStatus, rerun: Rerun) -> dict[JobId, JobStatus]:
    """Give the jobs that a rerun doesn't run again, as they ended."""
    if not rerun.failed and rerun.job is None:
        return {}
    again: set[JobId] = set()
    for job in workflow.jobs.values():
        state = recorded.jobs.get(job.id)
        chosen = job.id == rerun.job if rerun.job else state is None or not _passed(state)
        if chosen or state is None or not state.phase.ended or any(need in again for need in job.needs):
            again.add(job.id)
    return {
        job_id: state.model_copy(update={"kept_from": state.kept_from or recorded.run})
        for job_id in workflow.jobs
        if job_id not in again and (state := recorded.jobs.get(job_id)) is not None
    }


def _passed(state: JobStatus) -> bool:
    """Whether a rerun of what failed leaves a job as it is: what was skipped runs only if something before it does."""
    return state.phase in (JobPhase.SUCCEEDED, JobPhase.SKIPPED)


def _schedule(
    workflow: Workflow, recorded: WorkflowStatus, now: datetime
) -> tuple[datetime | None, datetime | None, int]:
    """Tell up to when the schedules are dealt with, the time to be run now, and how many were missed."""
    if not workflow.schedules:
        return None, None, 0
    since = recorded.scheduled_at
    if since is None:
        # Seen for the first time: what lies before isn't missed.
        return now, None, 0
    newest, missed, handled = None, 0, since
    for schedule in workflow.schedules:
        deadline = schedule.starting_deadline
        found = due(schedule.cron, schedule.timezone, since=since, now=now, starting_deadline=deadline)
        passed = found.time is not None or found.missed > 0
        if passed:
            handled = now
        if passed and not (schedule.suspend or workflow.suspend):
            missed += found.missed + (1 if newest is not None and found.time is not None else 0)
            newest = found.time if newest is None else max(newest, found.time or newest)
    return handled, newest, missed


def _next(workflow: Workflow, after: datetime) -> datetime | None:
    if workflow.suspend:
        return None
    return min(
        (next_time(each.cron, each.timezone, after) for each in workflow.schedules if not each.suspend), default=None
    )
