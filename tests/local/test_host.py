from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fairlead.engine.errors import RefusedError
from fairlead.local.host import HostRuntime
from fairlead.local.runtime import Service, StartError
from fairlead.model.containers import HealthCheck
from fairlead.plan.actions import ServiceRequest
from tests.builders import a_request
from tests.local.processes import alive, happens
from tests.local.runtimes import an_attempt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fairlead.local.runtime import Attempt

PATH = os.environ["PATH"]


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    """Give an attempt with its folders."""
    made = an_attempt(tmp_path)
    for folder in (made.home / "services" / "db", made.workspace, tmp_path / "services"):
        folder.mkdir(parents=True)
    return made


@pytest.fixture
async def runtime(attempt: Attempt) -> AsyncIterator[HostRuntime]:
    """Give a runtime of a user who has some variables."""
    made = HostRuntime({"PATH": PATH, "HOME": "/home/a", "FAIRLEAD_HOME": "x", "GITHUB_TOKEN": "x", "GIT_DIR": "x"})
    yield made
    await made.clear(attempt)


async def run(runtime: HostRuntime, attempt: Attempt, text: str) -> tuple[int, str]:
    """Run a driver to its end, and give its exit code and its log."""
    attempt.driver.write_text(text)
    process = await runtime.start(attempt)
    return await process.wait(), attempt.log.read_text()


@pytest.mark.parametrize(
    ("text", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("false; true", 0)]
)
async def test_exit_code(runtime: HostRuntime, attempt: Attempt, text: str, code: int) -> None:
    """An exit code is told as a shell tells it, a signal's, too."""
    assert await run(runtime, attempt, text) == (code, "")


async def test_variables(runtime: HostRuntime, attempt: Attempt) -> None:
    """A driver has the user's variables, then its own; none of a run around this one, or of a Git hook."""
    attempt = replace(attempt, env={"HOME": "/elsewhere", "B": "c\nd"})
    _, log = await run(runtime, attempt, "exec env -0")
    found = dict(each.split("=", 1) for each in log.rstrip("\0").split("\0"))
    del found["PWD"]
    assert found == {
        "PATH": PATH,
        "HOME": "/elsewhere",
        "B": "c\nd",
        "FAIRLEAD_HOME": str(attempt.home),
        "FAIRLEAD_WORKSPACE": str(attempt.workspace),
        "FAIRLEAD_REPORT": str(attempt.report),
    }


async def test_surroundings(runtime: HostRuntime, attempt: Attempt) -> None:
    """A driver starts in its workspace, leads a session, has no input, and both its outputs are the log."""
    text = "pwd; read -r line || echo no input; echo error >&2; test $(cut -d' ' -f6 /proc/$$/stat) = $$ && echo leads"
    assert await run(runtime, attempt, text) == (0, f"{attempt.workspace}\nno input\nerror\nleads\n")


async def test_log_grows(runtime: HostRuntime, attempt: Attempt) -> None:
    """What is in the log stays."""
    await run(runtime, attempt, "echo one")
    assert await run(runtime, attempt, "echo two") == (0, "one\ntwo\n")


async def test_log_opened_again(runtime: HostRuntime, attempt: Attempt) -> None:
    """What opens /dev/stderr once more doesn't empty the log; a great deal arrives whole."""
    text = "echo one; echo two >/dev/stderr; echo three; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end"
    code, log = await run(runtime, attempt, text)
    assert (code, log[:14], log[14:-5].strip("x"), len(log)) == (0, "one\ntwo\nthree\n", "", 3000019)


async def test_ask(runtime: HostRuntime, attempt: Attempt) -> None:
    """Who is asked to end may clean up; who has ended isn't asked."""
    attempt.driver.write_text("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done")
    process = await runtime.start(attempt)
    await happens(lambda: attempt.log.read_text() == "ready\n")
    await process.ask()
    code = await process.wait()
    await process.ask()
    await process.kill()
    assert (code, attempt.log.read_text()) == (5, "ready\nbye\n")


async def test_end_of_the_steps(runtime: HostRuntime, attempt: Attempt) -> None:
    """What steps leave running is ended with them, before anybody hears of their end; services go on."""
    mark = f"8{os.getpid():07}"
    service = Service("db", ServiceRequest("x", command=("sleep", f"1{mark}")), {})
    process = await runtime.start_service(attempt, service)
    assert await run(runtime, attempt, f"setsid sleep {mark} >/dev/null 2>&1 & echo ended") == (0, "ended\n")
    assert (len(alive(f"\0{mark}")), len(alive(f"\0001{mark}"))) == (0, 1)
    await process.kill()


