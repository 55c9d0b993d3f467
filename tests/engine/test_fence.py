from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.engine import Engine
from fairlead.engine.errors import ConflictError, UnavailableError
from fairlead.engine.fence import Fence, may_ask
from fairlead.engine.records import WorkflowRecord
from fairlead.model.ids import JobId, RunNumber, Uid, WorkflowKey
from fairlead.model.phase import WorkflowPhase
from fairlead.model.status import AdmissionStatus, WorkflowStatus
from fairlead.plan import Resource
from fairlead.plan.admission import Limits
from fairlead.plan.runs import RERUN
from tests.builders import NOW
from tests.fakes import FakeCluster, FakeObserver, World, clock, passing, virtually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FIRST, SECOND, THIRD = (WorkflowKey("team", name) for name in ("first", "second", "third"))
JOBS = {"one": {"image": "busybox", "commands": ["true"]}}


def in_group(**fields: object) -> dict[str, Any]:
    """Give a spec whose run has a concurrency group."""
    return {"concurrency": {"group": "deploy"}, "jobs": JOBS, **fields}


def everything(_: WorkflowKey) -> bool:
    """Have all of it."""
    return True


@dataclass(slots=True)
class Withholding(FakeCluster):
    """A cluster to which a status that admits a run is sent, but where it doesn't arrive."""

    sent: list[tuple[WorkflowRecord, WorkflowStatus]] = field(default_factory=list)

    async def write_status(self, record: WorkflowRecord, status: WorkflowStatus) -> None:
        """Let it hang, where it admits."""
        if status.admission is not None and status.admission.admitted:
            self.sent.append((record, status))
            await asyncio.Event().wait()
        await FakeCluster.write_status(self, record, status)


def engine_on(world: World, limits: Limits | None = None) -> Engine:
    """Give an engine that knows all there is."""
    engine = Engine(clock=clock, observer=FakeObserver(), limits=limits)
    world.watch(engine.store)
    return engine


@asynccontextmanager
async def working(engine: Engine, cluster: FakeCluster) -> AsyncIterator[None]:
    """Let an engine work for a while."""
    work = asyncio.create_task(engine.run(cluster))
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def half_admitted(world: World) -> Withholding:
    """Have an engine die with the admission of the first workflow on its way."""
    world.apply(in_group(), FIRST)
    before = engine_on(world)
    cluster = Withholding(world, before.store)
    async with working(before, cluster):
        await passing(1)
    world.unwatch()
    return cluster


@pytest.mark.parametrize("fenced", [True, False])
@virtually
async def test_a_status_that_arrives_late(fenced: bool) -> None:  # noqa: FBT001  a parameter of the test
    """What the one before has sent can't be carried out once another workflow is admitted; without a fence it is."""
    world = World(now=clock)
    late = await half_admitted(world)
    engine = engine_on(world)
    cluster = FakeCluster(world, engine.store)
    engine.take_up(everything, world.version if fenced else 0)
    world.apply(in_group(priority=10), SECOND)
    for key in (SECOND, FIRST, SECOND):
        await engine.look(cluster, key)
        await passing(0.2)
        await engine.look(cluster, key)
        if key == SECOND:
            # It arrives at the worst moment.
            with suppress(ConflictError):
                if (admission := world.status(SECOND).admission) is not None and admission.admitted:
                    world.put_status(*late.sent[0])
    admitted = [key.name for key in (FIRST, SECOND) if (found := world.status(key).admission) and found.admitted]
    assert (admitted, world.status(FIRST).fence, world.status(SECOND).fence) == (
        (["second"], 1, 0) if fenced else (["first", "second"], 0, 0)
    )


@virtually
async def test_they_go_one_after_the_other() -> None:
    """Those that the one before may have admitted are written to, if only to say that they wait; then all goes on."""
    world = World(now=clock)
    late = await half_admitted(world)
    for key in (SECOND, THIRD):
        world.apply(in_group(), key)
    other = WorkflowKey("elsewhere", "alone")
    world.apply(in_group(), other)
    world.apply({"jobs": JOBS}, WorkflowKey("team", "free"))
    engine = engine_on(world)
    engine.take_up(everything, world.version)
    holders = []
    async with working(engine, FakeCluster(world, engine.store)):
        for _ in range(4):
            await passing(2)
            with suppress(ConflictError):
                world.put_status(*late.sent[0])
            holders.append([job.workflow.name for job in world.jobs.values() if job.job.group or job.job.run_group])
            for namespace, name in tuple(world.jobs):
                world.finish(name, namespace=namespace)
    assert [name for name in holders[0] if name != "alone"] == ["first"]
    assert [world.status(key).phase for key in (FIRST, SECOND, THIRD, other)] == [WorkflowPhase.SUCCEEDED] * 4
    assert [world.status(key).fence for key in (FIRST, SECOND, THIRD, other)] == [0, 1, 1, 0]


@virtually
async def test_who_is_alone_goes_at_once() -> None:
    """Nobody else asks, so its own admission is all that is written."""
    world = World(now=clock)
    late = await half_admitted(world)
    engine = engine_on(world)
    engine.take_up(everything, world.version)
    async with working(engine, FakeCluster(world, engine.store)):
        await passing(2)
    with pytest.raises(ConflictError):
        world.put_status(*late.sent[0])
    assert (world.status(FIRST).fence, [each.admission is not None for each in world.statuses[FIRST]]) == (
        0,
        [True, True],
    )


