"""What the planner is told of the world: the few facts that decide something, in the words of Kubernetes.

The local engine has no Pods; it tells the same facts of its processes and containers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fairlead.model.ids import Attempt, JobId, RunNumber, Uid, WorkflowKey
    from fairlead.model.report import Report
    from fairlead.model.status import WorkflowStatus


@dataclass(frozen=True, slots=True)
class Resource:
    """A Workflow resource, without its spec; `status` is what was last recorded in it."""

    key: WorkflowKey
    uid: Uid
    generation: int
    status: WorkflowStatus
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerWaiting:
    """The main container hasn't started."""

    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ContainerRunning:
    """The main container runs."""

    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContainerTerminated:
    """The main container has ended; `report` is the driver's, where it wrote one."""

    exit_code: int
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    report: Report | None = None


Container = ContainerWaiting | ContainerRunning | ContainerTerminated


@dataclass(frozen=True, slots=True)
class Pod:
    """One Pod of a Kubernetes Job.

    `taken` holds when the cluster or somebody takes it away: it is being deleted, was evicted or preempted, or its
    node is gone. `trouble` says why it can't be scheduled.
    """

    name: str
    container: Container | None = None
    taken: bool = False
    scheduled_at: datetime | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why the Job controller gave a Kubernetes Job up, as `DeadlineExceeded` or `BackoffLimitExceeded`."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class KubernetesJob:
    """One attempt at a job of a run, with its Pods, the oldest first."""

    name: str
    job: JobId
    attempt: Attempt
    run: RunNumber
    generation: int
    complete: bool = False
    failure: JobFailure | None = None
    deleting: bool = False
    pods: tuple[Pod, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The cluster said no to making a job's Kubernetes Job; `final` where trying again is no use."""

    message: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that exists of one Workflow, and what the cluster refused to make."""

    jobs: tuple[KubernetesJob, ...] = ()
    refusals: Mapping[JobId, Refusal] = field(default_factory=dict)
