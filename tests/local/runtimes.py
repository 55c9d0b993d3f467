"""A runtime that runs nothing: its processes live until they are asked to end, or are told to by a test."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairlead.local.runtime import Attempt, Service, StartError
from tests.builders import a_request

if TYPE_CHECKING:
    from pathlib import Path

    from fairlead.engine.errors import RefusedError
    from fairlead.model.containers import HealthCheck
    from fairlead.plan.actions import JobRequest, ServiceRequest


class IdleProcess:
    """Implements `local.runtime.Process`. `deaf`: it doesn't end when it is asked to."""

    starved = False

    def __init__(self, *, deaf: bool = False) -> None:
        self._ended = asyncio.get_running_loop().create_future()
        self._deaf = deaf

    def end(self, code: int) -> None:
        """End by itself."""
        if not self._ended.done():
            self._ended.set_result(code)

    async def wait(self) -> int:
        """Wait for its end."""
        return await asyncio.shield(self._ended)

    async def ask(self) -> None:
        """End as a driver does that was interrupted."""
        if not self._deaf:
            self.end(143)

    async def kill(self) -> None:
        """End as what was killed does."""
        self.end(137)


@dataclass(slots=True)
class IdleRuntime:
    """Implements `local.runtime.Runtime`.

    `log` has what was asked of it. `troubles` are raised by the next starts of that name (`main`, a service's), or by
    `prepare` or `clear`, one each time; `exits` has the codes with which services end at once; `health` what the next
    checks say (true where nothing is left).
    """

    name: str = "idle"
    service_host: str | None = "127.0.0.1"
    trusts: bool = True
    deaf: bool = False
    log: list[str] = field(default_factory=list)
    troubles: dict[str, deque[StartError]] = field(default_factory=dict)
    refusal: RefusedError | None = None
    exits: dict[str, deque[int]] = field(default_factory=dict)
    health: deque[bool | StartError] = field(default_factory=deque)
    processes: dict[str, IdleProcess] = field(default_factory=dict)

    def check(self, request: JobRequest) -> None:
        """Take all, or nothing."""
        del request
        if self.refusal is not None:
            raise self.refusal

    def ignored(self, request: JobRequest) -> list[str]:
        """Heed all."""
        del request
        return []

    async def prepare(self, attempt: Attempt) -> None:
        """Note that it was asked to."""
        del attempt
        self._note("prepare", "prepare")

    async def start(self, attempt: Attempt) -> IdleProcess:
        """Start nothing."""
        del attempt
        self._note("start main", "main")
        self.processes["main"] = IdleProcess(deaf=self.deaf)
        return self.processes["main"]

    async def start_service(self, attempt: Attempt, service: Service) -> IdleProcess:
        """Start no service."""
        del attempt
        self._note(f"start {service.name}", service.name)
        process = self.processes[service.name] = IdleProcess(deaf=self.deaf)
        if self.exits.get(service.name):
            process.end(self.exits[service.name].popleft())
        return process

    async def healthy(self, attempt: Attempt, service: Service, check: HealthCheck) -> bool:
        """Say what is next."""
        del attempt, check
        self.log.append(f"check {service.name}")
        said = self.health.popleft() if self.health else True
        if isinstance(said, StartError):
            raise said
        return said

    async def clear(self, attempt: Attempt) -> None:
        """End all."""
        del attempt
        for process in self.processes.values():
            process.end(137)
        self._note("clear", "clear")

    def _note(self, what: str, name: str) -> None:
        self.log.append(what)
        if self.troubles.get(name):
            raise self.troubles[name].popleft()


def an_attempt(
    folder: Path, *scripts: str, services: dict[str, ServiceRequest] | None = None, text: str = "true\n"
) -> Attempt:
    """Give an attempt that leaves what it leaves in a folder."""
    request = a_request(*scripts, services=services or {})
    made = tuple(Service(name, each, {}, tuple(each.ports)) for name, each in request.services.items())
    return Attempt("ci-build", folder, folder / "workspace", request, text, services=made)
