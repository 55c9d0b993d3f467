from __future__ import annotations

import pytest

from fairlead.model.ids import JobId, RunNumber
from fairlead.plan.difference import Difference, Effect, compare, works
from fairlead.syntax import parse_spec
from tests.builders import SpecBuilder, a_spec
from tests.plan.drill import Drill

OLD = a_spec().job("build").job("test", "build")


def ids(*jobs: str) -> tuple[JobId, ...]:
    """Give jobs' ids."""
    return tuple(map(JobId, jobs))


def at_work() -> Drill:
    """Give a run whose first job is over and whose second one works."""
    return Drill(OLD.document()).look().run("build").end("build").run("test")


def over() -> Drill:
    """Give a run that is over."""
    return at_work().end("test")


def difference(new: SpecBuilder, drill: Drill) -> Difference:
    """Compare what is there with another spec."""
    return compare(new.workflow(), parse_spec(drill.spec), drill.resource, drill.now)


MORE = OLD.job("lint").job("test", "build", commands=["make test"])


def test_nothing_there() -> None:
    """What isn't there is made, and runs; with a schedule it waits."""
    scheduled = OLD.but(schedules=[{"cron": "@daily"}])
    found = [compare(each.workflow(), None, None, Drill({}).now) for each in (OLD, scheduled)]
    assert found == [Difference(Effect.CREATES, runs=ids("build", "test")), Difference(Effect.CREATES)]


@pytest.mark.parametrize("drill", [at_work, over])
def test_same(drill: object) -> None:
    """The same spec does nothing: what works goes on, what is over stays."""
    assert callable(drill)
    assert difference(OLD, drill()) == Difference(Effect.NOTHING, RunNumber(1), keeps=ids("build", "test"))


def test_steering() -> None:
    """What only steers keeps the run."""
    found = difference(OLD.but(priority=5, historyLimit=2), at_work())
    assert found == Difference(
        Effect.STEERS, RunNumber(1), keeps=ids("build", "test"), settings=("priority", "history_limit")
    )


def test_another_spec_while_it_works() -> None:
    """Another spec cancels what works and runs everything, as the next run."""
    drill = at_work()
    found = difference(MORE, drill)
    assert (found, works(found, drill.resource)) == (
        Difference(
            Effect.RUNS,
            RunNumber(2),
            cancels=ids("test"),
            runs=ids("build", "lint", "test"),
            added=ids("lint"),
            changed=ids("test"),
        ),
        ids("test"),
    )


def test_waiting_jobs() -> None:
    """What only waited for its needs is dropped with the run; nothing of it works."""
    drill = Drill(OLD.document()).look().run("build")
    found = difference(a_spec().job("build"), drill)
    assert (found.cancels, works(found, drill.resource), found.removed) == (
        ids("build", "test"),
        ids("build"),
        ids("test"),
    )


def test_another_spec_when_it_is_over() -> None:
    """When the run is over there is nothing to cancel."""
    found = difference(OLD.but(env={"A": "b"}), over())
    assert found == Difference(
        Effect.RUNS,
        RunNumber(2),
        runs=ids("build", "test"),
        changed=ids("build", "test"),
        settings=("env",),
    )


def test_schedule() -> None:
    """A schedule's next run comes at its time; what works by another spec is cancelled at once."""
    found = difference(MORE.but(schedules=[{"cron": "0 13 * * *"}]), at_work())
    assert (found.effect, found.cancels, found.runs, found.run, str(found.next_run_at)) == (
        Effect.WAITS,
        ids("test"),
        (),
        None,
        "2026-01-01 13:00:00+00:00",
    )


def test_schedule_when_it_is_over() -> None:
    """What is over stays until the schedule's next time."""
    found = difference(MORE.but(schedules=[{"cron": "0 13 * * *"}]), over())
    assert (found.effect, found.cancels, found.keeps) == (Effect.WAITS, (), ids("build", "test"))


def test_broken_before() -> None:
    """What couldn't run before runs once it is mended."""
    drill = Drill({"jobs": {}}).look()
    found = compare(OLD.workflow(), None, drill.resource, drill.now)
    assert found == Difference(Effect.RUNS, RunNumber(1), runs=ids("build", "test"))


@pytest.mark.parametrize("new", [OLD, OLD.but(priority=5), MORE, OLD.but(suspend=True)])
def test_comes_true(new: SpecBuilder) -> None:
    """What is said is what an apply then does."""
    drill = at_work()
    found = difference(new, drill)
    before = dict(drill.jobs)
    drill.apply(new.document())
    made = {str(each.node) for name, each in drill.jobs.items() if name not in before}
    stayed = {str(each.node) for name, each in drill.jobs.items() if name in before}
    first = {job_id for job_id in found.runs if not new.jobs[job_id].get("needs")}
    assert (drill.status.run, made, "test" in stayed) == (found.run, first, not found.cancels)


def test_suspended() -> None:
    """To suspend a workflow is to steer it: the same run, which then starts nothing more."""
    assert difference(OLD.but(suspend=True), at_work()).effect is Effect.STEERS
