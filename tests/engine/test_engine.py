from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from fairlead.engine.engine import Engine
from fairlead.engine.errors import NotOwnedError, RefusedError, UnavailableError
from fairlead.engine.pace import Pace
from fairlead.model.ids import JobId, WorkflowKey
from fairlead.model.phase import JobPhase, WorkflowPhase
from fairlead.plan import Policy
from fairlead.plan.runs import CANCEL
from tests.builders import KEY, a_spec, chain, reported
from tests.fakes import FakeCluster, FakeObserver, Fault, Kind, World, clock, passing, virtually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from fairlead.engine.records import WorkflowRecord
    from fairlead.plan import CreateJob


BUILD = JobId("build")


class Stage:
    """An engine that works on a fake cluster, in virtual time."""

    def __init__(self, pace: Pace | None = None, faults: Mapping[int, Fault] | None = None) -> None:
        self.world = World(now=clock)
        self.observer = FakeObserver()
        self.engine = Engine(clock=clock, observer=self.observer, policy=Policy(restarts=2), pace=pace)
        self.cluster = FakeCluster(self.world, self.engine.store, faults or {})
        self.world.watch(self.engine.store)

    def name(self, job: str, key: WorkflowKey = KEY) -> str:
        """Give the name of a job's newest Kubernetes Job."""
        return [
            name
            for (namespace, name), record in self.world.jobs.items()
            if (namespace, record.job.node.job, record.workflow) == (key.namespace, job, key)
        ][-1]

    def phases(self, key: WorkflowKey = KEY) -> tuple[WorkflowPhase | None, dict[str, str]]:
        """Give the recorded phases."""
        status = self.world.status(key)
        return status.phase, {str(job_id): str(state.phase) for job_id, state in status.jobs.items()}


@asynccontextmanager
async def working(stage: Stage) -> AsyncIterator[Stage]:
    """Let the engine work, until the end of the test."""
    work = asyncio.create_task(stage.engine.run(stage.cluster))
    try:
        yield stage
        assert not work.done(), work.exception()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


@virtually
async def test_a_run() -> None:
    """A workflow runs to its end: Jobs before statuses, each Job once, each change told; no Event says it went well."""
    async with working(Stage()) as stage:
        stage.world.apply(chain().document())
        await passing(5)
        stage.world.start(stage.name("build"))
        await passing(5)
        stage.world.finish(stage.name("build"))
        await passing(5)
        stage.world.finish(stage.name("test"))
        await passing(5)
    assert stage.world.log == [
        "create build 1",
        "status Running 0/2",
        "status Running 0/2",
        "create test 1",
        "status Running 1/2",
        "status Succeeded 2/2",
    ]
    assert stage.observer.heard == [
        "team/ci created build 1",
        "team/ci changed from None to Running",
        "team/ci changed from Running to Running",
        "team/ci created test 1",
        "team/ci changed from Running to Running",
        "team/ci changed from Running to Succeeded",
    ]
    assert stage.world.events == {}


@virtually
async def test_nothing_to_do() -> None:
    """A look that changes nothing asks the cluster for nothing."""
    async with working(Stage()) as stage:
        stage.world.apply(chain().document())
        await passing(5)
        calls = stage.cluster.calls
        for _ in range(5):
            stage.engine.queue.add(KEY)
            await passing(1)
    assert stage.cluster.calls == calls


@virtually
async def test_start_is_recorded_late() -> None:
    """What merely started is recorded within the patience, with all that started meanwhile."""
    async with working(Stage(Pace(patience=1))) as stage:
        stage.world.apply(a_spec().job("a").job("b").document())
        await passing(0.5)
        stage.world.log.clear()
        stage.world.start(stage.name("a"))
        await passing(0.6)
        stage.world.start(stage.name("b"))
        await passing(0.3)
        before = list(stage.world.log)
        await passing(0.2)
    assert (before, stage.world.log, stage.phases()) == (
        [],
        ["status Running 0/2"],
        (WorkflowPhase.RUNNING, {"a": "Running", "b": "Running"}),
    )


