"""Observe → plan → act, for one workflow at a time, any number of them at once.

The order of the calls is what makes a death between any two of them harmless: Kubernetes Jobs first (their names are
deterministic, so the next start meets them), then the status (of exactly the version that was read), then the Events.
What is to be deleted was recorded as over by an earlier status.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from fairlead.engine.desk import Desk
from fairlead.engine.errors import ConflictError, EngineError, GoneError, OutrunError, RefusedError, UnavailableError
from fairlead.engine.filing import Filing
from fairlead.engine.queue import KeyedQueue
from fairlead.engine.store import Store
from fairlead.model.problem import InvalidWorkflowError
from fairlead.plan import (
    CallWorkflow,
    CancelWorkflow,
    CreateJob,
    DeleteJob,
    DeleteWorkflow,
    Observed,
    Policy,
    ReadOutputs,
    Refusal,
    plan,
)
from fairlead.plan.admission import Limits
from fairlead.plan.announcements import announce
from fairlead.syntax import parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from fairlead.engine.ports import Cluster, Observer
    from fairlead.engine.store import WorkflowRecord
    from fairlead.model.ids import NodeId, Uid, WorkflowKey
    from fairlead.model.status import NodeStatus, WorkflowStatus
    from fairlead.model.workflow import Workflow
    from fairlead.plan import Action, Creation, Decision


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a status is written, in seconds, and how much happens at once.

    What ended is recorded at once, but never twice within `spacing`; what merely started, within `patience`.
    """

    workers: int = 8
    creations: int = 16
    spacing: float = 0.1
    patience: float = 1.0


