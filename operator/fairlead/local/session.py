"""One run of one workflow on this machine: an engine that lives as long as the run does.

Several may run side by side, each in a process of its own. They share the state folder, and what a concurrency group
lets in is decided by each of them over the same records, one at a time (`State.unchanged_since`).
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from fairlead.engine.engine import Engine
from fairlead.engine.errors import EngineError, RefusedError
from fairlead.engine.pace import Pace
from fairlead.engine.runs import NotFoundError
from fairlead.kube.reduce import workflow_record
from fairlead.local.cluster import LocalCluster, annotated
from fairlead.local.finishing import to_the_end
from fairlead.local.leftovers import sweep
from fairlead.local.others import Others
from fairlead.local.values import Values
from fairlead.model.phase import WorkflowPhase
from fairlead.plan import Policy
from fairlead.plan.admission import Limits
from fairlead.plan.runs import CANCEL, requested

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fairlead.local.cluster import Group
    from fairlead.local.runtime import Runtime
    from fairlead.local.state import State
    from fairlead.model.ids import NodeId, WorkflowKey
    from fairlead.model.status import WorkflowStatus
    from fairlead.plan import Creation, Removal

_POLL: Final = 0.2
"""Seconds between two looks at what other processes have changed."""

_PACE: Final = Pace(spacing=0.02, patience=0.1)
"""A file costs less than a request."""

_NO_GRACE: Final = timedelta(0)
"""What is missing on this machine doesn't come by itself."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run needs besides the workflow; see LocalCluster. `parallel`: how many jobs work at a time."""

    workspace: Path
    parallel: int
    shared: bool = False
    values: Values = field(default_factory=Values)
    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    where: str = "in its file"


