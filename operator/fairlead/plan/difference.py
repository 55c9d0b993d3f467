"""What an apply would do to a Workflow that is there already.

Apply is converge: a spec that runs something else starts the next run and cancels the one before; one that runs the
same, whatever it steers differently, leaves the run alone. `plan.runs.begin` decides it here as it will then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from fairlead.model.phase import JobPhase, WorkflowPhase
from fairlead.model.spec import STEERING
from fairlead.plan.runs import begin

if TYPE_CHECKING:
    from datetime import datetime

    from fairlead.model.ids import JobId, RunNumber
    from fairlead.model.workflow import Workflow
    from fairlead.plan.observed import Resource

_WORKS: Final = (JobPhase.QUEUED, JobPhase.RUNNING)


class Effect(StrEnum):
    """What an apply comes to."""

    CREATES = "creates"
    """There is no such Workflow: it is made, and runs."""
    NOTHING = "nothing"
    """The spec is the same: what was run stays as it is."""
    STEERS = "steers"
    """Only the way in which runs are steered changes; the run goes on."""
    RUNS = "runs"
    """The next run starts, with every job; what the one before is at is cancelled."""
    WAITS = "waits"
    """The next run starts at the schedule's next time; what runs by another spec is cancelled."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What an apply would cancel, keep and run, by job; and how the two specs differ.

    `run` is the number of the run that it leads to, None where none starts. `next_run_at` is the schedule's next time.
    """

    effect: Effect
    run: RunNumber | None = None
    cancels: tuple[JobId, ...] = ()
    keeps: tuple[JobId, ...] = ()
    runs: tuple[JobId, ...] = ()
    added: tuple[JobId, ...] = ()
    removed: tuple[JobId, ...] = ()
    changed: tuple[JobId, ...] = ()
    settings: tuple[str, ...] = ()
    next_run_at: datetime | None = None


def compare(new: Workflow, old: Workflow | None, resource: Resource | None, now: datetime) -> Difference:
    """Tell what it means to apply `new` now.

    `resource` is as it is recorded, None where there is none; `old` is its spec, None where that says nothing that
    could run.
    """
    everything = tuple(new.jobs)
    if resource is None:
        return Difference(Effect.CREATES, runs=() if new.schedules else everything)
    status = resource.status
    current = begin(new, replace(resource, generation=resource.generation + 1), now)
    begun = [job_id for job_id, state in status.jobs.items() if not state.phase.ended]
    over = status.ended or status.phase in (None, WorkflowPhase.INVALID)
    cancels = () if over else tuple(begun)
    change = _changes(new, old)
    change = replace(change, next_run_at=current.next_run_at)
    if current.fresh and not current.idle:
        return replace(change, effect=Effect.RUNS, run=current.run, cancels=cancels, runs=everything)
    if status.spec_digest != new.digest:
        keeps = () if current.idle else tuple(status.jobs)
        return replace(change, effect=Effect.WAITS, cancels=cancels if current.idle else (), keeps=keeps)
    effect = Effect.NOTHING if old is not None and _same(new, old) else Effect.STEERS
    return replace(change, effect=effect, run=status.run, keeps=tuple(status.jobs))


def works(difference: Difference, resource: Resource) -> tuple[JobId, ...]:
    """Of the jobs that would be cancelled give those that work now; the others only wait."""
    states = resource.status.jobs
    return tuple(each for each in difference.cancels if states[each].phase in _WORKS)


def _changes(new: Workflow, old: Workflow | None) -> Difference:
    if old is None:
        return Difference(Effect.NOTHING)
    return Difference(
        Effect.NOTHING,
        added=tuple(each for each in new.jobs if each not in old.jobs),
        removed=tuple(each for each in old.jobs if each not in new.jobs),
        changed=tuple(each for each, job in new.jobs.items() if each in old.jobs and old.jobs[each] != job),
        settings=_settings(new, old),
    )


def _settings(new: Workflow, old: Workflow) -> tuple[str, ...]:
    """Name the fields of the spec, besides its jobs, that differ; in their order."""
    names = [name for name in type(new).__slots__ if name not in ("jobs", "digest")]
    return tuple(name for name in names if getattr(new, name) != getattr(old, name))


def _same(new: Workflow, old: Workflow) -> bool:
    return new.digest == old.digest and not any(getattr(new, name) != getattr(old, name) for name in STEERING)
