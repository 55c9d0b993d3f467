"""The nodes of a status, and what is called what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairlead.engine.runs import Log
from fairlead.model.ids import Attempt, NodeId, RunNumber
from fairlead.model.phase import WorkflowPhase
from fairlead.model.problem import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from fairlead.engine.runs import Found
    from fairlead.model.status import NodeStatus, WorkflowStatus


@dataclass(frozen=True, slots=True)
class Shown:
    """A node with its state, and what it is called: the job's id, or a combination's name."""

    node: NodeId
    title: str
    state: NodeStatus
    run: RunNumber
    """The run in which it ended so: the current one, or an earlier one that a rerun kept it from."""
    kept: bool = False
    siblings: tuple[str, ...] = ()
    """What all combinations of its job are called."""

    @property
    def log(self) -> Log | None:
        """Name the log of its newest attempt, if that has begun."""
        if self.state.kubernetes_job is None or self.state.started_at is None:
            return None
        return Log(self.node, self.state.attempt or Attempt(1), self.run, self.state.kubernetes_job)


def nodes(status: WorkflowStatus, spec: Mapping[str, Any] | None = None) -> Iterator[Shown]:
    """Give all that is run: jobs, and of a matrix its combinations. With a spec each job comes after its needs."""
    jobs = status.jobs.items()
    waves, current = _waves(spec or {}), status.run or RunNumber(1)
    # An API server puts what is stored in the order of the alphabet.
    for job_id, job in sorted(jobs, key=lambda each: waves.get(each[0], 0)) if waves else jobs:
        run, kept = job.kept_from or current, job.kept_from is not None
        if not job.combinations:
            yield Shown(NodeId(job_id), one_line(job_id), job, run, kept)
        titles = tuple(one_line(each.name) or f"{job_id}[{at}]" for at, each in enumerate(job.combinations))
        for at, combination in enumerate(job.combinations):
            yield Shown(NodeId(job_id, at), titles[at], combination, run, kept, titles)


def _waves(spec: Mapping[str, Any]) -> dict[str, int]:
    """Tell how many jobs in a row come before each; of a spec that may be wrong in any way."""
    jobs = spec.get("jobs")
    needs = {name: _needs(job) for name, job in jobs.items()} if isinstance(jobs, dict) else {}
    waves = dict.fromkeys(needs, 0)
    for _ in needs:
        found = {
            name: max((waves[need] + 1 for need in before if need in waves), default=0)
            for name, before in needs.items()
        }
        if found == waves:
            break
        waves = found
    return waves


def _needs(job: object) -> list[str]:
    found = (job.get("needs") or job.get("requires") or ()) if isinstance(job, dict) else ()
    return (
        [found]
        if isinstance(found, str)
        else [each for each in found if isinstance(each, str)]
        if isinstance(found, list)
        else []
    )


def is_seen(found: Found) -> bool:
    """Whether the status speaks of the spec that is there."""
    return found.record.resource.status.observed_generation == found.record.resource.generation


def is_over(status: WorkflowStatus) -> bool:
    """Whether nothing follows, unless somebody asks for it."""
    return status.ended or status.phase is WorkflowPhase.INVALID


def is_idle(status: WorkflowStatus) -> bool:
    """Whether it only waits for its schedule's first time, or for the first after an edit."""
    return any(each.type == "Ready" and each.reason == "Scheduled" for each in status.conditions)


def seconds(start: datetime | None, end: datetime | None, now: datetime) -> float | None:
    """Give how long something took, or has taken so far; the clocks of two machines may differ a little."""
    return max(0.0, ((end or now) - start).total_seconds()) if start is not None else None
