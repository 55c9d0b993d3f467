"""What is known of the cluster, in memory: workflows, their Kubernetes Jobs and Pods, in their newest known version.

Two sources fill it: the watches, and the answers to our own writes. An older version never replaces a newer one, so
the engine sees what it wrote at once, and a late event or a list that was begun before the write doesn't undo it.
(Versions are compared as numbers, which Kubernetes documents since 1.35 and etcd has always given.)
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from fairlead.engine.belongings import Belongings
from fairlead.engine.records import JobRecord, PodRecord, Unread, WorkflowRecord
from fairlead.engine.shelf import Shelf
from fairlead.plan import ContainerTerminated
from fairlead.plan.observed import Podless
from fairlead.plan.runs import CANCEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from fairlead.engine.shelf import ItemKey
    from fairlead.model.ids import Uid, WorkflowKey
    from fairlead.model.report import LoggedOutputs, Report
    from fairlead.plan import CalledWorkflow, CancelWorkflow, KubernetesJob, Pod


Owner = tuple[str, "Uid"]
"""Namespace and uid of a Workflow."""

_MOST_READ = 64 * 2**20
"""Bytes of outputs kept that were read from logs; those that are forgotten can be read again."""


class Store:
    """Everything that is known. `changed` is called with each workflow that has to be looked at again."""

    def __init__(self, changed: Callable[[WorkflowKey], None]) -> None:
        # A label claims the owner, and whoever writes labels in one namespace has no say in another.
        self._belongings: dict[Owner, Belongings] = {}
        self._unstarted_by_owner: dict[Owner, dict[str, JobRecord]] = {}
        self._calls_by_owner: dict[Owner, dict[str, WorkflowRecord]] = {}
        self._callers: dict[ItemKey, Owner] = {}
        self._calls_at_work: dict[ItemKey, tuple[CalledWorkflow, CalledWorkflow]] = {}
        self._gone_calls: dict[Uid, WorkflowRecord] = {}
        self._read: OrderedDict[ItemKey, tuple[LoggedOutputs, Report]] = OrderedDict()
        self._bytes_read = 0
        self._podless: dict[ItemKey, Podless] = {}
        self._vanished: dict[WorkflowKey, dict[str, Uid]] = {}
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
        """Give the Kubernetes Jobs of a workflow that were deleted, of which there still are Pods, or may be."""
        return self._of((namespace, uid)).remnants

    @property
    def vanished(self) -> Mapping[WorkflowKey, Mapping[str, Uid]]:
        """The Kubernetes Jobs that have vanished, by workflow and name, with its uid.

        They are gone though they worked, and no Pod seen of them did; another one may. So they count as working until
        their Pods are `accounted_for`.
        """
        return self._vanished

    def accounted_for(self, key: WorkflowKey, names: Iterable[str]) -> None:
        """Take note that each Pod that there is of Kubernetes Jobs that have vanished is known."""
        jobs = self._vanished.pop(key, {})
        found = {name: uid for name in names if (uid := jobs.pop(name, None)) is not None}
        if jobs:
            self._vanished[key] = jobs
        for name, uid in found.items():
            with self._belongings_of((key.namespace, uid)) as belongings:
                belongings.account_for(name)
        for uid in dict.fromkeys(found.values()):
            self._tell(key)
            self._tell_of_gone(key.namespace, uid)

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

    def gone_calls_of(self, namespace: str, uid: Uid) -> tuple[CalledWorkflow, ...]:
        """Give the Workflows that a workflow had called and that were deleted, of which something still works."""
        gone = [each for each in self._gone_calls.values() if each.resource.key.namespace == namespace]
        return tuple(
            replace(each.call.workflow, works=True)
            for each in gone
            if each.call is not None and each.call.owner == uid and self._works(namespace, each.resource.uid)
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
            called = {record.resource.uid for record in self._calls_by_owner.get((namespace, at), {}).values()}
            called |= {gone for gone, each in self._gone_calls.items() if each.call and each.call.owner == at}
            called -= seen
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

    def keep_podless(self, record: WorkflowRecord, name: str, message: str | None, looked_at: datetime) -> None:
        """Keep why a Kubernetes Job of a Workflow has no Pod, until it has one, or is gone."""
        namespace = record.resource.key.namespace
        job = self.jobs.get((namespace, name))
        if job is None or job.owner != record.resource.uid:
            return
        known = self._podless.get((namespace, name))
        self._podless[(namespace, name)] = Podless(message, looked_at, known.looks + 1 if known is not None else 1)
        with self._belongings_of((namespace, job.owner)) as belongings:
            belongings.put_job(name, self._with_events(job))
        self._notify(job.workflow)

    def _with_events(self, record: JobRecord) -> JobRecord:
        podless = self._podless.get((record.workflow.namespace, record.job.name)) if self._podless else None
        return replace(record, job=replace(record.job, podless=podless)) if podless is not None else record

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
        if current is None and record.call is not None and self._works(namespace, record.resource.uid):
            self._gone_calls[record.resource.uid] = record

    def _tell_of_gone(self, namespace: str, uid: Uid) -> None:
        """Have those looked at again that had called what is gone by now: what is left of it keeps their groups."""
        while (gone := self._gone_calls.get(uid)) is not None and gone.call is not None:
            if self._works(namespace, uid):
                return
            del self._gone_calls[uid]
            self._notify(gone.call.caller)
            uid = gone.call.owner

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
        if current is None:
            self._podless.pop((record.workflow.namespace, name), None)
        owner = (record.workflow.namespace, record.owner)
        with self._belongings_of(owner) as belongings:
            vanished = belongings.put_job(name, self._with_events(current) if current is not None else None)
        if vanished:
            self._vanished.setdefault(record.workflow, {})[name] = record.owner
        unstarted = current is not None and not (current.started or current.job.deleting)
        _index(self._unstarted_by_owner, owner, name, current if unstarted else None)
        self._tell(record.workflow)
        self._tell_of_gone(*owner)

    def _pod_changed(self, record: PodRecord) -> None:
        name = record.pod.name
        current = self.pods.get((record.workflow.namespace, name))
        if current is None:
            self._forget_report((record.workflow.namespace, name))
        owner = (record.workflow.namespace, record.owner)
        with self._belongings_of(owner) as belongings:
            if self._podless and self._podless.pop((owner[0], record.job_name), None) is not None:
                belongings.put_job(record.job_name, self.jobs.get((owner[0], record.job_name)))
            belongings.put_pod(record.slot, name, current)
        # A Pod is often seen before the Job's status that tells of it.
        _index(self._unstarted_by_owner, owner, record.job_name, None)
        self._tell(record.workflow)
        self._tell_of_gone(*owner)

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
