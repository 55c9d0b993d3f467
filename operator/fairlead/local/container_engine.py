"""A container engine, through its command line: which one answers, and what it says."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import orjson

from fairlead.local.finishing import to_the_end
from fairlead.model.problem import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AUTO: Final = "auto"
"""Whichever answers."""

LIMITS: Final = frozenset({"cpu", "memory"})
"""The resources that an engine can limit, if nothing is in its way."""

_PATIENCE: Final = 8.0
"""Seconds that an engine has to say what it is; a daemon that hangs never does."""

_GRACE: Final = 5.0
"""Seconds for a command that is not needed any more to end."""

_WHICH: Final = re.compile(r'^unable to start container "?[0-9a-f]{12,64}"?: ')
"""What podman says first, which tells nobody anything."""

_NOT_INSTALLED: Final = "not installed"


class Kind(StrEnum):
    """An engine's command line. All have Docker's commands; where they differ, it is said what for."""

    PODMAN = "podman"
    DOCKER = "docker"
    NERDCTL = "nerdctl"


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that has answered.

    `name` is what it was asked for as: `docker` may be podman in disguise. `rootless`: its root is the user who calls
    it. `limits` are those of LIMITS that it can set here.
    """

    name: str
    kind: Kind
    program: str
    rootless: bool = False
    limits: frozenset[str] = LIMITS


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended, and what it printed."""

    code: int
    output: str
    errors: str

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.code == 0

    @property
    def reason(self) -> str:
        """What it gave as the reason for its failure, in a line."""
        return reason_of(self.errors) or f"exit code {self.code}"


class NoEngineError(Exception):
    """No engine answers. `tried` has for each what is wrong with it; `wanted` is what was asked for."""

    def __init__(self, wanted: str, tried: Mapping[str, str]) -> None:
        super().__init__(wanted, tried)
        self.wanted = wanted
        self.tried = tried

    def __str__(self) -> str:
        """Name each with its trouble, and the way out."""
        if self.wanted == AUTO:
            each = "; ".join(f"{name}: {why}" for name, why in self.tried.items())
            return f"no container engine answers ({each})"
        why = self.tried[self.wanted]
        said = f"{self.wanted} is not installed" if why == _NOT_INSTALLED else f"{self.wanted} doesn't answer: {why}"
        return f"{said}; --engine host runs jobs without containers"


async def find_engine(wanted: str = AUTO) -> Engine:
    """Give the engine of that name, or the first of podman, docker and nerdctl that answers. Raises NoEngineError."""
    tried = {}
    for name in [kind.value for kind in Kind] if wanted == AUTO else [wanted]:
        program = shutil.which(name)
        if program is None:
            tried[name] = _NOT_INSTALLED
            continue
        try:
            answer = await call([program, "info", "--format", "{{json .}}"], timeout=_PATIENCE)
        except TimeoutError:
            tried[name] = f"no answer in {_PATIENCE:g}s"
            continue
        except OSError as error:
            tried[name] = error.strerror or str(error)
            continue
        found = read_info(name, program, answer)
        if isinstance(found, Engine):
            return found
        tried[name] = found
    raise NoEngineError(wanted, tried)


def read_info(name: str, program: str, answer: Answer) -> Engine | str:
    """Read what `info` says, or tell why that is of no use."""
    try:
        info = orjson.loads(answer.output)
    except orjson.JSONDecodeError:
        return answer.reason
    if not isinstance(info, dict):
        return answer.reason
    if isinstance(host := info.get("host"), dict):
        return _podman(name, program, host)
    # Docker's client answers for itself where there is no daemon.
    if errors := info.get("ServerErrors"):
        return one_line(str(errors[0] if isinstance(errors, list) else errors))
    if not answer.ok:
        return answer.reason
    can = {"cpu": info.get("CpuCfsQuota", True), "memory": info.get("MemoryLimit", True)}
    return Engine(
        name,
        Kind.NERDCTL if name == Kind.NERDCTL else Kind.DOCKER,
        program,
        rootless="name=rootless" in (info.get("SecurityOptions") or ()),
        limits=frozenset(limit for limit, possible in can.items() if possible),
    )


def _podman(name: str, program: str, host: Mapping[str, Any]) -> Engine:
    security = host.get("security") or {}
    controllers = host.get("cgroupControllers")
    limits = LIMITS if controllers is None else LIMITS & set(controllers)
    return Engine(name, Kind.PODMAN, program, rootless=bool(security.get("rootless")), limits=limits)


async def call(
    command: Sequence[str],
    *,
    timeout: float | None = None,  # noqa: ASYNC109  as subprocess has it
    quiet: bool = False,
    env: Mapping[str, str] | None = None,
) -> Answer:
    """Run a command to its end, with these variables besides this process's own.

    What it prints is UTF-8, and thrown away where it is to be `quiet`. Raises TimeoutError after so many seconds, and
    OSError. One that is given up is ended before that is told.
    """
    pipe = asyncio.subprocess.DEVNULL if quiet else asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        env={**os.environ, **env} if env else None,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            await to_the_end(_end(process))
    assert process.returncode is not None  # noqa: S101  communicate waits for it
    return Answer(process.returncode, _text(output), _text(errors))


def _text(printed: bytes | None) -> str:
    return (printed or b"").decode("utf-8", "replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_GRACE):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def reason_of(text: str) -> str:
    """Find in what a command printed the line that tells why it failed: the last that is no hint and no log entry."""
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("time=", "See '", "Run '"))]
    last = telling[-1] if telling else next((line for line in reversed(lines) if line), "")
    for prefix in ("docker: ", "Error: ", "Error response from daemon: "):
        last = last.removeprefix(prefix)
    return one_line(_WHICH.sub("", last))
