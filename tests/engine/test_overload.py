from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fairlead.engine.engine import Engine
from fairlead.engine.errors import OverloadedError
from fairlead.model.ids import JobId, WorkflowKey
from fairlead.plan.admission import Limits
from fairlead.plan.neighbours import UNSTARTED_REACHED
from tests.builders import a_spec
from tests.engine.test_engine import Stage, working
from tests.fakes import FakeCluster, clock, passing, virtually

if TYPE_CHECKING:
    from fairlead.plan import Creation

BUSY = [WorkflowKey("busy", f"w{index}") for index in range(5)]
QUIET = WorkflowKey("quiet", "w")


def staged(limits: Limits) -> Stage:
    """Give an engine with limits."""
    stage = Stage()
    stage.engine = Engine(clock=clock, observer=stage.observer, limits=limits)
    stage.cluster = FakeCluster(stage.world, stage.engine.store)
    stage.world.watch(stage.engine.store)
    return stage


def made(stage: Stage) -> list[str]:
    """Name the workflows whose Jobs were made, in that order."""
    return [str(record.workflow) for record in stage.world.jobs.values()]


@virtually
async def test_no_flood_of_jobs() -> None:
    """No more Jobs are made than the cluster takes up; each that starts lets the next go, a quiet namespace's first."""
    async with working(staged(Limits(unstarted=2))) as stage:
        stage.world.behind = True
        for key in BUSY:
            stage.world.apply(a_spec().job("a").document(), key)
        await passing(5)
        first = made(stage)
        waiting = stage.world.status(BUSY[4]).jobs[JobId("a")]
        stage.world.apply(a_spec().job("a").document(), QUIET)
        await passing(5)
        found = [made(stage)[2:]]
        for key in (*BUSY[:2], QUIET, *BUSY[2:]):
            stage.world.take_up(stage.name("a", key), key.namespace)
            await passing(5)
            found.append(made(stage)[2:])
        waits = (stage.engine.unstarted, stage.engine.waiting)
    assert (first, found, waits) == (
        ["busy/w0", "busy/w1"],
        [
            [],
            ["quiet/w"],
            ["quiet/w", "busy/w2"],
            ["quiet/w", "busy/w2", "busy/w3"],
            *[["quiet/w", "busy/w2", "busy/w3", "busy/w4"]] * 3,
        ],
        (0, 0),
    )
    assert (str(waiting.phase), str(waiting.reason), waiting.message) == ("Queued", "WaitingForRoom", UNSTARTED_REACHED)


@virtually
async def test_what_is_never_taken_up() -> None:
    """A workflow that is deleted before its Job was taken up lets the next one go."""
    async with working(staged(Limits(unstarted=1))) as stage:
        stage.world.behind = True
        for key in BUSY[:2]:
            stage.world.apply(a_spec().job("a").document(), key)
        await passing(5)
        first = made(stage)
        stage.world.remove(BUSY[0])
        await passing(5)
        second = made(stage)
    assert (first, "busy/w1" in second) == (["busy/w0"], True)


@virtually
async def test_everybody_pauses() -> None:
    """When the API server is too busy for one, nobody asks it for anything until the moment that it named."""
    async with working(staged(Limits())) as stage:
        asked: list[float] = []

        def busy(_: Creation) -> None:
            now = asyncio.get_running_loop().time()
            asked.append(now)
            if now < 7:
                raise OverloadedError("too many requests (HTTP 429)", 7 - now)

        stage.world.check = busy
        stage.world.apply(a_spec().job("a").job("b").document(), QUIET)
        await passing(1)
        for key in BUSY:
            stage.world.apply(a_spec().job("a").document(), key)
        await passing(5)
        before = len(asked)
        await passing(60)
    assert (before, min(asked[before:]) >= 7, len(stage.world.jobs)) == (1, True, 7)
