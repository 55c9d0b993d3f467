"""What other processes run on this machine, as far as it may be in the way of what this one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.kube.reduce import job_record, workflow_record
from fairlead.local.cluster import held
from fairlead.plan.admission import claims_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from fairlead.engine.store import Store
    from fairlead.local.cluster import Group
    from fairlead.local.state import Json, State
    from fairlead.model.ids import WorkflowKey


class Others:
    """Keeps their Workflows and working jobs in the store: the desk counts them, nobody here looks after them."""

    def __init__(self, state: State, store: Store) -> None:
        self._state = state
        self._store = store
        self.workflows: set[WorkflowKey] = set()
        self.left_something = False
        """Whether a process has died over its work, which is to be swept."""

    def look(self, own: Collection[str]) -> None:
        """Look again. `own` names this process's Workflows; where none has a group, nobody can be in the way."""
        known, self.workflows = self.workflows, set()
        self.left_something = False
        if self._grouped(own):
            for document in self._alive(own):
                record = workflow_record(document)
                key = record.resource.key
                self.workflows.add(key)
                self._store.workflows.put((key.namespace, key.name), record)
                self._look_at_jobs(key)
        for key in known - self.workflows:
            self._drop(key)

    def held(self) -> set[Group]:
        """Give the groups that they hold."""
        found: set[Group] = set()
        for key in self.workflows:
            record = self._store.workflow(key)
            if record is not None:
                jobs = self._store.jobs_of(key.namespace, record.resource.uid)
                found |= held(claims_of(record.resource, jobs))
        return found

    def _grouped(self, own: Collection[str]) -> bool:
        specs = (record.spec for record in self._store.workflows.values() if record.resource.key.name in own)
        return any(map(_has_group, specs))

    def _alive(self, own: Collection[str]) -> Iterator[Json]:
        """Give the Workflows whose process, or anything that this one has left, may be at work."""
        for name in self._state.names():
            if name in own:
                continue
            alive = self._state.is_owned(name)
            if not alive and any(self._state.jobs(name, working=True)):
                alive = self.left_something = True
            if alive and (document := self._state.read(name)) is not None:
                yield document

    def _look_at_jobs(self, workflow: WorkflowKey) -> None:
        shelf, found = self._store.jobs, set()
        for document in self._state.jobs(workflow.name, working=True):
            record = job_record(document)
            if record is not None:
                key = (workflow.namespace, record.job.name)
                found.add(key)
                shelf.put(key, record)
        for known in shelf.values():
            key = (workflow.namespace, known.job.name)
            if known.workflow == workflow and key not in found:
                shelf.drop(key, known.version)

    def _drop(self, key: WorkflowKey) -> None:
        for known in self._store.jobs.values():
            if known.workflow == key:
                self._store.jobs.drop((key.namespace, known.job.name), known.version)
        record = self._store.workflow(key)
        if record is not None:
            self._store.workflows.drop((key.namespace, key.name), record.version)


def _has_group(spec: Mapping[str, Any]) -> bool:
    jobs = spec.get("jobs")
    parts = [spec, *(jobs.values() if isinstance(jobs, dict) else ())]
    return any(isinstance(part, dict) and part.get("concurrency") is not None for part in parts)
