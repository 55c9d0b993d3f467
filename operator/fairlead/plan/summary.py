"""The one writer of the status: a pure summary of a run."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Literal

from fairlead.model.duration import format_duration
from fairlead.model.phase import JobPhase, Reason, Result, WorkflowPhase
from fairlead.model.problem import MOST_PROBLEMS, one_line, quote
from fairlead.model.status import Condition, WorkflowStatus, format_time
from fairlead.plan.runs import remember

if TYPE_CHECKING:
    from datetime import datetime

    from fairlead.model.problem import InvalidWorkflowError
    from fairlead.plan.observed import Resource
    from fairlead.plan.run import Run
    from fairlead.plan.runs import Current

Truth = Literal["True", "False", "Unknown"]
_MOST_NAMES = 3
_IN_ORDER = (WorkflowPhase.PENDING, WorkflowPhase.QUEUED, WorkflowPhase.RUNNING)


def summarize(run: Run, outputs: dict[str, str], trouble: str | None, *, note: str | None = None) -> WorkflowStatus:
    """Sum a run up from its jobs.

    `trouble`: what is wrong with the workflow's outputs, once all have ended. `note`: what its owner should know
    while it runs.
    """
    current, resource, now, jobs = run.current, run.resource, run.now, run.states
    phase = _phase(run, trouble)
    message = trouble or (note if note and not phase.ended else _message(run, phase))
    finished = max((state.finished_at or now for state in jobs.values()), default=now) if phase.ended else None
    tally = run.picture.tally
    shown, compacted = run.picture.shown.fit(jobs)
    status = WorkflowStatus(
        observed_generation=resource.generation,
        spec_digest=current.digest,
        run=current.run,
        phase=phase,
        message=message,
        progress=f"{tally.ended}/{tally.nodes}",
        duration=format_duration((finished - current.started_at).total_seconds()) if finished else None,
        started_at=current.started_at,
        finished_at=finished,
        next_run_at=current.next_run_at,
        scheduled_at=current.scheduled_at,
        missed_runs=current.missed,
        admission=run.admission.status,
        compacted=compacted,
        outputs=outputs,
        conditions=_conditions(phase, message, resource, now, waits=run.admission.message),
        history=current.history[: run.workflow.history_limit],
    )
    # They are statuses of jobs already, thousands of them maybe.
    return status.model_copy(update={"jobs": shown})


def summarize_idle(current: Current, resource: Resource, now: datetime) -> WorkflowStatus:
    """Say when the schedule starts the first run, or the next one after an edit."""
    upcoming = current.next_run_at
    message = f"the next run starts at {format_time(upcoming)}" if upcoming else "the schedule is suspended"
    return WorkflowStatus(
        observed_generation=resource.generation,
        spec_digest=current.digest,
        run=current.run or None,
        phase=WorkflowPhase.PENDING,
        message=message,
        next_run_at=upcoming,
        scheduled_at=current.scheduled_at,
        missed_runs=current.missed,
        conditions=_conditions(WorkflowPhase.PENDING, message, resource, now, idle=True),
        history=current.history,
    )


def summarize_invalid(error: InvalidWorkflowError, resource: Resource, now: datetime) -> WorkflowStatus:
    """Say what keeps a spec from running: all of it in `problems`, the first in the message.

    A spec that can't run doesn't count as a run; the one before it goes into the history.
    """
    recorded = resource.status
    first, *others = error.problems
    message = f"{first}{f' (and {len(others)} more)' if others else ''}"
    problems = [str(problem) for problem in error.problems[:MOST_PROBLEMS]]
    if len(error.problems) > MOST_PROBLEMS:
        problems.append(f"… and {len(error.problems) - MOST_PROBLEMS} more")
    history = recorded.history
    if recorded.started_at is not None and recorded.phase is not WorkflowPhase.INVALID:
        history = (remember(recorded, resource, now), *history)
    return WorkflowStatus(
        observed_generation=resource.generation,
        run=recorded.run,
        phase=WorkflowPhase.INVALID,
        message=message,
        scheduled_at=recorded.scheduled_at,
        problems=tuple(problems),
        conditions=_conditions(WorkflowPhase.INVALID, "\n".join(problems)[:32_000], resource, now),
        history=history,
    )


def summarize_too_large(status: WorkflowStatus, resource: Resource, now: datetime, said: str) -> WorkflowStatus:
    """Give what is recorded in place of a status that nobody keeps for its size: the run has failed, and why.

    A run of which nothing can be recorded can't go on; what works of it is ended. `said`: by the API server.
    """
    way_out = "split the workflow, or have shorter names, groups, messages and outputs"
    message = f"its status is too large to be recorded beside its spec ({one_line(said)}); {way_out}"
    finished = status.finished_at or now
    lasted = (finished - status.started_at).total_seconds() if status.started_at is not None else None
    return status.model_copy(
        update={
            "phase": WorkflowPhase.FAILED,
            "message": message,
            "duration": format_duration(lasted) if lasted is not None else None,
            "finished_at": finished,
            "compacted": "left out: all jobs and outputs",
            "outputs": {},
            "jobs": {},
            "conditions": _conditions(WorkflowPhase.FAILED, message, resource, now),
        }
    )


def _phase(run: Run, trouble: str | None) -> WorkflowPhase:
    if not run.picture.tally.over:
        return max(_phase_meanwhile(run), _recorded_phase(run), key=_IN_ORDER.index)
    phases = {state.phase for state in run.states.values()}
    results = {state.result for state in run.states.values()}
    cancelled = JobPhase.CANCELLED in phases
    if run.stop is not None and run.stop.reason in (Reason.CANCELLED, Reason.SUPERSEDED) and cancelled:
        return WorkflowPhase.CANCELLED
    if trouble or Result.FAILURE in results or (run.stop is not None and run.stop.phase is JobPhase.FAILED):
        return WorkflowPhase.FAILED
    if cancelled:
        return WorkflowPhase.CANCELLED
    allowed = any(one.phase is JobPhase.FAILED for state in run.states.values() for one in (state, *state.combinations))
    return WorkflowPhase.PARTIAL if allowed else WorkflowPhase.SUCCEEDED


def _phase_meanwhile(run: Run) -> WorkflowPhase:
    if not run.admission.admitted and run.stop is None:
        return WorkflowPhase.QUEUED if run.admission.message else WorkflowPhase.PENDING
    if run.picture.tally.begun:
        return WorkflowPhase.RUNNING
    return WorkflowPhase.QUEUED if run.picture.tally.phases[JobPhase.QUEUED] else WorkflowPhase.PENDING


def _recorded_phase(run: Run) -> WorkflowPhase:
    """Tell how far the run had come. It doesn't go back, as one would that waited, may go, and hasn't started yet."""
    recorded = run.resource.status.phase
    known = recorded is not None and not run.current.fresh
    return recorded if known and recorded in _IN_ORDER else WorkflowPhase.PENDING


def _message(run: Run, phase: WorkflowPhase) -> str:
    jobs = run.states
    match phase:
        case WorkflowPhase.SUCCEEDED:
            count = sum(state.phase is JobPhase.SUCCEEDED for state in jobs.values())
            skipped = len(jobs) - count
            more = f", {skipped} skipped" if skipped else ""
            return f"{count} job{'s' if count != 1 else ''} succeeded{more}"
        case WorkflowPhase.PARTIAL:
            failed = _names(run, JobPhase.FAILED)
            return f"succeeded, but for what may fail: {failed}"
        case WorkflowPhase.FAILED:
            failed_jobs = [(job_id, state) for job_id, state in jobs.items() if state.result is Result.FAILURE]
            if not failed_jobs:
                return run.stop.message if run.stop else "failed"
            job_id, state = failed_jobs[0]
            more = f" (and {len(failed_jobs) - 1} more)" if len(failed_jobs) > 1 else ""
            return f"job {quote(job_id)}: {state.message or 'failed'}{more}"
        case WorkflowPhase.CANCELLED:
            why = run.stop.message if run.stop and run.stop.reason is Reason.SUPERSEDED else "cancelled"
            return f"{why}; {_names(run, JobPhase.CANCELLED)} did not finish"
        case _:
            return _going(run)


def _going(run: Run) -> str:
    if run.admission.message and run.stop is None:
        return run.admission.message
    talking = run.picture.tally.talking
    if talking:
        job_id = next(filter(talking.__contains__, run.states))
        state = run.states[job_id]
        one = next(each for each in (state, *state.combinations) if each.message and not each.phase.ended)
        return f"job {quote(getattr(one, 'name', job_id))}: {one.message}"
    if run.workflow.suspend:
        return "suspended"
    for active in (JobPhase.RUNNING, JobPhase.QUEUED):
        if names := _names(run, active):
            return f"{active.lower()}: {names}"
    return "waiting to start"


def _names(run: Run, phase: JobPhase) -> str:
    found = run.picture.tally.phases[phase]
    first = list(islice(filter(found.__contains__, run.states), _MOST_NAMES)) if found else []
    more = f" and {len(found) - len(first)} more" if len(found) > len(first) else ""
    return ", ".join(first) + more


def _conditions(
    phase: WorkflowPhase,
    message: str,
    resource: Resource,
    now: datetime,
    *,
    waits: str | None = None,
    idle: bool = False,
) -> tuple[Condition, ...]:
    """Answer the questions that tools ask. Reconciling and Stalled are there only while they hold, as kstatus wants.

    A schedule that waits for its time has nothing left to reconcile.
    """
    invalid = phase is WorkflowPhase.INVALID
    failed = phase in (WorkflowPhase.FAILED, WorkflowPhase.CANCELLED) or invalid
    good = phase in (WorkflowPhase.SUCCEEDED, WorkflowPhase.PARTIAL)
    ended: Truth = "True" if good else "False" if failed else "Unknown"
    ready: Truth = "True" if good or idle else "False"
    wanted: list[tuple[str, Truth, str, str]] = [
        (
            "Accepted",
            "False" if invalid else "True",
            "Invalid" if invalid else "Valid",
            message if invalid else "",
        ),
    ]
    if not invalid:
        wanted.append(("Admitted", "False", "Waiting", waits) if waits else ("Admitted", "True", "Admitted", ""))
    reason = "Scheduled" if idle else str(phase)
    wanted += [("Succeeded", ended, reason, message), ("Ready", ready, reason, message)]
    if failed:
        wanted.append(("Stalled", "True", reason, message))
    elif not good and not idle:
        wanted.append(("Reconciling", "True", reason, message))
    before = {each.type: each for each in resource.status.conditions}
    return tuple(
        Condition(
            type=kind,
            status=status,
            reason=reason,
            message=text,
            observed_generation=resource.generation,
            last_transition_time=(
                before[kind].last_transition_time if kind in before and before[kind].status == status else now
            ),
        )
        for kind, status, reason, text in wanted
    )