class Engine:
    """The loop. `cluster` is told what to do; `clock` gives the present moment, in UTC.

    What it doesn't `own` another engine looks after; here it only holds the groups that it is in.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        observer: Observer,
        policy: Policy | None = None,
        limits: Limits | None = None,
        pace: Pace | None = None,
        owns: Callable[[WorkflowKey], bool] = lambda _: True,
    ) -> None:
        self.queue: KeyedQueue[WorkflowKey] = KeyedQueue()
        self.store = Store(self.queue.add)
        self._desk = Desk(limits or Limits())
        self._filing = Filing(self._desk, self.store)
        self._clock = clock
        self._owns = owns
        self._observer = observer
        self._policy = policy or Policy()
        self._pace = pace or Pace()
        self._creations = asyncio.Semaphore(self._pace.creations)
        self._parsed: dict[WorkflowKey, tuple[Uid, int, Workflow | InvalidWorkflowError]] = {}
        self._refusals: dict[WorkflowKey, dict[NodeId, Refusal]] = {}
        self._written_at: dict[WorkflowKey, float] = {}
        self._unwritten_since: dict[WorkflowKey, float] = {}

    async def run(self, cluster: Cluster) -> None:
        """Work until cancelled. Never ends by itself; an error that isn't foreseen ends it, and is raised.

        The store has to know everything that exists by then: what is admitted rests on it.
        """
        self._wake(self._filing.file_all())
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._pace.workers):
                workers.create_task(self._work(cluster))

    async def _work(self, cluster: Cluster) -> None:
        while True:
            key = await self.queue.take()
            try:
                await self.look(cluster, key)
            except ConflictError:
                # The watch brings the newer version, and with it the next look; this one is for when it is late.
                self.queue.retry(key)
            except GoneError:
                self._forget(key)
            except Exception as error:  # noqa: BLE001  one workflow's trouble is not the others'
                after = error.retry_after if isinstance(error, UnavailableError) else None
                self._observer.failed(key, error, self.queue.retry(key, after or 0.0))
            else:
                self.queue.succeeded(key)
            finally:
                self.queue.done(key)

    async def look(self, cluster: Cluster, key: WorkflowKey) -> None:
        """Look at one workflow and do what has to be done. Raises EngineError when it wants to be repeated."""
        record = self.store.workflow(key)
        if record is None:
            self._forget(key)
            return
        if not self._owns(key):
            self._wake(self._filing.file(record, limited=False) - {key})
            return
        decision = self._plan(record)
        refused = dict(self._refusals.get(key, {}))
        trouble = await self._create(cluster, record, _creations(decision))
        if trouble is not None or self._refusals.get(key, {}) != refused:
            # What couldn't be made must not be recorded as made, nor what was made as refused.
            decision = self._plan(record)
            if any(create.node not in self._refusals.get(key, {}) for create in _creations(decision)):
                # Something ended meanwhile, and what follows from it is yet to be asked for.
                self.queue.add(key)
                if trouble is not None:
                    raise trouble
                return
        await self._record(cluster, record, decision)
        await self._act(cluster, record, decision)
        if decision.look_again is not None:
            self.queue.add_after(key, (decision.look_again - self._clock()).total_seconds())
        if trouble is not None:
            raise trouble

    async def _act(self, cluster: Cluster, record: WorkflowRecord, decision: Decision) -> None:
        """Carry out what follows the status: all of it, whatever becomes of one. Raises the first error."""
        trouble: EngineError | None = None
        for action in decision.actions:
            try:
                await self._act_once(cluster, record, action)
            except EngineError as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble

    async def _act_once(self, cluster: Cluster, record: WorkflowRecord, action: Action) -> None:
        match action:
            case CreateJob() | CallWorkflow():
                pass
            case DeleteJob():
                await cluster.delete_job(record, action)
                self._observer.deleted(record.resource.key, action)
            case CancelWorkflow():
                await cluster.cancel_workflow(record, action)
            case ReadOutputs():
                await cluster.read_outputs(record, action)
            case DeleteWorkflow():
                await cluster.delete_workflow(record)
            case _:
                assert_never(action)

    def _wake(self, keys: Iterable[WorkflowKey]) -> None:
        for key in keys:
            self.queue.add(key)

    def _plan(self, record: WorkflowRecord) -> Decision:
        resource = record.resource
        jobs = self.store.jobs_of(resource.key.namespace, resource.uid)
        self._wake(self._filing.file(record, jobs) - {resource.key})
        workflow = self._parse(record)
        refusals = self._refusals.get(resource.key, {})
        observed = Observed(
            jobs=jobs,
            calls=self.store.calls_of(resource.key.namespace, resource.uid),
            refusals=refusals,
            neighbours=self._desk.neighbours(resource.key),
        )
        decision = plan(workflow, resource, observed, self._clock(), self._policy)
        # Nothing is awaited from the filing to here, so nobody else can have been let in meanwhile.
        if decision.record_first:
            self._wake(self._filing.reserve(record, decision.status))
        self._wake(self._desk.demand(resource.key, decision.demand))
        return decision

    def _parse(self, record: WorkflowRecord) -> Workflow | InvalidWorkflowError:
        resource = record.resource
        known = self._parsed.get(resource.key)
        if known is not None and known[:2] == (resource.uid, resource.generation):
            return known[2]
        self._refusals.pop(resource.key, None)
        try:
            parsed: Workflow | InvalidWorkflowError = parse_spec(record.spec)
        except InvalidWorkflowError as error:
            parsed = error
        self._parsed[resource.key] = (resource.uid, resource.generation, parsed)
        return parsed

    async def _create(
        self, cluster: Cluster, record: WorkflowRecord, creations: Sequence[Creation]
    ) -> EngineError | None:
        """Make Kubernetes Jobs and called Workflows, several at a time; give the first error, when the rest is done."""
        key = record.resource.key
        refusals = self._refusals.setdefault(key, {}) if creations else {}
        unheard: set[str] = set()

        async def one(create: Creation) -> EngineError | None:
            async with self._creations:
                try:
                    match create:
                        case CreateJob():
                            await cluster.create_job(record, create)
                        case CallWorkflow():
                            await cluster.call_workflow(record, create)
                except RefusedError as error:
                    refusals[create.node] = self._refusal(error, refusals.get(create.node))
                    self._observer.refused(key, create.node, error.message)
                    return error
                except ConflictError as error:
                    return error
                except UnavailableError as error:
                    refusals[create.node] = Refusal(str(error))
                    unheard.add(create.name)
                    return error
            refusals.pop(create.node, None)
            self._observer.created(key, create)
            return None

        names = [create.name for create in creations if isinstance(create, CreateJob)]
        self._wake(self._desk.starting(key, names))
        try:
            errors = [error for error in await asyncio.gather(*map(one, creations)) if error is not None]
        finally:
            # Where jobs aren't limited, nobody waits for this. One of which no answer came may be there.
            if names and self._desk.limits.on_jobs:
                self._wake(self._filing.file(record) | self._desk.started(key, set(names) - unheard))
        return errors[0] if errors else None

    def _refusal(self, error: RefusedError, before: Refusal | None) -> Refusal:
        """Remember a refusal, and with one that has to go away by itself since when."""
        until = None
        if error.impatient:
            until = before.until if before is not None and before.until is not None else None
            until = until or self._clock() + self._policy.grace
        return Refusal(error.message, final=error.final, until=until)

    async def _record(self, cluster: Cluster, record: WorkflowRecord, decision: Decision) -> None:
        """Write the status where it has changed and its time has come; else make sure that it will."""
        key, before, after = record.resource.key, record.resource.status, decision.status
        # The status of an ended run is handed back as it was; others are compared as read, since the API server may
        # have filled in defaults.
        if after is before or after.to_json() == before.to_json():
            self._unwritten_since.pop(key, None)
            return
        now = asyncio.get_running_loop().time()
        since = self._unwritten_since.setdefault(key, now)
        due = self._written_at.get(key, float("-inf")) + self._pace.spacing
        if not _urgent(before, after):
            due = max(due, since + self._pace.patience)
        if now < due and not decision.record_first:
            self.queue.add_after(key, due - now)
            return
        # Any other conflict gives nothing back that was reserved: an earlier try, of which no answer came, may be its
        # cause.
        try:
            await cluster.write_status(record, after)
        except OutrunError:
            self._wake(self._filing.release(record))
            raise
        self._written_at[key] = asyncio.get_running_loop().time()
        self._unwritten_since.pop(key, None)
        self._observer.changed(key, before, after)
        for announcement in announce(before, after):
            # An Event is a courtesy; the state is in the status.
            with suppress(UnavailableError, RefusedError):
                await cluster.announce(record, announcement)

    def _forget(self, key: WorkflowKey) -> None:
        self.queue.forget(key)
        self._wake(self._filing.forget(key))
        for memory in (self._parsed, self._refusals, self._written_at, self._unwritten_since):
            memory.pop(key, None)


def _creations(decision: Decision) -> list[Creation]:
    return [action for action in decision.actions if isinstance(action, CreateJob | CallWorkflow)]


def _urgent(before: WorkflowStatus, after: WorkflowStatus) -> bool:
    """Whether somebody waits for this change: something ended or was restarted, or the run as a whole has changed."""
    if (before.observed_generation, before.run, before.phase) != (
        after.observed_generation,
        after.run,
        after.phase,
    ):
        return True
    return any(
        _node_urgent(before.jobs[job_id], state)
        or any(_node_urgent(*each) for each in zip(before.jobs[job_id].combinations, state.combinations, strict=False))
        for job_id, state in after.jobs.items()
        if job_id in before.jobs
    )


def _node_urgent(before: NodeStatus, after: NodeStatus) -> bool:
    if before is after:
        return False
    return (after.phase.ended and not before.phase.ended) or (after.attempt or 0) > max(1, before.attempt or 0)