@virtually
async def test_end_is_recorded_at_once() -> None:
    """What ended is recorded at once, but never twice within the spacing."""
    async with working(Stage(Pace(spacing=0.1))) as stage:
        stage.world.apply(a_spec().job("a").job("b").job("c").document())
        await passing(5)
        stage.world.log.clear()
        stage.world.finish(stage.name("a"))
        await passing(0.01)
        first = list(stage.world.log)
        stage.world.finish(stage.name("b"))
        await passing(0.04)
        stage.world.finish(stage.name("c"))
        await passing(0.04)
        second = list(stage.world.log)
        await passing(0.02)
    assert (first, second, stage.world.log) == (
        ["status Running 1/3"],
        ["status Running 1/3"],
        ["status Running 1/3", "status Succeeded 3/3"],
    )


@virtually
async def test_slow_writes_are_rare() -> None:
    """Writing a status takes no more than its share of the time; that the run has ended is written all the same."""
    async with working(Stage(Pace(share=0.2, longest=2))) as stage:
        stage.cluster.slowness = 0.2
        stage.world.apply(a_spec().job("a").job("b").job("c").document())
        await passing(5)
        stage.world.log.clear()
        stage.world.finish(stage.name("a"))
        await passing(0.25)
        first = list(stage.world.log)
        stage.world.finish(stage.name("b"))
        await passing(0.9)
        second = list(stage.world.log)
        stage.world.finish(stage.name("c"))
        await passing(0.3)
    assert (first, second, stage.world.log) == (
        ["status Running 1/3"],
        ["status Running 1/3"],
        ["status Running 1/3", "status Succeeded 3/3"],
    )


@virtually
async def test_several_workflows() -> None:
    """Many workflows are worked on at once, and none waits for another's trouble."""
    keys = [WorkflowKey("team", f"ci{index}") for index in range(20)]
    async with working(Stage(Pace(workers=3))) as stage:
        stage.cluster.refusals[JobId("never")] = RefusedError("quota", final=False)
        stage.world.apply(a_spec().job("never").document())
        for key in keys:
            stage.world.apply(chain().document(), key)
        await passing(1)
        for key in keys:
            stage.world.finish(stage.name("build", key))
        await passing(1)
        for key in keys:
            stage.world.finish(stage.name("test", key))
        await passing(1)
    assert {stage.phases(key)[0] for key in keys} == {WorkflowPhase.SUCCEEDED}
    assert stage.phases() == (WorkflowPhase.PENDING, {"never": "Pending"})


@virtually
async def test_a_status_that_is_too_large() -> None:
    """A run that can't be recorded has failed, which is said; what works of it is ended, and another one can follow."""
    async with working(Stage()) as stage:
        stage.world.most = 3000
        many = a_spec()
        for number in range(50):
            many = many.job(f"job-{number}")
        stage.world.apply(many.document())
        await passing(5)
        failed = stage.world.status()
        stage.world.apply(a_spec().job("build").document())
        await passing(5)
        stage.world.finish(stage.name("build"))
        await passing(5)
        after = stage.phases()
    said = "its status is too large to be recorded beside its spec (request is too large); "
    assert (failed.phase, (failed.message or "").startswith(said), failed.jobs) == (WorkflowPhase.FAILED, True, {})
    kinds = [line.partition(" ")[0] for line in stage.world.log]
    assert kinds[:101] == ["create"] * 50 + ["status"] + ["delete"] * 50
    assert after == (WorkflowPhase.SUCCEEDED, {"build": "Succeeded"})


@virtually
async def test_refused() -> None:
    """What the cluster refuses is recorded, tried again ever later, and made when it may be."""
    async with working(Stage()) as stage:
        stage.cluster.refusals[BUILD] = RefusedError("exceeded quota: pods", final=False)
        stage.world.apply(a_spec().job("build").document())
        await passing(2)
        waiting = stage.world.status()
        stage.cluster.refusals.clear()
        await passing(5)
    assert (waiting.phase, waiting.message) == (
        WorkflowPhase.PENDING,
        'job "build": can\'t be started yet: exceeded quota: pods',
    )
    assert stage.world.log == ["status Pending 0/1", "create build 1", "status Running 0/1"]
    assert [event.reason for event in stage.world.events.values()] == ["JobWaiting"]
    assert [line for line in stage.observer.heard if "failed" in line] == [
        f"team/ci failed: RefusedError exceeded quota: pods; again in {pause}" for pause in (0.1, 0.2, 0.4, 0.8, 1.6)
    ]
    assert stage.world.status().message == "queued: build"


