"""Jobs as processes of this machine: no image, no isolation, and what is installed here is what they have."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from fairlead.engine.errors import RefusedError
from fairlead.local.probes import answers_http, answers_tcp
from fairlead.local.processes import MARK, end_all, end_with_parent
from fairlead.local.runtime import StartError
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
        self._variables = {name: value for name, value in variables.items() if not name.startswith(_OURS)}

    def check(self, request: JobRequest) -> None:
        """Refuse a service without a command: there is no image to tell what it runs."""
        for name, service in request.services.items():
            if not service.command:
                said = f"the service {quote(name)} needs a container engine, or a command that runs here"
                raise RefusedError(f"{said}; see --engine", final=True)

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
        return await _spawn(
            ["/bin/sh", str(attempt.driver)], attempt, env=env, folder=attempt.workspace, log=attempt.log
        )

    async def start_service(self, attempt: Attempt, service: Service) -> _Process:
        """Run a service's command."""
        command = [*service.request.command, *service.request.args]
        log = attempt.service_log(service.name)
        return await _spawn(command, attempt, env=self._of_service(attempt, service), folder=attempt.folder, log=log)

    async def healthy(self, attempt: Attempt, service: Service, check: HealthCheck) -> bool:
        """Run the check's command, or knock at the port."""
        if check.http is not None:
            return await answers_http(LOOPBACK, service.ports[0], check.http, check.timeout)
        if not check.command:
            return await answers_tcp(LOOPBACK, service.ports[0], check.timeout)
        env = self._of_service(attempt, service)
        process = await _spawn(check.command, attempt, env=env, folder=attempt.folder, log=None)
        try:
            async with asyncio.timeout(check.timeout):
                return await process.wait() == 0
        except TimeoutError:
            return False
        finally:
            process.kill_group()

    async def clear(self, attempt: Attempt) -> None:
        """Kill what is left of it."""
        await asyncio.to_thread(end_all, str(attempt.home))

    def _of_service(self, attempt: Attempt, service: Service) -> dict[str, str]:
        return {**self._variables, **service.env, MARK: str(attempt.home)}


class _Process:
    """Implements `local.runtime.Process`."""

    def __init__(self, process: asyncio.subprocess.Process, mark: str) -> None:
        self._process = process
        self._mark = mark

    async def wait(self) -> int:
        """Wait for the process itself, not for what it has started."""
        code = await self._process.wait()
        return 128 - code if code < 0 else code

    async def ask(self) -> None:
        """Ask the process alone: a driver passes it on, in its own way."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    async def kill(self) -> None:
        """Kill it with its group."""
        self.kill_group()

    def kill_group(self) -> None:
        """Kill all that is still in its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


async def _spawn(
    command: Sequence[str], attempt: Attempt, *, env: Mapping[str, str], folder: Path, log: Path | None
) -> _Process:
    output = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
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
        raise StartError("StartError", f"{quote(command[0])}: {why}") from error
    finally:
        os.close(output)
    return _Process(process, str(attempt.home))
