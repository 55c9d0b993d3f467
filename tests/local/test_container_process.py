from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from fairlead.local.container_engine import Engine, Kind
from fairlead.local.container_process import ContainerProcess, ContainerState, read_state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ('{"Status":"created","ExitCode":127}', ContainerState(began=False, over=False, exit_code=127)),
        ('{"Status":"running","ExitCode":0}', ContainerState(began=True, over=False)),
        (
            '{"Status":"Exited","ExitCode":137,"OOMKilled":true}',
            ContainerState(began=True, over=True, exit_code=137, starved=True),
        ),
        ("[]", None),
        ("no json", None),
    ],
)
def test_state(text: str, state: ContainerState | None) -> None:
    """Each engine tells the state in Docker's form, more or less."""
    assert read_state(text) == state


def engine(folder: Path, *, start: str, state: str, wait: str = "exit 1") -> Engine:
    """Give an engine that is a script, which notes the signals that it is asked to send."""
    program = folder / "podman"
    cases = {"start": start, "inspect": state, "wait": wait, "kill": f'echo "$*" >>{folder}/signals'}
    lines = "".join(f"{command}) {script} ;;\n" for command, script in cases.items())
    program.write_text(f'#!/bin/sh\ncase "$1" in\n{lines}esac\n')
    program.chmod(0o755)
    return Engine("podman", Kind.PODMAN, str(program))


def says(status: str, code: int) -> str:
    """Give a script that tells of a container."""
    return f"""echo '{{"Status":"{status}","ExitCode":{code}}}'"""


async def test_exit_code(tmp_path: Path) -> None:
    """The engine's word counts: its client may have had an exit code of its own."""
    made = engine(tmp_path, start="echo out; echo err >&2; exit 125", state=says("exited", 3))
    process = await ContainerProcess.start(made, "c", tmp_path / "log")
    assert (await process.wait(), (tmp_path / "log").read_text()) == (3, "out\nerr\n")


async def test_client_is_lost(tmp_path: Path) -> None:
    """A container that goes on without its client is waited for."""
    waited = tmp_path / "waited"
    state = f"if [ -e {waited} ]; then {says('exited', 4)}; else {says('running', 0)}; fi"
    made = engine(tmp_path, start="kill -KILL $$", state=state, wait=f": >{waited}")
    process = await ContainerProcess.start(made, "c", tmp_path / "log")
    assert await process.wait() == 4


async def test_is_gone(tmp_path: Path) -> None:
    """Of a container that was removed the client's end is all that is known."""
    made = engine(tmp_path, start="kill -KILL $$", state="exit 1")
    process = await ContainerProcess.start(made, "c", tmp_path / "log")
    assert await process.wait() == 137


async def test_last_words(tmp_path: Path) -> None:
    """What an engine says instead of starting a container isn't left in its log."""
    (tmp_path / "log").write_text("before\n")
    made = engine(tmp_path, start="echo 'Error: no such file' >&2; exit 127", state=says("created", 127))
    process = await ContainerProcess.start(made, "c", tmp_path / "log")
    assert (await process.last_words(), (tmp_path / "log").read_text()) == ("no such file", "before\n")
    await process.forget()


async def test_signals(tmp_path: Path) -> None:
    """Signals go through the engine, and to nobody once the container has ended."""
    made = engine(tmp_path, start=f"read -r _ <{tmp_path}/go", state=says("exited", 0))
    os.mkfifo(tmp_path / "go")
    process = await ContainerProcess.start(made, "c", tmp_path / "log")
    await process.ask()
    await process.kill()
    await asyncio.to_thread((tmp_path / "go").write_text, "now\n")
    await process.wait()
    await process.ask()
    assert (tmp_path / "signals").read_text() == "kill --signal TERM c\nkill --signal KILL c\n"
