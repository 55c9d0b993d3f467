from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.local import pod as module
from fairlead.local.pod import LocalPod
from fairlead.local.runtime import StartError
from fairlead.plan.actions import ServiceRequest
from fairlead.plan.observed import ContainerRunning, ContainerTerminated, ContainerWaiting
from tests.builders import NOW
from tests.local.processes import happens
from tests.local.rights import without_privileges
from tests.local.runtimes import IdleRuntime, an_attempt

if TYPE_CHECKING:
    from pathlib import Path

    from fairlead.plan.observed import Pod
    from fairlead.render.program import Program

REPORT = "fairlead 2\ns 0 0 5\nend 0\n"


class Stage:
    """An attempt with all that was told of it, in a folder with a workspace of one file."""

    def __init__(
        self,
        folder: Path,
        runtime: IdleRuntime | None = None,
        *,
        services: dict[str, ServiceRequest] | None = None,
        shared: bool = False,
        program: Program | None = None,
    ) -> None:
        self.folder, self.source = folder / "attempt", folder / "source"
        for path in (self.folder, self.source):
            path.mkdir()
        (self.source / "file").write_text("1")
        self.runtime = runtime or IdleRuntime()
        self.told: list[Pod] = []
        self.attempt = an_attempt(self.folder, services=services)
        if shared:
            self.attempt = replace(self.attempt, workspace=self.source)
        self.pod = LocalPod(
            self.attempt,
            self.runtime,
            program=program,
            source=None if shared else self.source,
            without=None,
            clock=lambda: NOW,
            tell=self.told.append,
        )
        self.task = self.pod.start()

    async def runs(self) -> None:
        """Wait for its steps to run."""
        await happens(lambda: isinstance(self.pod.pod.container, ContainerRunning), "its start")

    def end(self, code: int, report: str | None = None) -> None:
        """Let the driver end."""
        if report is not None:
            self.attempt.report.write_text(report)
        self.runtime.processes["main"].end(code)

    @property
    def left(self) -> list[str]:
        """Name what is left of it on disk."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))

    def states(self) -> list[Any]:
        """Give the states of the main container, each once."""
        found = [each.container for each in self.told]
        return [state for index, state in enumerate(found) if index == 0 or state != found[index - 1]]


async def test_success(tmp_path: Path) -> None:
    """It works in a copy, with the driver in a folder of its own, and nothing of either is left at its end."""
    stage = Stage(tmp_path)
    await stage.runs()
    meanwhile = stage.left
    stage.end(0, REPORT)
    await stage.task
    _, end = stage.states()
    assert (meanwhile, stage.left, stage.runtime.log) == (
        ["home", "home/driver", "workspace", "workspace/file"],
        [],
        ["prepare", "start main", "clear"],
    )
    assert isinstance(end, ContainerTerminated)
    assert (end.exit_code, end.reason, end.report and end.report.exit_code) == (0, "Completed", 0)


async def test_failure(tmp_path: Path) -> None:
    """What ended without a report has none."""
    stage = Stage(tmp_path)
    await stage.runs()
    stage.end(3)
    await stage.task
    assert stage.states() == [ContainerRunning(NOW), ContainerTerminated(3, "Error", "", NOW, NOW)]


async def test_shared(tmp_path: Path) -> None:
    """A shared workspace is nobody's to delete."""
    stage = Stage(tmp_path, shared=True)
    await stage.runs()
    stage.end(0, REPORT)
    await stage.task
    assert (stage.left, (stage.source / "file").read_text()) == ([], "1")


async def test_left_by_another(tmp_path: Path) -> None:
    """What a process that was killed left of the same attempt isn't begun with."""
    for name in ("home", "workspace"):
        (tmp_path / "attempt" / name).mkdir(parents=True)
        (tmp_path / "attempt" / name / "stale").touch()
    (tmp_path / "attempt").rename(tmp_path / "before")
    stage = Stage(tmp_path)
    (tmp_path / "before" / "home").rename(stage.folder / "home")
    (tmp_path / "before" / "workspace").rename(stage.folder / "workspace")
    await stage.runs()
    meanwhile = stage.left
    stage.pod.kill()
    await asyncio.wait([stage.task])
    assert meanwhile == ["home", "home/driver", "workspace", "workspace/file"]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({"prepare": deque([StartError("ErrImagePull", "no such image")])}, ("ErrImagePull", "no such image")),
        ({"main": deque([StartError("CreateContainerError", "no room")])}, ("CreateContainerError", "no room")),
    ],
)
async def test_does_not_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: dict[str, deque[StartError]],
    said: tuple[str, str],
) -> None:
    """What doesn't start says why, and is tried again."""
    monkeypatch.setattr(module, "_RETRY", 0.01)
    stage = Stage(tmp_path, IdleRuntime(troubles=trouble))
    await stage.runs()
    stage.pod.kill()
    await asyncio.wait([stage.task])
    assert stage.states()[:2] == [ContainerWaiting(*said), ContainerRunning(NOW)]
    assert stage.left == []


