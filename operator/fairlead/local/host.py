"""Jobs as processes of this machine: no image, no isolation, and what is installed here is what they have."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from fairlead.engine.errors import RefusedError
from fairlead.local.finishing import to_the_end
from fairlead.local.ignored import ignored
from fairlead.local.logpipe import LogPipe
from fairlead.local.probes import answers_http, answers_tcp
from fairlead.local.processes import MARK, end_all, end_with_parent
from fairlead.local.runtime import StartError
from fairlead.local.workspace import GIT_LOCAL
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fairlead.local.runtime import Attempt, Service
    from fairlead.model.containers import HealthCheck
    from fairlead.plan.actions import JobRequest

LOOPBACK: Final = "127.0.0.1"

_OURS: Final = ("FAIRLEAD_", "GITHUB_", "_f_")
"""Variables that a run within a run must not hand on."""


class HostRuntime:
    """Implements `local.runtime.Runtime`. `variables` are those that every process starts with: the user's own."""

    name = "host"
    service_host = LOOPBACK
    trusts = True

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = {
            name: value for name, value in variables.items() if not name.startswith(_OURS) and name not in GIT_LOCAL
        }
        self._started: dict[str, list[_Process]] = {}

    def check(self, request: JobRequest) -> None:
        """Refuse a service without a command: there is no image to tell what it runs."""
        for name, service in request.services.items():
            if not service.command:
                said = f"the service {quote(name)} needs a container engine, or a command that runs here"
                raise RefusedError(f"{said}; see --engine", final=True)

    def ignored(self, request: JobRequest) -> list[str]:
        """Name all that is a Pod's."""
        return ignored(request)

    async def prepare(self, attempt: Attempt) -> None:
        """Do nothing: all is here, or isn't."""

    async def start(self, attempt: Attempt) -> _Process:
        """Run the driver in a session of its own."""
        places = {
            MARK: str(attempt.home),
            "FAIRLEAD_WORKSPACE": str(attempt.workspace),
            "FAIRLEAD_REPORT": str(attempt.report),
        }
        env = {**self._variables, **attempt.env, **places}
        command = ["/bin/sh", str(attempt.driver)]
        process = await self._spawn(command, attempt, env=env, folder=attempt.workspace, log=attempt.log)
        process.mark = str(attempt.home)
        return process

    async def start_service(self, attempt: Attempt, service: Service) -> _Process:
        """Run a service's command."""
        command = [*service.request.command, *service.request.args]
        log = attempt.service_log(service.name)
        env, folder = self._of_service(attempt, service), _folder_of(attempt, service)
        folder.mkdir(parents=True, exist_ok=True)
        return await self._spawn(command, attempt, env=env, folder=folder, log=log)

    async def healthy(self, attempt: Attempt, service: Service, check: HealthCheck) -> bool:
        """Run the check's command, or knock at the port."""
        if check.http is not None:
            return await answers_http(LOOPBACK, service.ports[0], check.http, check.timeout)
        if not check.command:
            return await answers_tcp(LOOPBACK, service.ports[0], check.timeout)
        env, folder = self._of_service(attempt, service), _folder_of(attempt, service)
        process = await self._spawn(check.command, attempt, env=env, folder=folder, log=None)
        try:
            async with asyncio.timeout(check.timeout):
                return await process.wait() == 0
        except TimeoutError:
            return False
        finally:
            await to_the_end(process.kill())

    async def clear(self, attempt: Attempt) -> None:
        """Kill what is left of it."""
        started = self._started.pop(attempt.name, [])
        for process in started:
            await process.kill()
        await asyncio.to_thread(end_all, str(attempt.home), below=True)
        for process in started:
            process.close()

    async def _spawn(
        self, command: Sequence[str], attempt: Attempt, *, env: Mapping[str, str], folder: Path, log: Path | None
    ) -> _Process:
        process = await _spawn(command, env=env, folder=folder, log=log)
        self._started.setdefault(attempt.name, []).append(process)
        return process

    def _of_service(self, attempt: Attempt, service: Service) -> dict[str, str]:
        return {**self._variables, **service.env, MARK: str(attempt.home / service.name)}


def _folder_of(attempt: Attempt, service: Service) -> Path:
    """Give a service's working directory, which is deleted at the end."""
    return attempt.home / "services" / service.name


class _Process:
    """Implements `local.runtime.Process`."""

    starved = False
    mark: str | None = None

    def __init__(self, process: asyncio.subprocess.Process, log: LogPipe | None) -> None:
        self._process = process
        self._log = log
        self._killed = False

    async def wait(self) -> int:
        """Wait for the process itself; what bears its mark is ended with it, as a container's processes are."""
        code = await self._process.wait()
        if self.mark is not None:
            await to_the_end(asyncio.to_thread(end_all, self.mark))
        if self._log is not None:
            self._log.catch_up()
        return 128 - code if code < 0 else code

    async def ask(self) -> None:
        """Ask the process alone: a driver passes it on, in its own way."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    async def kill(self) -> None:
        """Kill all that is still in its process group; once, since somebody else may get its number."""
        if not self._killed:
            self._killed = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    def close(self) -> None:
        """Read no more of what it prints."""
        if self._log is not None:
            self._log.close()


async def _spawn(command: Sequence[str], *, env: Mapping[str, str], folder: Path, log: Path | None) -> _Process:
    pipe = None if log is None else LogPipe(log)
    output = asyncio.subprocess.DEVNULL if pipe is None else pipe.writer
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=env,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if pipe is not None:
            pipe.close()
        raise StartError("StartError", f"{quote(command[0])}: {why}") from error
    finally:
        if pipe is not None:
            pipe.begun()
    return _Process(process, pipe)
