"""How runs begin, end, are cancelled, run again, carried on after a crash, and keep out of each other's way."""

from __future__ import annotations

import asyncio
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from fairlead.engine.errors import RefusedError
from fairlead.engine.runs import NotFoundError
from tests.local.processes import alive, happens, python
from tests.local.rights import without_privileges
from tests.local.running import job, phases, said, spec, state_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.running import Machine

ALWAYS = {"if": "always()"}
WAIT = "touch up; while :; do sleep 0.02; done"


def is_up(machine: Machine, name: str = "up") -> bool:
    """Whether a step has made a file in the shared workspace."""
    return (machine.workspace / name).exists()


# Beginning and ending


async def test_no_such_run(machine: Machine) -> None:
    """What isn't recorded can't be run."""
    with pytest.raises(NotFoundError, match="there is no run ci on this machine"):
        await machine.session("ci").run()


async def test_has_ended(machine: Machine) -> None:
    """A run that has ended isn't run again unless somebody asks for it."""
    first = await machine.run(spec({"a": job("echo x >> ran")}))
    again = await machine.carry_on("ci")
    assert (again, (machine.workspace / "ran").read_text()) == (first, "x\n")


async def test_is_run_already(machine: Machine) -> None:
    """A run is one process's at a time."""
    machine.record(spec({"a": job(WAIT)}))
    with machine.apart("ci") as other:
        await happens(lambda: is_up(machine))
        with pytest.raises(RefusedError, match="another process runs ci"):
            await machine.session("ci").run()
        other.send_signal(signal.SIGINT)
        assert said(other)["phase"] == "Cancelled"


async def test_deleted_meanwhile(machine: Machine) -> None:
    """A run whose record somebody deletes ends, and says so."""
    machine.record(spec({"a": job("sleep 60")}))
    running = asyncio.create_task(machine.session("ci").run())
    await happens(lambda: alive(str(machine.workspace)))
    machine.state.remove("ci")
    with pytest.raises(NotFoundError, match="the run ci was deleted"):
        await running


@pytest.mark.parametrize("moments", [0, 5, 50])
async def test_given_up(machine: Machine, moments: int) -> None:
    """Whoever stops waiting for a run, at any moment, leaves nothing running."""
    machine.shared = False
    machine.record(spec({"a": job("trap '' TERM; sleep 60; :", "echo never"), "b": job("sleep 60")}))
    running = asyncio.create_task(machine.session("ci").run())
    await happens(lambda: len(alive(str(machine.state.folder))) >= min(moments, 6))
    for _ in range(moments):
        await asyncio.sleep(0)
    while not running.done():
        running.cancel()
        await asyncio.sleep(0.001)
    assert (running.cancelled(), alive(str(machine.state.folder)), machine.left()) == (True, [], [])


# Cancelling


async def test_cancel(machine: Machine) -> None:
    """What runs is asked to end and cleans up, what waits doesn't start, and always() goes on."""
    a = job(WAIT)
    a["steps"] += [{"run": "echo never"}, {"run": "echo rolled back", "if": "cancelled()"}]
    jobs = {
        "a": a,
        "b": job("echo never", needs=["a"]),
        "c": job("echo unlocked", needs=["a"], **ALWAYS),
        "d": job("sleep 0.3; echo went on", **ALWAYS),
    }
    session = machine.session(machine.record(spec(jobs)))
    running = asyncio.create_task(session.run())
    await happens(lambda: is_up(machine))
    for _ in range(2):
        session.cancel()
    status = await running
    assert (status.phase, phases(status)) == (
        "Cancelled",
        {"a": "Cancelled Cancelled", "b": "Cancelled Cancelled", "c": "Succeeded", "d": "Succeeded"},
    )
    assert machine.lines("a") == ["::error::interrupted", "rolled back"]
    assert (machine.lines("c"), machine.lines("d")) == (["unlocked"], ["went on"])


async def test_cancel_before_anything(machine: Machine) -> None:
    """A run can be cancelled before it has begun."""
    machine.record(spec({"a": job("echo never"), "b": job("echo cleaned", **ALWAYS)}))
    machine.annotate("ci", cancel="1")
    status = await machine.carry_on("ci")
    assert (phases(status), machine.lines("b")) == ({"a": "Cancelled Cancelled", "b": "Succeeded"}, ["cleaned"])


