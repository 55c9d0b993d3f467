"""Leases as an API server keeps them, without one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fairlead.engine.errors import ConflictError, EngineError, UnavailableError
from fairlead.engine.shards import Holder, LeaseId, LeasePace, Roster, Shard
from tests.builders import at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairlead.engine.shards import Lease, Move

ONLY = LeaseId(1, Shard(0))


@dataclass(slots=True)
class LeaseServer:
    """What is written, with versions, and who is told of it."""

    version: int = 100
    leases: dict[LeaseId, Lease] = field(default_factory=dict)
    queues: list[asyncio.Queue[Lease | tuple[LeaseId, int]]] = field(default_factory=list)

    def write(self, lease: Lease) -> Lease:
        """Keep one, over exactly the version that it names. Raises ConflictError."""
        known = self.leases.get(lease.id)
        if (known.version if known is not None else 0) != lease.version:
            raise ConflictError("it has changed")
        self.version += 1
        written = self.leases[lease.id] = replace(lease, version=self.version)
        for queue in self.queues:
            queue.put_nowait(written)
        return written

    def delete(self, lease_id: LeaseId) -> None:
        """Delete one, as somebody might."""
        del self.leases[lease_id]
        self.version += 1
        for queue in self.queues:
            queue.put_nowait((lease_id, self.version))


@dataclass(slots=True)
class FakeLeases:
    """Implements `engine.keeper.Leases`. While `trouble` is set, it is raised; while `hangs`, nothing is answered."""

    server: LeaseServer
    trouble: EngineError | None = None
    hangs: bool = False
    deaf: bool = False
    unheard: bool = False
    writes: int = 0

    async def list(self) -> tuple[list[Lease], int]:
        """Give all."""
        await self._begin()
        return list(self.server.leases.values()), self.server.version

    async def watch(self, version: int) -> AsyncIterator[Lease | tuple[LeaseId, int]]:
        """Tell of all that is written from now on; nothing while it is `deaf`."""
        assert version == self.server.version, "the fake keeps no past"
        queue: asyncio.Queue[Lease | tuple[LeaseId, int]] = asyncio.Queue()
        self.server.queues.append(queue)
        try:
            while True:
                found = await queue.get()
                if not self.deaf:
                    yield found
        finally:
            self.server.queues.remove(queue)

    async def write(self, lease: Lease) -> Lease:
        """Write one; where it is `unheard`, no answer comes."""
        await self._begin()
        self.writes += 1
        written = self.server.write(lease)
        if self.unheard:
            raise UnavailableError("connection reset")
        return written

    async def _begin(self) -> None:
        await asyncio.sleep(0.01)
        if self.hangs:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble


@dataclass(slots=True)
class Replica:
    """A roster that is brought along by hand, with a server that answers at once."""

    server: LeaseServer
    name: str = "a"
    shards: int = 1
    process: str = "1"
    roster: Roster = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing known."""
        self.roster = Roster(Holder(self.name, self.process), self.shards, LeasePace())

    def read(self, now: float) -> None:
        """List."""
        self.roster.see_all(self.server.leases.values(), self.server.version, now)

    def moves(self, now: float) -> list[Move]:
        """Tell what it would do."""
        return self.roster.moves(now, at(now))

    def step(self, now: float) -> list[str]:
        """Read, then do what is to be done, and act on what was taken; gives what was done."""
        self.read(now)
        self.roster.expire(now)
        done: list[str] = []
        for move in self.moves(now):
            done.append(f"{move.act.name} {move.lease.id.shard}")
            if move.act.name == "LEAVE":
                self.leave(move.lease.id, now)
                continue
            self.roster.written(move, self.server.write(move.lease), now, now)
            if move.act.name == "TAKE":
                self.read(now)
                if not self.roster.contested(now):
                    self.roster.act_on(move.lease.id)
        return done

    def leave(self, lease_id: LeaseId, now: float, fence: int | None = 0) -> None:
        """Let a Lease go."""
        self.roster.leave(lease_id)
        move = self.roster.left(lease_id, fence, at(now))
        assert move is not None
        self.roster.written(move, self.server.write(move.lease), now, now)
