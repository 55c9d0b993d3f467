"""The engine's hands on this machine: jobs are processes or containers, and the state folder keeps what they became."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from fairlead.engine.errors import ConflictError, GoneError, OutrunError, RefusedError
from fairlead.engine.records import JobRecord, PodRecord
from fairlead.engine.templates import called_spec
from fairlead.kube.outputs import complete, most_bytes, without_outputs
from fairlead.kube.reduce import job_record, workflow_record
from fairlead.local.pod import LocalPod
from fairlead.local.runtime import Attempt, Service
from fairlead.model.services import ports_of
from fairlead.plan import ContainerTerminated, JobFailure
from fairlead.plan.admission import claims_of
from fairlead.plan.groups import identity
from fairlead.plan.runs import CANCEL
from fairlead.render.call import call_manifest
from fairlead.render.container import attempt_variable, driver_text, environment, program_for
from fairlead.render.env import variables
from fairlead.render.job import grace_of, metadata_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from fairlead.engine.records import WorkflowRecord
    from fairlead.engine.store import Store
    from fairlead.local.runtime import Runtime
    from fairlead.local.state import State
    from fairlead.local.values import Values
    from fairlead.model.ids import WorkflowKey
    from fairlead.model.status import WorkflowStatus
    from fairlead.plan import CallWorkflow, CancelWorkflow, CreateJob, DeleteJob, Pod, ReadEvents, ReadOutputs, Resource
    from fairlead.plan.actions import JobRequest
    from fairlead.plan.announcements import Announcement
    from fairlead.plan.neighbours import Claim

_ROOM: Final = 4096
"""Bytes of a report, as on a cluster. With more of it a shell takes seconds to write large outputs into one line."""

_KEPT: Final = 7 * 24 * 3600
"""Seconds that a called Workflow's record would be kept; it goes with its caller's before."""


Group = tuple[str, str]
"""The namespace and the name of a concurrency group."""


class LocalCluster:
    """Implements `engine.ports.Cluster`. What it did is in the store when it returns.

    `workspace` is the folder that jobs get a copy of, or (`shared`) work in. `templates` has the specs of the
    WorkflowTemplates that can be called, `where` says where they were looked for, and `keep_seconds` how long the
    Workflows made of them are kept. `announced` hears each announcement, `called` the name of each Workflow that was
    called. `held_elsewhere` brings the store up to date with what other processes have recorded, and gives the groups
    that these hold.
    """

    def __init__(
        self,
        state: State,
        store: Store,
        runtime: Runtime,
        clock: Callable[[], datetime],
        *,
        values: Values,
        workspace: Path,
        shared: bool = False,
        templates: Mapping[str, Mapping[str, Any]],
        where: str,
        keep_seconds: int = _KEPT,
        announced: Callable[[Announcement], None] = lambda _: None,
        called: Callable[[str], None] = lambda _: None,
        noted: Callable[[str], None] = lambda _: None,
        held_elsewhere: Callable[[], set[Group]] = set,
    ) -> None:
        self._state = state
        self._store = store
        self._runtime = runtime
        self._clock = clock
        self._values = values
        self._workspace = workspace
        self._shared = shared
        self._templates = templates
        self._where = where
        self._keep_seconds = keep_seconds
        self._announced = announced
        self._called = called
        self._noted = noted
        self._ignored: set[str] = set()
        self._held_elsewhere = held_elsewhere
        self._told: set[tuple[str, str]] = set()
        self._pods: dict[str, LocalPod] = {}
        self._jobs: dict[str, JobRecord] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._versions = itertools.count(1)

    @property
    def jobs(self) -> list[str]:
        """The attempts that were made and not asked to end."""
        return list(self._jobs)

    @property
    def working(self) -> list[asyncio.Task[None]]:
        """What isn't over."""
        return list(self._tasks.values())

    def kill(self) -> None:
        """End everything now."""
        for pod in self._pods.values():
            pod.kill()

    async def create_job(self, record: WorkflowRecord, create: CreateJob) -> None:
        """Start it. An attempt is made once in the life of this process, and what an earlier one left has ended."""
        namespace = record.resource.key.namespace
        if create.instead_of in self._jobs:
            self._store.jobs.put((namespace, create.instead_of), self._jobs[create.instead_of])
            raise ConflictError(f"{create.instead_of} is there, but was not seen yet")
        known = self._jobs.get(create.name)
        if known is None:
            attempt = self._attempt(record.resource, create)
            metadata = {**metadata_of(create, record.resource), "resourceVersion": str(next(self._versions))}
            known = job_record({"metadata": metadata})
            assert known is not None  # noqa: S101  of what we have labelled ourselves
            attempt.folder.mkdir(parents=True, exist_ok=True)
            (attempt.folder / "job.json").write_bytes(orjson.dumps({"metadata": metadata}))
            (attempt.folder / "works").write_text(self._runtime.name)
            self._start(attempt, known)
        self._store.jobs.put((namespace, create.name), known)

    async def call_workflow(self, record: WorkflowRecord, call: CallWorkflow) -> None:
        """Record a Workflow made of the template; this process runs it, too."""
        if call.instead_of is not None:
            known = self._state.read(call.instead_of)
            if known is not None and self._keep_call(known, record):
                raise ConflictError(f"{call.instead_of} is there, but was not seen yet")
        spec = called_spec(call.request, self._templates.get(call.request.template), self._where)
        manifest = call_manifest(call, record.resource, spec, keep_seconds=self._keep_seconds)
        document = self._state.create(manifest, called=True)
        if not self._keep_call(document, record):
            raise RefusedError(f"there is a Workflow {call.name} that isn't this Workflow's", final=False)
        self._called(call.name)

    async def delete_job(self, record: WorkflowRecord, delete: DeleteJob) -> None:
        """Ask its steps to end; it is gone for the engine, but what works of it is still seen."""
        key = (record.resource.key.namespace, delete.name)
        known = self._store.jobs.get(key)
        self._store.jobs.drop(key, known.version if known else 0)
        self._jobs.pop(delete.name, None)
        pod = self._pods.get(delete.name)
        if pod is None:
            return
        if delete.name in self._tasks:
            pod.stop(grace_of(pod.attempt.request))
        else:
            self._forget(delete.name, key[0])

    async def cancel_workflow(self, record: WorkflowRecord, cancel: CancelWorkflow) -> None:
        """Set the annotation that asks for the run's end."""
        known = self._store.cancellable(record, cancel)
        if known is None:
            return
        try:
            document = self._state.change(cancel.name, lambda old: annotated(old, {CANCEL: str(cancel.run)}))
        except GoneError:
            self._store.workflows.drop((record.resource.key.namespace, cancel.name), known.version)
            return
        self._keep_call(document, record)

    async def delete_workflow(self, record: WorkflowRecord) -> None:
        """Delete the record, unless somebody has written to it."""
        key = record.resource.key
        self._state.remove(key.name, version=record.version)
        self._store.workflows.drop((key.namespace, key.name), record.version)

    async def read_outputs(self, record: WorkflowRecord, read: ReadOutputs) -> None:
        """Read the end of the log; on this machine it is whole once the job has ended."""
        unread = self._store.unread(record, read.pod)
        if unread is None:
            return
        log = self._state.job_folder(record.resource.key.name, unread.pod.job_name) / "log"
        try:
            with log.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - most_bytes(unread.logged)))
                found = complete(unread.report, unread.logged, file.read().decode("utf-8", "replace"))
        except FileNotFoundError:
            found = without_outputs(unread.report, "its log is gone")
        self._store.keep_report(unread.pod, unread.logged, found)

    async def read_events(self, record: WorkflowRecord, read: ReadEvents) -> None:
        """Do nothing: here a job has its process, or its container, as soon as it is there."""

    async def list_pods(self, key: WorkflowKey, jobs: Sequence[str]) -> None:
        """Do nothing: what a job has here is known as soon as it is there."""

    async def write_status(self, record: WorkflowRecord, status: WorkflowStatus) -> None:
        """Record it. Nobody is let into a group that another process's Workflow holds by now."""
        key = record.resource.key
        raw = status.to_json()
        with self._state.alone():
            wanted = _let_in(record.resource, status)
            if wanted and wanted & self._held_elsewhere():
                raise OutrunError("another process was faster")
            try:
                document = self._state.change(key.name, lambda old: {**old, "status": raw}, version=record.version)
            except GoneError:
                self._store.workflows.drop((key.namespace, key.name), record.version)
                raise
        self._store.workflows.put((key.namespace, key.name), workflow_record(document))

    async def announce(self, record: WorkflowRecord, announcement: Announcement) -> None:
        """Tell it, once."""
        identity = (record.resource.uid, announcement.identity)
        if identity not in self._told:
            self._told.add(identity)
            self._announced(announcement)

    # Inside

    def _attempt(self, resource: Resource, create: CreateJob) -> Attempt:
        request, runtime = create.request, self._runtime
        runtime.check(request)
        for field in runtime.ignored(request):
            if field not in self._ignored:
                self._ignored.add(field)
                self._noted(f"{field} means nothing on this machine")
        folder = self._state.job_folder(resource.key.name, create.name)
        return Attempt(
            name=create.name,
            folder=folder,
            workspace=self._workspace if self._shared else folder / "workspace",
            request=request,
            text=driver_text(request, room=_ROOM),
            env=self._values.fill([*attempt_variable(create.attempt), *environment(request, runtime.service_host)]),
            services=self._services(request),
        )

    def _services(self, request: JobRequest) -> tuple[Service, ...]:
        return tuple(
            Service(
                name=name,
                request=service,
                env=self._values.fill(variables(service.env, "FAIRLEAD_SECRET_")),
                ports=ports_of(service.image, service.ports),
            )
            for name, service in request.services.items()
        )

    def _start(self, attempt: Attempt, known: JobRecord) -> None:
        created, namespace = self._clock(), known.workflow.namespace

        def tell(pod: Pod) -> None:
            record = PodRecord(
                known.owner, known.workflow, attempt.name, created, pod, next(self._versions), of=known.job
            )
            self._store.pods.put((namespace, pod.name), record)

        def over(_: asyncio.Task[None]) -> None:
            del self._tasks[attempt.name]
            (attempt.folder / "works").unlink(missing_ok=True)
            if attempt.name not in self._jobs:
                self._forget(attempt.name, namespace)
                return
            end = pod.pod.container
            ok = isinstance(end, ContainerTerminated) and end.exit_code == 0
            failure = None if ok else JobFailure("BackoffLimitExceeded")
            done = replace(known, job=replace(known.job, complete=ok, failure=failure), version=next(self._versions))
            self._jobs[attempt.name] = done
            self._store.jobs.put((namespace, attempt.name), done)

        pod = LocalPod(
            attempt,
            self._runtime,
            program=program_for(attempt.request),
            source=None if self._shared else self._workspace,
            without=self._state.folder,
            clock=self._clock,
            tell=tell,
        )
        self._jobs[attempt.name], self._pods[attempt.name] = known, pod
        tell(pod.pod)
        self._tasks[attempt.name] = task = pod.start()
        task.add_done_callback(over)

    def _forget(self, job: str, namespace: str) -> None:
        pod = self._pods.pop(job)
        self._store.pods.drop((namespace, pod.pod.name), next(self._versions))

    def _keep_call(self, document: dict[str, Any], record: WorkflowRecord) -> bool:
        item = workflow_record(document)
        if item.call is None or item.call.owner != record.resource.uid:
            return False
        self._store.workflows.put((item.resource.key.namespace, item.resource.key.name), item)
        return True


def annotated(document: dict[str, Any], annotations: Mapping[str, str]) -> dict[str, Any]:
    """Give a resource with further annotations."""
    metadata = document["metadata"]
    return {**document, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **annotations}}}


def _let_in(resource: Resource, status: WorkflowStatus) -> set[Group]:
    """Give the groups that a status lets something into, and the one before didn't."""
    before = {identity(claim) for claim in claims_of(resource, ()) if claim.admitted}
    after = claims_of(replace(resource, status=status), ())
    return held(claim for claim in after if identity(claim) not in before)


def held(claims: Iterable[Claim]) -> set[Group]:
    """Give the groups that claims hold, with their namespaces."""
    return {(claim.workflow.namespace, claim.group) for claim in claims if claim.admitted and claim.group is not None}