@virtually
async def test_what_is_carried_on() -> None:
    """Who stops tells over which version something may still be written: of what wasn't answered, or is unsure."""
    world = World(now=clock)
    world.apply(in_group(), FIRST)
    engine = engine_on(world)
    cluster = FakeCluster(world, engine.store)
    nothing = await engine.settle(everything, 1)
    cluster.busy = UnavailableError("timeout")
    with pytest.raises(UnavailableError):
        await engine.look(cluster, FIRST)
    unheard = await engine.settle(everything, 1)
    cluster.busy = None
    await engine.look(cluster, FIRST)
    heard = await engine.settle(everything, 1)
    world.apply(in_group(), SECOND)
    engine.take_up(everything, world.version)
    unsure = await engine.settle(everything, 1)
    engine.let_go(everything)
    assert (nothing, unheard, heard, unsure, await engine.settle(everything, 1)) == (
        0,
        101,
        0,
        world.workflow(SECOND).version,
        0,
    )


@virtually
async def test_what_is_never_answered() -> None:
    """Who stops waits for what it has sent, but not for ever; then nothing is known."""
    world = World(now=clock)
    world.apply(in_group(), FIRST)
    engine = engine_on(world)
    async with working(engine, Withholding(world, engine.store)):
        await passing(1)
        began = asyncio.get_running_loop().time()
        settled = await engine.settle(everything, 2)
        others = await engine.settle(lambda key: key != FIRST, 2)
        assert (settled, others, asyncio.get_running_loop().time() - began) == (None, 0, 2)


@virtually
async def test_what_is_answered_in_time() -> None:
    """The end of the look is waited for, and no longer."""
    world = World(now=clock)
    world.apply({"jobs": JOBS}, FIRST)
    engine = engine_on(world)
    async with working(engine, FakeCluster(world, engine.store, slowness=1.5)):
        await passing(1)
        began = asyncio.get_running_loop().time()
        assert (await engine.settle(everything, 5), asyncio.get_running_loop().time() - began < 2) == (0, True)


def test_fields() -> None:
    """Namespaces don't concern each other, unless all Workflows are limited together."""
    elsewhere = WorkflowKey("elsewhere", "ci")
    found = []
    for limits in (Limits(), Limits(workflows=3)):
        fence = Fence(limits)
        fence.set_up([record_of(FIRST, in_group(), version=5), record_of(SECOND, in_group(), version=9)], 7)
        found.append([fence.before(key) for key in (FIRST, SECOND, elsewhere)])
    assert found == [[set(), {FIRST}, set()], [set(), {FIRST}, {FIRST}]]


def test_who_waits_is_told() -> None:
    """As soon as nobody is left to be waited for; that a workflow has the version that it had is no news."""
    fence = Fence(Limits())
    fence.set_up([record_of(key, in_group(), version=5) for key in (FIRST, SECOND)], 7)
    fence.before(THIRD)
    told = [fence.see(FIRST, 5), fence.see(FIRST, 8), fence.see(FIRST, 9)]
    before = fence.before(SECOND), fence.before(THIRD)
    moving = fence.has_to_move(SECOND), fence.has_to_move(FIRST)
    assert before == (set(), {SECOND})
    assert (told, moving, fence.see(SECOND, None), bool(fence)) == (
        [set(), {THIRD}, set()],
        (True, False),
        {THIRD},
        False,
    )


def record_of(
    key: WorkflowKey, spec: dict[str, Any], status: WorkflowStatus | None = None, *, version: int = 1
) -> WorkflowRecord:
    """Give a Workflow, as it was read."""
    status = status or WorkflowStatus()
    return WorkflowRecord(Resource(key, Uid("uid"), 1, status), spec, {}, version)


def going(phase: WorkflowPhase = WorkflowPhase.RUNNING, *, admitted: bool | None = None) -> WorkflowStatus:
    """Give a status of the spec's generation."""
    admission = None if admitted is None else AdmissionStatus(since=NOW, admitted=admitted)
    return WorkflowStatus(observed_generation=1, run=RunNumber(1), phase=phase, admission=admission)


BY_JOB: dict[str, Any] = {"jobs": {JobId("one"): {**JOBS["one"], "concurrency": {"group": "x"}}}}


@pytest.mark.parametrize(
    ("spec", "status", "limited", "asks"),
    [
        ({"jobs": JOBS}, WorkflowStatus(), False, False),
        ({"jobs": JOBS}, WorkflowStatus(), True, True),
        (in_group(), WorkflowStatus(), False, True),
        (in_group(), going(admitted=False), False, True),
        (in_group(), going(admitted=True), False, False),
        (in_group(), going(WorkflowPhase.SUCCEEDED, admitted=True), False, False),
        (in_group(schedules=[{"cron": "0 0 * * *"}]), going(WorkflowPhase.SUCCEEDED), False, True),
        (in_group(), going(admitted=True).model_copy(update={"observed_generation": 0}), False, True),
        (BY_JOB, going(), False, True),
        (BY_JOB, going(WorkflowPhase.FAILED), False, False),
        ({"jobs": "none"}, WorkflowStatus(), False, False),
    ],
)
def test_who_may_ask(spec: dict[str, Any], status: WorkflowStatus, limited: bool, asks: bool) -> None:  # noqa: FBT001
    """Whoever has a group, or is limited, and isn't admitted yet, or may begin another run."""
    assert may_ask(record_of(FIRST, spec, status), limited=limited) is asks


def test_who_may_ask_for_a_rerun() -> None:
    """A request for another run of one that has ended asks, too."""
    record = record_of(FIRST, in_group(), going(WorkflowPhase.FAILED, admitted=True))
    again = replace(record, resource=replace(record.resource, annotations={RERUN: "1"}))
    assert (may_ask(record, limited=False), may_ask(again, limited=False)) == (False, True)