class Session:
    """Runs the Workflow `name` of the state folder to its end. `failed` hears what its status doesn't tell."""

    def __init__(
        self,
        state: State,
        name: str,
        runtime: Runtime,
        settings: Settings,
        *,
        failed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._state = state
        self._name = name
        self._failed = failed
        self._owned = ExitStack()
        self._own: dict[str, WorkflowKey] = {}
        self._runtime = runtime
        self._broken: Exception | None = None
        self._seen = 0
        self._refused: set[str] = set()
        self._moved = asyncio.Event()
        self._began_ended: WorkflowStatus | None = None
        self._engine = Engine(
            clock=now,
            observer=self,
            policy=Policy(grace=_NO_GRACE),
            limits=Limits(jobs=settings.parallel),
            pace=_PACE,
            owns=lambda key: key not in self._others.workflows,
        )
        self._others = Others(state, self._engine.store)
        self._cluster = LocalCluster(
            state,
            self._engine.store,
            runtime,
            now,
            values=settings.values,
            workspace=settings.workspace,
            shared=settings.shared,
            templates=settings.templates,
            where=settings.where,
            called=self._take,
            noted=failed,
            held_elsewhere=self._held_elsewhere,
        )

    async def run(self) -> WorkflowStatus:
        """Run it, and give its last status; one that has ended, and isn't asked for another run, stays as it is.

        Raises NotFoundError, and RefusedError where another process runs it, or the state folder can't be used.
        """
        try:
            with self._owned:
                self._take(self._name)
                recorded = self._status()
                if recorded.ended and not self._is_asked_again():
                    return recorded
                await sweep(self._state, self._runtime, own=self._name)
                self._began_ended = recorded if recorded.ended else None
                self._refresh()
                await self._work()
                return self._status()
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            said = f"the state folder {self._state.folder} can't be used: {what}{error.strerror or error}"
            raise RefusedError(said, final=True) from error

    async def _work(self) -> None:
        coroutines = (self._over(), self._engine.run(self._cluster), self._watch())
        tasks = [asyncio.create_task(each) for each in coroutines]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            self._cluster.kill()
            await to_the_end(self._end(tasks))
        for task in done:
            task.result()

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(tasks)
        await self._rest()

    def cancel(self) -> None:
        """Ask for the end of the run: what runs gets a signal, and jobs with always() go on."""
        run = self._status().run or 1
        self._state.change(self._name, lambda old: annotated(old, {CANCEL: str(run)}))
        self._refresh()

    # What the engine tells

    def changed(self, key: WorkflowKey, before: WorkflowStatus, after: WorkflowStatus) -> None:
        """Look whether it was the last change."""
        del key, before, after
        self._moved.set()

    def waited(self, key: WorkflowKey, seconds: float) -> None:
        """Do nothing: nobody measures it."""

    def created(self, key: WorkflowKey, create: Creation, seconds: float) -> None:
        """Do nothing: the status tells."""

    def deleted(self, key: WorkflowKey, delete: Removal) -> None:
        """Do nothing: the status tells."""

    def refused(self, key: WorkflowKey, node: NodeId, message: str) -> None:
        """Take note that the status tells."""
        del key, node
        self._refused.add(message)

    def failed(self, key: WorkflowKey, error: Exception, retry_in: float) -> None:
        """Pass on what a status can't tell; what isn't foreseen, as a disk that fails, ends the run."""
        if not isinstance(error, EngineError):
            self._broken = error
            self._moved.set()
        elif str(error) not in self._refused:
            self._failed(f"{key.name}: {type(error).__name__}: {error}; again in {retry_in:.1f}s")

    # Inside

    def _take(self, name: str) -> None:
        """Be the one who runs a Workflow: this one, or one that it has called."""
        document = self._state.read(name)
        if document is None:
            raise NotFoundError(f"there is no run {name} on this machine")
        if name in self._own:
            return
        if not self._owned.enter_context(self._state.own(name)):
            raise RefusedError(f"another process runs {name}", final=True)
        record = workflow_record(document)
        self._own[name] = record.resource.key
        self._engine.store.workflows.put((record.resource.key.namespace, name), record)

    def _is_asked_again(self) -> bool:
        record = self._engine.store.workflow(self._own[self._name])
        if record is None:
            return False
        resource = record.resource
        return resource.status.observed_generation != resource.generation or requested(resource) is not None

    def _status(self) -> WorkflowStatus:
        record = self._engine.store.workflow(self._own[self._name])
        if record is None:
            raise NotFoundError(f"the run {self._name} was deleted")
        return record.resource.status

    async def _over(self) -> None:
        while True:
            self._moved.clear()
            if self._broken is not None:
                raise self._broken
            if self._is_over():
                await self._rest()
                if self._is_over():
                    return
            await self._moved.wait()

    def _is_over(self) -> bool:
        if self._status() is self._began_ended or not _is_final(self._status()):
            return False
        records = (self._engine.store.workflow(key) for key in self._own.values())
        return all(_is_final(record.resource.status) for record in records if record is not None)

    async def _rest(self) -> None:
        while working := self._cluster.working:
            await asyncio.wait(working)
            # The callbacks of what has ended come after it.
            await asyncio.sleep(0)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_POLL)
            self._refresh()
            if self._others.left_something:
                await sweep(self._state, self._runtime)

    def _refresh(self) -> None:
        """Take note of what other processes have changed since."""
        version = self._state.version()
        if version == self._seen and not self._others.workflows:
            return
        store = self._engine.store
        for name, key in self._own.items():
            document = self._state.read(name)
            if document is None:
                store.workflows.drop((key.namespace, name), version)
                self._moved.set()
            else:
                store.workflows.put((key.namespace, name), workflow_record(document))
        self._others.look(self._own)
        self._seen = version

    def _held_elsewhere(self) -> set[Group]:
        self._refresh()
        return self._others.held()


def now() -> datetime:
    """Give the present moment."""
    return datetime.now(UTC)


def _is_final(status: WorkflowStatus) -> bool:
    return status.ended or status.phase is WorkflowPhase.INVALID
