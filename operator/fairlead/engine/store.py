"""What is known of the cluster, in memory: workflows, their Kubernetes Jobs and Pods, in their newest known version.

Two sources fill it: the watches, and the answers to our own writes. An older version never replaces a newer one, so
the engine sees what it wrote at once, and a late event or a list that was begun before the write doesn't undo it.
(Versions are compared as numbers, which Kubernetes documents since 1.35 and etcd has always given.)
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from fairlead.engine.belongings import Belongings
from fairlead.model.status import Recorded
from fairlead.plan import ContainerTerminated
from fairlead.plan.observed import slot_of
from fairlead.plan.runs import CANCEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from fairlead.engine.packs import PackState
    from fairlead.model.ids import Uid, WorkflowKey
    from fairlead.model.report import LoggedOutputs, Report
    from fairlead.plan import CalledWorkflow, CancelWorkflow, KubernetesJob, Pod, Resource


class Versioned(Protocol):
    """Something of the cluster that has a version."""

    @property
    def version(self) -> int:
        """The resourceVersion."""


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


ItemKey = tuple[str, str]
"""Namespace and name."""

Owner = tuple[str, "Uid"]
"""Namespace and uid of a Workflow."""

V = TypeVar("V", bound=Versioned)

_REMEMBERED = 10_000
"""Deletions kept in mind, so that the answer to an earlier write doesn't bring the thing back."""

_MOST_READ = 64 * 2**20
"""Bytes of outputs kept that were read from logs; those that are forgotten can be read again."""


class Shelf(Generic[V]):
    """The newest known version of each thing of one kind. `changed` hears of every thing that came, went or changed.

    `same` tells whether a newer version says nothing new; of that nobody hears.
    """

    def __init__(
        self, changed: Callable[[V], None], same: Callable[[V, V], bool] = lambda _before, _after: False
    ) -> None:
        self._items: dict[ItemKey, V] = {}
        self._gone: OrderedDict[ItemKey, int] = OrderedDict()
        self._changed = changed
        self._same = same

    def __len__(self) -> int:
        return len(self._items)

    def keys(self) -> tuple[ItemKey, ...]:
        """Give what is known by name."""
        return tuple(self._items)

    def values(self) -> tuple[V, ...]:
        """Give what is known."""
        return tuple(self._items.values())

    def get(self, key: ItemKey) -> V | None:
        """Look one up."""
        return self._items.get(key)

    def put(self, key: ItemKey, item: V) -> None:
        """Take note of a version, unless a newer one, or a later deletion, is known."""
        known = self._items.get(key)
        if (known is not None and known.version >= item.version) or self._gone.get(key, -1) >= item.version:
            return
        self._items[key] = item
        if known is None or not self._same(known, item):
            self._changed(item)

    def drop(self, key: ItemKey, version: int) -> None:
        """Take note that it was deleted, at a version."""
        known = self._items.get(key)
        if known is not None and known.version <= version:
            del self._items[key]
            self._gone[key] = version
            if len(self._gone) > _REMEMBERED:
                self._gone.popitem(last=False)
            self._changed(known)

    def keep_only(self, keys: Iterable[ItemKey], version: int, namespace: str | None = None) -> None:
        """Drop what a whole list (of one namespace), taken at a version, doesn't have; what came later stays."""
        kept = set(keys)
        lost = [
            key
            for key, item in self._items.items()
            if key not in kept and item.version <= version and namespace in (None, key[0])
        ]
        for key in lost:
            self.drop(key, version)


