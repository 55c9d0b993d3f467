"""What the engine works with, in memory: a cluster, an observer, and a clock that runs only when nothing else does.

`World` is what an API server would hold, with versions, watches and the controllers of Kubernetes as far as they
matter; the test plays kubelet, user and misfortune. `FakeCluster` implements `engine.ports.Cluster` over it and passes
the same contract tests as the adapter for a real cluster.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, ParamSpec

from fairlead.engine.errors import ConflictError, GoneError, RefusedError, TooLargeError, UnavailableError
from fairlead.engine.records import Call, JobRecord, PodRecord, WorkflowRecord
from fairlead.kube.outputs import complete, without_outputs
from fairlead.model.ids import Uid, WorkflowKey
from fairlead.model.problem import InvalidWorkflowError, quote
from fairlead.model.status import WorkflowStatus
from fairlead.plan import (
    CalledWorkflow,
    ContainerRunning,
    ContainerTerminated,
    ContainerWaiting,
    JobFailure,
    KubernetesJob,
    Pod,
    Resource,
)
from fairlead.plan.neighbours import Caller
from fairlead.plan.runs import CANCEL
from fairlead.render.call import call_manifest
from fairlead.syntax.template import instantiate
from tests.builders import KEY, NOW, at, reported

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from fairlead.engine.shards import LeaseId
    from fairlead.engine.shelf import ItemKey
    from fairlead.engine.store import Store
    from fairlead.model.ids import JobId, NodeId, RunNumber
    from fairlead.model.report import Report
    from fairlead.plan import (
        CallWorkflow,
        CancelWorkflow,
        CreateJob,
        Creation,
        DeleteJob,
        ReadEvents,
        ReadOutputs,
        Removal,
    )
    from fairlead.plan.announcements import Announcement

P = ParamSpec("P")


# Time


class _JumpingSelector(selectors.SelectSelector):
    """Doesn't wait for what is due later: it sets the clock forward."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing will ever happen: everybody waits, and no timer is set")
            self.now += max(timeout, 0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Give the seconds since it was made."""
        return self._jumping.now


def virtually(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an asynchronous test in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def work() -> None:
            await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(work())

    return run


async def passing(seconds: float) -> None:
    """Let (virtual) time pass."""
    await asyncio.sleep(seconds)


def clock() -> datetime:
    """Give the present moment: NOW and what the running loop has counted since."""
    return at(asyncio.get_running_loop().time())


# The cluster


class Kind(Enum):
    """What is watched."""

    WORKFLOW = auto()
    JOB = auto()
    POD = auto()


class Fault(Enum):
    """What can befall a call."""

    DIES_BEFORE = auto()
    DIES_AFTER = auto()
    LOST_BEFORE = auto()
    LOST_AFTER = auto()


class DeadError(BaseException):
    """The operator's process ended here."""


@dataclass(slots=True)
class World:
    """A cluster's state, and what happens to it.

    `log` has the calls that changed something, in their order; `statuses` each status that was ever recorded.
    `check` is called with each Kubernetes Job, or Workflow, that is to be made. `templates` has the specs of
    WorkflowTemplates, and `output` what Pods have written to the end of their logs.
    `behind`: the Job controller makes no Pods by itself. `complaints`: what it says of Jobs that can't have one.
    `most`: the characters that a status may have.
    """

    now: Callable[[], datetime] = lambda: NOW
    check: Callable[[Creation], None] = lambda _: None
    version: int = 100
    workflows: dict[ItemKey, WorkflowRecord] = field(default_factory=dict)
    jobs: dict[ItemKey, JobRecord] = field(default_factory=dict)
    pods: dict[ItemKey, PodRecord] = field(default_factory=dict)
    templates: dict[ItemKey, Mapping[str, Any]] = field(default_factory=dict)
    output: dict[ItemKey, str] = field(default_factory=dict)
    behind: bool = False
    most: int | None = None
    complaints: dict[str, str] = field(default_factory=dict)
    events: dict[tuple[Uid, str], Announcement] = field(default_factory=dict)
    statuses: dict[WorkflowKey, list[WorkflowStatus]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    _stores: list[Store] = field(default_factory=list)
    _held: dict[Kind, deque[tuple[ItemKey, WorkflowRecord | JobRecord | PodRecord, bool]]] = field(default_factory=dict)

    # Watches

    def watch(self, store: Store) -> None:
        """List everything into a store, and keep it up to date from then on."""
        for workflow_key, workflow in self.workflows.items():
            store.workflows.put(workflow_key, workflow)
        for job_key, job in self.jobs.items():
            store.jobs.put(job_key, job)
        for pod_key, a_pod in self.pods.items():
            store.pods.put(pod_key, a_pod)
        self._stores.append(store)

    def unwatch(self) -> None:
        """Close all watches; what was held is never told."""
        self._stores.clear()
        self._held.clear()

    def hold(self, kind: Kind) -> None:
        """Let the watch of a kind fall behind."""
        self._held.setdefault(kind, deque())

    def release(self, kind: Kind) -> None:
        """Let the watch of a kind catch up."""
        for key, item, gone in self._held.pop(kind, ()):
            self._tell(key, item, gone=gone)

    def _changed(self, key: ItemKey, item: WorkflowRecord | JobRecord | PodRecord, *, gone: bool = False) -> None:
        kind = {WorkflowRecord: Kind.WORKFLOW, JobRecord: Kind.JOB, PodRecord: Kind.POD}[type(item)]
        if kind in self._held:
            self._held[kind].append((key, item, gone))
        else:
            self._tell(key, item, gone=gone)

    def _tell(self, key: ItemKey, item: WorkflowRecord | JobRecord | PodRecord, *, gone: bool) -> None:
        for store in self._stores:
            match item:
                case WorkflowRecord():
                    store.workflows.drop(key, item.version) if gone else store.workflows.put(key, item)
                case JobRecord():
                    store.jobs.drop(key, item.version) if gone else store.jobs.put(key, item)
                case PodRecord():
                    store.pods.drop(key, item.version) if gone else store.pods.put(key, item)

    def _next(self) -> int:
        self.version += 1
        return self.version

    # People

    def apply(self, spec: Mapping[str, Any], key: WorkflowKey = KEY) -> None:
        """Make a Workflow, or give it another spec, which is another generation."""
        known = self.workflows.get((key.namespace, key.name))
        version = self._next()
        if known is None:
            resource = Resource(key, Uid(f"uid-of-{key}-{version}"), 1, WorkflowStatus())
            record = WorkflowRecord(resource, spec, {}, version)
        elif known.spec == spec:
            return
        else:
            resource = replace(known.resource, generation=known.resource.generation + 1)
            record = replace(known, resource=resource, spec=spec, version=version)
        self._put_workflow(record)

    def annotate(self, annotations: Mapping[str, str], key: WorkflowKey = KEY) -> None:
        """Set annotations."""
        known = self.workflow(key)
        resource = replace(known.resource, annotations={**known.resource.annotations, **annotations})
        self._put_workflow(replace(known, resource=resource, version=self._next()))

    def remove(self, key: WorkflowKey = KEY) -> None:
        """Delete a Workflow, and by the garbage collector all that it owns."""
        found = self.workflows.pop((key.namespace, key.name))
        self._changed((key.namespace, key.name), replace(found, version=self._next()), gone=True)
        for (namespace, name), job in tuple(self.jobs.items()):
            if job.owner == found.resource.uid:
                self.delete(name, namespace)
        for other in tuple(self.workflows.values()):
            if other.call is not None and other.call.owner == found.resource.uid:
                self.remove(other.resource.key)

    def workflow(self, key: WorkflowKey = KEY) -> WorkflowRecord:
        """Read a Workflow."""
        return self.workflows[key.namespace, key.name]

    def status(self, key: WorkflowKey = KEY) -> WorkflowStatus:
        """Read what is recorded."""
        return self.workflow(key).resource.status

    def calls(self, namespace: str = KEY.namespace) -> tuple[CalledWorkflow, ...]:
        """Give the Workflows that were called, as their callers see them."""
        return tuple(
            record.call.workflow
            for record in self.workflows.values()
            if record.call is not None and record.resource.key.namespace == namespace
        )

    def _put_workflow(self, record: WorkflowRecord) -> None:
        record, key = _seen_by_caller(record), record.resource.key
        self.workflows[key.namespace, key.name] = record
        self._changed((key.namespace, key.name), record)

    # Nodes and controllers

    def take_up(self, name: str, namespace: str = KEY.namespace, *, seen: bool = True) -> None:
        """Make the Pod of a Job; of one that isn't `seen` a watch that is behind knows nothing."""
        # The Job's own watch tells so later, with what else becomes of it.
        made = self.jobs[namespace, name] = replace(self.jobs[namespace, name], started=True)
        pod_key = (namespace, f"{name}-pod")
        born = PodRecord(made.owner, made.workflow, name, self.now(), Pod(pod_key[1]), self._next(), of=made.job)
        self.pods[pod_key] = born
        if seen:
            self._tell(pod_key, born, gone=False)

    def start(self, name: str, namespace: str = KEY.namespace) -> None:
        """Start the steps of a Job's Pod."""
        self._set_pod(namespace, name, container=ContainerRunning(self.now()))

    def finish(self, name: str, report: Report | None = None, namespace: str = KEY.namespace) -> None:
        """End the steps of a Job's Pod; some time later the Job controller says so, too."""
        report = report or reported(0)
        self.terminate(name, report, namespace)
        code = report.exit_code or 0
        failure = JobFailure("BackoffLimitExceeded") if code else None
        self._set_job(namespace, name, complete=not code, failure=failure)

    def terminate(self, name: str, report: Report, namespace: str = KEY.namespace) -> None:
        """End the steps of a Job's Pod."""
        code = report.exit_code or 0
        done = ContainerTerminated(code, "Completed" if code == 0 else "Error", "", self.now(), self.now(), report)
        self._set_pod(namespace, name, container=done)

    def wait_for_image(self, name: str, namespace: str = KEY.namespace) -> None:
        """Let a Job's Pod find no image."""
        waiting = ContainerWaiting("ImagePullBackOff", "no such image")
        self._set_pod(namespace, name, container=waiting, scheduled_at=self.now())

    def lose_pod(self, name: str, namespace: str = KEY.namespace) -> None:
        """Take a Job's Pod away, as a deletion does; the Job controller gives the Job up."""
        self.remove_pods(name, namespace)
        self._set_job(namespace, name, failure=JobFailure("BackoffLimitExceeded"))

    def delete(self, name: str, namespace: str = KEY.namespace) -> None:
        """Delete a Job and its Pods."""
        self.remove_pods(name, namespace)
        self.orphan(name, namespace)

    def orphan(self, name: str, namespace: str = KEY.namespace) -> None:
        """Delete a Job; its Pods work on."""
        record = self.jobs.pop((namespace, name))
        self._changed((namespace, name), replace(record, version=self._next()), gone=True)

    def remove_pods(self, name: str, namespace: str = KEY.namespace) -> None:
        """Have the Pods of a Job gone."""
        for key, record in tuple(self.pods.items()):
            if record.job_name == name and key[0] == namespace:
                del self.pods[key]
                self._changed(key, replace(record, version=self._next()), gone=True)

    def _set_pod(self, namespace: str, job: str, **fields: Any) -> None:  # noqa: ANN401  any of the Pod's own
        key = (namespace, f"{job}-pod")
        record = self.pods[key]
        self.pods[key] = replace(record, pod=replace(record.pod, **fields), version=self._next())
        self._changed(key, self.pods[key])

    def _set_job(self, namespace: str, name: str, **fields: Any) -> None:  # noqa: ANN401  any of the Job's own
        record = self.jobs[namespace, name]
        self.jobs[namespace, name] = replace(record, job=replace(record.job, **fields), version=self._next())
        self._changed((namespace, name), self.jobs[namespace, name])

    # What the API server does when it is asked

    def make_job(self, record: WorkflowRecord, create: CreateJob) -> JobRecord:
        """Make a Job, unless its name is taken; the Job controller adds its Pod."""
        namespace, uid = record.resource.key.namespace, record.resource.uid
        known = self.jobs.get((namespace, create.name))
        if known is not None:
            return known
        self.check(create)
        self.log.append(f"create {create.node} {create.attempt}")
        job = KubernetesJob(
            name=create.name,
            node=create.node,
            attempt=create.attempt,
            run=create.run,
            digest=create.digest,
            retries=create.retries,
            group=create.group,
            run_group=create.run_group,
        )
        made = JobRecord(uid, record.resource.key, job, self._next())
        self.jobs[namespace, create.name] = made
        self._changed((namespace, create.name), made)
        if not self.behind:
            self.take_up(create.name, namespace)
        if all(workflow.resource.uid != uid for workflow in self.workflows.values()):
            # The garbage collector takes what has no owner.
            self.delete(create.name, namespace)
        return made

    def make_workflow(self, record: WorkflowRecord, call: CallWorkflow) -> WorkflowRecord:
        """Make a Workflow out of a template, unless its name is taken."""
        namespace, uid = record.resource.key.namespace, record.resource.uid
        spec = self._instantiated(namespace, call)
        known = self.workflows.get((namespace, call.name))
        if known is not None:
            return known
        self.check(call)
        self.log.append(f"call {call.node} {call.attempt}")
        version = self._next()
        callers = (*record.resource.callers, Caller(uid, call.run, call.node))
        key = WorkflowKey(namespace, call.name)
        seen = CalledWorkflow(
            name=call.name,
            node=call.node,
            attempt=call.attempt,
            run=call.run,
            digest=call.digest,
            status=WorkflowStatus(),
            retries=call.retries,
            group=call.group,
            run_group=call.run_group,
        )
        made = WorkflowRecord(
            Resource(key, Uid(f"uid-of-{key}-{version}"), 1, WorkflowStatus(), callers=callers),
            call_manifest(call, record.resource, spec, keep_seconds=60)["spec"],
            {},
            version,
            Call(uid, record.resource.key, seen),
        )
        self._put_workflow(made)
        if all(workflow.resource.uid != uid for workflow in self.workflows.values()):
            # The garbage collector takes what has no owner.
            self.remove(key)
        return made

    def _instantiated(self, namespace: str, call: CallWorkflow) -> Mapping[str, Any]:
        name = call.request.template
        template = self.templates.get((namespace, name))
        if template is None:
            said = f"there is no WorkflowTemplate {quote(name)} in the namespace {namespace}"
            raise RefusedError(said, final=False, impatient=True)
        try:
            return instantiate(template, call.request.inputs)
        except InvalidWorkflowError as error:
            raise RefusedError(
                f"the WorkflowTemplate {quote(name)} can't be called: {error.problems[0]}", final=True
            ) from error

    def cancel(self, key: WorkflowKey, run: RunNumber) -> WorkflowRecord:
        """Ask for the end of a run, as often as one likes."""
        if self.workflow(key).resource.annotations.get(CANCEL) != str(run):
            self.log.append(f"cancel {key.name} {run}")
            self.annotate({CANCEL: str(run)}, key)
        return self.workflow(key)

    def put_status(self, record: WorkflowRecord, status: WorkflowStatus) -> WorkflowRecord:
        """Write a status on condition that nobody else has written since the record was read."""
        key = record.resource.key
        known = self.workflows.get((key.namespace, key.name))
        if known is None:
            raise GoneError
        if (known.version, known.resource.uid) != (record.version, record.resource.uid):
            raise ConflictError
        raw = status.to_json()
        if self.most is not None and len(str(raw)) > self.most:
            raise TooLargeError("request is too large", final=True)
        # It comes back as JSON has it: without fractions of seconds.
        read = WorkflowStatus.from_json(raw)
        resource = replace(known.resource, status=read)
        written = _seen_by_caller(replace(known, resource=resource, status=raw, version=self._next()))
        self.statuses.setdefault(key, []).append(read)
        self.log.append(f"status {read.phase} {read.progress}")
        self._put_workflow(written)
        return written


def _seen_by_caller(record: WorkflowRecord) -> WorkflowRecord:
    """Bring up to date what a caller sees of a Workflow."""
    if record.call is None:
        return record
    resource = record.resource
    run = resource.status.run
    cancelling = run is not None and resource.annotations.get(CANCEL) == str(run)
    seen = replace(record.call.workflow, status=resource.status, cancelling=cancelling)
    return replace(record, call=replace(record.call, workflow=seen))


@dataclass(slots=True)
class FakeCluster:
    """Implements `engine.ports.Cluster` over a World.

    `faults` says what befalls the call of a number, counted from 0; `refusals` which jobs are refused, and `busy` is
    raised by every call while it is set. Writing a status takes `slowness` seconds. From the call at which it dies on,
    every call dies.
    """

    world: World
    store: Store
    faults: Mapping[int, Fault] = field(default_factory=dict)
    refusals: dict[JobId, RefusedError] = field(default_factory=dict)
    busy: UnavailableError | None = None
    slowness: float = 0.0
    calls: int = 0
    dead: bool = False

    async def create_job(self, record: WorkflowRecord, create: CreateJob) -> None:
        """Make a Job."""
        fault = self._begin()
        if (refusal := self.refusals.get(create.node.job)) is not None:
            raise refusal
        namespace = record.resource.key.namespace
        if create.instead_of is not None and (known := self.world.jobs.get((namespace, create.instead_of))):
            self.store.jobs.put((namespace, create.instead_of), known)
            raise ConflictError
        made = self.world.make_job(record, create)
        self._end(fault)
        self.store.jobs.put((namespace, create.name), made)

    async def delete_job(self, record: WorkflowRecord, delete: DeleteJob) -> None:
        """Delete a Job."""
        fault = self._begin()
        key = (record.resource.key.namespace, delete.name)
        if key in self.world.jobs:
            job = self.world.jobs[key].job
            self.world.log.append(f"delete {job.node} {job.attempt}")
            self.world.delete(delete.name, key[0])
        self._end(fault)
        self.store.jobs.drop(key, self.world.version)

    async def call_workflow(self, record: WorkflowRecord, call: CallWorkflow) -> None:
        """Make a Workflow out of a template."""
        fault = self._begin()
        if (refusal := self.refusals.get(call.node.job)) is not None:
            raise refusal
        namespace = record.resource.key.namespace
        if call.instead_of is not None and (known := self.world.workflows.get((namespace, call.instead_of))):
            self.store.workflows.put((namespace, call.instead_of), known)
            raise ConflictError
        made = self.world.make_workflow(record, call)
        self._end(fault)
        if made.call is None or made.call.owner != record.resource.uid:
            raise RefusedError(f"there is a Workflow {call.name} that isn't this Workflow's", final=False)
        self.store.workflows.put((namespace, call.name), made)

    async def cancel_workflow(self, record: WorkflowRecord, cancel: CancelWorkflow) -> None:
        """Ask for the end of a called Workflow's run."""
        fault = self._begin()
        key = WorkflowKey(record.resource.key.namespace, cancel.name)
        known = self.store.workflow(key)
        if known is None or known.call is None or known.call.owner != record.resource.uid:
            return
        if (key.namespace, key.name) not in self.world.workflows:
            self.store.workflows.drop((key.namespace, key.name), known.version)
            return
        asked = self.world.cancel(key, cancel.run)
        self._end(fault)
        self.store.workflows.put((key.namespace, key.name), asked)

    async def delete_workflow(self, record: WorkflowRecord) -> None:
        """Delete a Workflow, unless somebody has written to it."""
        fault = self._begin()
        key = record.resource.key
        known = self.world.workflows.get((key.namespace, key.name))
        if known is not None:
            if (known.version, known.resource.uid) != (record.version, record.resource.uid):
                raise ConflictError
            self.world.log.append(f"delete workflow {key.name}")
            self.world.remove(key)
        self._end(fault)
        self.store.workflows.drop((key.namespace, key.name), record.version)

    async def read_outputs(self, record: WorkflowRecord, read: ReadOutputs) -> None:
        """Read the end of a Pod's log."""
        fault = self._begin()
        key = (record.resource.key.namespace, read.pod)
        item = self.store.pods.get(key)
        container = item.pod.container if item is not None and item.owner == record.resource.uid else None
        report = container.report if isinstance(container, ContainerTerminated) else None
        if item is None or report is None or report.log is None:
            return
        there = key in self.world.pods
        found = (
            complete(report, report.log, self.world.output.get(key, "")) if there else without_outputs(report, "gone")
        )
        self._end(fault)
        self.store.keep_report(item, report.log, found)

    async def read_events(self, record: WorkflowRecord, read: ReadEvents) -> None:
        """Read why a Job has no Pod."""
        fault = self._begin()
        self._end(fault)
        self.store.keep_podless(record, read.name, self.world.complaints.get(read.name), self.world.now())

    async def list_pods(self, key: WorkflowKey, jobs: Sequence[str]) -> None:
        """List the Pods of Jobs."""
        fault = self._begin()
        self._end(fault)
        for pod_key, record in self.world.pods.items():
            if pod_key[0] == key.namespace and record.job_name in jobs:
                self.store.pods.put(pod_key, record)

    async def write_status(self, record: WorkflowRecord, status: WorkflowStatus) -> None:
        """Write a status."""
        fault = self._begin()
        if self.slowness:
            await asyncio.sleep(self.slowness)
        key = (record.resource.key.namespace, record.resource.key.name)
        try:
            written = self.world.put_status(record, status)
        except GoneError:
            self.store.workflows.drop(key, record.version)
            raise
        self._end(fault)
        self.store.workflows.put(key, written)

    async def announce(self, record: WorkflowRecord, announcement: Announcement) -> None:
        """Keep an Event, the first of its identity."""
        fault = self._begin()
        self.world.events.setdefault((record.resource.uid, announcement.identity), announcement)
        self._end(fault)

    def _begin(self) -> Fault | None:
        fault = self.faults.get(self.calls)
        self.calls += 1
        self.dead = self.dead or fault is Fault.DIES_BEFORE
        if self.dead:
            raise DeadError
        if self.busy is not None:
            raise self.busy
        if fault is Fault.LOST_BEFORE:
            raise UnavailableError("connection refused")
        return fault

    def _end(self, fault: Fault | None) -> None:
        if fault is Fault.DIES_AFTER:
            self.dead = True
            raise DeadError
        if fault is Fault.LOST_AFTER:
            raise UnavailableError("connection reset")


@dataclass(slots=True)
class FakeObserver:
    """Remembers what it is told, a line each."""

    heard: list[str] = field(default_factory=list)

    def changed(self, key: WorkflowKey, before: WorkflowStatus, after: WorkflowStatus) -> None:
        """Remember a status."""
        self.heard.append(f"{key} changed from {before.phase} to {after.phase}")

    def waited(self, key: WorkflowKey, seconds: float) -> None:
        """Forget it: it says nothing about what was done."""

    def created(self, key: WorkflowKey, create: Creation, seconds: float) -> None:
        """Remember what was made."""
        del seconds
        self.heard.append(f"{key} created {create.node} {create.attempt}")

    def deleted(self, key: WorkflowKey, delete: Removal) -> None:
        """Remember the end of one."""
        self.heard.append(f"{key} deleted {delete.name}")

    def refused(self, key: WorkflowKey, node: NodeId, message: str) -> None:
        """Remember a refusal."""
        self.heard.append(f"{key} refused {node}: {message}")

    def failed(self, key: WorkflowKey, error: Exception, retry_in: float) -> None:
        """Remember a failure."""
        self.heard.append(f"{key} failed: {type(error).__name__} {error}; again in {retry_in:g}")

    def lease_moved(self, lease_id: LeaseId, what: str) -> None:
        """Remember what became of a Lease."""
        self.heard.append(f"lease {lease_id.shard} of {lease_id.shards} {what}")

    def lease_trouble(self, error: Exception) -> None:
        """Remember trouble with Leases."""
        self.heard.append(f"leases: {type(error).__name__} {error}")
