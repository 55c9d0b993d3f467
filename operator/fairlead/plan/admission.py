"""Who claims what: read from what is recorded of a Workflow and from what of it still works in the cluster.

A claim holds its group from when it is recorded as admitted until its run, or its node, is recorded as over *and* none
of its Kubernetes Jobs works any more: a Pod that takes its time to end still deploys. So does one of an earlier run, or
of a Workflow that was deleted; each Kubernetes Job therefore names the groups that it works in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fairlead.expressions import fold
from fairlead.model.ids import NodeId
from fairlead.model.phase import WorkflowPhase
from fairlead.model.spec import QueueKind
from fairlead.plan.neighbours import Claim
from fairlead.plan.observed import CalledWorkflow, ContainerRunning, ContainerTerminated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fairlead.model.ids import JobId, RunNumber, Uid, WorkflowKey
    from fairlead.model.status import AdmissionStatus, JobStatus, NodeStatus
    from fairlead.plan.observed import KubernetesJob, Resource

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

_Place = tuple["RunNumber", NodeId | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may go on at a time, of all and of each namespace. None: as much as there is.

    Workflows that others called run under their caller's; jobs are Kubernetes Jobs that aren't over. `unstarted` ones
    are those that the Job controller hasn't taken up: what it gets more of at a time than it can keep up with, it
    works through in the order in which it came, whoever waits.
    """

    workflows: int | None = None
    workflows_per_namespace: int | None = None
    jobs: int | None = None
    jobs_per_namespace: int | None = None
    unstarted: int | None = None

    @property
    def on_workflows(self) -> bool:
        """Whether workflows are limited."""
        return self.workflows is not None or self.workflows_per_namespace is not None

    @property
    def on_jobs(self) -> bool:
        """Whether jobs are limited."""
        return self.jobs is not None or self.jobs_per_namespace is not None

    @property
    def on_starts(self) -> bool:
        """Whether a job may have to wait for others before it is made."""
        return self.on_jobs or self.unstarted is not None


def works(job: KubernetesJob) -> bool:
    """Whether something of a Kubernetes Job runs, or may yet: it is neither over nor are its Pods.

    A deletion ends nothing by itself; the Pods do. Where no Pod is seen, one may be on its way.
    """
    if job.complete or job.failure is not None:
        return any(isinstance(pod.container, ContainerRunning) for pod in job.pods)
    if any(not isinstance(pod.container, ContainerTerminated) for pod in job.pods):
        return True
    # The Job controller makes another Pod for one that was taken, unless the Job itself goes.
    return not job.pods or (job.pods[-1].taken and not job.deleting)


def working(jobs: Iterable[KubernetesJob]) -> frozenset[str]:
    """Name the Kubernetes Jobs that aren't over: what the limits on jobs count."""
    return frozenset(job.name for job in jobs if works(job))


def asks(job: JobStatus) -> bool:
    """Whether a job, or a combination of it, is recorded to ask for a group."""
    return job.admission is not None or any(node.admission is not None for node in job.combinations)


def claims_of(
    resource: Resource,
    jobs: Iterable[KubernetesJob],
    calls: Iterable[CalledWorkflow] = (),
    asking: Iterable[JobId] | None = None,
) -> tuple[Claim, ...]:
    """Give the claims of a Workflow: of its recorded run and its nodes, and of what still works of others.

    What is over, but not yet at its end, holds its groups and asks for nothing. `asking`: the jobs of which `asks` is
    true, where they are known.
    """
    found = {(claim.run, claim.node): claim for claim in _recorded(resource, asking)}
    active: list[KubernetesJob | CalledWorkflow] = [job for job in jobs if works(job)]
    active += [call for call in calls if _call_works(call)]
    for place, group in _held(active):
        known = found.get(place)
        if known is None:
            found[place] = _holding(resource.key, resource.uid, place, group)
        elif not known.admitted:
            found[place] = replace(known, admitted=True)
    return tuple(found.values())


def remains_of(
    key: WorkflowKey, uid: Uid, jobs: Iterable[KubernetesJob], calls: Iterable[CalledWorkflow] = ()
) -> tuple[Claim, ...]:
    """Give the claims of a Workflow that is gone, of which some Kubernetes Jobs, or what it called, still work."""
    active: list[KubernetesJob | CalledWorkflow] = [job for job in jobs if works(job)]
    active += [call for call in calls if _call_works(call)]
    held = dict(_held(active))
    return tuple(_holding(key, uid, place, group) for place, group in held.items())


def _recorded(resource: Resource, asking: Iterable[JobId] | None) -> Iterator[Claim]:
    """Give the claims of the recorded run, as long as it isn't over."""
    status = resource.status
    if status.run is None or status.phase is None or status.phase.ended:
        return
    if status.admission is not None:
        yield _asking(resource, None, status.admission)
    elif status.phase is WorkflowPhase.RUNNING and not resource.callers:
        # It began before anything limited it, and counts from now on.
        place = (status.run, None)
        yield _holding(resource.key, resource.uid, place, None, counted=True)
    jobs = status.jobs if asking is None else {job_id: status.jobs[job_id] for job_id in sorted(asking)}
    for node, state in _nodes(jobs):
        if state.admission is not None and not state.phase.ended:
            yield _asking(resource, node, state.admission)


def _asking(resource: Resource, node: NodeId | None, admission: AdmissionStatus) -> Claim:
    run = resource.status.run
    assert run is not None  # noqa: S101  the caller's condition, for the type checker
    return Claim(
        workflow=resource.key,
        uid=resource.uid,
        run=run,
        node=node,
        since=admission.since,
        admitted=admission.admitted,
        group=None if admission.group is None else fold(admission.group),
        cancel_in_progress=admission.cancel_in_progress,
        queue=admission.queue,
        priority=admission.priority,
        counted=node is None and not resource.callers,
        callers=resource.callers,
    )


def _holding(key: WorkflowKey, uid: Uid, place: _Place, group: str | None, *, counted: bool = False) -> Claim:
    run, node = place
    return Claim(
        workflow=key,
        uid=uid,
        run=run,
        node=node,
        since=_LONG_AGO,
        admitted=True,
        group=None if group is None else fold(group),
        cancel_in_progress=False,
        queue=QueueKind.ALL,
        counted=counted,
    )


def _held(active: Iterable[KubernetesJob | CalledWorkflow]) -> Iterator[tuple[_Place, str]]:
    """Give the groups that something works in, as it says itself: run numbers come again where a record was lost."""
    for each in active:
        if each.run_group is not None:
            yield (each.run, None), each.run_group
        if each.group is not None:
            yield (each.run, each.node), each.group


def _nodes(jobs: Mapping[JobId, JobStatus]) -> Iterator[tuple[NodeId, NodeStatus]]:
    for job_id, state in jobs.items():
        yield NodeId(job_id), state
        for at, combination in enumerate(state.combinations):
            yield NodeId(job_id, at), combination


def _call_works(call: CalledWorkflow) -> bool:
    return call.works or not call.over
