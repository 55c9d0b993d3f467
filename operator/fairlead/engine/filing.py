"""Tells the desk what the store knows: what is recorded of each workflow, and what of it works."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fairlead.model.status import WorkflowStatus
from fairlead.plan.admission import asks, claims_of, remains_of, working

if TYPE_CHECKING:
    from collections.abc import Callable

    from fairlead.engine.desk import Desk
    from fairlead.engine.records import WorkflowRecord
    from fairlead.engine.store import Store
    from fairlead.model.ids import JobId, Uid, WorkflowKey
    from fairlead.plan import CalledWorkflow
    from fairlead.plan.neighbours import Claim


_NOTHING: Final[tuple[WorkflowStatus, frozenset[JobId]]] = (WorkflowStatus(), frozenset())


class Filing:
    """Files workflows with the desk. Each method gives the workflows that have to look again because of it."""

    def __init__(self, desk: Desk, store: Store) -> None:
        self._desk = desk
        self._store = store
        # A workflow that was deleted, and made again under its name, may have left something behind that works.
        self._uids: dict[WorkflowKey, set[Uid]] = {}
        self._asking: dict[WorkflowKey, tuple[WorkflowStatus, frozenset[JobId]]] = {}

    def file_all(self, owns: Callable[[WorkflowKey], bool] = lambda _: True) -> set[WorkflowKey]:
        """File everything that there is, before anything is decided; what isn't owned takes no room."""
        for job in self._store.jobs.values():
            self._uids.setdefault(job.workflow, set()).add(job.owner)
        for pod in self._store.pods.values():
            self._uids.setdefault(pod.workflow, set()).add(pod.owner)
        for key, jobs in self._store.vanished.items():
            self._uids.setdefault(key, set()).update(jobs.values())
        woken: set[WorkflowKey] = set()
        for record in self._store.workflows.values():
            woken |= self.file(record, limited=owns(record.resource.key))
        for key in [key for key in self._uids if self._store.workflow(key) is None]:
            woken |= self.forget(key)
        return woken

    def file(self, record: WorkflowRecord, *, limited: bool = True) -> set[WorkflowKey]:
        """File a workflow, as it is known now; where it isn't `limited`, what works of it takes no room from others."""
        resource = record.resource
        key = resource.key
        uids = self._uids.setdefault(key, set())
        uids.add(resource.uid)
        holding = self._store.holding_of(key.namespace, resource.uid).values()
        calls = self._calls_of(key, resource.uid)
        claims = claims_of(resource, holding, calls, self._asking_in(key, resource.status))
        remains, busy = self._remains(key, uids - {resource.uid})
        if limited and self._desk.limits.on_jobs:
            busy |= frozenset(self._store.working_of(key.namespace, resource.uid))
        unstarted = self._unstarted(record) if limited else frozenset()
        return self._desk.update(key, (*claims, *remains), version=record.version, working=busy, unstarted=unstarted)

    def _asking_in(self, key: WorkflowKey, status: WorkflowStatus) -> frozenset[JobId]:
        """Name the jobs that ask for a group; of thousands only those are looked at that have changed."""
        before, asking = self._asking.get(key, _NOTHING)
        changes = status.changes_from(before)
        kept = asking.difference(changes).intersection(status.jobs) if asking else asking
        asking = kept.union(job_id for job_id, state in changes.items() if asks(state))
        self._asking[key] = status, asking
        return asking

    def made(self, record: WorkflowRecord, names: set[str]) -> set[WorkflowKey]:
        """File that Kubernetes Jobs were made that were about to be, or certainly weren't."""
        key, limits = record.resource.key, self._desk.limits
        if limits.on_jobs:
            woken = self.file(record)
        elif limits.on_starts:
            woken = self._desk.unstarted(key, self._unstarted(record))
        else:
            return set()
        return woken | self._desk.started(key, names)

    def _unstarted(self, record: WorkflowRecord) -> frozenset[str]:
        if self._desk.limits.unstarted is None:
            return frozenset()
        return self._store.unstarted_of(record.resource.key.namespace, record.resource.uid)

    def reserve(self, record: WorkflowRecord, status: WorkflowStatus) -> set[WorkflowKey]:
        """Have what a status admits count that is about to be written."""
        claims = claims_of(replace(record.resource, status=status), ())
        # Not itself: as long as the write is refused, each look would bring the next one.
        return self._desk.reserve(record.resource.key, claims, version=record.version) - {record.resource.key}

    def release(self, record: WorkflowRecord) -> set[WorkflowKey]:
        """Have nothing count that was reserved: it was certainly not written."""
        return self._desk.release(record.resource.key) - {record.resource.key}

    def forget(self, key: WorkflowKey) -> set[WorkflowKey]:
        """File that a workflow is gone. What it started is heard of until it has ended."""
        self._asking.pop(key, None)
        remains, busy = self._remains(key, set(self._uids.get(key, ())))
        if not self._uids.get(key):
            self._uids.pop(key, None)
        return self._desk.forget(key, remains, busy)

    def _remains(self, key: WorkflowKey, uids: set[Uid]) -> tuple[list[Claim], frozenset[str]]:
        """Tell what is left of deleted workflows of one name; one of which nothing is left is forgotten."""
        claims: list[Claim] = []
        busy: frozenset[str] = frozenset()
        for uid in uids:
            jobs = (*self._store.jobs_of(key.namespace, uid), *self._store.remnants_of(key.namespace, uid))
            calls = self._calls_of(key, uid)
            claims += remains_of(key, uid, jobs, calls)
            busy |= working(jobs)
            if not (jobs or calls):
                self._uids[key].discard(uid)
        return claims, busy

    def _calls_of(self, key: WorkflowKey, uid: Uid) -> tuple[CalledWorkflow, ...]:
        """Give the Workflows that a workflow has called, and those that are gone, of which something works."""
        return (*self._store.calls_of(key.namespace, uid), *self._store.gone_calls_of(key.namespace, uid))
