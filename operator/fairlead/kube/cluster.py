"""The engine's hands: Kubernetes Jobs, status patches and Events, each one request."""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson

from fairlead.engine import errors as engine
from fairlead.kube.client import MERGE_PATCH
from fairlead.kube.errors import (
    AlreadyExistsError,
    ApiError,
    BusyError,
    ConflictError,
    NotFoundError,
    UnreachableError,
)
from fairlead.kube.patch import merge_patch
from fairlead.kube.reduce import job_record, workflow_record
from fairlead.model.crd import API_VERSION, GROUP, KIND, PLURAL, VERSION
from fairlead.model.status import format_time
from fairlead.render.job import job_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from fairlead.engine.store import Store, WorkflowRecord
    from fairlead.kube.client import Client
    from fairlead.model.status import WorkflowStatus
    from fairlead.plan import CreateJob, DeleteJob
    from fairlead.plan.announcements import Announcement

COMPONENT = "fairlead"
_MOST_EVENT_TEXT = 1000
_PERMANENT = frozenset({"Invalid", "BadRequest", "MethodNotAllowed"})


class KubernetesCluster:
    """Implements `engine.ports.Cluster`. Every answer goes into the store, so that the next plan sees it."""

    def __init__(self, client: Client, store: Store, clock: Callable[[], datetime], *, keep_seconds: int) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._keep_seconds = keep_seconds

    async def create_job(self, record: WorkflowRecord, create: CreateJob) -> None:
        """POST the Job; where its deterministic name is taken, it is ours from before, and is read instead."""
        manifest = job_manifest(create, record.resource, keep_seconds=self._keep_seconds)
        path = f"/apis/batch/v1/namespaces/{record.resource.key.namespace}/jobs"
        try:
            with _translated():
                if create.instead_of is not None:
                    await self._make_sure_it_is_gone(path, create.instead_of, record)
                try:
                    document = await self._client.request("POST", path, "jobs", orjson.dumps(manifest))
                except AlreadyExistsError:
                    document = await self._client.request("GET", f"{path}/{create.name}", "jobs")
        except ApiError as error:
            raise engine.RefusedError(error.message, final=error.reason in _PERMANENT) from error
        if not self._keep(document, record):
            said = f"there is a Job {create.name} that isn't this Workflow's"
            raise engine.RefusedError(said, final=False)

    async def delete_job(self, record: WorkflowRecord, delete: DeleteJob) -> None:
        """DELETE the Job; the garbage collector ends its Pods, with their grace."""
        path = f"/apis/batch/v1/namespaces/{record.resource.key.namespace}/jobs/{delete.name}"
        body = orjson.dumps({"propagationPolicy": "Background"})
        with _translated():
            try:
                document = await self._client.request("DELETE", path, "jobs", body)
            except NotFoundError:
                document = {}
        if document.get("kind") == "Job":
            self._keep(document, record)
        else:
            key = (record.resource.key.namespace, delete.name)
            known = self._store.jobs.get(key)
            self._store.jobs.drop(key, known.version if known else 0)

    async def write_status(self, record: WorkflowRecord, status: WorkflowStatus) -> None:
        """PATCH what has changed, on condition that nobody else has written."""
        key = record.resource.key
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/{PLURAL}/{key.name}/status"
        patch = {
            "metadata": {"resourceVersion": str(record.version), "uid": record.resource.uid},
            "status": merge_patch(record.status, status.to_json()),
        }
        with _translated():
            try:
                document = await self._client.request("PATCH", path, PLURAL, orjson.dumps(patch), MERGE_PATCH)
            except ConflictError as error:
                raise engine.ConflictError(error.message) from error
            except NotFoundError as error:
                self._store.workflows.drop((key.namespace, key.name), record.version)
                raise engine.GoneError(error.message) from error
        written = workflow_record(document)
        self._store.workflows.put((key.namespace, key.name), written)

    async def announce(self, record: WorkflowRecord, announcement: Announcement) -> None:
        """POST an Event under a name that the same change always has."""
        key = record.resource.key
        digest = sha256(f"{record.resource.uid}/{announcement.identity}".encode()).hexdigest()[:16]
        now = format_time(self._clock())
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{key.name}.{digest}", "namespace": key.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": key.namespace,
                "name": key.name,
                "uid": record.resource.uid,
            },
            "reason": announcement.reason,
            "message": announcement.message[:_MOST_EVENT_TEXT],
            "type": "Warning" if announcement.warning else "Normal",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
        }
        path = f"/api/v1/namespaces/{key.namespace}/events"
        try:
            with _translated():
                await self._client.request("POST", path, "events", orjson.dumps(event))
        except AlreadyExistsError:
            return
        except ApiError as error:
            raise engine.RefusedError(error.message, final=True) from error

    async def _make_sure_it_is_gone(self, path: str, name: str, record: WorkflowRecord) -> None:
        # The watch of Jobs can lag behind that of Workflows; another Job made on its word would run things twice.
        try:
            document = await self._client.request("GET", f"{path}/{name}", "jobs")
        except NotFoundError:
            return
        if self._keep(document, record):
            raise engine.ConflictError(f"the Job {name} is there, but was not seen yet")

    def _keep(self, document: dict[str, Any], record: WorkflowRecord) -> bool:
        """Take note of a Job, if it is the Workflow's."""
        item = job_record(document)
        if item is None or item.owner != record.resource.uid:
            return False
        self._store.jobs.put((item.workflow.namespace, item.job.name), item)
        return True


@contextmanager
def _translated() -> Iterator[None]:
    """Say in the engine's words what can be tried again."""
    try:
        yield
    except BusyError as error:
        raise engine.UnavailableError(str(error), error.retry_after) from error
    except UnreachableError as error:
        raise engine.UnavailableError(str(error)) from error
