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

from fairlead.engine.errors import ConflictError, EngineError, GoneError, RefusedError, UnavailableError
from fairlead.engine.queue import KeyedQueue
from fairlead.engine.store import Store
from fairlead.model.problem import InvalidWorkflowError
from fairlead.plan import CreateJob, DeleteJob, Observed, Policy, Refusal, plan
from fairlead.plan.announcements import announce
from fairlead.syntax import parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from fairlead.engine.ports import Cluster, Observer
    from fairlead.engine.store import WorkflowRecord
    from fairlead.model.ids import JobId, Uid, WorkflowKey
    from fairlead.model.status import WorkflowStatus
    from fairlead.model.workflow import Workflow
    from fairlead.plan import Decision


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
    """The loop. `cluster` is told what to do; `clock` gives the present moment, in UTC."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        observer: Observer,
        policy: Policy | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.queue: KeyedQueue[WorkflowKey] = KeyedQueue()
        self.store = Store(self.queue.add)
        self._clock = clock
        self._observer = observer
        self._policy = policy or Policy()
        self._pace = pace or Pace()
        self._creations = asyncio.Semaphore(self._pace.creations)
        self._parsed: dict[WorkflowKey, tuple[Uid, int, Workflow | InvalidWorkflowError]] = {}
        self._refusals: dict[WorkflowKey, dict[JobId, Refusal]] = {}
        self._written_at: dict[WorkflowKey, float] = {}
        self._unwritten_since: dict[WorkflowKey, float] = {}

    async def run(self, cluster: Cluster) -> None:
        """Work until cancelled. Never ends by itself; an error that isn't foreseen ends it, and is raised."""
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
        decision = self._plan(record)
        refused = dict(self._refusals.get(key, {}))
        trouble = await self._create(cluster, record, _creations(decision))
        if trouble is not None or self._refusals.get(key, {}) != refused:
            # What couldn't be made must not be recorded as made, nor what was made as refused.
            decision = self._plan(record)
            if any(create.job not in self._refusals.get(key, {}) for create in _creations(decision)):
                # Something ended meanwhile, and what follows from it is yet to be asked for.
                self.queue.add(key)
                if trouble is not None:
                    raise trouble
                return
        await self._record(cluster, record, decision)
        for action in decision.actions:
            match action:
                case CreateJob():
                    pass
                case DeleteJob():
                    await cluster.delete_job(record, action)
                    self._observer.deleted(key, action)
                case _:
                    assert_never(action)
        if decision.look_again is not None:
            self.queue.add_after(key, (decision.look_again - self._clock()).total_seconds())
        if trouble is not None:
            raise trouble

    def _plan(self, record: WorkflowRecord) -> Decision:
        resource = record.resource
        workflow = self._parse(record)
        refusals = self._refusals.get(resource.key, {})
        observed = Observed(self.store.jobs_of(resource.key.namespace, resource.uid), refusals)
        return plan(workflow, resource, observed, self._clock(), self._policy)

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
        self, cluster: Cluster, record: WorkflowRecord, creations: Sequence[CreateJob]
    ) -> EngineError | None:
        """Make Kubernetes Jobs, several at a time; give the first error, when the rest is done."""
        key = record.resource.key
        refusals = self._refusals.setdefault(key, {}) if creations else {}

        async def one(create: CreateJob) -> EngineError | None:
            async with self._creations:
                try:
                    await cluster.create_job(record, create)
                except RefusedError as error:
                    refusals[create.job] = Refusal(error.message, final=error.final)
                    self._observer.refused(key, create.job, error.message)
                    return error
                except ConflictError as error:
                    return error
                except UnavailableError as error:
                    refusals[create.job] = Refusal(str(error))
                    return error
            refusals.pop(create.job, None)
            self._observer.created(key, create)
            return None

        errors = [error for error in await asyncio.gather(*map(one, creations)) if error is not None]
        return errors[0] if errors else None

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
        if now < due:
            self.queue.add_after(key, due - now)
            return
        await cluster.write_status(record, after)
        self._written_at[key] = asyncio.get_running_loop().time()
        self._unwritten_since.pop(key, None)
        self._observer.changed(key, before, after)
        for announcement in announce(before, after):
            # An Event is a courtesy; the state is in the status.
            with suppress(UnavailableError, RefusedError):
                await cluster.announce(record, announcement)

    def _forget(self, key: WorkflowKey) -> None:
        self.queue.forget(key)
        for memory in (self._parsed, self._refusals, self._written_at, self._unwritten_since):
            memory.pop(key, None)


def _creations(decision: Decision) -> list[CreateJob]:
    return [action for action in decision.actions if isinstance(action, CreateJob)]


def _urgent(before: WorkflowStatus, after: WorkflowStatus) -> bool:
    """Whether somebody waits for this change: something ended or was restarted, or the run as a whole has changed."""
    if (before.observed_generation, before.run, before.phase) != (
        after.observed_generation,
        after.run,
        after.phase,
    ):
        return True
    return any(
        (state.phase.ended and not before.jobs[job_id].phase.ended)
        or (state.attempt or 0) > max(1, before.jobs[job_id].attempt or 0)
        for job_id, state in after.jobs.items()
        if job_id in before.jobs
    )