@virtually
async def test_refused_for_good() -> None:
    """What the cluster will never make fails its job, and the rest goes on."""
    async with working(Stage()) as stage:
        stage.cluster.refusals[BUILD] = RefusedError("metadata.labels: Invalid value", final=True)
        stage.world.apply(chain().job("other").document())
        await passing(5)
        stage.world.finish(stage.name("other"))
        await passing(5)
    assert stage.phases() == (
        WorkflowPhase.FAILED,
        {"build": "Failed", "test": "Skipped", "other": "Succeeded"},
    )
    assert stage.world.status().message == 'job "build": metadata.labels: Invalid value'


@virtually
async def test_refusal_of_an_earlier_spec() -> None:
    """A refusal is forgotten with the spec that it answered."""
    async with working(Stage()) as stage:
        stage.cluster.refusals[BUILD] = RefusedError("no", final=True)
        stage.world.apply(a_spec().job("build").document())
        await passing(2)
        stage.cluster.refusals.clear()
        stage.world.apply(a_spec().job("build", image="other").document())
        await passing(2)
    assert stage.phases() == (WorkflowPhase.RUNNING, {"build": "Queued"})


@virtually
async def test_unavailable() -> None:
    """While the cluster gives no answer, nothing is recorded that wasn't done; after that everything goes on."""
    async with working(Stage()) as stage:
        stage.cluster.busy = UnavailableError("too many requests", retry_after=3)
        stage.world.apply(chain().document())
        await passing(2)
        meanwhile = list(stage.world.log)
        stage.cluster.busy = None
        await passing(2)
    assert (meanwhile, stage.world.log, stage.phases()) == (
        [],
        ["create build 1", "status Running 0/2"],
        (WorkflowPhase.RUNNING, {"build": "Queued", "test": "Pending"}),
    )
    assert stage.observer.heard[0] == "team/ci failed: UnavailableError too many requests; again in 3"


@virtually
async def test_answer_lost() -> None:
    """A Job whose making was never confirmed isn't made twice."""
    async with working(Stage(faults={0: Fault.LOST_AFTER})) as stage:
        stage.world.apply(a_spec().job("build").document())
        await passing(5)
    assert [line for line in stage.world.log if "create" in line] == ["create build 1"]
    assert stage.phases() == (WorkflowPhase.RUNNING, {"build": "Queued"})


@virtually
async def test_conflict() -> None:
    """A status isn't written over what somebody else has written; the next look starts from there."""
    async with working(Stage()) as stage:
        stage.world.apply(a_spec().job("build").document())
        await passing(5)
        stage.world.hold(Kind.WORKFLOW)
        stage.world.annotate({"a": "b"})
        stage.world.finish(stage.name("build"))
        await passing(5)
        behind = stage.phases()
        stage.world.release(Kind.WORKFLOW)
        await passing(10)
    assert (behind[0], stage.phases()[0], stage.world.workflow().resource.annotations) == (
        WorkflowPhase.RUNNING,
        WorkflowPhase.SUCCEEDED,
        {"a": "b"},
    )


@virtually
async def test_gone() -> None:
    """A workflow that was deleted is forgotten, whether the watch or a write tells so."""
    async with working(Stage()) as stage:
        stage.world.apply(a_spec().job("build").document())
        await passing(5)
        stage.world.hold(Kind.WORKFLOW)
        stage.world.finish(stage.name("build"))
        stage.world.remove()
        await passing(5)
        stage.world.release(Kind.WORKFLOW)
        await passing(5)
    assert (stage.engine.store.workflow(KEY), len(stage.world.jobs), stage.world.workflows) == (None, 0, {})
    assert [line for line in stage.observer.heard if "failed" in line] == []


