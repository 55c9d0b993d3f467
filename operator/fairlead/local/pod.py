"""One attempt at a job, from its workspace to its end: what a kubelet does with a Pod, told in the same words."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fairlead.agent.agent import Mailbox
from fairlead.engine.errors import RefusedError
from fairlead.local import workspace
from fairlead.local.finishing import to_the_end
from fairlead.local.runtime import NO_START, StartError, end_reason
from fairlead.local.service import ServiceRun
from fairlead.plan.observed import ContainerRunning, ContainerTerminated, ContainerWaiting, Pod
from fairlead.render.report import parse_report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from pathlib import Path

    from fairlead.local.runtime import Attempt, Process, Runtime
    from fairlead.plan.observed import ServiceState
    from fairlead.render.program import Program

_SLACK: Final = 120.0
"""Seconds that the driver has beyond its own timeout, before it is killed: cleaning up takes it 67 at most."""

_RETRY: Final = 10.0
"""Seconds until what didn't start is tried again."""

_MOST_REPORT: Final = 16 * 2**20


class LocalPod:
    """Runs one attempt. `tell` hears of each new state.

    `source` is the folder to copy, None where it is shared; `without` is left out of it.
    """

    def __init__(
        self,
        attempt: Attempt,
        runtime: Runtime,
        *,
        program: Program | None,
        source: Path | None,
        without: Path | None = None,
        clock: Callable[[], datetime],
        tell: Callable[[Pod], None],
    ) -> None:
        self.attempt = attempt
        self._runtime = runtime
        self._program = program
        self._source = source
        self._without = without
        self._clock = clock
        self._tell = tell
        self._services: list[ServiceRun] = []
        self._copied = False
        self._main: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self.pod = Pod(f"{attempt.name}-pod", ContainerWaiting("PodInitializing"), scheduled_at=clock())

    def start(self) -> asyncio.Task[None]:
        """Begin; the task ends when nothing of it is left, and never fails."""
        self._task = asyncio.create_task(self._run(), name=self.attempt.name)
        return self._task

    def stop(self, grace: float) -> None:
        """Ask it to end, and kill it after so many seconds. Steps that run after a cancel go on until then."""
        if self._stopping is None and self._task is not None:
            self._change(taken=True)
            self._stopping = asyncio.create_task(self._stop(grace, self._task))

    def kill(self) -> None:
        """End it now."""
        if self._task is not None:
            self._task.cancel()

    async def _stop(self, grace: float, task: asyncio.Task[None]) -> None:
        if self._main is None:
            task.cancel()
            return
        await self._main.ask()
        await asyncio.wait([task], timeout=grace)
        task.cancel()

    async def _run(self) -> None:
        try:
            await self._start_and_wait()
        except asyncio.CancelledError:
            if not isinstance(self.pod.container, ContainerTerminated):
                now = self._clock()
                self._change(container=ContainerTerminated(137, "Error", "", now, now))
        except Exception as error:  # noqa: BLE001  one job's trouble is not the others'
            self._change(container=_never_started(_cause(error)))
        finally:
            await to_the_end(self._clean_up())

    async def _start_and_wait(self) -> None:
        attempt = self.attempt
        await self._patiently(self._make_ready)
        async with asyncio.TaskGroup() as beside:
            running = []
            if self._program is not None:
                box = Mailbox(attempt.home, self._program, workspace=attempt.workspace)
                running.append(beside.create_task(_answer(box)))
            for service in attempt.services:
                run = ServiceRun(
                    attempt, service, self._runtime, clock=self._clock, changed=lambda _: self._services_changed()
                )
                self._services.append(run)
                self._services_changed()
                running.append(beside.create_task(run.run()))
                await run.ready.wait()
            await self._patiently(self._start_main)
            assert self._main is not None  # noqa: S101  what was started
            started = self._clock()
            self._change(container=ContainerRunning(started))
            self._change(container=self._ended(await self._wait(self._main), started, starved=self._main.starved))
            for task in running:
                task.cancel()

    async def _patiently(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Do what may fail to start, again and again: somebody else's patience ends it."""
        while True:
            try:
                await begin()
            except StartError as error:
                if error.final:
                    raise
                self._change(container=ContainerWaiting(error.reason, error.message))
                await asyncio.sleep(_RETRY)
            except RefusedError as error:
                self._change(container=ContainerWaiting("CreateContainerConfigError", error.message))
                await asyncio.sleep(_RETRY)
            else:
                return

    async def _make_ready(self) -> None:
        attempt = self.attempt
        if not self._copied:
            await to_the_end(asyncio.to_thread(self._copy))
            self._copied = True
        attempt.home.mkdir(parents=True, exist_ok=True)
        attempt.driver.write_text(attempt.text, "utf-8", "surrogateescape")
        await self._runtime.prepare(attempt)

    def _copy(self) -> None:
        """Begin with nothing that an earlier process may have left of this attempt."""
        attempt = self.attempt
        workspace.remove(attempt.home)
        if self._source is not None:
            workspace.remove(attempt.workspace)
            share = self._runtime.trusts
            workspace.copy(self._source, attempt.workspace, share=share, without=self._without)

    async def _start_main(self) -> None:
        self._main = await self._runtime.start(self.attempt)

    async def _wait(self, main: Process) -> int:
        try:
            async with asyncio.timeout(self.attempt.request.timeout + _SLACK):
                return await main.wait()
        except TimeoutError:
            await main.kill()
            return await main.wait()

    def _ended(self, code: int, started: datetime, *, starved: bool) -> ContainerTerminated:
        report = None
        with suppress(OSError), self.attempt.report.open("rb") as file:
            report = parse_report(file.read(_MOST_REPORT).decode("utf-8", "replace"))
        return ContainerTerminated(code, end_reason(code, starved=starved), "", started, self._clock(), report)

    def _services_changed(self) -> None:
        states: tuple[ServiceState, ...] = tuple(run.state for run in self._services)
        self._change(services=states)

    def _change(self, **fields: Any) -> None:  # noqa: ANN401  any of the Pod's own
        self.pod = replace(self.pod, **fields)
        self._tell(self.pod)

    async def _clean_up(self) -> None:
        attempt = self.attempt
        with suppress(StartError, OSError):
            await self._runtime.clear(attempt)
        await asyncio.to_thread(workspace.remove, attempt.home)
        if self._source is not None:
            await asyncio.to_thread(workspace.remove, attempt.workspace)


async def _answer(box: Mailbox) -> None:
    """Answer a driver's questions until cancelled."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def hear() -> None:
        box.wait()
        asked.set()

    loop.add_reader(box.questions, hear)
    try:
        while True:
            await asked.wait()
            asked.clear()
            # To look through a workspace for hashFiles takes its time.
            await to_the_end(asyncio.to_thread(box.answer))
    finally:
        loop.remove_reader(box.questions)
        box.close()


def _cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _never_started(error: BaseException) -> ContainerWaiting | ContainerTerminated:
    if isinstance(error, StartError):
        return ContainerTerminated(NO_START, error.reason, error.message)
    return ContainerWaiting("CreateContainerError", f"{type(error).__name__}: {error}")
