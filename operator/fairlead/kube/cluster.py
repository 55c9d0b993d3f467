"""The engine's hands: Kubernetes Jobs, called Workflows, logs, status patches and Events, each one request or two."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as in_path

import orjson

from fairlead.engine import errors as engine
from fairlead.engine.templates import called_spec
from fairlead.kube.client import MERGE_PATCH, in_namespace
from fairlead.kube.errors import (
    AlreadyExistsError,
    ApiError,
    BusyError,
    ConflictError,
    NotFoundError,
)
from fairlead.kube.outputs import complete, log_path, most_bytes, without_outputs
from fairlead.kube.patch import merge_patch
from fairlead.kube.reduce import failed_create, job_record, pod_record, version_of, with_status, workflow_record
from fairlead.kube.translation import translated
from fairlead.model.crd import GROUP, KIND, PLURAL, TEMPLATE_PLURAL, VERSION
from fairlead.model.problem import quote
from fairlead.plan.runs import CANCEL
from fairlead.render.call import call_manifest
from fairlead.render.event import event_manifest
from fairlead.render.job import LABEL_JOB_NAME, NoAgentError, job_manifest
from fairlead.render.pack import pack_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from fairlead.engine.records import WorkflowRecord
    from fairlead.engine.store import Store
    from fairlead.kube.client import Client
    from fairlead.model.ids import NodeId, WorkflowKey
    from fairlead.model.status import WorkflowStatus
    from fairlead.plan import (
        CallWorkflow,
        CancelWorkflow,
        CreateJob,
        CreatePack,
        DeleteJob,
        DeletePod,
        EndPack,
        KubernetesJob,
        ReadEvents,
        ReadOutputs,
    )
    from fairlead.plan.announcements import Announcement

_MOST_EVENTS = 100
"""Read of one Job: a try to make a Pod leaves one at most, and they come the less often the longer it lasts."""

_JOBS_AT_ONCE = 50
"""Asked for in one request, whose URL they stand in."""

_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_LOG_PATIENCE = timedelta(seconds=10)


class KubernetesCluster:
    """Implements `engine.ports.Cluster`. Every answer goes into the store, so that the next plan sees it."""

    def __init__(
        self,
        client: Client,
        store: Store,
        clock: Callable[[], datetime],
        *,
        keep_seconds: int,
        agent_image: str | None = None,
        owns: Callable[[WorkflowKey], bool] = lambda _: True,
    ) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._agent_image = agent_image
        self._owns = owns

    async def create_job(self, record: WorkflowRecord, create: CreateJob) -> None:
        """POST the Job; where its deterministic name is taken, it is ours from before, and is read instead."""
        try:
            manifest = job_manifest(
                create, record.resource, keep_seconds=self._keep_seconds, agent_image=self._agent_image
            )
        except NoAgentError as error:
            raise engine.RefusedError(str(error), final=True) from error
        with translated():
            if create.instead_of is not None:
                await self._make_sure_it_is_gone(_jobs(record), "jobs", create.instead_of, record, create.node)
            if create.lost is not None:
                await self._make_sure_it_is_lost(create.lost, record)
            await self._make_job(record, create.name, manifest)

    async def create_pack(self, record: WorkflowRecord, create: CreatePack) -> None:
        """POST the Indexed Job; where its deterministic name is taken, as `create_job`."""
        manifest = pack_manifest(create, record.resource, keep_seconds=self._keep_seconds)
        with translated():
            await self._make_job(record, create.name, manifest)

    async def _make_job(self, record: WorkflowRecord, name: str, manifest: dict[str, Any]) -> None:
        self._make_sure_it_is_ours(record)
        document = await self._make(_jobs(record), "jobs", name, manifest)
        if not self._keep(document, record):
            raise engine.RefusedError(f"there is a Job {name} that isn't this Workflow's", final=False)

    async def end_pack(self, record: WorkflowRecord, end: EndPack) -> None:
        """PATCH its deadline, which is then over: the Job controller deletes what runs, and leaves what has ended.

        Kubernetes keeps it as long as any Job that has ended.
        """
        path = f"{_jobs(record)}/{end.name}"
        patch = {"spec": {"activeDeadlineSeconds": 1}}
        self._make_sure_it_is_ours(record)
        with translated():
            try:
                document = await self._client.request("PATCH", path, "jobs", orjson.dumps(patch), MERGE_PATCH)
            except NotFoundError:
                self._forget_job(record, end.name)
                return
        self._keep(document, record)

    async def delete_pod(self, record: WorkflowRecord, delete: DeletePod) -> None:
        """DELETE the Pod, with its grace; its index counts as failed then, and the Job controller makes no other."""
        namespace = record.resource.key.namespace
        known = self._store.pods.get((namespace, delete.name))
        if known is None or known.owner != record.resource.uid:
            return
        path = f"/api/v1{in_namespace(namespace)}/pods/{delete.name}"
        self._make_sure_it_is_ours(record)
        with translated():
            try:
                document = await self._client.request("DELETE", path, "pods")
            except NotFoundError:
                document = {}
        item = pod_record(document) if document.get("kind") == "Pod" else None
        if item is None or item.owner != record.resource.uid:
            self._store.pods.drop((namespace, delete.name), known.version)
        else:
            self._store.pods.put((namespace, delete.name), item)

    async def call_workflow(self, record: WorkflowRecord, call: CallWorkflow) -> None:
        """GET the template and POST a Workflow made of it; where there is one of that name, as `create_job`."""
        path = _path(record.resource.key)
        with translated():
            if call.instead_of is not None:
                await self._make_sure_it_is_gone(path, PLURAL, call.instead_of, record)
            spec = await self._instantiated(record.resource.key, call)
            manifest = call_manifest(call, record.resource, spec, keep_seconds=self._keep_seconds)
            self._make_sure_it_is_ours(record)
            document = await self._make(path, PLURAL, call.name, manifest)
        if not self._keep_call(document, record):
            said = "is being deleted" if "deletionTimestamp" in document["metadata"] else "isn't this Workflow's"
            raise engine.RefusedError(f"there is a Workflow {call.name} that {said}", final=False)

    async def delete_job(self, record: WorkflowRecord, delete: DeleteJob) -> None:
        """DELETE the Job; the garbage collector ends its Pods, with their grace."""
        path = f"{_jobs(record)}/{delete.name}"
        # It goes after its Pods, so that they count as long as they work though nobody has seen them yet.
        body = orjson.dumps({"propagationPolicy": "Foreground"})
        self._make_sure_it_is_ours(record)
        with translated():
            try:
                document = await self._client.request("DELETE", path, "jobs", body)
            except NotFoundError:
                document = {}
        if document.get("kind") == "Job":
            self._keep(document, record)
        else:
            self._forget_job(record, delete.name)

    def _forget_job(self, record: WorkflowRecord, name: str) -> None:
        key = (record.resource.key.namespace, name)
        known = self._store.jobs.get(key)
        self._store.jobs.drop(key, known.version if known else 0)

    async def cancel_workflow(self, record: WorkflowRecord, cancel: CancelWorkflow) -> None:
        """PATCH the annotation that asks for the run's end; the called Workflow's own plan does the rest."""
        known = self._store.cancellable(record, cancel)
        if known is None:
            return
        patch = {"metadata": {"uid": known.resource.uid, "annotations": {CANCEL: str(cancel.run)}}}
        path = f"{_path(record.resource.key)}/{cancel.name}"
        self._make_sure_it_is_ours(record)
        document: dict[str, Any] | None
        with translated():
            try:
                document = await self._client.request("PATCH", path, PLURAL, orjson.dumps(patch), MERGE_PATCH)
            except NotFoundError:
                document = None
            except ConflictError as error:
                # The same answer comes for another uid and for a server that is pressed too hard.
                document = await self._found(path, known.resource.uid)
                if document is not None:
                    raise engine.ConflictError(error.message) from error
        if document is None:
            # It is gone; who has its name now isn't asked to end.
            self._store.workflows.drop((record.resource.key.namespace, cancel.name), known.version)
        else:
            self._keep_call(document, record)

    async def _found(self, path: str, uid: str) -> dict[str, Any] | None:
        """Read a Workflow, if it is still the one of a uid."""
        try:
            document = await self._client.request("GET", path, PLURAL)
        except NotFoundError:
            return None
        return document if document["metadata"]["uid"] == uid else None

    async def delete_workflow(self, record: WorkflowRecord) -> None:
        """DELETE the Workflow, unless somebody has written to it; the garbage collector takes what it owns."""
        key = record.resource.key
        condition = {"uid": record.resource.uid, "resourceVersion": str(record.version)}
        body = orjson.dumps({"preconditions": condition, "propagationPolicy": "Background"})
        version = record.version
        self._make_sure_it_is_ours(record)
        with translated():
            try:
                document = await self._client.request("DELETE", f"{_path(key)}/{key.name}", PLURAL, body)
                version = max(version, version_of(document)) if document.get("kind") == KIND else version
            except NotFoundError:
                pass
            except ConflictError as error:
                raise engine.ConflictError(error.message) from error
        self._store.workflows.drop((key.namespace, key.name), version)

    async def read_outputs(self, record: WorkflowRecord, read: ReadOutputs) -> None:
        """GET the end of the log. What can't be read now is tried again; what is gone or broken is lost."""
        unread = self._store.unread(record, read.pod)
        if unread is None:
            return
        with translated():
            try:
                path = log_path(record.resource.key, read.pod, unread.logged)
                tail = await self._client.text(path, "pods/log", most_bytes(unread.logged))
                found = complete(unread.report, unread.logged, tail)
            except NotFoundError:
                found = without_outputs(unread.report, "its Pod is gone")
            else:
                if found.outputs_lost and self._is_recent(unread.finished_at):
                    raise engine.UnavailableError(f"the log of {read.pod} isn't complete yet", 1.0)
        self._store.keep_report(unread.pod, unread.logged, found)

    async def read_events(self, record: WorkflowRecord, read: ReadEvents) -> None:
        """GET what the Job controller has said of Pods that it couldn't make; who may not read it goes without."""
        key, message = record.resource.key, None
        path = f"/api/v1{in_namespace(key.namespace)}/events?limit={_MOST_EVENTS}&fieldSelector="
        of = f"involvedObject.kind%3DJob%2CinvolvedObject.name%3D{read.name}%2Creason%3DFailedCreate"
        with translated():
            try:
                message = failed_create(await self._client.request("GET", path + of, "events"))
            except BusyError:
                raise
            except ApiError:
                # Why it waits is a courtesy.
                pass
        self._store.keep_podless(record, read.name, message, self._clock())

    async def list_pods(self, key: WorkflowKey, jobs: Sequence[str]) -> None:
        """LIST them: the watch of Pods may hang while that of Jobs goes on."""
        with translated():
            for at in range(0, len(jobs), _JOBS_AT_ONCE):
                await self._list_pods(key, jobs[at : at + _JOBS_AT_ONCE])

    def _is_recent(self, ended: datetime | None) -> bool:
        """Whether the last lines of a log may still be on their way."""
        return ended is not None and self._clock() - ended < _LOG_PATIENCE

    async def write_status(self, record: WorkflowRecord, status: WorkflowStatus) -> None:
        """PATCH what has changed, on condition that nobody else has written."""
        key = record.resource.key
        path = f"{_path(key)}/{key.name}/status"
        document = status.to_json(record.recorded)
        patch = {
            "metadata": {"resourceVersion": str(record.version), "uid": record.resource.uid},
            "status": merge_patch(record.status, document),
        }
        body = orjson.dumps(patch)
        self._make_sure_it_is_ours(record)
        with translated():
            try:
                answer = await self._client.request("PATCH", path, PLURAL, body, MERGE_PATCH, metadata_only=True)
            except ConflictError as error:
                raise engine.ConflictError(error.message) from error
            except NotFoundError as error:
                self._store.workflows.drop((key.namespace, key.name), record.version)
                raise engine.GoneError(error.message) from error
        written = with_status(record, document, version_of(answer))
        self._store.workflows.put((key.namespace, key.name), written)

    async def announce(self, record: WorkflowRecord, announcement: Announcement) -> None:
        """POST an Event under a name that the same change always has."""
        event = event_manifest(announcement, record.resource, self._clock())
        path = f"/api/v1{in_namespace(record.resource.key.namespace)}/events"
        self._make_sure_it_is_ours(record)
        with translated(), suppress(AlreadyExistsError):
            await self._client.request("POST", path, "events", orjson.dumps(event))

    def _make_sure_it_is_ours(self, record: WorkflowRecord) -> None:
        """Write nothing for a workflow that another replica works on by now; to be asked right before each write."""
        if not self._owns(record.resource.key):
            raise engine.NotOwnedError(f"another replica works on {record.resource.key} now")

    async def _make(self, path: str, resource: str, name: str, manifest: dict[str, Any]) -> dict[str, Any]:
        # Of a Job the answer tells nothing that we didn't say, but for its version.
        brief = resource == "jobs"
        try:
            return await self._client.request("POST", path, resource, orjson.dumps(manifest), metadata_only=brief)
        except AlreadyExistsError:
            return await self._client.request("GET", f"{path}/{name}", resource)

    async def _make_sure_it_is_gone(
        self, path: str, resource: str, name: str, record: WorkflowRecord, node: NodeId | None = None
    ) -> None:
        # A watch can lag behind another one; what is made on its word would run things twice.
        try:
            document = await self._client.request("GET", f"{path}/{name}", resource)
        except NotFoundError:
            return
        kept = self._keep_call(document, record) if resource == PLURAL else self._keep(document, record, node)
        if kept:
            raise engine.ConflictError(f"{name} is there, but was not seen yet")

    async def _make_sure_it_is_lost(self, attempt: KubernetesJob, record: WorkflowRecord) -> None:
        # The watch of Pods may hang while that of Jobs goes on, and a Pod that has done its work would be missed.
        key = record.resource.key
        await self._list_pods(key, [attempt.name])
        # What the watch brought since that was decided counts as well.
        if attempt not in self._store.jobs_of(key.namespace, record.resource.uid):
            raise engine.ConflictError(f"{attempt.slot} isn't as it was seen any more")

    async def _list_pods(self, workflow: WorkflowKey, jobs: Sequence[str]) -> None:
        path = f"/api/v1{in_namespace(workflow.namespace)}/pods"
        selector = in_path(f"{LABEL_JOB_NAME} in ({','.join(jobs)})", safe="")
        documents, _ = await self._client.list(path, "pods", selector)
        for item in filter(None, map(pod_record, documents)):
            self._store.pods.put((workflow.namespace, item.pod.name), item)

    async def _instantiated(self, caller: WorkflowKey, call: CallWorkflow) -> dict[str, Any]:
        """Read the template, and give the spec of a Workflow made of it."""
        name = call.request.template
        if not _NAME.fullmatch(name):
            said = f"{quote(name)} can't be the name of a WorkflowTemplate; one has a-z, 0-9, - and ."
            raise engine.RefusedError(said, final=True)
        try:
            document = await self._client.request("GET", f"{_path(caller, TEMPLATE_PLURAL)}/{name}", TEMPLATE_PLURAL)
        except NotFoundError:
            document = None
        template = None if document is None else document.get("spec") or {}
        return called_spec(call.request, template, f"in the namespace {caller.namespace}")

    def _keep(self, document: dict[str, Any], record: WorkflowRecord, node: NodeId | None = None) -> bool:
        """Take note of a Job, if it is the Workflow's; tell whether it is, and makes an attempt at `node`."""
        item = job_record(document)
        if item is None or item.owner != record.resource.uid:
            return False
        self._store.jobs.put((item.workflow.namespace, item.job.name), item)
        return node is None or item.pack is None or node.combination in item.pack.combinations

    def _keep_call(self, document: dict[str, Any], record: WorkflowRecord) -> bool:
        """Take note of a called Workflow, if it is the Workflow's and there to stay."""
        item = workflow_record(document)
        if item.call is None or item.call.owner != record.resource.uid or item.call.workflow.deleting:
            return False
        self._store.workflows.put((item.resource.key.namespace, item.resource.key.name), item)
        return True


def _path(workflow: WorkflowKey, plural: str = PLURAL) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{workflow.namespace}/{plural}"


def _jobs(record: WorkflowRecord) -> str:
    return f"/apis/batch/v1/namespaces/{record.resource.key.namespace}/jobs"
