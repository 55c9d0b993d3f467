"""The one writer of the status: a pure summary of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fairlead.model.duration import format_duration
from fairlead.model.ids import JobId, RunNumber
from fairlead.model.phase import JobPhase, WorkflowPhase
from fairlead.model.problem import MOST_PROBLEMS, quote
from fairlead.model.status import Condition, JobStatus, RunRecord, WorkflowStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fairlead.model.problem import InvalidWorkflowError
    from fairlead.model.workflow import Workflow
    from fairlead.plan.observed import Resource

Truth = Literal["True", "False", "Unknown"]
_MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Current:
    """The run that a plan is about: the recorded one, or the next."""

    run: RunNumber
    started_at: datetime
    jobs: Mapping[JobId, JobStatus]
    history: tuple[RunRecord, ...]


def begin(resource: Resource, now: datetime, *, invalid: bool) -> Current:
    """Go on with the recorded run, or start the next one where the generation is new.

    A spec that can't run doesn't count as a run.
    """
    recorded = resource.status
    if recorded.observed_generation == resource.generation and (invalid or recorded.phase is not WorkflowPhase.INVALID):
        run = RunNumber(recorded.run or (0 if invalid else 1))
        return Current(run, recorded.started_at or now, recorded.jobs, recorded.history)
    history = recorded.history
    if recorded.run is not None and recorded.phase not in (None, WorkflowPhase.INVALID):
        history = (_remember(recorded, resource, now), *history)
    run = RunNumber((recorded.run or 0) + (0 if invalid else 1))
    return Current(run, now, {}, history)


def _remember(recorded: WorkflowStatus, resource: Resource, now: datetime) -> RunRecord:
    phase = recorded.phase or WorkflowPhase.PENDING
    superseded = not phase.ended
    return RunRecord(
        run=recorded.run or RunNumber(1),
        generation=recorded.observed_generation or 0,
        phase=WorkflowPhase.CANCELLED if superseded else phase,
        message=f"superseded by generation {resource.generation}" if superseded else recorded.message,
        started_at=recorded.started_at,
        finished_at=now if superseded else recorded.finished_at,
    )


def summarize(
    workflow: Workflow,
    current: Current,
    resource: Resource,
    jobs: Mapping[JobId, JobStatus],
    outputs: dict[str, str],
    trouble: str | None,
    now: datetime,
    *,
    cancelled: bool,
    note: str | None = None,
) -> WorkflowStatus:
    """Sum a run up from its jobs.

    `trouble`: what is wrong with the workflow's outputs, once all have ended. `note`: what its owner should know
    while it runs.
    """
    phase = _phase(jobs, trouble, cancelled=cancelled)
    message = trouble or (note if note and not phase.ended else _message(phase, jobs))
    recorded = resource.status
    finished = None
    if phase.ended:
        same = recorded.run == current.run and recorded.finished_at is not None
        finished = recorded.finished_at if same else max(s.finished_at or now for s in jobs.values())
    ended = sum(state.phase.ended for state in jobs.values())
    return WorkflowStatus(
        observed_generation=resource.generation,
        run=current.run,
        phase=phase,
        message=message,
        progress=f"{ended}/{len(jobs)}",
        duration=format_duration((finished - current.started_at).total_seconds()) if finished else None,
        started_at=current.started_at,
        finished_at=finished,
        outputs=outputs,
        conditions=_conditions(phase, message, resource, now),
        jobs=dict(jobs),
        history=current.history[: workflow.history_limit],
    )


def summarize_invalid(
    error: InvalidWorkflowError, current: Current, resource: Resource, now: datetime
) -> WorkflowStatus:
    """Say what keeps a spec from running: all of it in `problems`, the first in the message."""
    first, *others = error.problems
    message = f"{first}{f' (and {len(others)} more)' if others else ''}"
    problems = [str(problem) for problem in error.problems[:MOST_PROBLEMS]]
    if len(error.problems) > MOST_PROBLEMS:
        problems.append(f"… and {len(error.problems) - MOST_PROBLEMS} more")
    return WorkflowStatus(
        observed_generation=resource.generation,
        run=current.run or None,
        phase=WorkflowPhase.INVALID,
        message=message,
        problems=tuple(problems),
        conditions=_conditions(WorkflowPhase.INVALID, "\n".join(problems)[:32_000], resource, now),
        history=current.history,
    )


def _phase(jobs: Mapping[JobId, JobStatus], trouble: str | None, *, cancelled: bool) -> WorkflowPhase:
    phases = {state.phase for state in jobs.values()}
    if not all(phase.ended for phase in phases):
        started = phases - {JobPhase.PENDING}
        return WorkflowPhase.RUNNING if started else WorkflowPhase.PENDING
    if cancelled and JobPhase.CANCELLED in phases:
        return WorkflowPhase.CANCELLED
    if trouble or JobPhase.FAILED in phases:
        return WorkflowPhase.FAILED
    return WorkflowPhase.SUCCEEDED


def _message(phase: WorkflowPhase, jobs: Mapping[JobId, JobStatus]) -> str:
    match phase:
        case WorkflowPhase.SUCCEEDED:
            count = len(jobs)
            return f"{count} jobs succeeded" if count > 1 else "1 job succeeded"
        case WorkflowPhase.FAILED:
            failed = [(job_id, state) for job_id, state in jobs.items() if state.phase is JobPhase.FAILED]
            job_id, state = failed[0]
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            return f"job {quote(job_id)}: {state.message or 'failed'}{more}"
        case WorkflowPhase.CANCELLED:
            return f"cancelled; {_names(jobs, JobPhase.CANCELLED)} did not finish"
        case _:
            for job_id, state in jobs.items():
                if state.message and not state.phase.ended:
                    return f"job {quote(job_id)}: {state.message}"
            for active in (JobPhase.RUNNING, JobPhase.QUEUED):
                if names := _names(jobs, active):
                    return f"{active.lower()}: {names}"
            return "waiting to start"


def _names(jobs: Mapping[JobId, JobStatus], phase: JobPhase) -> str:
    found = [job_id for job_id, state in jobs.items() if state.phase is phase]
    more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
    return ", ".join(found[:_MOST_NAMES]) + more


def _conditions(phase: WorkflowPhase, message: str, resource: Resource, now: datetime) -> tuple[Condition, ...]:
    """Answer the questions that tools ask. Reconciling and Stalled are there only while they hold, as kstatus wants."""
    invalid = phase is WorkflowPhase.INVALID
    failed = phase in (WorkflowPhase.FAILED, WorkflowPhase.CANCELLED) or invalid
    good = phase in (WorkflowPhase.SUCCEEDED, WorkflowPhase.PARTIAL)
    ended: Truth = "True" if good else "False" if failed else "Unknown"
    ready: Truth = "True" if good else "False"
    wanted: list[tuple[str, Truth, str, str]] = [
        (
            "Accepted",
            "False" if invalid else "True",
            "Invalid" if invalid else "Valid",
            message if invalid else "",
        ),
    ]
    if not invalid:
        wanted.append(("Admitted", "True", "Admitted", ""))
    wanted += [("Succeeded", ended, str(phase), message), ("Ready", ready, str(phase), message)]
    if failed:
        wanted.append(("Stalled", "True", str(phase), message))
    elif not good:
        wanted.append(("Reconciling", "True", str(phase), message))
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