async def test_cancel_from_elsewhere(machine: Machine) -> None:
    """An annotation that another process writes is seen."""
    machine.record(spec({"a": job(WAIT)}))
    running = asyncio.create_task(machine.session("ci").run())
    await happens(lambda: is_up(machine))
    machine.annotate("ci", cancel="1")
    assert (await running).phase == "Cancelled"


async def test_cancel_while_a_service_starts(machine: Machine) -> None:
    """A job that waits for its service ends at once, and the service with it."""
    service = {"image": "x", "command": ["sleep", "65706547"], "healthCheck": {"command": ["false"], "retries": 100}}
    session = machine.session(machine.record(spec({"a": job("echo never", services={"db": service})})))
    running = asyncio.create_task(session.run())
    await happens(lambda: alive("65706547"))
    session.cancel()
    status = await running
    assert (phases(status), machine.lines()) == ({"a": "Cancelled Cancelled"}, [])


async def test_cancel_a_call(machine: Machine) -> None:
    """A workflow that was called is cancelled with its caller."""
    machine.templates = {"t": {"jobs": {"x": job(WAIT)}}}
    session = machine.session(machine.record(spec({"a": {"uses": "t"}})))
    running = asyncio.create_task(session.run())
    await happens(lambda: is_up(machine))
    session.cancel()
    status = await running
    (called,) = [name for name in machine.state.names() if name != "ci"]
    assert (phases(status), machine.status(called)["phase"]) == ({"a": "Cancelled Cancelled"}, "Cancelled")


# Running again


async def test_rerun(machine: Machine) -> None:
    """An ended run is run again: all of it, what failed, or from a job on; what is kept keeps its outputs."""
    a = job(outputs={"n": "${{ steps.s.outputs.n }}"})
    a["steps"] = [{"id": "s", "run": 'echo a >> ran; echo "n=$(wc -l < ran)" >> "$FAIRLEAD_OUTPUT"'}]
    jobs = {
        "a": a,
        "b": job("echo b${{ needs.a.outputs.n }} >> ran; test -e fixed", needs=["a"]),
        "c": job("echo c >> ran", needs=["b"]),
        "d": job("echo d >> ran", needs=["c"], **ALWAYS),
    }
    first = await machine.run(spec(jobs))
    (machine.workspace / "fixed").touch()
    machine.annotate("ci", rerun="1 failed")
    second = await machine.carry_on("ci")
    machine.annotate("ci", rerun="2 from c")
    third = await machine.carry_on("ci")
    machine.annotate("ci", rerun="3")
    fourth = await machine.carry_on("ci")
    assert [(each.phase, each.run, len(each.history)) for each in (first, second, third, fourth)] == [
        ("Failed", 1, 0),
        ("Succeeded", 2, 1),
        ("Succeeded", 3, 2),
        ("Succeeded", 4, 3),
    ]
    assert [state_of(second, name).kept_from for name in "abcd"] == [1, None, None, None]
    assert [state_of(third, name).kept_from for name in "abcd"] == [1, 2, None, None]
    ran = (machine.workspace / "ran").read_text().split()
    assert ran == ["a", "b1", "d", "b1", "c", "d", "c", "d", "a", "b9", "c", "d"]
    assert [len(machine.lines("b", run=run)) for run in (1, 2, 3)] == [1, 0, 0]


async def test_rerun_that_is_no_longer_asked(machine: Machine) -> None:
    """A request for a run that has passed is an old one."""
    await machine.run(spec({"a": job("echo x >> ran")}))
    machine.annotate("ci", rerun="7")
    assert (await machine.carry_on("ci")).run == 1


# Crashes


async def test_crash(machine: Machine) -> None:
    """After the process was killed another one carries the run on: what ended stays, what ran is run again."""
    jobs = {
        "a": job("echo a >> ran"),
        "b": job("echo b >> ran; touch up; test -e go || exec sleep 65306543", needs=["a"]),
        "c": job("echo c >> ran", needs=["b"]),
    }
    machine.record(spec(jobs))
    with machine.apart("ci") as other:
        await happens(
            lambda: is_up(machine) and machine.status().get("jobs", {}).get("b", {}).get("phase") == "Running"
        )
        other.kill()
    (machine.workspace / "go").touch()
    status = await machine.carry_on("ci")
    assert (status.run, phases(status), (machine.workspace / "ran").read_text().split()) == (
        1,
        {"a": "Succeeded", "b": "Succeeded", "c": "Succeeded"},
        ["a", "b", "b", "c"],
    )
    assert (state_of(status, "b").attempt, alive("65306543")) == (2, [])
    assert machine.log("b", attempt=1) != ""


