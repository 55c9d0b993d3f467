"""In which order the passes of a plan come to the jobs."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fairlead.model.ids import JobId
    from fairlead.model.status import JobStatus
    from fairlead.model.workflow import JobPlan, Workflow
    from fairlead.plan.run import Run


@dataclass(frozen=True, slots=True)
class Order:
    """Where each job of a workflow stands, and where those that need it."""

    jobs: tuple[JobPlan, ...]
    places: Mapping[JobId, int]
    dependents: Mapping[JobId, list[int]]


def order_of(workflow: Workflow) -> Order:
    """Look up who needs whom."""
    jobs = tuple(workflow.jobs.values())
    dependents: dict[JobId, list[int]] = {job.id: [] for job in jobs}
    for place, job in enumerate(jobs):
        for need in job.needs:
            dependents[need].append(place)
    return Order(jobs, {job.id: place for place, job in enumerate(jobs)}, dependents)


def in_order(run: Run) -> Iterable[JobPlan]:
    """Give the jobs that are touched, each after its needs."""
    if run.touched is None or run.order is None:
        return run.workflow.jobs.values()
    return [run.order.jobs[place] for place in _places(run.order, run.touched)]


def in_turn(run: Run, before: dict[JobId, JobStatus]) -> Iterator[JobPlan]:
    """Give the jobs that are touched, and after each that has changed those that need it; each once, after its needs.

    `before`: how those that are touched stood; the others are added to it.
    """
    if run.touched is None or run.order is None:
        yield from run.workflow.jobs.values()
        return
    order, left = run.order, _places(run.order, run.touched)
    while left:
        job = order.jobs[heappop(left)]
        yield job
        if run.states[job.id] is before[job.id]:
            continue
        for place in order.dependents[job.id]:
            dependent = order.jobs[place].id
            if dependent not in before:
                before[dependent] = run.states[dependent]
                heappush(left, place)


def _places(order: Order, touched: set[JobId]) -> list[int]:
    """Give the places of those that are touched; somebody may have made things for jobs that there aren't."""
    return sorted(order.places[job] for job in touched if job in order.places)