@virtually
async def test_made_again() -> None:
    """A workflow that was deleted and made again starts over."""
    async with working(Stage()) as stage:
        for _ in range(2):
            stage.world.apply(a_spec().job("build").document())
            await passing(5)
            stage.world.finish(stage.name("build"))
            await passing(5)
            ended = stage.world.status()
            stage.world.remove()
            await passing(5)
    assert (ended.phase, ended.run) == (WorkflowPhase.SUCCEEDED, 1)
    assert [line for line in stage.world.log if "create" in line] == ["create build 1"] * 2


@virtually
async def test_lagging_watch() -> None:
    """A Job that the watch hasn't shown after a restart isn't replaced: the cluster is asked first."""
    stage = Stage()
    async with working(stage):
        stage.world.apply(a_spec().job("build").document())
        await passing(5)
    after = Stage()
    after.world, after.cluster.world = stage.world, stage.world
    store = after.engine.store
    store.workflows.put((KEY.namespace, KEY.name), stage.world.workflow())
    async with working(after):
        await passing(5)
    assert [line for line in stage.world.log if "create" in line] == ["create build 1"]
    assert [job.attempt for job in store.jobs_of(KEY.namespace, stage.world.workflow().resource.uid)] == [1]


@virtually
async def test_late_pod_watch() -> None:
    """A job whose failure is known before its Pod's end is no lost one."""
    async with working(Stage()) as stage:
        stage.world.apply(a_spec().job("build").document())
        await passing(5)
        stage.world.start(stage.name("build"))
        stage.world.hold(Kind.POD)
        stage.world.finish(stage.name("build"), reported(3))
        await passing(60)
        stage.world.release(Kind.POD)
        await passing(5)
    assert [line for line in stage.world.log if "create" in line] == ["create build 1"]
    assert stage.world.status().message == 'job "build": step "true" failed with exit code 3'


@virtually
async def test_superseded() -> None:
    """A new spec is recorded as the next run, and then the Jobs of the one before are ended."""
    async with working(Stage()) as stage:
        stage.world.apply(a_spec().job("build").document())
        await passing(5)
        stage.world.log.clear()
        stage.world.apply(a_spec().job("other").document())
        await passing(5)
    assert stage.world.log == ["create other 1", "status Running 0/1", "delete build 1"]
    assert [event.reason for event in stage.world.events.values()] == ["Superseded"]


@virtually
async def test_cancelled() -> None:
    """A request to cancel is recorded, and then the Jobs are ended."""
    async with working(Stage()) as stage:
        stage.world.apply(chain().document())
        await passing(5)
        stage.world.log.clear()
        stage.world.annotate({CANCEL: "1"})
        await passing(5)
    assert stage.world.log == ["status Cancelled 2/2", "delete build 1"]
    assert stage.phases() == (WorkflowPhase.CANCELLED, {"build": "Cancelled", "test": "Cancelled"})


@virtually
async def test_wrong_spec() -> None:
    """A wrong spec is a status and an Event; it is read once, however often it is looked at."""
    async with working(Stage()) as stage:
        stage.world.apply({"jobs": {}})
        for _ in range(5):
            await passing(2)
            stage.engine.queue.add(KEY)
    assert (stage.world.log, [event.reason for event in stage.world.events.values()]) == (
        ["status Invalid None"],
        ["Invalid"],
    )


@virtually
async def test_patience_with_an_image() -> None:
    """The engine looks again by itself when patience ends."""
    async with working(Stage()) as stage:
        stage.world.apply(a_spec().job("build").document())
        await passing(5)
        stage.world.wait_for_image(stage.name("build"))
        await passing(59)
        before = stage.phases()
        await passing(5)
    assert (before[1], stage.phases()[1], stage.world.log[-1]) == (
        {"build": JobPhase.QUEUED},
        {"build": JobPhase.FAILED},
        "delete build 1",
    )


@pytest.mark.parametrize("error", [UnavailableError("busy"), RefusedError("no Events for you", final=True)])
def test_events_are_a_courtesy(error: Exception) -> None:
    """A run goes on where nobody can be told of it."""

    class Mute(FakeCluster):
        async def announce(self, *_: object) -> None:
            raise error

    @virtually
    async def test() -> None:
        stage = Stage()
        stage.cluster = Mute(stage.world, stage.engine.store)
        async with working(stage):
            stage.world.apply({"jobs": {}})
            await passing(5)
        assert (stage.phases()[0], [line for line in stage.observer.heard if "failed" in line]) == (
            WorkflowPhase.INVALID,
            [],
        )

    test()


