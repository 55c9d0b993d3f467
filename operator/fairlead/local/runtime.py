"""What runs the processes of jobs: this machine, or a container engine. One attempt at a job is one Pod's worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from fairlead.plan.troubles import NOT_STARTED, OUT_OF_MEMORY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fairlead.model.containers import HealthCheck
    from fairlead.plan.actions import JobRequest, ServiceRequest


@dataclass(frozen=True, slots=True)
class Service:
    """A service of an attempt. `env` has the values that it sees, `ports` those that it listens on."""

    name: str
    request: ServiceRequest
    env: Mapping[str, str]
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a node, ready to be run.

    `folder` keeps what is left of it; `workspace` is where its steps work. `env` has the values that its container
    sees, `text` is what its shell runs: the step driver.
    """

    name: str
    folder: Path
    workspace: Path
    request: JobRequest
    text: str
    env: Mapping[str, str] = field(default_factory=dict)
    services: tuple[Service, ...] = ()

    @property
    def home(self) -> Path:
        """The driver's own folder; it is deleted at the end."""
        return self.folder / "home"

    @property
    def driver(self) -> Path:
        """The file with `text`."""
        return self.home / "driver"

    @property
    def report(self) -> Path:
        """What the driver tells at the end."""
        return self.home / "report"

    @property
    def log(self) -> Path:
        """What the steps print."""
        return self.folder / "log"

    def service_log(self, name: str) -> Path:
        """Give the file of what a service prints."""
        return self.folder / "services" / f"{name}.log"


NO_START: Final = 128
"""The exit code of what never ran, as containerd gives it."""


class StartError(Exception):
    """Something doesn't start, in the kubelet's words: `reason` as ErrImagePull or StartError, and a message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    @property
    def final(self) -> bool:
        """Whether the kubelet takes it for an end, with NO_START: what was made can't run, and never will."""
        return self.reason in NOT_STARTED


def end_reason(code: int, *, starved: bool) -> str:
    """Give the kubelet's word for an end."""
    if code == 0:
        return "Completed"
    return OUT_OF_MEMORY if starved else "Error"


class Process(Protocol):
    """Something that runs."""

    @property
    def starved(self) -> bool:
        """Whether some of it was killed because it used more memory than it may, told once it has ended."""

    async def wait(self) -> int:
        """Give its exit code once it has ended: 128 and the signal's number, where one ended it."""

    async def ask(self) -> None:
        """Ask it to end (SIGTERM); do nothing where it has."""

    async def kill(self) -> None:
        """End it, and all that belongs to it."""


class Runtime(Protocol):
    """Where processes run. Each method may raise StartError."""

    @property
    def name(self) -> str:
        """What `--engine` calls it."""

    @property
    def service_host(self) -> str | None:
        """The address of a job's services where their names are no hosts."""

    @property
    def trusts(self) -> bool:
        """Whether what it runs may reach the user's files anyway."""

    def check(self, request: JobRequest) -> None:
        """Say no to what can't run here. Raises RefusedError."""

    def ignored(self, request: JobRequest) -> list[str]:
        """Name what of it means nothing here, by its fields."""

    async def prepare(self, attempt: Attempt) -> None:
        """Get ready for it: images, a network."""

    async def start(self, attempt: Attempt) -> Process:
        """Run the driver, its output into the attempt's log."""

    async def start_service(self, attempt: Attempt, service: Service) -> Process:
        """Start a service, its output into its log."""

    async def healthy(self, attempt: Attempt, service: Service, check: HealthCheck) -> bool:
        """Try a service once, as long as its check's timeout at most."""

    async def clear(self, attempt: Attempt) -> None:
        """Leave nothing of it running or lying about, whatever has happened; may be called twice."""