async def test_clear(runtime: HostRuntime, attempt: Attempt) -> None:
    """Nothing of an attempt runs on, in whatever session it is, and though it doesn't listen."""
    mark = f"7{os.getpid():07}.7"
    attempt.driver.write_text(f"trap '' TERM HUP; setsid sleep {mark} & (setsid sleep 1{mark} &) & sleep 2{mark}; :")
    process = await runtime.start(attempt)
    await happens(lambda: len(alive(mark)) == 3)
    for _ in range(2):
        await runtime.clear(attempt)
    assert (await process.wait(), alive(mark)) == (137, [])


async def test_clear_is_quiet(runtime: HostRuntime, attempt: Attempt, caplog: pytest.LogCaptureFixture) -> None:
    """What is killed is waited for by nobody else: asyncio doesn't miss the end of its processes."""
    attempt.driver.write_text("sleep 60")
    process = await runtime.start(attempt)
    await runtime.clear(attempt)
    assert (await process.wait(), caplog.messages) == (137, [])


async def test_no_workspace(runtime: HostRuntime, attempt: Attempt) -> None:
    """A driver that can't be started says why."""
    attempt.workspace.rmdir()
    with pytest.raises(StartError, match=r'StartError: "/bin/sh": No such file or directory'):
        await run(runtime, attempt, "true")


async def test_null_byte(runtime: HostRuntime, attempt: Attempt) -> None:
    """A variable that no process can have is told of."""
    with pytest.raises(StartError, match="embedded null byte"):
        await run(runtime, replace(attempt, env={"A": "\0"}), "true")


async def test_too_long(runtime: HostRuntime, attempt: Attempt) -> None:
    """So is one that is too long."""
    with pytest.raises(StartError, match="Argument list too long"):
        await run(runtime, replace(attempt, env={"A": "x" * 2**20}), "true")


def test_service_without_command() -> None:
    """A service that only its image could tell how to run is refused; one with a command isn't."""
    runtime = HostRuntime({})
    runtime.check(a_request(services={"db": ServiceRequest("postgres", command=("postgres",))}))
    with pytest.raises(RefusedError) as caught:
        runtime.check(a_request(services={"db": ServiceRequest("postgres:15")}))
    said = 'the service "db" needs a container engine, or a command that runs here; see --engine'
    assert (caught.value.message, caught.value.final) == (said, True)


def a_service(*command: str, port: int = 0, **env: str) -> Service:
    """Give a service that runs a command."""
    return Service("db", ServiceRequest("own/db", command=command), env, (port,))


async def test_service(runtime: HostRuntime, attempt: Attempt) -> None:
    """A service has its own variables and log, and a folder to work in."""
    process = await runtime.start_service(attempt, a_service("sh", "-c", 'echo "$NAME $HOME"; pwd', NAME="db"))
    assert (await process.wait(), attempt.service_log("db").read_text()) == (
        0,
        f"db /home/a\n{attempt.home}/services/db\n",
    )


async def test_service_that_is_not_there(runtime: HostRuntime, attempt: Attempt) -> None:
    """A command that isn't on this machine is named."""
    with pytest.raises(StartError, match='"no-such-database": No such file or directory'):
        await runtime.start_service(attempt, a_service("no-such-database"))


@pytest.mark.parametrize(
    ("command", "healthy"),
    [
        (("true",), True),
        (("false",), False),
        (("sh", "-c", 'test "$NAME" = db'), True),
        (("sleep", "60"), False),
        (("sh", "-c", "trap '' TERM; sleep 60; :"), False),
    ],
)
async def test_check_by_command(
    runtime: HostRuntime,
    attempt: Attempt,
    command: tuple[str, ...],
    healthy: bool,  # noqa: FBT001  a column
) -> None:
    """A command is run with the service's variables; one that takes too long has failed, and is ended."""
    check = HealthCheck(command=command, timeout=1).model_copy(update={"timeout": 0.1})
    assert await runtime.healthy(attempt, a_service("db", NAME="db"), check) == healthy
    await happens(lambda: alive(str(attempt.home)) == [])


async def test_check_that_is_not_there(runtime: HostRuntime, attempt: Attempt) -> None:
    """A check's command that isn't on this machine is named."""
    with pytest.raises(StartError, match='"no-such-check": No such file or directory'):
        await runtime.healthy(attempt, a_service("db"), HealthCheck(command=("no-such-check",)))


async def test_check_by_port(runtime: HostRuntime, attempt: Attempt) -> None:
    """Other checks knock at the service's first port, on this machine."""
    server = await asyncio.start_server(_no_http, "127.0.0.1", 0)
    async with server:
        service = a_service(port=server.sockets[0].getsockname()[1])
        found = [await runtime.healthy(attempt, service, HealthCheck(tcp=True, timeout=1))]
        found += [await runtime.healthy(attempt, service, HealthCheck(http="/", timeout=1))]
    assert found == [True, False]


async def _no_http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
