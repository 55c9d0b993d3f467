"""A container that runs, through the client of its engine that is attached to it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from fairlead.local.container_engine import call, reason_of
from fairlead.local.processes import end_with_parent

if TYPE_CHECKING:
    from pathlib import Path

    from fairlead.local.container_engine import Engine

_GRACE: Final = 10.0
"""Seconds from a container's end to that of its client, before that is ended, too."""

_NOT_BEGUN: Final = frozenset({"created", "configured", "initialized", "unknown", ""})
_OVER: Final = frozenset({"exited", "dead"})


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What an engine says of a container. `began`: it has run, or still does."""

    began: bool
    over: bool
    exit_code: int = 0
    starved: bool = False


async def state_of(engine: Engine, name: str) -> ContainerState | None:
    """Ask for the state of a container; None where there is none."""
    answer = await call([engine.program, "inspect", "--format", "{{json .State}}", name])
    return read_state(answer.output) if answer.ok else None


def read_state(text: str) -> ContainerState | None:
    """Read `{{json .State}}`, as all engines have it."""
    try:
        state = orjson.loads(text)
        status = str(state["Status"]).lower()
        code = state.get("ExitCode")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    return ContainerState(
        began=status not in _NOT_BEGUN,
        over=status in _OVER,
        exit_code=code if isinstance(code, int) else 0,
        starved=state.get("OOMKilled") is True,
    )


class ContainerProcess:
    """Implements `local.runtime.Process`.

    Its client passes signals on, and is asked to end when this process dies, however it does: so is the container.
    """

    def __init__(self, engine: Engine, name: str, client: asyncio.subprocess.Process, log: Path, before: int) -> None:
        self.name = name
        self.starved = False
        self._engine = engine
        self._client = client
        self._log = log
        self._before = before
        self._ended = asyncio.create_task(self._watch(), name=name)

    @classmethod
    async def start(cls, engine: Engine, name: str, log: Path) -> ContainerProcess:
        """Start a container that was made; what it prints is added to a file."""
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            before = os.fstat(output).st_size
            client = await asyncio.create_subprocess_exec(
                *(engine.program, "start", "--attach", name),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        finally:
            os.close(output)
        return cls(engine, name, client, log, before)

    @property
    def client_ended(self) -> bool:
        """Whether the engine has no more to say of it."""
        return self._client.returncode is not None

    async def last_words(self) -> str:
        """Give what the engine said instead of starting it, and take that out of the log."""
        await self._client.wait()
        with self._log.open("r+b") as file:
            file.seek(self._before)
            said = file.read().decode("utf-8", "replace")
            file.truncate(self._before)
        return reason_of(said) or f"exit code {self._client.returncode}"

    async def wait(self) -> int:
        """Wait until it has ended, though its client was lost."""
        return await asyncio.shield(self._ended)

    async def ask(self) -> None:
        """Ask its first process to end."""
        await self._signal("TERM")

    async def kill(self) -> None:
        """Kill it; the engine kills all of it."""
        await self._signal("KILL")

    async def forget(self) -> None:
        """Let go of what was removed."""
        await asyncio.wait([self._ended], timeout=_GRACE)
        if not self._ended.done():
            with suppress(ProcessLookupError):
                os.killpg(self._client.pid, signal.SIGKILL)
            await self._ended

    async def _signal(self, name: str) -> None:
        if not self._ended.done():
            await call([self._engine.program, "kill", "--signal", name, self.name], quiet=True)

    async def _watch(self) -> int:
        code = await self._client.wait()
        state = await state_of(self._engine, self.name)
        if state is not None and state.began and not state.over:
            # It lives on without its client.
            await call([self._engine.program, "wait", self.name], quiet=True)
            state = await state_of(self._engine, self.name)
        if state is None or not state.over:
            return 128 - code if code < 0 else code
        self.starved = state.starved
        return state.exit_code
