"""What the engine needs of the world, and what it tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairlead.engine.records import WorkflowRecord
    from fairlead.model.ids import NodeId, WorkflowKey
    from fairlead.model.status import WorkflowStatus
    from fairlead.plan import (
        CallWorkflow,
        CancelWorkflow,
        CreateJob,
        CreatePack,
        Creation,
        DeleteJob,
        DeletePod,
        EndPack,
        ReadEvents,
        ReadOutputs,
        Removal,
    )
    from fairlead.plan.announcements import Announcement


class Cluster(Protocol):
    """Where plans are carried out: a Kubernetes cluster, or this machine.

    Each method may raise UnavailableError, RefusedError where the cluster says no, and NotOwnedError where the workflow
    has become another replica's. What it changed is in the store when it returns, so that the next plan sees it.
    """

    async def create_job(self, record: WorkflowRecord, create: CreateJob) -> None:
        """Make a Kubernetes Job; do nothing where it exists.

        Raises ConflictError where the one that it is to replace is there after all.
        """

    async def call_workflow(self, record: WorkflowRecord, call: CallWorkflow) -> None:
        """Make a Workflow out of a WorkflowTemplate; do nothing where it exists. Raises as `create_job` does."""

    async def delete_job(self, record: WorkflowRecord, delete: DeleteJob) -> None:
        """End a Kubernetes Job and its Pods; do nothing where it is gone."""

    async def cancel_workflow(self, record: WorkflowRecord, cancel: CancelWorkflow) -> None:
        """Ask for the end of a called Workflow's run; do nothing where that was done, or where it is gone."""

    async def delete_workflow(self, record: WorkflowRecord) -> None:
        """Delete the Workflow of exactly the recorded version, with all that it owns. Raises ConflictError."""

    async def read_outputs(self, record: WorkflowRecord, read: ReadOutputs) -> None:
        """Read the outputs at the end of a job's log into its Pod's report, or say there why they are lost."""

    async def read_events(self, record: WorkflowRecord, read: ReadEvents) -> None:
        """Keep in the store why a Kubernetes Job has no Pod, as far as that is told."""

    async def list_pods(self, key: WorkflowKey, jobs: Sequence[str]) -> None:
        """Have the store know each Pod that there is of some Kubernetes Jobs; these, or the workflow, may be gone."""

    async def write_status(self, record: WorkflowRecord, status: WorkflowStatus) -> None:
        """Replace the status of exactly the recorded version. Raises ConflictError and GoneError."""

    async def announce(self, record: WorkflowRecord, announcement: Announcement) -> None:
        """Tell people; the same announcement twice is told once."""


@runtime_checkable
class Packs(Protocol):
    """What a cluster can besides where the engine's policy has packs. The same goes for its methods."""

    async def create_pack(self, record: WorkflowRecord, create: CreatePack) -> None:
        """Make an Indexed Job; do nothing where it exists."""

    async def end_pack(self, record: WorkflowRecord, end: EndPack) -> None:
        """End the Pods of an Indexed Job that still run, and the Job; do nothing where it is gone."""

    async def delete_pod(self, record: WorkflowRecord, delete: DeletePod) -> None:
        """End one Pod; do nothing where it is gone."""


class Observer(Protocol):
    """Who is told what the engine does: logs and metrics."""

    def changed(self, key: WorkflowKey, before: WorkflowStatus, after: WorkflowStatus) -> None:
        """Hear that a status was recorded."""

    def waited(self, key: WorkflowKey, seconds: float) -> None:
        """Hear that a look at a workflow begins, and how long it was waited for."""

    def created(self, key: WorkflowKey, create: Creation, seconds: float) -> None:
        """Hear that a Kubernetes Job was made, or a Workflow called, so long after the look was asked for."""

    def deleted(self, key: WorkflowKey, delete: Removal) -> None:
        """Hear that a Kubernetes Job was ended, or a Pod of one."""

    def refused(self, key: WorkflowKey, node: NodeId, message: str) -> None:
        """Hear that the cluster said no to what a node needs."""

    def failed(self, key: WorkflowKey, error: Exception, retry_in: float) -> None:
        """Hear that a look at a workflow failed, and when it is repeated."""
