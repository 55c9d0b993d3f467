from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairlead.engine.engine import Engine
from fairlead.engine.errors import RefusedError, UnavailableError
from fairlead.engine.keeper import Keeper, Ownership
from fairlead.engine.shards import Holder, Roster
from fairlead.model.ids import WorkflowKey
from tests.builders import KEY
from tests.engine.leases import ONLY, FakeLeases, LeaseServer
from tests.fakes import FakeObserver, clock, passing, virtually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMESPACES = [f"team-{number}" for number in range(20)]


@dataclass(slots=True)
class Replica:
    """One replica, with an engine that has nothing to do. Reading everything takes `reading` seconds."""

    server: LeaseServer
    name: str = "a"
    shards: int = 1
    process: str = "1"
    reading: float = 0.1
    leases: FakeLeases = field(init=False)
    roster: Roster = field(init=False)
    observer: FakeObserver = field(default_factory=FakeObserver)
    keeper: Keeper = field(init=False)
    _run: asyncio.Task[None] = field(init=False)

    def __post_init__(self) -> None:
        """Put it together, and start it."""
        self.leases = FakeLeases(self.server)
        self.roster = Roster(Holder(self.name, self.process), self.shards)
        engine = Engine(clock=clock, observer=self.observer, owns=Ownership(self.roster))
        self.keeper = Keeper(
            leases=self.leases,
            roster=self.roster,
            engine=engine,
            refresh=self._refresh,
            wall=clock,
            observer=self.observer,
        )
        self._run = asyncio.create_task(self.keeper.run())

    async def _refresh(self) -> int:
        await asyncio.sleep(self.reading)
        return self.server.version

    async def die(self) -> None:
        """End as a killed process does."""
        self._run.cancel()
        await asyncio.gather(self._run, return_exceptions=True)

    @property
    def acts(self) -> bool:
        """Whether it works on what there is."""
        return Ownership(self.roster)(KEY)

    @property
    def part(self) -> set[str]:
        """The namespaces that it works on."""
        owns = Ownership(self.roster)
        return {name for name in NAMESPACES if owns(WorkflowKey(name, "ci"))}


async def seconds_until_acting(replica: Replica) -> float:
    """Wait until a replica works; give how long that took, to a tenth."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not replica.acts:
        await passing(0.05)
        assert loop.time() < start + 60, replica.observer.heard
    return round(loop.time() - start, 1)


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Replica, Replica]]:
    """Have one that works, and one that waits."""
    server = LeaseServer()
    first = Replica(server)
    await seconds_until_acting(first)
    second = Replica(server, "b")
    await passing(5)
    try:
        yield first, second
    finally:
        await first.die()
        await second.die()


@virtually
async def test_one_works_and_one_waits() -> None:
    """The first takes the Lease and works once it has read everything; the second only watches, and writes nothing."""
    async with two() as (first, second):
        await passing(60)
        assert (first.acts, second.acts, second.leases.writes) == (True, False, 0)
        assert (first.observer.heard, second.observer.heard) == (["lease 0 of 1 taken", "lease 0 of 1 taken up"], [])
        assert 20 < first.leases.writes < 25


@virtually
async def test_a_clean_end_hands_over_at_once() -> None:
    """Who ends in good order leaves its Lease, and the other one works in no time."""
    async with two() as (first, second):
        await first.keeper.end()
        assert (first.acts, await seconds_until_acting(second) < 0.3) == (False, True)
        assert first.observer.heard[2:] == ["lease 0 of 1 left"]
        assert first.server.leases[ONLY].transitions == 1


@virtually
async def test_a_death_is_noticed() -> None:
    """Ten seconds after the last renewal that was seen, the other one takes over."""
    async with two() as (first, second):
        await first.die()
        assert 7 <= await seconds_until_acting(second) <= 10.3


@virtually
async def test_a_restart_needs_no_patience() -> None:
    """Another process of the same replica goes on at once."""
    async with two() as (first, second):
        await first.die()
        again = Replica(first.server, process="2")
        took = await seconds_until_acting(again)
        await passing(30)
        assert (took < 0.3, again.acts, second.acts) == (True, True, False)
        await again.die()


@virtually
async def test_without_an_api_server_it_stops_in_time() -> None:
    """Whoever can't renew stops before others may begin, and works on when the API server is back."""
    replica = Replica(LeaseServer())
    await seconds_until_acting(replica)
    acted = []
    for trouble in (UnavailableError("connection refused"), RefusedError("forbidden", final=False)):
        replica.leases.trouble = trouble
        for seconds in (5, 3.5):
            await passing(seconds)
            acted.append(replica.acts)
        replica.leases.trouble = None
        await seconds_until_acting(replica)
    assert acted == [True, False] * 2
    assert "lease 0 of 1 lost" in replica.observer.heard
    assert "leases: UnavailableError connection refused" in replica.observer.heard
    await replica.die()