@virtually
async def test_unforeseen_error() -> None:
    """One workflow's unforeseen trouble is told, tried again, and isn't the others'."""

    class Broken(FakeCluster):
        async def create_job(self, *_: object) -> None:
            raise ZeroDivisionError

    stage = Stage()
    stage.cluster = Broken(stage.world, stage.engine.store)
    async with working(stage):
        stage.world.apply(chain().document())
        stage.world.apply({"jobs": {}}, WorkflowKey("team", "other"))
        await passing(1)
    assert [line for line in stage.observer.heard if "ci " in line] == [
        f"team/ci failed: ZeroDivisionError ; again in {pause}" for pause in (0.1, 0.2, 0.4, 0.8)
    ]
    assert stage.phases(WorkflowKey("team", "other"))[0] is WorkflowPhase.INVALID


@virtually
async def test_bounded_creations() -> None:
    """At most so many Jobs are made at once."""
    most, busy = 0, 0

    class Slow(FakeCluster):
        async def create_job(self, *_: object) -> None:
            nonlocal most, busy
            busy += 1
            most = max(most, busy)
            await passing(1)
            busy -= 1

    stage = Stage(Pace(creations=3))
    stage.cluster = Slow(stage.world, stage.engine.store)
    spec = a_spec()
    for index in range(10):
        spec = spec.job(f"j{index}")
    async with working(stage):
        stage.world.apply(spec.document())
        await passing(10)
    assert most == 3


@virtually
async def test_failures_are_told() -> None:
    """A failed job is an Event, and so is the failed run."""
    async with working(Stage()) as stage:
        stage.world.apply(chain().document())
        await passing(2)
        stage.world.finish(stage.name("build"), reported(1))
        await passing(2)
    assert [event.reason for event in stage.world.events.values()] == ["JobFailed", "Failed"]


@virtually
async def test_what_ends_while_jobs_are_made() -> None:
    """What becomes ready while a look waits for an answer is made by the next one, after what wasn't answered."""
    tries = 0

    class Slow(FakeCluster):
        async def create_job(self, record: WorkflowRecord, create: CreateJob) -> None:
            nonlocal tries
            if create.node.job == "slow" and not tries:
                tries += 1
                await passing(5)
                raise UnavailableError("timeout")
            await FakeCluster.create_job(self, record, create)

    stage = Stage()
    stage.cluster = Slow(stage.world, stage.engine.store)
    async with working(stage):
        stage.world.apply(chain().job("slow").document())
        await passing(2)
        stage.world.finish(stage.name("build"))
        await passing(10)
    assert [line for line in stage.world.log if "create" in line] == [
        "create build 1",
        "create slow 1",
        "create test 1",
    ]
    assert {str(job_id): state.attempt for job_id, state in stage.world.status().jobs.items()} == {
        "build": 1,
        "test": 1,
        "slow": 1,
    }


@virtually
async def test_another_replica_takes_over_in_mid_look() -> None:
    """What isn't owned any more ends the look without a word; nothing more is written, and nothing is tried again."""
    mine = True

    class Guarded(FakeCluster):
        async def write_status(self, *_: object) -> None:
            nonlocal mine
            mine = False
            raise NotOwnedError

    stage = Stage()
    stage.engine = Engine(clock=clock, observer=stage.observer, owns=lambda _: mine)
    stage.cluster = Guarded(stage.world, stage.engine.store)
    stage.world.watch(stage.engine.store)
    async with working(stage):
        stage.world.apply(chain().document())
        await passing(10)
        stage.world.finish(stage.name("build"))
        await passing(100)
    assert (stage.world.log, stage.observer.heard) == (["create build 1"], ["team/ci created build 1"])


