"""What the engine needs of the world, and what it tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fairlead.engine.store import WorkflowRecord
    from fairlead.model.ids import JobId, WorkflowKey
    from fairlead.model.status import WorkflowStatus
    from fairlead.plan import CreateJob, DeleteJob
    from fairlead.plan.announcements import Announcement


class Cluster(Protocol):
    """Where plans are carried out: a Kubernetes cluster, or this machine.

    Each method may raise UnavailableError. What it changed is in the store when it returns, so that the next plan
    sees it.
    """

    async def create_job(self, record: WorkflowRecord, create: CreateJob) -> None:
        """Make a Kubernetes Job; do nothing where it exists. Raises RefusedError."""

    async def delete_job(self, record: WorkflowRecord, delete: DeleteJob) -> None:
        """End a Kubernetes Job and its Pods; do nothing where it is gone."""

    async def write_status(self, record: WorkflowRecord, status: WorkflowStatus) -> None:
        """Replace the status of exactly the recorded version. Raises ConflictError and GoneError."""

    async def announce(self, record: WorkflowRecord, announcement: Announcement) -> None:
        """Tell people; the same announcement twice is told once."""


class Observer(Protocol):
    """Who is told what the engine does: logs and metrics."""

    def changed(self, key: WorkflowKey, before: WorkflowStatus, after: WorkflowStatus) -> None:
        """Hear that a status was recorded."""

    def created(self, key: WorkflowKey, create: CreateJob) -> None:
        """Hear that a Kubernetes Job was made."""

    def deleted(self, key: WorkflowKey, delete: DeleteJob) -> None:
        """Hear that a Kubernetes Job was ended."""

    def refused(self, key: WorkflowKey, job: JobId, message: str) -> None:
        """Hear that the cluster said no to a Kubernetes Job."""

    def failed(self, key: WorkflowKey, error: Exception, retry_in: float) -> None:
        """Hear that a look at a workflow failed, and when it is repeated."""
