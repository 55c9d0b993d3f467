"""What the planner is told of the world: the few facts that decide something, in the words of Kubernetes.

The local engine has no Pods; it tells the same facts of its processes and containers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairlead.plan.neighbours import ALONE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fairlead.model.ids import Attempt, NodeId, RunNumber, SpecDigest, Uid, WorkflowKey
    from fairlead.model.report import Report
    from fairlead.model.status import WorkflowStatus
    from fairlead.plan.neighbours import Caller, Neighbours


@dataclass(frozen=True, slots=True)
class Resource:
    """A Workflow resource, without its spec; `status` is what was last recorded in it.

    `callers`: who waits for it where it was called, the nearest last. `created_at`: by the API server's clock, to the
    second.
    """

    key: WorkflowKey
    uid: Uid
    generation: int
    status: WorkflowStatus
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    callers: tuple[Caller, ...] = ()
    created_at: datetime | None = None

    @property
    def depth(self) -> int:
        """How many calls in a row led to it."""
        return len(self.callers)


@dataclass(frozen=True, slots=True)
class ContainerWaiting:
    """A container hasn't started, or not again."""

    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ContainerRunning:
    """A container runs."""

    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContainerTerminated:
    """A container has ended; `report` is the driver's, where it wrote one."""

    exit_code: int
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    report: Report | None = None


Container = ContainerWaiting | ContainerRunning | ContainerTerminated


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One container beside the main one that starts before it: a service, or anything else that a Pod is given.

    `started`: it runs and is ready, so that what follows it may start. `restarts` counts how often it was started
    again, and `last` is how it had ended then. `stays` is false for one that has to end before what follows it starts.
    """

    name: str
    container: Container | None = None
    started: bool = False
    restarts: int = 0
    last: ContainerTerminated | None = None
    stays: bool = True


@dataclass(frozen=True, slots=True)
class Pod:
    """One Pod of a Kubernetes Job.

    `taken` holds when the cluster or somebody takes it away: it is being deleted, was evicted or preempted, or its
    node is gone. `trouble` says why it can't be scheduled. `services` are in the order in which they start. `lingers`,
    told of Pods of Indexed Jobs: its main container has ended, and the Pod as a whole not yet.
    """

    name: str
    container: Container | None = None
    taken: bool = False
    scheduled_at: datetime | None = None
    trouble: str | None = None
    services: tuple[ServiceState, ...] = ()
    lingers: bool = False


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why the Job controller gave a Kubernetes Job up, as `DeadlineExceeded` or `BackoffLimitExceeded`."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Podless:
    """What the Events of a Kubernetes Job told, when they were last looked at, of why it has no Pod; None: nothing.

    `looks` counts how often they were looked at.
    """

    message: str | None
    looked_at: datetime
    looks: int = 1


@dataclass(frozen=True, slots=True)
class KubernetesJob:
    """One attempt at a node of a run, with its Pods, the oldest first.

    `retries`, `group` and `run_group` as in CreateJob. `index`: its completion index where it is one of several in an
    Indexed Job; all of them have its name. `taken_up_at`: when the Job controller began with it. `podless`: why it has
    no Pod, if that was looked at.
    """

    name: str
    node: NodeId
    attempt: Attempt
    run: RunNumber
    digest: SpecDigest
    retries: int = 0
    group: str | None = None
    complete: bool = False
    failure: JobFailure | None = None
    deleting: bool = False
    pods: tuple[Pod, ...] = ()
    run_group: str | None = None
    index: int | None = None
    taken_up_at: datetime | None = None
    podless: Podless | None = None

    @property
    def slot(self) -> str:
        """What tells it from all others: its name, and its index where it has one."""
        return slot_of(self.name, self.index)


def slot_of(name: str, index: int | None) -> str:
    """Give a place in a Kubernetes Job: `name`, or `name/index` in an Indexed one."""
    return name if index is None else f"{name}/{index}"


@dataclass(frozen=True, slots=True)
class CalledWorkflow:
    """One attempt at a node that uses a template: the Workflow that was made for it.

    `works`: whether Kubernetes Jobs of it, or of what it called, still work, though it may be recorded as over.
    """

    name: str
    node: NodeId
    attempt: Attempt
    run: RunNumber
    digest: SpecDigest
    status: WorkflowStatus
    retries: int = 0
    group: str | None = None
    deleting: bool = False
    cancelling: bool = False
    run_group: str | None = None
    works: bool = False

    @property
    def over(self) -> bool:
        """Whether it is recorded to have ended, or that its spec is invalid."""
        return self.status.phase is not None and self.status.phase.ended


@dataclass(frozen=True, slots=True)
class Refusal:
    """The cluster said no to making what a node needs; `final` where trying again is no use.

    `until`: when patience ends with what may still come, as a template that is applied after its caller. `unheard`: it
    gave no answer, so that it may have made it nevertheless.
    """

    message: str
    final: bool = False
    until: datetime | None = None
    unheard: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that exists of one Workflow, what the cluster refused to make, and who else is there.

    `since`: when its spec was first looked at; a run of which nothing is recorded yet began then. `remnants` are
    Kubernetes Jobs that were deleted, of which there still are Pods, or may be.
    """

    jobs: tuple[KubernetesJob, ...] = ()
    calls: tuple[CalledWorkflow, ...] = ()
    refusals: Mapping[NodeId, Refusal] = field(default_factory=dict)
    neighbours: Neighbours = ALONE
    since: datetime | None = None
    remnants: tuple[KubernetesJob, ...] = ()
