"""Observe → plan → act, for one workflow at a time, any number of them at once.

The order of the calls is what makes a death between any two of them harmless: Kubernetes Jobs first (their names are
deterministic, so the next start meets them), then the status (of exactly the version that was read), then the Events.
What is to be deleted was recorded as over by an earlier status.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fairlead.engine.acting import act, make
from fairlead.engine.brake import Brake
from fairlead.engine.desk import Desk
from fairlead.engine.errors import (
    ConflictError,
    EngineError,
    GoneError,
    NotOwnedError,
    OutrunError,
    OverloadedError,
    RefusedError,
    UnavailableError,
)
from fairlead.engine.fence import Fence, Fenced
from fairlead.engine.filing import Filing
from fairlead.engine.pace import Pace, Schedule
from fairlead.engine.queue import KeyedQueue
from fairlead.engine.recording import record_status
from fairlead.engine.specs import Specs
from fairlead.engine.store import Store
from fairlead.plan import (
    CallWorkflow,
    Making,
    Observed,
    Planner,
    Policy,
    Refusal,
    Removal,
    attempts_of,
)
from fairlead.plan.admission import Limits
from fairlead.plan.announcements import announce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from fairlead.engine.ports import Cluster, Observer
    from fairlead.engine.records import WorkflowRecord
    from fairlead.model.ids import NodeId, WorkflowKey
    from fairlead.plan import Decision
    from fairlead.plan.neighbours import Neighbours


_MOMENT: Final = 0.001


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
        self.queue: KeyedQueue[WorkflowKey] = KeyedQueue(lambda key: key.namespace)
        self.store = Store(self._changed)
        self._desk = Desk(limits or Limits())
        self._filing = Filing(self._desk, self.store)
        self._fence = Fence(limits or Limits())
        self._clock = clock
        self._owns = owns
        self._observer = observer
        self._policy = policy or Policy()
        self._pace = pace or Pace()
        self._creations = asyncio.Semaphore(self._pace.creations)
        self._brake = Brake()
        self._specs = Specs(clock)
        self._planners: dict[WorkflowKey, Planner] = {}
        self._refusals: dict[WorkflowKey, dict[NodeId, Refusal]] = {}
        self._schedule = Schedule(self._pace)
        # Versions over which something was written that wasn't answered.
        self._unheard: dict[WorkflowKey, int] = {}
        self._looking: set[WorkflowKey] = set()
        self._looked = asyncio.Event()

    @property
    def unstarted(self) -> int:
        """How many Kubernetes Jobs are unstarted; 0 where they aren't limited."""
        return self._desk.unstarted_jobs

    @property
    def waiting(self) -> int:
        """How many nodes wait for room."""
        return self._desk.waiting_nodes

    async def run(self, cluster: Cluster) -> None:
        """Work until cancelled. Never ends by itself; an error that isn't foreseen ends it, and is raised.

        The store has to know everything that exists by then: what is admitted rests on it.
        """
        self._wake(self._filing.file_all(self._owns))
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._pace.workers):
                workers.create_task(self._work(cluster))

    def take_up(self, mine: Callable[[WorkflowKey], bool], version: int) -> None:
        """Begin to work on workflows that are owned from now on, and that another engine worked on before.

        The store has to know everything as it was after that one stopped. What that one has sent, over `version` of
        the Workflows or an earlier one, may still be carried out.
        """
        self._fence.set_up((each for each in self.store.workflows.values() if mine(each.resource.key)), version)
        self._wake(self._filing.file_all(self._owns))
        self._wake_all(mine)

    async def settle(self, mine: Callable[[WorkflowKey], bool], seconds: float) -> int | None:
        """Wait for the ends of the looks at workflows that aren't owned any more; what they have sent is answered then.

        Gives the version of Workflows over which something may still be carried out, for the next one to `take_up`; or
        None where that isn't known after so many seconds.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while any(map(mine, self._looking)):
            self._looked.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._looked.wait()
            except TimeoutError:
                return None
        known = ((key, version, self.store.workflow(key)) for key, version in self._unheard.items() if mine(key))
        unheard = [version for _, version, record in known if record is not None and record.version <= version]
        return max((self._fence.version(mine), *unheard))

    def let_go(self, mine: Callable[[WorkflowKey], bool]) -> None:
        """Leave workflows that aren't owned any more to another engine."""
        self._fence.lift(mine)
        self._wake_all(mine)

    def _wake_all(self, mine: Callable[[WorkflowKey], bool]) -> None:
        for record in self.store.workflows.values():
            if mine(record.resource.key):
                # What is under way goes before what has ended or not begun, of which every fifth look is one.
                status = record.resource.status
                self.queue.add(record.resource.key, soon=status.run is not None and not status.ended)

    async def _work(self, cluster: Cluster) -> None:
        while True:
            key = await self.queue.take()
            self._observer.waited(key, asyncio.get_running_loop().time() - (self.queue.since(key) or 0.0))
            await self._brake.released()
            self._looking.add(key)
            try:
                await self.look(cluster, key)
            except ConflictError:
                # The watch brings the newer version, and with it the next look; this one is for when it is late.
                self.queue.retry(key)
            except GoneError:
                self._forget(key)
            except NotOwnedError:
                # Who owns it now looks at it.
                self.queue.add(key)
            except Exception as error:  # noqa: BLE001  one workflow's trouble is not the others'
                self._slow_down(error)
                after = error.retry_after if isinstance(error, UnavailableError) else None
                self._observer.failed(key, error, self.queue.retry(key, after or 0.0))
            else:
                self.queue.succeeded(key)
            finally:
                self._looking.discard(key)
                self._looked.set()
                self.queue.done(key)
            # Looks that find nothing to do await nothing. Of thousands, nobody else would get a turn: neither what one
            # of them sends, nor a probe, nor a Lease.
            await asyncio.sleep(0)

    async def look(self, cluster: Cluster, key: WorkflowKey) -> None:
        """Look at one workflow and do what has to be done. Raises EngineError when it wants to be repeated."""
        if vanished := tuple(self.store.vanished.get(key, ())):
            await cluster.list_pods(key, vanished)
            self.store.accounted_for(key, vanished)
        record = self.store.workflow(key)
        if record is None:
            self._forget(key)
            return
        if not self._owns(key):
            # What it knows of its own tries would be old when it works on it once more.
            for memory in (self._refusals, self._planners):
                memory.pop(key, None)
            self._schedule.forget(key, asyncio.get_running_loop().time())
            self._wake(self._filing.file(record, limited=False) - {key})
            return
        decision = self._plan(record)
        refused = dict(self._refusals.get(key, {}))
        trouble = await self._create(cluster, record, _creations(decision))
        if trouble is not None or self._refusals.get(key, {}) != refused:
            # What couldn't be made must not be recorded as made, nor what was made as refused.
            decision = self._plan(record)
            refused = self._refusals.get(key, {})
            if any(each.node not in refused for create in _creations(decision) for each in attempts_of(create)):
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
                await act(cluster, record, action)
                if isinstance(action, Removal):
                    self._observer.deleted(record.resource.key, action)
            except EngineError as error:
                trouble = trouble or error
                if isinstance(error, OverloadedError):
                    break
        if trouble is not None:
            raise trouble

    def _changed(self, key: WorkflowKey) -> None:
        # Nobody waits yet for what wasn't looked at before; there may be thousands of them at once.
        self.queue.add(key, soon=key in self._specs)

    def _wake(self, keys: Iterable[WorkflowKey]) -> None:
        for key in keys:
            self.queue.add(key)

    def _plan(self, record: WorkflowRecord) -> Decision:
        resource = record.resource
        self._wake(self._filing.file(record) - {resource.key})
        self._wake(self._fence.see(resource.key, record.version) - {resource.key})
        if not self._specs.knows(record):
            self._refusals.pop(resource.key, None)
        parsed = self._specs.of(record)
        refusals = self._refusals.get(resource.key, {})
        observed = Observed(
            jobs=self.store.jobs_of(resource.key.namespace, resource.uid),
            calls=self.store.calls_of(resource.key.namespace, resource.uid),
            refusals=refusals,
            neighbours=self._neighbours(resource.key),
            since=parsed.at,
            remnants=self.store.remnants_of(resource.key.namespace, resource.uid),
        )
        planner = self._planners.setdefault(resource.key, Planner())
        decision = planner.plan(parsed.workflow, resource, observed, self._clock(), self._policy)
        decision = self._fenced(record, decision)
        # Nothing is awaited from the filing to here, so nobody else can have been let in meanwhile.
        if decision.record_first:
            self._wake(self._filing.reserve(record, decision.status))
        self._wake(self._desk.demand(resource.key, decision.demand))
        return decision

    def _neighbours(self, key: WorkflowKey) -> Neighbours:
        neighbours = self._desk.neighbours(key)
        return Fenced(neighbours, self._fence, key, self._wake) if self._fence else neighbours

    def _fenced(self, record: WorkflowRecord, decision: Decision) -> Decision:
        """Count `fence` up where others wait for another version of a workflow; it stays as it is otherwise."""
        fence = record.resource.status.fence + self._fence.has_to_move(record.resource.key)
        if decision.status.fence == fence:
            return decision
        return replace(decision, status=decision.status.model_copy(update={"fence": fence}))

    async def _create(
        self, cluster: Cluster, record: WorkflowRecord, creations: Sequence[Making]
    ) -> EngineError | None:
        """Make Kubernetes Jobs and called Workflows, several at a time; give the first error, when the rest is done."""
        key = record.resource.key
        refusals = self._refusals.setdefault(key, {}) if creations else {}
        unheard: set[str] = set()
        asked = self.queue.since(key) or asyncio.get_running_loop().time()

        async def one(create: Making) -> EngineError | None:
            async with self._creations:
                nodes = [each.node for each in attempts_of(create)]
                if self._brake.on:
                    refusals.update(dict.fromkeys(nodes, Refusal("the cluster has too much to do")))
                    return UnavailableError("not sent, as the cluster has too much to do")
                try:
                    await make(cluster, record, create)
                except RefusedError as error:
                    for node in nodes:
                        refusals[node] = self._refusal(error, refusals.get(node))
                        self._observer.refused(key, node, error.message)
                    return error
                except (ConflictError, NotOwnedError) as error:
                    return error
                except UnavailableError as error:
                    self._slow_down(error)
                    refusals.update(dict.fromkeys(nodes, Refusal(str(error), unheard=True)))
                    unheard.add(create.name)
                    return error
            self._brake.passed()
            for node in nodes:
                refusals.pop(node, None)
            for each in attempts_of(create):
                self._observer.created(key, each, asyncio.get_running_loop().time() - asked)
            return None

        names = [create.name for create in creations if not isinstance(create, CallWorkflow)]
        self._wake(self._desk.starting(key, names))
        try:
            errors = [error for error in await asyncio.gather(*map(one, creations)) if error is not None]
        finally:
            # One of which no answer came may be there.
            if names:
                self._wake(self._filing.made(record, set(names) - unheard))
        return errors[0] if errors else None

    def _slow_down(self, error: Exception) -> None:
        if isinstance(error, OverloadedError):
            self._brake.pull(error.seconds)

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
        now = asyncio.get_running_loop().time()
        # The status of an ended run is handed back as it was; others are compared as read, since the API server may
        # have filled in defaults.
        if after is before or after.says_the_same_as(before):
            self._schedule.unchanged(key, now)
            return
        due = self._schedule.due(key, before, after, now, awaited=record.call is not None)
        # A timer may come the last digit of a number too early, again and again.
        if due - now > _MOMENT and not decision.record_first:
            self.queue.add_after(key, due - now)
            return
        # Any other conflict gives nothing back that was reserved: an earlier try, of which no answer came, may be its
        # cause.
        try:
            after = await record_status(cluster, record, after, self._clock())
        except OutrunError:
            self._wake(self._filing.release(record))
            raise
        except UnavailableError:
            self._unheard[key] = record.version
            raise
        self._brake.passed()
        self._unheard.pop(key, None)
        self._schedule.written(key, now, asyncio.get_running_loop().time())
        self._observer.changed(key, before, after)
        for announcement in announce(before, after):
            # An Event is a courtesy; the state is in the status.
            with suppress(UnavailableError, RefusedError):
                await cluster.announce(record, announcement)

    def _forget(self, key: WorkflowKey) -> None:
        self.queue.forget(key)
        self._wake(self._filing.forget(key) | self._fence.see(key, None))
        self._schedule.forget(key, asyncio.get_running_loop().time())
        self._specs.forget(key)
        for memory in (self._planners, self._refusals, self._unheard):
            memory.pop(key, None)


def _creations(decision: Decision) -> list[Making]:
    return [action for action in decision.actions if isinstance(action, Making)]
