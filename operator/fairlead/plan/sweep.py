"""What works on and isn't wanted any more: attempts of an earlier run, and those that the status has gone past.

Nothing is ended before the recorded status says why, so whoever dies between the two calls finds the reason again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.plan.actions import CancelWorkflow, DeleteJob
from fairlead.plan.observed import ContainerTerminated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fairlead.model.ids import Attempt, NodeId
    from fairlead.model.status import NodeStatus
    from fairlead.plan.actions import Action
    from fairlead.plan.observed import CalledWorkflow, KubernetesJob, Observed, Resource
    from fairlead.plan.run import Run
    from fairlead.plan.runs import Current


def superfluous(run: Run) -> set[str]:
    """Find the attempts that the recorded status has gone past, whether they are over or not."""
    return {
        attempt.name
        for node, attempts in run.attempts.items()
        for number, attempt in attempts.items()
        if _is_past(run.current, node, number)
    }


def _is_past(current: Current, node: NodeId, number: Attempt) -> bool:
    job = current.jobs.get(node.job)
    if job is None:
        return False
    if job.phase.ended:
        return True
    known: NodeStatus = job
    if node.combination is not None and job.combinations:
        if node.combination >= len(job.combinations):
            return True
        known = job.combinations[node.combination]
    waits_to_retry = known.retry_at is not None and number == known.attempt
    return known.phase.ended or waits_to_retry or number < (known.attempt or 0)


def sweep(resource: Resource, observed: Observed, current: Current, superfluous: set[str]) -> tuple[Action, ...]:
    """End what works on for an earlier run or a decided job, once the status has recorded that it is over."""
    recorded = resource.status.run == current.run and resource.status.spec_digest == current.digest
    if not recorded:
        return ()

    def unwanted(each: KubernetesJob | CalledWorkflow) -> bool:
        return each.name in superfluous or each.run != current.run or each.digest != current.digest

    return _end(filter(unwanted, observed.jobs), filter(unwanted, observed.calls))


def end_all(observed: Observed) -> tuple[Action, ...]:
    """End everything that works, where no run goes on."""
    return _end(observed.jobs, observed.calls)


def _end(jobs: Iterable[KubernetesJob], calls: Iterable[CalledWorkflow]) -> tuple[Action, ...]:
    cancelled = (
        CancelWorkflow(each.name, each.status.run)
        for each in calls
        if each.status.run is not None and not (each.status.ended or each.deleting or each.cancelling)
    )
    return (*(DeleteJob(each.name) for each in jobs if not is_over(each)), *cancelled)


def is_over(attempt: KubernetesJob) -> bool:
    """Whether a Kubernetes Job ends by itself, or has; its log may still be wanted.

    Its Pod says so a second or two before the Job controller does. One that waits for its image or a service is not:
    Kubernetes goes on trying, though it was given up here.
    """
    if attempt.deleting or attempt.complete or attempt.failure is not None:
        return True
    last = attempt.pods[-1] if attempt.pods else None
    return last is not None and isinstance(last.container, ContainerTerminated) and not last.taken