@pytest.mark.parametrize("when", ["prepare", "main"])
async def test_never_starts(tmp_path: Path, when: str) -> None:
    """What is here but can't run ends the attempt, as it ends a Pod."""
    stage = Stage(tmp_path, IdleRuntime(troubles={when: deque([StartError("StartError", "no /bin/sh")])}))
    await stage.task
    assert stage.states()[-1] == ContainerTerminated(128, "StartError", "no /bin/sh")
    assert stage.left == []


async def test_no_workspace(tmp_path: Path) -> None:
    """A workspace that can't be copied is told of, and leaves nothing."""
    stage = Stage(tmp_path)
    (stage.source / "file").chmod(0)
    with without_privileges():
        await happens(lambda: stage.told, "the trouble")
    stage.pod.kill()
    await asyncio.wait([stage.task])
    said = f"the workspace can't be copied: {stage.source}/file: Permission denied"
    assert (stage.states()[0], stage.left) == (ContainerWaiting("CreateContainerConfigError", said), [])


async def test_no_room(tmp_path: Path) -> None:
    """A folder that can't be written to fails the attempt with what the system says."""
    stage = Stage(tmp_path, shared=True)
    stage.folder.chmod(0o500)
    with without_privileges():
        await stage.task
    said = f"PermissionError: [Errno 13] Permission denied: '{stage.folder}/home'"
    assert stage.states() == [ContainerWaiting("CreateContainerError", said)]


async def test_services_first(tmp_path: Path) -> None:
    """Each service is ready before the next one starts, and all of them before the steps; they go after them."""
    checked = ServiceRequest("own/db", command=("run",), ports=(5432,))
    stage = Stage(tmp_path, services={"db": checked, "cache": ServiceRequest("own/cache", command=("run",))})
    await stage.runs()
    stage.end(0, REPORT)
    await stage.task
    assert stage.runtime.log == ["prepare", "start db", "check db", "start cache", "start main", "clear"]
    assert [await stage.runtime.processes[name].wait() for name in ("db", "cache")] == [143, 143]
    assert [(each.name, each.started) for each in stage.told[-1].services] == [("db", True), ("cache", True)]


async def test_stopped_before_its_steps(tmp_path: Path) -> None:
    """An attempt whose service isn't ready yet is ended at once."""
    checked = ServiceRequest("own/db", command=("run",), ports=(5432,))
    stage = Stage(tmp_path, IdleRuntime(health=deque([False] * 99)), services={"db": checked})
    await happens(lambda: "check db" in stage.runtime.log, "a check")
    stage.pod.stop(60)
    await asyncio.wait([stage.task])
    end = stage.told[-1]
    assert (end.taken, end.container) == (True, ContainerTerminated(137, "Error", "", NOW, NOW))
    assert ("start main" in stage.runtime.log, stage.left) == (False, ["services"])


async def test_stopped(tmp_path: Path) -> None:
    """Steps that are asked to end have their grace, and their report counts."""
    stage = Stage(tmp_path)
    await stage.runs()
    stage.attempt.report.write_text("fairlead 2\ns 143x 0 5\n")
    stage.pod.stop(60)
    await asyncio.wait([stage.task])
    end = stage.told[-1].container
    assert isinstance(end, ContainerTerminated)
    assert (end.exit_code, end.report and end.report.steps[0].cancelled, stage.left) == (143, True, [])


async def test_stopped_in_vain(tmp_path: Path) -> None:
    """Steps that don't heed the request are killed when their grace is over."""
    stage = Stage(tmp_path, IdleRuntime(deaf=True))
    await stage.runs()
    stage.pod.stop(0.01)
    await asyncio.wait([stage.task])
    assert stage.told[-1].container == ContainerTerminated(137, "Error", "", NOW, NOW)
    assert (stage.runtime.log[-1], stage.left) == ("clear", [])


@pytest.mark.parametrize("moments", [1, 2, 3, 10, 30])
async def test_killed_again_and_again(tmp_path: Path, moments: int) -> None:
    """Whoever is impatient while it is cleaned up can't keep that from being done."""
    stage = Stage(tmp_path)
    for _ in range(moments):
        await asyncio.sleep(0)
    while not stage.task.done():
        stage.pod.kill()
        await asyncio.sleep(0)
    assert (stage.runtime.log[-1:], stage.left) == (["clear"], [])


async def test_trouble_at_the_end(tmp_path: Path) -> None:
    """A runtime that can't clean up keeps nothing else from being deleted."""
    trouble = StartError("Gone", "the engine doesn't answer")
    stage = Stage(tmp_path, IdleRuntime(troubles={"clear": deque([trouble])}))
    await stage.runs()
    stage.end(0)
    await stage.task
    assert (stage.runtime.log[-1], stage.left) == ("clear", [])
