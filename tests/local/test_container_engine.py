from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from fairlead.local import container_engine as module
from fairlead.local.container_engine import Answer, Engine, Kind, NoEngineError, call, find_engine, read_info, reason_of

if TYPE_CHECKING:
    from pathlib import Path

PODMAN = {"host": {"security": {"rootless": True}, "cgroupControllers": ["memory", "pids"]}}
DOCKER = {"ServerVersion": "28.2.2", "CpuCfsQuota": True, "MemoryLimit": True, "SecurityOptions": ["name=seccomp"]}
DOWN = {"ServerErrors": ["Cannot connect to the Docker daemon at unix:///var/run/docker.sock."]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder in which alone programs are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, text: str) -> str:
    """Put a program there that runs a script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def answers(info: object) -> str:
    """Give a script that answers with that."""
    return f"printf '%s' '{json.dumps(info)}'"


async def test_the_first_that_answers(folder: Path) -> None:
    """Where nothing is said, podman comes before docker, and what doesn't answer is passed over."""
    program(folder, "podman", "echo 'Error: no storage' >&2; exit 125")
    docker = program(folder, "docker", answers(DOCKER))
    assert await find_engine() == Engine("docker", Kind.DOCKER, docker)


async def test_none_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was tried is named, each with its trouble; one that hangs isn't waited for."""
    monkeypatch.setattr(module, "_PATIENCE", 0.2)
    program(folder, "podman", "exec /bin/sleep 60")
    program(folder, "docker", answers(DOWN))
    with pytest.raises(NoEngineError) as caught:
        await find_engine()
    assert str(caught.value) == (
        "no container engine answers (podman: no answer in 0.2s; "
        "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.; nerdctl: not installed)"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "podman is not installed; --engine host runs jobs without containers"),
        (
            "echo 'time=\"x\" level=warning msg=y' >&2; echo 'Error: no storage' >&2; exit 125",
            "podman doesn't answer: no storage; --engine host runs jobs without containers",
        ),
        ("exit 3", "podman doesn't answer: exit code 3; --engine host runs jobs without containers"),
    ],
)
async def test_the_one_that_was_asked_for(folder: Path, text: str | None, said: str) -> None:
    """No other is taken in its place."""
    program(folder, "docker", answers(DOCKER))
    if text is not None:
        program(folder, "podman", text)
    with pytest.raises(NoEngineError) as caught:
        await find_engine("podman")
    assert str(caught.value) == said


async def test_no_program(folder: Path) -> None:
    """A file that can't be run is no engine."""
    (folder / "podman").write_bytes(b"\x7fELF")
    (folder / "podman").chmod(0o755)
    with pytest.raises(NoEngineError, match="podman doesn't answer: Exec format error"):
        await find_engine("podman")


@pytest.mark.parametrize(
    ("name", "info", "engine"),
    [
        ("podman", PODMAN, Engine("podman", Kind.PODMAN, "/x", rootless=True, limits=frozenset({"memory"}))),
        ("podman", {"host": {}}, Engine("podman", Kind.PODMAN, "/x")),
        ("docker", {"host": {}}, Engine("docker", Kind.PODMAN, "/x")),
        ("docker", DOCKER, Engine("docker", Kind.DOCKER, "/x")),
        (
            "docker",
            {**DOCKER, "SecurityOptions": ["name=rootless"], "CpuCfsQuota": False},
            Engine("docker", Kind.DOCKER, "/x", rootless=True, limits=frozenset({"memory"})),
        ),
        ("nerdctl", {"SecurityOptions": None}, Engine("nerdctl", Kind.NERDCTL, "/x")),
        ("docker", ["?"], "exit code 0"),
    ],
)
def test_info(name: str, info: object, engine: Engine | str) -> None:
    """What an engine says of itself tells which it is, whatever it is called, and what it can do."""
    assert read_info(name, "/x", Answer(0, json.dumps(info), "")) == engine


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ""),
        ("Trying to pull x...\nError: short-name resolution failed\n", "short-name resolution failed"),
        (
            "Unable to find image\ndocker: Error response from daemon: manifest unknown.\nSee 'docker run --help'.\n",
            "manifest unknown.",
        ),
        (
            f'Error: unable to start container "{"0a" * 32}": runc: exec: "/bin/sh": no such file',
            'runc: exec: "/bin/sh": no such file',
        ),
        ("time=1 level=error msg=lost\n", "time=1 level=error msg=lost"),
        ("Error: \x1b[31mred\n", "[31mred"),
    ],
)
def test_reason(text: str, reason: str) -> None:
    """Of all that an engine prints, one harmless line tells why."""
    assert reason_of(text) == reason


async def test_call(folder: Path) -> None:
    """A command is told from its arguments, sees other variables too, and has nothing to read."""
    path = program(folder, "it", 'echo "$1 $EXTRA"; /bin/cat; echo bad >&2; exit 3')
    answer = await call([path, "a b; c"], env={"EXTRA": "one\ntwo"})
    assert (answer, answer.ok, "EXTRA" in os.environ) == (Answer(3, "a b; c one\ntwo\n", "bad\n"), False, False)


async def test_call_quiet(folder: Path) -> None:
    """What nobody wants isn't kept, however much it is."""
    path = program(folder, "it", "echo much; echo more >&2")
    assert await call([path], quiet=True) == Answer(0, "", "")


async def test_call_that_is_given_up(folder: Path) -> None:
    """What takes too long is ended, and has ended before that is told."""
    path = program(folder, "it", f"echo $$ >{folder}/pid; exec /bin/sleep 60")
    with pytest.raises(TimeoutError):
        await call([path], timeout=0.5)
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)
