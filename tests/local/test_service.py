from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import pytest

from fairlead.local.runtime import StartError
from fairlead.local.service import ServiceRun
from fairlead.model.containers import HealthCheck
from fairlead.plan.actions import ServiceRequest
from fairlead.plan.observed import ContainerRunning, ContainerTerminated, ContainerWaiting, ServiceState
from tests.builders import at
from tests.fakes import clock, passing, virtually
from tests.local.runtimes import IdleRuntime, an_attempt

if TYPE_CHECKING:
    from pathlib import Path

INITIAL = ServiceState("db", ContainerWaiting("PodInitializing"))
RUNNING = ServiceState("db", ContainerRunning(at(0)))
READY = ServiceState("db", ContainerRunning(at(0)), started=True)
CHECK = HealthCheck(command=("check",), retries=3)


class Stage:
    """A service with all states that were told of it."""

    def __init__(self, folder: Path, runtime: IdleRuntime, check: HealthCheck | None = None) -> None:
        (folder / "attempt").mkdir()
        self.runtime = runtime
        self.told: list[ServiceState] = []
        request = ServiceRequest("own/db", command=("run",), health_check=check)
        attempt = an_attempt(folder / "attempt", services={"db": request})
        self.log = attempt.service_log("db")
        self.run = ServiceRun(attempt, attempt.services[0], runtime, clock=clock, changed=self.told.append)
        self.task = asyncio.get_running_loop().create_task(self.run.run())

    async def stop(self) -> None:
        """End it as a job's end does."""
        self.task.cancel()
        await asyncio.wait([self.task])


@virtually
async def test_no_check(tmp_path: Path) -> None:
    """A service that isn't checked is ready when it runs; at its end it is asked to go."""
    stage = Stage(tmp_path, IdleRuntime())
    await stage.run.ready.wait()
    await stage.stop()
    assert (stage.told, stage.runtime.log) == ([RUNNING, READY], ["start db"])
    assert await stage.runtime.processes["db"].wait() == 143


@virtually
async def test_healthy(tmp_path: Path) -> None:
    """A service that is checked is ready once a check succeeds; what starts quickly isn't waited for."""
    stage = Stage(tmp_path, IdleRuntime(health=deque([False, False, False, True])), CHECK)
    await stage.run.ready.wait()
    took = asyncio.get_running_loop().time()
    await stage.stop()
    assert (stage.told, stage.runtime.log) == ([RUNNING, READY], ["start db", *["check db"] * 4])
    assert took < 0.2


@virtually
async def test_never_healthy(tmp_path: Path) -> None:
    """One that isn't healthy in as many intervals as it has retries is asked to end, and stays so."""
    stage = Stage(tmp_path, IdleRuntime(health=deque([False] * 99)), CHECK)
    await stage.task
    assert stage.told == [
        RUNNING,
        ServiceState("db", ContainerTerminated(143, "Error", "", at(0), at(3))),
    ]
    assert (stage.run.ready.is_set(), 4 < len(stage.runtime.log) < 12) == (False, True)


@virtually
async def test_pace(tmp_path: Path) -> None:
    """After the first moments there is one check an interval."""
    check = HealthCheck(command=("check",), retries=100, interval=10)
    stage = Stage(tmp_path, IdleRuntime(health=deque([False] * 999)), check)
    await stage.task
    assert 100 <= stage.runtime.log.count("check db") <= 112


@virtually
async def test_dies_before(tmp_path: Path) -> None:
    """One that ends before it was healthy isn't started again; its last lines tell why."""
    stage = Stage(tmp_path, IdleRuntime(exits={"db": deque([3])}, health=deque([False])), CHECK)
    stage.log.parent.mkdir()
    stage.log.write_text("x" * 3000 + "no disk\n")
    await stage.task
    end = stage.told[-1].container
    assert isinstance(end, ContainerTerminated)
    assert (end.exit_code, end.reason, len(end.message), end.message[-8:]) == (3, "Error", 2048, "no disk\n")
    assert stage.runtime.log == ["start db", "check db"]


@virtually
async def test_dies_after(tmp_path: Path) -> None:
    """One that ends later is started again after a while."""
    stage = Stage(tmp_path, IdleRuntime())
    await stage.run.ready.wait()
    await passing(1)
    stage.runtime.processes["db"].end(0)
    await passing(15)
    await stage.stop()
    end = ContainerTerminated(0, "Completed", "", at(0), at(1))
    waiting = ServiceState("db", ContainerWaiting("CrashLoopBackOff"), restarts=1, last=end)
    again = ServiceState("db", ContainerRunning(at(11)), restarts=1, last=end)
    ready = ServiceState("db", ContainerRunning(at(11)), started=True, restarts=1, last=end)
    assert stage.told == [RUNNING, READY, waiting, again, ready]


@virtually
async def test_does_not_start(tmp_path: Path) -> None:
    """What can't be started is tried again: somebody else's patience ends it."""
    trouble = StartError("ErrImagePull", "no such image")
    stage = Stage(tmp_path, IdleRuntime(troubles={"db": deque([trouble, trouble])}))
    await stage.run.ready.wait()
    took = asyncio.get_running_loop().time()
    await stage.stop()
    waiting = ServiceState("db", ContainerWaiting("ErrImagePull", "no such image"))
    assert (stage.told[:2], stage.told[-1].started, took) == ([waiting, waiting], True, 20)


@virtually
async def test_never_starts(tmp_path: Path) -> None:
    """What is here but can't run has ended, as a kubelet tells it, and isn't tried again."""
    stage = Stage(tmp_path, IdleRuntime(troubles={"db": deque([StartError("StartError", "no /nope")])}))
    await stage.task
    assert stage.told == [ServiceState("db", ContainerTerminated(128, "StartError", "no /nope"))]


@virtually
async def test_check_that_does_not_start(tmp_path: Path) -> None:
    """A check that can't be made will never succeed: that is told at once, and the service ended."""
    health: deque[bool | StartError] = deque([StartError("StartError", '"check": No such file or directory')])
    stage = Stage(tmp_path, IdleRuntime(health=health), CHECK)
    await stage.task
    said = 'its check: "check": No such file or directory'
    assert stage.told == [RUNNING, ServiceState("db", ContainerWaiting("CreateContainerError", said))]
    assert await stage.runtime.processes["db"].wait() == 143


@virtually
async def test_deaf(tmp_path: Path) -> None:
    """One that doesn't heed the request to end is killed, however often its end is asked for."""
    stage = Stage(tmp_path, IdleRuntime(deaf=True))
    await stage.run.ready.wait()
    for _ in range(3):
        stage.task.cancel()
        await passing(1)
    await asyncio.wait([stage.task])
    code = await stage.runtime.processes["db"].wait()
    assert (code, asyncio.get_running_loop().time(), stage.task.cancelled()) == (137, 5, True)


@pytest.mark.parametrize("moments", range(12))
def test_ends_when_its_job_does(tmp_path: Path, moments: int) -> None:
    """A service that ends by itself just when its job does isn't started again."""

    @virtually
    async def check() -> None:
        stage = Stage(tmp_path, IdleRuntime())
        await stage.run.ready.wait()
        stage.runtime.processes["db"].end(1)
        for _ in range(moments):
            await asyncio.sleep(0)
        await stage.stop()
        assert (stage.runtime.log, stage.task.cancelled()) == (["start db"], True)

    check()
