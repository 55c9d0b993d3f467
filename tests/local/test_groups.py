"""Concurrency groups between runs that know of each other only by the state folder."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.local.processes import alive, happens, python
from tests.local.running import job, phases, said, spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.local.running import Json, Machine

ALONE = """
test -e holder && grep -q '^State:.[^ZX]' "/proc/$(cat holder)/status" 2>/dev/null && echo $$ >> clashes
echo $$ > holder
echo ${{ workflow.name }} >> order
touch up-${{ workflow.name }}
%s
rm holder
"""
"""Notes it if another process is in here, and who was here in which order."""


def order(machine: Machine) -> list[str]:
    """Tell which workflows ran, in which order; AssertionError where two did at once."""
    assert not (machine.workspace / "clashes").exists()
    return (machine.workspace / "order").read_text().split()


def grouped(work: str = "sleep 0.1", group: Mapping[str, object] | None = None) -> Json:
    """Give a workflow that can bear no other one of its group."""
    return spec({"a": job(ALONE % work)}, concurrency=group or {"group": "deploy"})


def phase(machine: Machine, name: str) -> str | None:
    """Give the recorded phase of a run."""
    found = machine.status(name).get("phase")
    return None if found is None else str(found)


async def test_all_in_turn(machine: Machine) -> None:
    """Runs of one group that are started at once run one after another, none is forgotten."""
    names = [machine.record(grouped(), name) for name in ("one", "two", "three")]
    others = [machine.apart(name) for name in names]
    try:
        found = [said(other)["phase"] for other in others]
    finally:
        for other in others:
            other.kill()
    assert (found, sorted(order(machine))) == (["Succeeded"] * 3, sorted(names))


async def test_jobs_in_turn(machine: Machine) -> None:
    """So do jobs of one group; the others of their runs don't wait for it."""
    jobs = {"a": job(ALONE % "sleep 0.1", concurrency={"group": "db"}), "b": job("touch free-${{ workflow.name }}")}
    names = [machine.record(spec(jobs), name) for name in ("one", "two")]
    statuses = [await each for each in [asyncio.create_task(machine.carry_on(name)) for name in names]]
    assert [phases(each) for each in statuses] == [{"a": "Succeeded", "b": "Succeeded"}] * 2, machine.log("a", "two")
    assert sorted(order(machine)) == sorted(names)


async def test_latest(machine: Machine) -> None:
    """Where only the latest counts, a newer run takes the place of one that waits."""
    group = {"group": "deploy", "queue": "latest"}
    machine.record(grouped("while ! test -e go; do sleep 0.02; done", group), "one")
    machine.record(grouped(group=group), "two")
    machine.record(grouped(group=group), "three")
    first = asyncio.create_task(machine.carry_on("one"))
    await happens((machine.workspace / "up-one").exists)
    second = asyncio.create_task(machine.carry_on("two"))
    await happens(lambda: phase(machine, "two") == "Queued")
    third = asyncio.create_task(machine.carry_on("three"))
    superseded = await second
    (machine.workspace / "go").touch()
    found = (await first).phase, superseded.phase, phases(superseded), (await third).phase
    assert found == ("Succeeded", "Cancelled", {"a": "Cancelled Superseded"}, "Succeeded")
    assert order(machine) == ["one", "three"]


async def test_cancel_in_progress(machine: Machine) -> None:
    """A newcomer that may cancels the one that runs, and begins when that has cleaned up."""
    group = {"group": "deploy", "cancelInProgress": True}
    first = grouped("sleep 60", group)
    first["jobs"]["a"]["steps"] += [{"if": "always()", "run": "sleep 0.1; echo cleaned >> order; rm holder"}]
    machine.record(first, "one")
    machine.record(grouped(group=group), "two")
    with machine.apart("one") as other:
        await happens((machine.workspace / "up-one").exists)
        status = await machine.carry_on("two")
        found = said(other)
    assert (found["phase"], found["jobs"]["a"]["reason"], status.phase) == ("Cancelled", "Superseded", "Succeeded")
    assert order(machine) == ["one", "cleaned", "two"]


@pytest.mark.parametrize("deaf", [False, True])
async def test_holder_is_killed(machine: Machine, deaf: bool) -> None:  # noqa: FBT001  a parameter
    """The group of a process that was killed is free once nothing runs any more that it had started."""
    trap = "trap '' TERM HUP INT; " if deaf else ""
    machine.record(grouped(f"{trap}while :; do sleep 0.02; done"), "one")
    machine.record(grouped(), "two")
    with machine.apart("one") as other:
        await happens((machine.workspace / "up-one").exists)
        waiting = asyncio.create_task(machine.carry_on("two"))
        await happens(lambda: phase(machine, "two") == "Queued")
        other.kill()
    assert (await waiting).phase == "Succeeded"
    assert order(machine) == ["one", "two"]
    assert alive("up-one") == []


async def test_holder_was_killed(machine: Machine) -> None:
    """So is that of one that was killed before."""
    machine.record(grouped("trap '' TERM HUP INT; while :; do sleep 0.02; done"), "one")
    with machine.apart("one") as other:
        await happens((machine.workspace / "up-one").exists)
        other.kill()
    machine.record(grouped(), "two")
    assert (await machine.carry_on("two")).phase == "Succeeded"
    assert order(machine) == ["one", "two"]


async def test_groups_of_others(machine: Machine) -> None:
    """Another group is in nobody's way."""
    machine.record(
        spec({"a": job("touch up; while ! test -e go; do sleep 0.02; done")}, concurrency={"group": "x"}), "one"
    )
    machine.record(spec({"a": job("true")}, concurrency={"group": "y"}), "two")
    first = asyncio.create_task(machine.carry_on("one"))
    await happens((machine.workspace / "up").exists)
    second = await machine.carry_on("two")
    (machine.workspace / "go").touch()
    assert ((await first).phase, second.phase) == ("Succeeded", "Succeeded")


BUSY = """
import sys
from pathlib import Path
from fairlead.local.state import State
state = State(Path(sys.argv[1]))
state.create({"metadata": {"name": "busy"}, "spec": {}})
print(flush=True)
while True:
    state.change("busy", lambda old: old)
"""


async def test_busy_machine(machine: Machine) -> None:
    """Others that record something all the time don't keep a run from its group."""
    machine.record(grouped(), "one")
    with python(BUSY, machine.state.folder) as other:
        assert other.stdout is not None
        other.stdout.readline()
        status = await machine.carry_on("one")
        other.kill()
    machine.state.remove("busy")
    assert (status.phase, order(machine)) == ("Succeeded", ["one"])
