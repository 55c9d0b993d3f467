"""The critical path: the jobs that a run waits for longest, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from fairlead.model.ids import JobId
    from fairlead.model.status import NodeStatus, WorkflowStatus
    from fairlead.plan.forecast import JobForecast


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """Its jobs, in order; `seconds` is what they took before, None where nothing is known of any job."""

    jobs: tuple[JobId, ...]
    seconds: float | None = None


def critical_path(jobs: Sequence[JobForecast], durations: Mapping[JobId, float] | None = None) -> CriticalPath:
    """Find the longest path, by the seconds that jobs took, or else by their number.

    A job that never ran counts as the median of the others, one that doesn't run where all goes well as nothing. Of
    equal paths the one whose last job stands first is given. `jobs` are in an order in which each comes after its
    needs.
    """
    known = {job.id: durations[job.id] for job in jobs if durations and job.id in durations}
    usual = median(known.values()) if known else 1
    longest: dict[JobId, float] = {}
    before: dict[JobId, JobId | None] = {}
    for job in jobs:
        own = known.get(job.id, usual) if job.expected else 0
        last = max(job.needs, key=lambda need: longest[need], default=None)
        before[job.id] = last
        longest[job.id] = own + (longest[last] if last is not None else 0)
    found: list[JobId] = []
    at: JobId | None = max(longest, key=lambda job_id: longest[job_id], default=None)
    total = longest[at] if at is not None else 0
    skipped = {job.id for job in jobs if not job.expected}
    while at is not None:
        found += [at] if at not in skipped else []
        at = before[at]
    return CriticalPath(tuple(reversed(found)), total if known else None)


def durations_of(status: WorkflowStatus) -> dict[JobId, float]:
    """Give how many seconds each job of a recorded run took, of a matrix from its first start to its last end."""
    found: dict[JobId, float] = {}
    for job_id, job in status.jobs.items():
        nodes: tuple[NodeStatus, ...] = job.combinations or (job,)
        starts: list[datetime] = [each.started_at for each in nodes if each.started_at is not None]
        ends: list[datetime] = [each.finished_at for each in nodes if each.finished_at is not None]
        if starts and len(ends) == len(nodes):
            found[job_id] = max(0.0, (max(ends) - min(starts)).total_seconds())
    return found
