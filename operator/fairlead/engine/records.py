"""What is kept of each thing of the cluster, in one of its versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairlead.model.status import Recorded
from fairlead.plan.observed import slot_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fairlead.engine.packs import PackState
    from fairlead.model.ids import Uid, WorkflowKey
    from fairlead.model.report import LoggedOutputs, Report
    from fairlead.plan import CalledWorkflow, KubernetesJob, Pod, Resource


@dataclass(frozen=True, slots=True)
class Call:
    """That a Workflow was called: by whom, and how it looks from there."""

    owner: Uid
    caller: WorkflowKey
    workflow: CalledWorkflow


@dataclass(frozen=True, slots=True)
class WorkflowRecord:
    """A Workflow resource: what the planner reads, and the raw spec and status; `call` where another one called it."""

    resource: Resource
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    version: int
    call: Call | None = None

    @property
    def recorded(self) -> Recorded:
        """The status, and the document that it was read from."""
        return Recorded(self.resource.status, self.status)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A Kubernetes Job of ours; `started`: the Job controller has taken it up, or won't.

    Where it is a pack, `job` tells what goes for all of its attempts, and `pack` the rest.
    """

    owner: Uid
    workflow: WorkflowKey
    job: KubernetesJob
    version: int
    started: bool = False
    pack: PackState | None = None

    @property
    def slots(self) -> tuple[str, ...]:
        """Where its attempts are told of."""
        if self.pack is None:
            return (self.job.name,)
        return tuple(slot_of(self.job.name, index) for index in range(len(self.pack.combinations)))

    def attempt(self, index: int | None) -> KubernetesJob | None:
        """Give one attempt that it makes, without its Pods; None where there is none of that index."""
        if self.pack is not None:
            return self.pack.attempt(self.job, index)
        return self.job if index is None else None


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A Pod of a Kubernetes Job of ours; `of`: that Job as far as the Pod itself tells, which may outlive it.

    `index`: its completion index in a pack. `overdue`: the kubelet ended it, as its time was over.
    """

    owner: Uid
    workflow: WorkflowKey
    job_name: str
    created_at: datetime
    pod: Pod
    version: int
    of: KubernetesJob | None = None
    index: int | None = None
    overdue: bool = False

    @property
    def slot(self) -> str:
        """Where its attempt is told of."""
        return slot_of(self.job_name, self.index)


@dataclass(frozen=True, slots=True)
class Unread:
    """Outputs that stand at the end of a Pod's log, as its report tells."""

    pod: PodRecord
    report: Report
    logged: LoggedOutputs
    finished_at: datetime | None
