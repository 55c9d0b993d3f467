from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from fairlead.engine.engine import Engine
from fairlead.engine.pace import Pace, Schedule
from fairlead.model.ids import WorkflowKey
from fairlead.model.phase import WorkflowPhase
from fairlead.model.status import WorkflowStatus
from fairlead.plan.admission import Limits
from tests.builders import KEY, a_run, a_spec, at, failed, pending, queued, running, succeeded
from tests.fakes import FakeCluster, FakeObserver, World, clock, passing, virtually

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = WorkflowStatus()
BEGUN = a_run().with_job("build", queued()).status()
WAITS = a_run().with_job("build", pending()).status()
WORKS = a_run().with_job("build", running()).status()

STATUSES: dict[str, tuple[WorkflowStatus, WorkflowStatus, float]] = {
    "the first one, of a run that has begun": (NOTHING, BEGUN, 5),
    "the first one, of a run that waits": (NOTHING, WAITS, 12),
    "the first one, of an edited spec": (NOTHING, a_run(generation=2).with_job("build", queued()).status(), 0),
    "the first one, in which a job has ended": (NOTHING, a_run().with_job("build", failed()).status(), 0),
    "the first one, which is the last": (NOTHING, a_run(WorkflowPhase.FAILED).status(), 0),
    "the first one, with a schedule": (NOTHING, a_run().but(scheduled_at=at(0)).status(), 0),
    "the first one, with the fence": (NOTHING, a_run().but(fence=1).status(), 0),
    "a job is made": (WAITS, BEGUN, 5),
    "a job starts": (BEGUN, WORKS, 5),
    "a job ends": (WORKS, a_run().with_job("build", succeeded()).status(), 0),
    "a job is tried again": (WORKS, a_run().with_job("build", queued(2)).status(), 0),
    "another run begins": (WORKS, a_run(run=2).with_job("build", queued()).status(), 0),
    "the run ends": (WORKS, a_run(WorkflowPhase.SUCCEEDED).with_job("build", succeeded()).status(), 0),
}


def others(count: int) -> Sequence[WorkflowKey]:
    """Name workflows that have something to tell, too."""
    return [WorkflowKey("team", f"other-{number}") for number in range(count)]


@pytest.mark.parametrize("name", STATUSES)
def test_what_nobody_waits_for_waits_with_others(name: str) -> None:
    """Behind a hundred others, starts wait for their turn, up to a limit; all else waits for nobody."""
    before, after, wait = STATUSES[name]
    schedule = Schedule(Pace(starts=8, at_once=5, begun=5, queued=60))
    for key in others(100):
        schedule.due(key, NOTHING, BEGUN, 7)
    assert schedule.due(KEY, before, after, 7) == 7 + wait


@pytest.mark.parametrize("name", STATUSES)
def test_one_alone_waits_for_nobody(name: str) -> None:
    """Where nothing else goes on, only a start waits, for the others of its own run."""
    before, after, _ = STATUSES[name]
    assert Schedule(Pace(patience=1)).due(KEY, before, after, 7) == 7 + (name in ("a job is made", "a job starts"))


def test_namespaces_dont_wait_for_each_other() -> None:
    """A crowd is told of later in its own namespace; thousands of namespaces are not remembered for ever."""
    schedule = Schedule(Pace(starts=8, at_once=5, begun=5, queued=60))
    for number in range(3000):
        for key in (WorkflowKey(f"n{number}", "one"), *others(1)):
            schedule.due(key, NOTHING, BEGUN, 7 + number)
    assert schedule.due(WorkflowKey("quiet", "ci"), NOTHING, BEGUN, 3007) == 3007


def test_what_is_called_is_waited_for() -> None:
    """The first status of a called workflow is written at once: its caller goes by it."""
    schedule = Schedule(Pace())
    for key in others(100):
        schedule.due(key, NOTHING, BEGUN, 7)
    assert schedule.due(KEY, NOTHING, BEGUN, 7, awaited=True) == 7


def test_what_begins_counts_from_then() -> None:
    """The time for which a run waited for its turn doesn't hurry the record of its start."""
    schedule = Schedule(Pace(starts=8, at_once=5, begun=5, queued=60))
    for key in others(200):
        schedule.due(key, NOTHING, BEGUN, 0)
    schedule.due(KEY, NOTHING, WAITS, 0)
    assert schedule.due(KEY, NOTHING, BEGUN, 9) == 14


class Crowd:
    """Workflows of one job each, on a cluster that takes up ten Jobs at a time and finishes each after a while."""

    def __init__(self, count: int) -> None:
        self.world = World(now=clock, behind=True)
        self.engine = Engine(clock=clock, observer=FakeObserver(), limits=Limits(unstarted=50))
        self.world.watch(self.engine.store)
        self.keys = others(count)

    async def run(self, *, lasting: float) -> Counter[str]:
        """Apply them all at once, and let them end; give what was written, by kind."""
        work = asyncio.create_task(self.engine.run(FakeCluster(self.world, self.engine.store)))
        try:
            for key in self.keys:
                self.world.apply(a_spec().job("build").document(), key)
            async with asyncio.timeout(600), asyncio.TaskGroup() as controllers:
                for _ in range(10):
                    controllers.create_task(self._work_off(lasting))
                while not all(self.world.status(key).ended for key in self.keys):
                    await passing(0.05)
                self.keys = []
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        return Counter(line.split()[0] for line in self.world.log) + Counter({"event": len(self.world.events)})

    async def _work_off(self, lasting: float) -> None:
        while self.keys:
            waiting = [name for name in self.world.jobs if (name[0], f"{name[1]}-pod") not in self.world.pods]
            if not waiting:
                await passing(0.05)
                continue
            namespace, name = waiting[0]
            self.world.take_up(name, namespace)
            await passing(0.2)
            self.world.start(name, namespace)
            await passing(lasting)
            self.world.finish(name, namespace=namespace)


@virtually
async def test_a_short_run_is_three_writes() -> None:
    """Of one workflow alone whose job ends soon are written the Job, that it runs, and how it ended; no Event."""
    assert await Crowd(1).run(lasting=0.5) == {"create": 1, "status": 2}


@virtually
async def test_a_long_run_is_a_write_more() -> None:
    """Where its job goes on for longer, that it has started is recorded, too."""
    assert await Crowd(1).run(lasting=5) == {"create": 1, "status": 3}


@virtually
async def test_many_short_runs_are_little_more_than_two_writes_each() -> None:
    """Of many that come at once nearly all are over before something else than their end is due."""
    written = await Crowd(300).run(lasting=0.5)
    assert (written["create"], written["event"], written["status"] <= 375) == (300, 0, True), written


@virtually
async def test_many_long_runs_are_told_of_in_time() -> None:
    """Of a crowd that works for long each one's start is recorded some seconds after it."""
    crowd = Crowd(10)
    await crowd.run(lasting=20)
    first = [crowd.world.statuses[key][0] for key in others(10)]
    assert {(each.phase, each.started_at) for each in first} == {(WorkflowPhase.RUNNING, at(0))}


@virtually
async def test_a_run_began_when_it_was_first_seen() -> None:
    """However late its first status is written, it says since when the run goes on."""
    crowd = Crowd(300)
    await crowd.run(lasting=0.5)
    last = [crowd.world.status(key) for key in others(300)]
    assert {each.started_at for each in last} == {at(0)}
    assert max(len(crowd.world.statuses[key]) for key in others(300)) <= 3
