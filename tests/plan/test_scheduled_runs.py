from __future__ import annotations

from datetime import timedelta

import pytest

from tests.plan.drill import START, Drill, a_job

EVERY_FIVE = {"cron": "*/5 * * * *"}


def scheduled(**fields: object) -> Drill:
    """Give a workflow that runs every five minutes, as it waits for the first time."""
    return Drill({"schedules": [EVERY_FIVE], "jobs": {"a": a_job()}, **fields}).look()


def test_suspended_times_pass() -> None:
    """They aren't missed; nothing starts before the first time after the resumption."""
    drill = scheduled(suspend=True)
    assert (drill.status.message, drill.decide().look_again) == ("the schedule is suspended", None)

    drill.pass_time(900).edit(suspend=False)
    assert (drill.log, drill.status.missed_runs) == ([], 0)

    drill.pass_time(300)
    assert (drill.log, drill.status.missed_runs) == (["start a"], 0)


def test_one_of_several_schedules_is_suspended() -> None:
    """The others go on."""
    drill = scheduled(schedules=[{**EVERY_FIVE, "suspend": True}, {"cron": "20 12 * * *"}])

    drill.pass_time(1199)
    assert drill.log == []
    assert drill.pass_time(1).log == ["start a"]


def test_starting_deadline() -> None:
    """A time that is too long ago isn't run, but counted."""
    strict = scheduled(schedules=[{**EVERY_FIVE, "startingDeadline": "1m"}])
    late = scheduled(schedules=[{**EVERY_FIVE, "startingDeadline": "1m"}])

    strict.pass_time(361)
    late.pass_time(350)

    assert (strict.log, strict.status.missed_runs, strict.status.run) == ([], 1, None)
    assert (late.log, late.status.missed_runs) == (["start a"], 0)
    assert strict.status.next_run_at == START + timedelta(minutes=10)


def test_an_edit_while_it_waits() -> None:
    """The new spec runs at the next time, and not before; nothing superseded is remembered."""
    drill = scheduled().edit(jobs={"b": a_job()})
    assert (drill.log, drill.status.history) == ([], ())

    drill.pass_time(300)
    assert (drill.log, drill.status.run) == (["start b"], 1)


def test_an_edit_after_a_run() -> None:
    """It doesn't touch the run that has ended, nor start a job of the new spec before its time."""
    drill = scheduled().pass_time(300).end("a")

    drill.edit(jobs={"a": a_job(), "b": a_job()})
    assert (drill.log, drill.status.run, drill.status.phase, list(drill.status.jobs)) == (
        ["start a"],
        1,
        "Succeeded",
        ["a"],
    )

    drill.pass_time(300)
    assert (drill.log, drill.status.run) == (["start a", "start a", "start b"], 2)


def test_an_edit_while_it_runs() -> None:
    """The run is superseded, and the new spec waits for its time."""
    drill = scheduled().pass_time(300).edit(jobs={"b": a_job()})

    assert (drill.log, drill.status.phase, drill.status.message) == (
        ["start a", "delete a"],
        "Pending",
        "the next run starts at 2026-01-01T12:10:00Z",
    )
    assert [(each.run, each.message) for each in drill.status.history] == [(1, "superseded by generation 2")]
    assert drill.pass_time(300).status.run == 2


def test_an_edit_there_and_back_again() -> None:
    """What worked for the run that was superseded is ended, though the spec is as it was then."""
    drill = scheduled().pass_time(300)
    drill.write({**drill.spec, "jobs": {"b": a_job()}})
    for act in drill.acts(drill.decide())[:1]:
        act()

    drill.edit(jobs={"a": a_job()})

    assert drill.log == ["start a", "delete a"]


def test_a_time_that_comes_while_it_runs() -> None:
    """It waits for the end of the run, the newest one only."""
    drill = scheduled().pass_time(300).pass_time(700)
    assert (drill.log, drill.status.run) == (["start a"], 1)

    drill.end("a")

    assert (drill.log, drill.status.run, drill.status.missed_runs) == (["start a", "start a"], 2, 1)
    assert drill.end("a").status.next_run_at == START + timedelta(minutes=20)


@pytest.mark.parametrize("cancels", [True, "${{ workflow.name == 'ci' }}"])
def test_a_time_that_cancels_the_run_before(cancels: bool | str) -> None:  # noqa: FBT001  a table's column
    """With cancelInProgress it takes its place."""
    drill = scheduled(concurrency={"group": "g", "cancelInProgress": cancels}).pass_time(300).pass_time(300)

    assert (drill.log, drill.status.run) == (["start a", "start a", "delete a"], 2)
    assert [(each.phase, each.message) for each in drill.status.history] == [("Cancelled", "superseded by run 2")]


def test_a_rerun_between_two_times() -> None:
    """It is another run, and the schedule goes on."""
    drill = scheduled().pass_time(300).end("a").annotate(rerun="1").end("a")
    assert (drill.status.run, drill.status.phase) == (2, "Succeeded")

    drill.pass_time(300)
    assert (drill.status.run, drill.log) == (3, ["start a"] * 3)


def test_schedules_are_added_to_what_has_run_and_taken_from_what_waits() -> None:
    """With them a workflow waits for its next time, without them it runs at once."""
    added = Drill({"jobs": {"a": a_job()}}).look().end("a").edit(schedules=[EVERY_FIVE])
    assert (added.log, added.status.run, added.status.phase) == (["start a"], 1, "Succeeded")
    assert added.pass_time(300).status.run == 2

    taken = scheduled().edit(schedules=[])
    assert (taken.log, taken.status.run) == (["start a"], 1)


def test_an_operator_that_comes_back_too_late() -> None:
    """What it had made for a time that it never recorded is ended, when that time has passed for good."""
    drill = scheduled(schedules=[{**EVERY_FIVE, "startingDeadline": "1m"}])
    drill.now += timedelta(minutes=5)
    drill.acts(drill.decide())[0]()
    assert drill.log == ["start a"]

    drill.pass_time(120)

    assert (drill.log, drill.status.run, drill.status.missed_runs) == (["start a", "delete a"], None, 1)
