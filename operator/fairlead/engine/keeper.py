"""Keeps this replica's Leases: takes, renews and leaves them, and has the engine take up and let go what follows."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from fairlead.engine.errors import ConflictError, EngineError, UnavailableError
from fairlead.engine.shards import Act, LeaseId, in_shard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from fairlead.engine.engine import Engine
    from fairlead.engine.shards import Lease, Move, Roster
    from fairlead.model.ids import WorkflowKey

SETTLING = 2.0
"""Seconds that writes in flight are given to be answered, before a Lease is left all the same."""

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 2.0
_TRIES = 3


class Leases(Protocol):
    """Where Leases are kept. Each method may raise UnavailableError, and RefusedError where it isn't allowed."""

    async def list(self) -> tuple[list[Lease], int]:
        """Give all of them, of every layout, and the version of the whole."""

    def watch(self, version: int) -> AsyncIterator[Lease | tuple[LeaseId, int]]:
        """Tell what changes from a version on: a Lease, or one that was deleted at a version.

        Ends where the connection does; raises ConflictError where the version is too old.
        """

    async def write(self, lease: Lease) -> Lease:
        """Create it (version 0), or replace exactly that version. Raises ConflictError."""


class LeaseObserver(Protocol):
    """Who is told what becomes of Leases."""

    def lease_moved(self, lease_id: LeaseId, what: str) -> None:
        """Hear that one was taken, taken up, left or lost."""

    def lease_trouble(self, error: Exception) -> None:
        """Hear that Leases can't be read or written."""