class Store:
    """Everything that is known. `changed` is called with each workflow that has to be looked at again."""

    def __init__(self, changed: Callable[[WorkflowKey], None]) -> None:
        # A label claims the owner, and whoever writes labels in one namespace has no say in another.
        self._belongings: dict[Owner, Belongings] = {}
        self._unstarted_by_owner: dict[Owner, dict[str, JobRecord]] = {}
        self._calls_by_owner: dict[Owner, dict[str, WorkflowRecord]] = {}
        self._callers: dict[ItemKey, Owner] = {}
        self._calls_at_work: dict[ItemKey, tuple[CalledWorkflow, CalledWorkflow]] = {}
        self._read: OrderedDict[ItemKey, tuple[LoggedOutputs, Report]] = OrderedDict()
        self._bytes_read = 0
        self._notify = changed
        self.workflows: Shelf[WorkflowRecord] = Shelf(self._workflow_changed)
        self.jobs: Shelf[JobRecord] = Shelf(self._job_changed, _says_nothing_new)
        self.pods: Shelf[PodRecord] = Shelf(self._pod_changed, _says_nothing_new)

    def workflow(self, key: WorkflowKey) -> WorkflowRecord | None:
        """Look a workflow up."""
        return self.workflows.get((key.namespace, key.name))

    def jobs_of(self, namespace: str, uid: Uid) -> tuple[KubernetesJob, ...]:
        """Give the Kubernetes Jobs of a workflow with their Pods, the oldest Pod first.

        One that hasn't changed is the same object as before, and so is the whole where none has.
        """
        return self._of((namespace, uid)).jobs

    def remnants_of(self, namespace: str, uid: Uid) -> tuple[KubernetesJob, ...]:
        """Give the Kubernetes Jobs of a workflow that were deleted, of which there still are Pods."""
        return self._of((namespace, uid)).remnants

    def working_of(self, namespace: str, uid: Uid) -> Mapping[str, KubernetesJob]:
        """Give those of both that aren't over, by name: as they are now, not to be kept."""
        return self._of((namespace, uid)).working

    def holding_of(self, namespace: str, uid: Uid) -> Mapping[str, KubernetesJob]:
        """Give those of `working_of` that work in a concurrency group."""
        return self._of((namespace, uid)).holding

    def _of(self, owner: Owner) -> Belongings:
        return self._belongings.get(owner) or Belongings(self._with_outputs)

    def unstarted_of(self, namespace: str, uid: Uid) -> frozenset[str]:
        """Name the Kubernetes Jobs of a workflow that the Job controller hasn't taken up."""
        return frozenset(self._unstarted_by_owner.get((namespace, uid), ()))

    def calls_of(self, namespace: str, uid: Uid) -> tuple[CalledWorkflow, ...]:
        """Give the Workflows that a workflow has called. One that hasn't changed is the same object as before."""
        called = self._calls_by_owner.get((namespace, uid), {})
        return tuple(
            self._called(record, record.call.workflow) for record in called.values() if record.call is not None
        )

    def _called(self, record: WorkflowRecord, workflow: CalledWorkflow) -> CalledWorkflow:
        key = (record.resource.key.namespace, record.resource.key.name)
        if not self._works(key[0], record.resource.uid):
            return workflow
        known = self._calls_at_work.get(key)
        if known is None or known[0] is not workflow:
            known = self._calls_at_work[key] = workflow, replace(workflow, works=True)
        return known[1]

    def _works(self, namespace: str, uid: Uid) -> bool:
        """Whether Kubernetes Jobs of a workflow, or of what it called, still work."""
        seen, left = {uid}, [uid]
        while left:
            at = left.pop()
            if self.working_of(namespace, at):
                return True
            # Whoever forges owners can make a circle of them.
            called = {record.resource.uid for record in self._calls_by_owner.get((namespace, at), {}).values()} - seen
            seen |= called
            left += called
        return False

    def cancellable(self, owner: WorkflowRecord, cancel: CancelWorkflow) -> WorkflowRecord | None:
        """Give the Workflow that is to be cancelled; None where `owner` hasn't called it, or that was asked already."""
        known = self.workflows.get((owner.resource.key.namespace, cancel.name))
        if known is None or known.call is None or known.call.owner != owner.resource.uid:
            return None
        return None if known.resource.annotations.get(CANCEL) == str(cancel.run) else known

    def unread(self, owner: WorkflowRecord, pod: str) -> Unread | None:
        """Give what a Pod of a Workflow has left in its log; None where there is nothing that is known of."""
        item = self.pods.get((owner.resource.key.namespace, pod))
        end = item.pod.container if item is not None and item.owner == owner.resource.uid else None
        if item is None or not isinstance(end, ContainerTerminated) or end.report is None or end.report.log is None:
            return None
        return Unread(item, end.report, end.report.log, end.finished_at)

    def keep_report(self, record: PodRecord, logged: LoggedOutputs, report: Report) -> None:
        """Keep a report that was completed from the Pod's log, in place of the one that tells of these outputs.

        It stays beside the Pod, whose further versions tell of the log again.
        """
        key = (record.workflow.namespace, record.pod.name)
        self._forget_report(key)
        self._read[key] = (logged, report)
        self._bytes_read += logged.size
        while self._bytes_read > _MOST_READ and len(self._read) > 1:
            self._forget_report(next(iter(self._read)))
        self._refresh(key)
        self._notify(record.workflow)

    def _with_outputs(self, record: PodRecord) -> Pod:
        pod, read = record.pod, self._read.get((record.workflow.namespace, record.pod.name))
        container = pod.container
        if read is None or not isinstance(container, ContainerTerminated) or container.report is None:
            return pod
        logged, report = read
        return replace(pod, container=replace(container, report=report)) if container.report.log == logged else pod

    def _forget_report(self, key: ItemKey) -> None:
        if (read := self._read.pop(key, None)) is not None:
            self._bytes_read -= read[0].size
            self._refresh(key)

    def _refresh(self, key: ItemKey) -> None:
        if (record := self.pods.get(key)) is not None:
            self._of((record.workflow.namespace, record.owner)).refresh(record.slot)

    def _workflow_changed(self, record: WorkflowRecord) -> None:
        namespace, name = key = (record.resource.key.namespace, record.resource.key.name)
        current = self.workflows.get(key)
        call = current.call if current is not None else None
        before = self._callers.pop(key, None)
        self._calls_at_work.pop(key, None)
        if before is not None and (call is None or before != (namespace, call.owner)):
            _index(self._calls_by_owner, before, name, None)
        if call is not None:
            self._callers[key] = (namespace, call.owner)
            _index(self._calls_by_owner, (namespace, call.owner), name, current)
        self._notify(record.resource.key)
        if record.call is not None:
            self._notify(record.call.caller)

    def _tell(self, key: WorkflowKey) -> None:
        """Have a workflow looked at again, and where it is over those for whom it was called: they wait, too."""
        told: set[WorkflowKey] = set()
        at: WorkflowKey | None = key
        while at is not None and at not in told:
            told.add(at)
            self._notify(at)
            record = self.workflow(at)
            over = record is not None and record.resource.status.ended
            at = record.call.caller if record is not None and record.call is not None and over else None

    def _job_changed(self, record: JobRecord) -> None:
        name = record.job.name
        current = self.jobs.get((record.workflow.namespace, name))
        owner = (record.workflow.namespace, record.owner)
        with self._belongings_of(owner) as belongings:
            belongings.put_job(name, current)
        unstarted = current is not None and not (current.started or current.job.deleting)
        _index(self._unstarted_by_owner, owner, name, current if unstarted else None)
        self._tell(record.workflow)

    def _pod_changed(self, record: PodRecord) -> None:
        name = record.pod.name
        current = self.pods.get((record.workflow.namespace, name))
        if current is None:
            self._forget_report((record.workflow.namespace, name))
        owner = (record.workflow.namespace, record.owner)
        with self._belongings_of(owner) as belongings:
            belongings.put_pod(record.slot, name, current)
        # A Pod is often seen before the Job's status that tells of it.
        _index(self._unstarted_by_owner, owner, record.job_name, None)
        self._tell(record.workflow)

    @contextmanager
    def _belongings_of(self, owner: Owner) -> Iterator[Belongings]:
        """Give what a workflow has, to be changed."""
        belongings = self._belongings.setdefault(owner, Belongings(self._with_outputs))
        yield belongings
        if not belongings:
            del self._belongings[owner]


T = TypeVar("T")


def _says_nothing_new(before: JobRecord | PodRecord, after: JobRecord | PodRecord) -> bool:
    # Two of three changes are of what isn't kept: bookkeeping of the Job controller and the kubelet.
    return replace(before, version=after.version) == after


def _index(index: dict[Owner, dict[str, T]], owner: Owner, name: str, current: T | None) -> None:
    if current is not None:
        index.setdefault(owner, {})[name] = current
    elif (found := index.get(owner)) is not None:
        found.pop(name, None)
        if not found:
            del index[owner]