async def test_crash_in_a_copy(machine: Machine) -> None:
    """Processes, workspaces and drivers' folders that a killed process left are gone once another one runs anything."""
    code = _IN_A_COPY
    machine.record(
        spec({"a": job("trap '' TERM HUP INT; touch up; setsid sleep 65406544 & sleep 65406544; :")}), "dead"
    )
    with python(code, machine.state.folder, machine.workspace) as other:
        await happens(lambda: len(alive("65406544")) >= 2, "its start")
        other.kill()
    left = (len(machine.left()) > 3, len(alive(str(machine.state.folder))) > 1)
    await machine.run(spec({"a": job("true")}))
    assert (left, machine.left(), alive("65406544")) == ((True, True), [], [])


_IN_A_COPY = """
import asyncio, os, sys
from pathlib import Path
from fairlead.local.host import HostRuntime
from fairlead.local.session import Session, Settings
from fairlead.local.state import State
settings = Settings(workspace=Path(sys.argv[2]), parallel=2)
asyncio.run(Session(State(Path(sys.argv[1])), "dead", HostRuntime(os.environ), settings).run())
"""


async def test_leftovers_of_another_engine(machine: Machine) -> None:
    """What another engine's process left is that engine's to end."""
    machine.record(spec({}), "dead")
    folder = machine.state.job_folder("dead", "x")
    folder.mkdir(parents=True)
    (folder / "job.json").write_text('{"metadata": {"name": "x"}}')
    (folder / "works").write_text("podman")
    await machine.run(spec({"a": job("true")}))
    kept = (folder / "works").exists()
    machine.record(spec({"a": job("true")}), "other")
    machine.state.remove("dead")
    assert kept


async def test_crash_with_a_call(machine: Machine, tmp_path: Path) -> None:
    """A workflow that was called is carried on, too."""
    (tmp_path / "template").write_text("x")
    machine.templates = {"t": {"jobs": {"x": job("echo x >> ran; touch up; test -e go || exec sleep 65506545")}}}
    machine.record(spec({"a": {"uses": "t"}, "b": job("echo b >> ran", needs=["a"])}))
    with python(_WITH_A_CALL, machine.state.folder, machine.workspace, repr(machine.templates)) as other:
        await happens(lambda: is_up(machine))
        other.kill()
    (machine.workspace / "go").touch()
    status = await machine.carry_on("ci")
    assert (phases(status), (machine.workspace / "ran").read_text().split()) == (
        {"a": "Succeeded", "b": "Succeeded"},
        ["x", "x", "b"],
    )


_WITH_A_CALL = """
import ast, asyncio, os, sys
from pathlib import Path
from fairlead.local.host import HostRuntime
from fairlead.local.session import Session, Settings
from fairlead.local.state import State
settings = Settings(workspace=Path(sys.argv[2]), parallel=2, shared=True, templates=ast.literal_eval(sys.argv[3]))
asyncio.run(Session(State(Path(sys.argv[1])), "ci", HostRuntime(os.environ), settings).run())
"""


# Trouble with the disk


async def test_no_rights(machine: Machine) -> None:
    """A state folder that can't be written to ends the run with what is wrong, and nothing is left running."""
    machine.record(spec({"a": job("echo x"), "b": job("echo y", needs=["a"])}))
    runs = machine.state.folder / "runs" / "ci"
    runs.chmod(0o500)
    try:
        with without_privileges(), pytest.raises(RefusedError) as caught:
            await machine.carry_on("ci")
    finally:
        runs.chmod(0o700)
    assert caught.value.message == (
        f"the state folder {machine.state.folder} can't be used: {runs}/owner: Permission denied"
    )


async def test_full_disk(machine: Machine) -> None:
    """A disk that gets full while it runs ends the run with what is wrong, and nothing is left running."""
    machine.record(spec({"a": job("sleep 65606546"), "b": job("true")}))
    with machine.apart("ci") as other:
        await happens(lambda: alive("65606546"))
        resource.prlimit(other.pid, resource.RLIMIT_FSIZE, (300, 300))
        machine.annotate("ci", cancel="1")
        error = said(other)["error"]
    expected = f"the state folder {machine.state.folder} can't be used: File too large"
    assert (error, alive("65606546"), machine.status()["phase"]) == (expected, [], "Running")
