"""A service of an attempt, as a kubelet would keep it: started, checked, started again when it ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fairlead.local.finishing import to_the_end
from fairlead.local.runtime import NO_START, StartError, end_reason
from fairlead.model.services import check_of
from fairlead.plan.observed import ContainerRunning, ContainerTerminated, ContainerWaiting, ServiceState

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fairlead.local.runtime import Attempt, Process, Runtime, Service
    from fairlead.model.containers import HealthCheck

_GRACE: Final = 5.0
"""Seconds from the request to end until it is killed."""

_BACKOFF: Final = 10.0
"""Seconds until what ended is started again: the kubelet's, the first time."""

_FIRST_PAUSE: Final = 0.02
"""Seconds between the first two checks; doubled each time, up to the interval."""

_LAST_BYTES: Final = 2048
"""Of a log, as the kubelet keeps them (MaxContainerTerminationMessageLogLength)."""


class ServiceRun:
    """Keeps one service going until it is cancelled. `changed` hears of each new state."""

    def __init__(
        self,
        attempt: Attempt,
        service: Service,
        runtime: Runtime,
        *,
        clock: Callable[[], datetime],
        changed: Callable[[ServiceState], None],
    ) -> None:
        self._attempt = attempt
        self._service = service
        self._runtime = runtime
        self._clock = clock
        self._changed = changed
        self.state = ServiceState(service.name, ContainerWaiting("PodInitializing"))
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Start it, and again after each end. One that ends or isn't healthy before it was ever ready stays so."""
        request = self._service.request
        check = check_of(request.image, request.ports, request.health_check)
        self._attempt.service_log(self._service.name).parent.mkdir(exist_ok=True)
        while True:
            try:
                process = await self._runtime.start_service(self._attempt, self._service)
            except StartError as error:
                if error.final and not self.ready.is_set():
                    self._tell(container=ContainerTerminated(NO_START, error.reason, error.message))
                    return
                self._tell(container=ContainerWaiting(error.reason, error.message))
                await asyncio.sleep(_BACKOFF)
                continue
            started = self._clock()
            try:
                self._tell(container=ContainerRunning(started))
                code = await self._live(process, check)
            except StartError as error:
                self._tell(container=ContainerWaiting("CreateContainerError", f"its check: {error.message}"))
                return
            finally:
                await to_the_end(_end(process))
            self._ended(code, started, starved=process.starved)
            if not self.ready.is_set():
                return
            await asyncio.sleep(_BACKOFF)

    async def _live(self, process: Process, check: HealthCheck | None) -> int:
        """Give its exit code; one that doesn't become healthy is asked to end."""
        ended = asyncio.ensure_future(process.wait())
        try:
            if check is None or await self._becomes_healthy(check, ended):
                self._tell(started=True)
                self.ready.set()
            else:
                await _end(process)
            return await ended
        finally:
            ended.cancel()

    async def _becomes_healthy(self, check: HealthCheck, ended: asyncio.Future[int]) -> bool:
        """Check it as long as its retries take, and more often at first: most are ready long before the interval."""
        interval, pause = max(1.0, check.interval), _FIRST_PAUSE
        clock = asyncio.get_running_loop().time
        until = clock() + check.retries * interval
        while not ended.done():
            if await self._runtime.healthy(self._attempt, self._service, check):
                return True
            left = until - clock()
            if left <= 0:
                return False
            await asyncio.wait([ended], timeout=min(pause, left))
            pause = min(2 * pause, interval)
        return False

    def _ended(self, code: int, started: datetime, *, starved: bool) -> None:
        end = ContainerTerminated(
            exit_code=code,
            reason=end_reason(code, starved=starved),
            message="" if code == 0 else self._last_lines(),
            started_at=started,
            finished_at=self._clock(),
        )
        if self.ready.is_set():
            waiting = ContainerWaiting("CrashLoopBackOff")
            self._tell(container=waiting, started=False, last=end, restarts=self.state.restarts + 1)
        else:
            self._tell(container=end)

    def _last_lines(self) -> str:
        with suppress(OSError), self._attempt.service_log(self._service.name).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _LAST_BYTES))
            return file.read().decode("utf-8", "replace")
        return ""

    def _tell(self, **fields: Any) -> None:  # noqa: ANN401  any of the state's own
        self.state = replace(self.state, **fields)
        self._changed(self.state)


async def _end(process: Process) -> None:
    await process.ask()
    try:
        async with asyncio.timeout(_GRACE):
            await process.wait()
    except TimeoutError:
        await process.kill()
        await process.wait()