@virtually
async def test_an_api_server_that_hangs() -> None:
    """No answer is no renewal; there is never a moment in which both work."""
    async with two() as (first, second):
        first.leases.hangs = True
        both = 0
        for _ in range(400):
            await passing(0.05)
            both += first.acts and second.acts
        assert (both, first.acts, second.acts) == (0, False, True)
        first.leases.hangs = False
        await passing(20)
        assert (first.acts, second.acts) == (False, True)


@virtually
async def test_a_watch_that_hangs() -> None:
    """Who hears nothing takes nothing from anybody: the write conflicts, and then all is read anew."""
    async with two() as (first, second):
        second.leases.deaf = True
        await passing(40)
        assert (first.acts, second.acts, second.leases.writes > 0) == (True, False, True)


@virtually
async def test_an_answer_that_is_lost() -> None:
    """A Lease that was taken without anybody hearing of it is found to be one's own."""
    server = LeaseServer()
    replica = Replica(server)
    replica.leases.unheard = True
    await passing(0.5)
    replica.leases.unheard = False
    assert (server.leases[ONLY].holder, replica.acts) == ("a_1", False)
    assert await seconds_until_acting(replica) < 2
    await replica.die()


@virtually
async def test_lost_while_reading() -> None:
    """Who loses the Lease before everything is read doesn't begin to work."""
    server = LeaseServer()
    slow = Replica(server, reading=30)
    await passing(1)
    server.delete(ONLY)
    other = Replica(server, "b")
    took = await seconds_until_acting(other) if not slow.roster.held() else 0.0
    await passing(60)
    assert (slow.acts and other.acts, slow.acts or other.acts, took < 60) == (False, True, True)
    await slow.die()
    await other.die()


@virtually
async def test_shards_are_shared() -> None:
    """Each namespace has exactly one worker: at last, and with never two on the way."""
    server = LeaseServer()
    replicas = [Replica(server, shards=4)]
    await passing(5)
    alone = replicas[0].part
    replicas.append(Replica(server, "b", shards=4))
    for _ in range(600):
        await passing(0.05)
        assert not replicas[0].part & replicas[1].part
    assert (alone, replicas[0].part | replicas[1].part) == (set(NAMESPACES), set(NAMESPACES))
    assert [len(replica.roster.acting()) for replica in replicas] == [2, 2]
    for replica in replicas:
        await replica.die()


@virtually
async def test_another_number_of_shards() -> None:
    """A rolling upgrade changes it: the new ones wait until the last of the old ones has left; never do both work."""
    server = LeaseServer()
    old = [Replica(server, "a"), Replica(server, "b")]
    await passing(5)
    new = [Replica(server, "c", shards=4), Replica(server, "d", shards=4)]
    await passing(5)
    waiting = [replica.part for replica in new]
    for replica in old:
        await replica.keeper.end()
        await replica.die()
        for _ in range(40):
            await passing(0.05)
            assert not (old[0].part | old[1].part) & (new[0].part | new[1].part)
    await passing(20)
    assert (waiting, new[0].part | new[1].part) == ([set(), set()], set(NAMESPACES))
    assert [len(replica.roster.acting()) for replica in new] == [2, 2]
    for replica in new:
        await replica.die()