class Keeper:
    """One replica's part in the work.

    `refresh` reads anew what the cluster holds, until that succeeds, and gives the version of the Workflows. `wall`
    is the time of day.
    """

    def __init__(
        self,
        *,
        leases: Leases,
        roster: Roster,
        engine: Engine,
        refresh: Callable[[], Awaitable[int]],
        wall: Callable[[], datetime],
        observer: LeaseObserver,
    ) -> None:
        self._leases = leases
        self._roster = roster
        self._engine = engine
        self._refresh = refresh
        self._wall = wall
        self._observer = observer
        self._parts = asyncio.TaskGroup()
        self._changed = asyncio.Event()
        self._stale = asyncio.Event()
        self._taking: dict[LeaseId, asyncio.Task[None]] = {}
        self._leaving: dict[LeaseId, asyncio.Task[None]] = {}
        self._taken_up: set[LeaseId] = set()
        self._ending = False

    async def run(self) -> None:
        """Take part until cancelled. Raises what nobody foresaw."""
        async with self._parts:
            self._parts.create_task(self._follow())
            self._parts.create_task(self._steer())

    async def end(self) -> None:
        """Stop acting at once, let what is in flight be answered, and leave all Leases to the others."""
        self._ending = True
        self._changed.set()
        for lease_id in self._roster.held():
            self._begin_to_leave(lease_id)
        await asyncio.gather(*self._leaving.values(), return_exceptions=True)

    # What the others do

    async def _follow(self) -> None:
        """Keep the roster like the Leases: list, then watch, and list again after any trouble."""
        pause = _FIRST_PAUSE
        while True:
            try:
                self._stale.clear()
                await self._hear(await self._list())
                pause = _FIRST_PAUSE
            except ConflictError:
                pause = _FIRST_PAUSE
            except EngineError as error:
                self._observer.lease_trouble(error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _hear(self, version: int) -> None:
        """Watch, until the connection ends, or a conflict shows that it lags behind."""
        watching = asyncio.ensure_future(self._watch(version))
        doubting = asyncio.ensure_future(self._stale.wait())
        try:
            await asyncio.wait((watching, doubting), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            watching.cancel()
            doubting.cancel()
            await asyncio.gather(watching, doubting, return_exceptions=True)

    async def _watch(self, version: int) -> None:
        async for found in self._leases.watch(version):
            if isinstance(found, tuple):
                self._roster.see_gone(*found)
            else:
                self._roster.see(found, _now())
            self._changed.set()

    async def _list(self) -> int:
        async with _at_most(self._roster.pace.timeout):
            found, version = await self._leases.list()
        self._roster.see_all(found, version, _now())
        self._changed.set()
        return version

    # What this one does

    async def _steer(self) -> None:
        while not self._ending:
            self._changed.clear()
            self._note_lost()
            await asyncio.gather(*map(self._carry_out, self._roster.moves(_now(), self._wall())))
            self._note_lost()
            pause = self._roster.next_look(_now()) - _now()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    def _note_lost(self) -> None:
        """Have the engine let go what fell to Leases that others hold now, or may."""
        self._roster.expire(_now())
        held = self._roster.held()
        for lease_id, task in self._taking.items():
            if lease_id not in held:
                task.cancel()
        for lease_id in self._taken_up.difference(held):
            self._let_go(lease_id)
            self._observer.lease_moved(lease_id, "lost")

    async def _carry_out(self, move: Move) -> None:
        if move.act is Act.LEAVE:
            self._begin_to_leave(move.lease.id)
        elif await self._write(move) and move.act is Act.TAKE:
            self._observer.lease_moved(move.lease.id, "taken")
            self._begin_to_take_up(move.lease.id)

    async def _write(self, move: Move) -> bool:
        """Write a Lease; tell whether it was certainly written."""
        began = _now()
        try:
            async with _at_most(self._roster.pace.timeout):
                written = await self._leases.write(move.lease)
        except EngineError as error:
            self._roster.failed(move, _now())
            if isinstance(error, ConflictError):
                # Somebody was faster. That it wasn't known may be because the watch hangs.
                self._stale.set()
            else:
                self._observer.lease_trouble(error)
            return False
        self._roster.written(move, written, began, _now())
        return True

    # Taking up

    def _begin_to_take_up(self, lease_id: LeaseId) -> None:
        if (before := self._taking.get(lease_id)) is not None:
            before.cancel()
        self._taking[lease_id] = self._parts.create_task(self._take_up(lease_id))

    async def _take_up(self, lease_id: LeaseId) -> None:
        """Act on a Lease, as soon as nobody else does, and all is read that the one before may have left."""
        await self._wait_until_uncontested()
        version = await self._refresh()
        if lease_id not in self._roster.held() or self._ending:
            return
        clean = self._roster.clean(lease_id)
        # Nothing is awaited between these: what is admitted rests on what was filed.
        self._roster.act_on(lease_id)
        self._engine.take_up(lambda key: in_shard(lease_id, key), version if clean is None else clean)
        self._taken_up.add(lease_id)
        self._observer.lease_moved(lease_id, "taken up")

    async def _wait_until_uncontested(self) -> None:
        while True:
            try:
                await self._list()
            except EngineError as error:
                self._observer.lease_trouble(error)
            else:
                if not self._roster.contested(_now()):
                    return
            await asyncio.sleep(self._roster.pace.retry)

    # Leaving

    def _begin_to_leave(self, lease_id: LeaseId) -> None:
        known = self._leaving.get(lease_id)
        if known is None or known.done():
            self._leaving[lease_id] = self._parts.create_task(self._leave(lease_id))

    async def _leave(self, lease_id: LeaseId) -> None:
        self._roster.leave(lease_id)
        fence = self._roster.clean(lease_id)
        if lease_id in self._taken_up:
            # What may still be carried out is known only once all that was sent is answered.
            fence = await self._engine.settle(lambda key: in_shard(lease_id, key), SETTLING)
            self._let_go(lease_id)
        for _ in range(_TRIES):
            move = self._roster.left(lease_id, fence, self._wall())
            if move is None or await self._write(move):
                break
            with suppress(EngineError):
                # Perhaps somebody has asked for it meanwhile.
                await self._list()
        self._observer.lease_moved(lease_id, "left")

    def _let_go(self, lease_id: LeaseId) -> None:
        self._taken_up.discard(lease_id)
        self._engine.let_go(lambda key: in_shard(lease_id, key))


class Ownership:
    """Tells whether a workflow is this replica's to write to. Asked right before each write."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def __call__(self, key: WorkflowKey) -> bool:
        """Tell it for this very moment."""
        return self._roster.acts_on(key.namespace, _now())


@asynccontextmanager
async def _at_most(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise UnavailableError(f"no answer about Leases within {seconds:g} s") from error


def _now() -> float:
    return asyncio.get_running_loop().time()
