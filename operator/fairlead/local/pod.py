"""One attempt at a job, from its workspace to its end: what a kubelet does with a Pod, told in the same words."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fairlead.agent.agent import Mailbox
from fairlead.engine.errors import RefusedError
from fairlead.local import workspace
from fairlead.local.runtime import StartError
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
    """Runs one attempt. `tell` hears of each new state; `source` is the folder to copy, None where it is shared."""

    def __init__(
        self,
        attempt: Attempt,
        runtime: Runtime,
        *,
        program: Program | None,
        source: Path | None,
        clock: Callable[[], datetime],
        tell: Callable[[Pod], None],
    ) -> None:
        self.attempt = attempt
        self._runtime = runtime
        self._program = program
        self._source = source
        self._clock = clock
        self._tell = tell
        self._services: list[ServiceRun] = []
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
            self._change(container=ContainerWaiting("CreateContainerError", f"{type(error).__name__}: {error}"))
        finally:
            await asyncio.shield(self._clean_up())

    async def _start_and_wait(self) -> None:
        attempt = self.attempt
        await self._patiently(self._make_ready)
        async with asyncio.TaskGroup() as services, self._mailbox():
            running = []
            for service in attempt.services:
                run = ServiceRun(
                    attempt, service, self._runtime, clock=self._clock, changed=lambda _: self._services_changed()
                )
                self._services.append(run)
                self._services_changed()
                running.append(services.create_task(run.run()))
                await run.ready.wait()
            await self._patiently(self._start_main)
            assert self._main is not None  # noqa: S101  what was started
            started = self._clock()
            self._change(container=ContainerRunning(started))
            self._change(container=self._ended(await self._wait(self._main), started))
            for task in running:
                task.cancel()

    async def _patiently(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Do what may fail to start, again and again: somebody else's patience ends it."""
        while True:
            try:
                await begin()
            except StartError as error:
                self._change(container=ContainerWaiting(error.reason, error.message))
                await asyncio.sleep(_RETRY)
            except RefusedError as error:
                self._change(container=ContainerWaiting("CreateContainerConfigError", error.message))
                await asyncio.sleep(_RETRY)
            else:
                return

    async def _make_ready(self) -> None:
        attempt = self.attempt
        if self._source is not None and not attempt.workspace.exists():
            await asyncio.to_thread(workspace.copy, self._source, attempt.workspace, share=self._runtime.trusts)
        attempt.home.mkdir(parents=True, exist_ok=True)
        attempt.driver.write_text(attempt.text, "utf-8", "surrogateescape")
        await self._runtime.prepare(attempt)

    async def _start_main(self) -> None:
        self._main = await self._runtime.start(self.attempt)

    async def _wait(self, main: Process) -> int:
        try:
            async with asyncio.timeout(self.attempt.request.timeout + _SLACK):
                return await main.wait()
        except TimeoutError:
            await main.kill()
            return await main.wait()

    def _ended(self, code: int, started: datetime) -> ContainerTerminated:
        report = None
        with suppress(OSError), self.attempt.report.open("rb") as file:
            report = parse_report(file.read(_MOST_REPORT).decode("utf-8", "replace"))
        reason = "Completed" if code == 0 else "Error"
        return ContainerTerminated(code, reason, "", started, self._clock(), report)

    def _services_changed(self) -> None:
        states: tuple[ServiceState, ...] = tuple(run.state for run in self._services)
        self._change(services=states)

    def _change(self, **fields: Any) -> None:  # noqa: ANN401  any of the Pod's own
        self.pod = replace(self.pod, **fields)
        self._tell(self.pod)

    def _mailbox(self) -> _Answering:
        return _Answering(self.attempt, self._program)

    async def _clean_up(self) -> None:
        attempt = self.attempt
        with suppress(StartError):
            await self._runtime.clear(attempt)
        await asyncio.to_thread(workspace.remove, attempt.home)
        if self._source is not None:
            await asyncio.to_thread(workspace.remove, attempt.workspace)


class _Answering:
    """Answers the driver's questions while it is entered; does nothing where there are none to come."""

    def __init__(self, attempt: Attempt, program: Program | None) -> None:
        self._attempt = attempt
        self._program = program
        self._box: Mailbox | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        if self._program is None:
            return
        self._box = Mailbox(self._attempt.home, self._program, workspace=self._attempt.workspace)
        asked = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._box.questions, self._hear, asked)
        self._task = asyncio.create_task(self._answer(self._box, asked))

    def _hear(self, asked: asyncio.Event) -> None:
        if self._box is not None:
            self._box.wait()
        asked.set()

    async def _answer(self, box: Mailbox, asked: asyncio.Event) -> None:
        while True:
            await asked.wait()
            asked.clear()
            # To look through a workspace for hashFiles takes its time.
            await asyncio.to_thread(box.answer)

    async def __aexit__(self, *_: object) -> None:
        if self._box is None or self._task is None:
            return
        asyncio.get_running_loop().remove_reader(self._box.questions)
        self._task.cancel()
        await asyncio.wait([self._task])
        self._box.close()