@virtually
async def test_what_is_taken_up() -> None:
    """What becomes owned is looked at, with all that happened meanwhile; what is let go isn't any more."""
    mine = False
    stage = Stage()
    stage.engine = Engine(clock=clock, observer=stage.observer, owns=lambda _: mine)
    stage.cluster = FakeCluster(stage.world, stage.engine.store)
    stage.world.watch(stage.engine.store)
    async with working(stage):
        stage.world.apply(chain().document())
        await passing(10)
        before = list(stage.world.log)
        mine = True
        stage.engine.take_up(lambda _: True, 0)
        await passing(10)
        during = list(stage.world.log)
        mine = False
        stage.engine.let_go(lambda _: True)
        stage.world.finish(stage.name("build"))
        await passing(10)
    assert (before, during, stage.world.log[len(during) :]) == (
        [],
        ["create build 1", "status Running 0/2"],
        [],
    )


@virtually
async def test_the_order_of_a_start() -> None:
    """After a restart what is under way is looked at first, however late it is listed; of the rest every fifth is."""
    looks: list[str] = []

    class Looks(FakeObserver):
        def waited(self, key: WorkflowKey, seconds: float) -> None:
            del seconds
            looks.append(key.name)

    stage = Stage()
    running = [WorkflowKey("team", f"running-{index}") for index in range(6)]
    async with working(stage):
        for key in running:
            stage.world.apply(chain().document(), key)
        await passing(10)
    restarted = Engine(clock=clock, observer=Looks())
    new = [WorkflowKey("team", f"new-{index}") for index in range(2)]
    for key in new:
        stage.world.apply(chain().document(), key)
    for record in sorted(stage.world.workflows.values(), key=lambda each: each.resource.key):
        restarted.store.workflows.put((record.resource.key.namespace, record.resource.key.name), record)
    restarted.take_up(lambda _: True, 0)
    stage.engine, stage.cluster = restarted, FakeCluster(stage.world, restarted.store)
    stage.world.watch(restarted.store)
    async with working(stage):
        await passing(0.01)
    assert looks[:8] == [*[f"running-{index}" for index in range(4)], "new-0", "running-4", "running-5", "new-1"]


@virtually
async def test_looks_leave_others_their_turn() -> None:
    """Between looks that find nothing to do whoever else waits for the loop gets it: requests, probes, Leases."""
    stage = Stage(pace=Pace(workers=1))
    keys = [WorkflowKey("team", f"w{index}") for index in range(50)]
    async with working(stage):
        for key in keys:
            stage.world.apply(chain().document(), key)
        await passing(10)
        for key in keys:
            stage.engine.queue.add(key)
        turns = 0
        while len(stage.engine.queue):
            await asyncio.sleep(0)
            turns += 1
    assert turns >= len(keys)


@virtually
async def test_a_job_vanishes() -> None:
    """Where a workflow and its Job go before its Pod was seen, the next of its group waits for that Pod."""
    grouped, then = a_spec().job("build").but(concurrency={"group": "main"}).document(), WorkflowKey("team", "then")
    stage = Stage()
    stage.world.behind = True
    found: list[bool] = []

    async def see() -> None:
        await passing(5)
        found.append(any(record.workflow == then for record in stage.world.jobs.values()))

    async with working(stage):
        stage.world.apply(grouped)
        await passing(5)
        name = stage.name("build")
        stage.world.hold(Kind.POD)
        stage.world.take_up(name, seen=False)
        stage.world.start(name)
        stage.world.apply(grouped, then)
        await see()
        stage.world.orphan(name)
        stage.world.remove()
        await see()
        stage.world.remove_pods(name)
        stage.world.release(Kind.POD)
        await see()
    assert found == [False, False, True]


@virtually
async def test_pods_of_a_vanished_job_cant_be_listed() -> None:
    """As long as they can't be asked for, the group isn't given on."""
    grouped, then = a_spec().job("build").but(concurrency={"group": "main"}).document(), WorkflowKey("team", "then")
    stage = Stage()
    stage.world.behind = True
    async with working(stage):
        stage.world.apply(grouped)
        await passing(5)
        stage.world.apply(grouped, then)
        await passing(5)
        stage.cluster.busy = UnavailableError("no answer")
        stage.world.orphan(stage.name("build"))
        stage.world.remove()
        await passing(5)
        asked = dict(stage.engine.store.vanished)
        stage.cluster.busy = None
        await passing(120)
    assert (list(asked), dict(stage.engine.store.vanished)) == ([KEY], {})
    assert stage.name("build", then)
