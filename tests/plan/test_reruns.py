from __future__ import annotations

import pytest

from fairlead.plan import DeleteWorkflow
from tests.plan.drill import Drill, a_job

CHAIN = {"jobs": {"a": a_job(), "b": a_job(needs="a"), "c": a_job()}}


def test_rerun_of_a_cancelled_run() -> None:
    """What was cancelled runs again, what had succeeded is kept; the old request to cancel is past."""
    drill = Drill(CHAIN).look().end("a").annotate(cancel="1")
    assert drill.phases == {"a": "Succeeded", "b": "Cancelled Cancelled", "c": "Cancelled Cancelled"}

    drill.annotate(rerun="1 failed").end("b", "c")

    assert drill.log[-2:] == ["start c", "start b"]
    assert (drill.status.phase, drill.status.run) == ("Succeeded", 2)
    assert {job_id: state.kept_from for job_id, state in drill.status.jobs.items()} == {"a": 1, "b": None, "c": None}


def test_rerun_while_it_runs() -> None:
    """It is done once the run is over."""
    drill = Drill(CHAIN).look().annotate(rerun="1")
    assert (drill.log, drill.status.run) == (["start a", "start c"], 1)

    drill.end("a", "b")
    assert drill.status.run == 1
    drill.end("c")

    assert (drill.status.run, drill.log[-2:], drill.status.phase) == (2, ["start a", "start c"], "Running")
    assert [(each.run, each.phase) for each in drill.status.history] == [(1, "Succeeded")]


def test_a_rerun_is_done_once() -> None:
    """The request names the run that it wants again, and that one is past then."""
    drill = Drill(CHAIN).look().end("a", "b", "c").annotate(rerun="1").end("a", "b", "c").pass_time(99)

    assert (drill.status.run, drill.status.phase) == (2, "Succeeded")


def test_rerun_keeps_what_was_kept() -> None:
    """Where a job ran stands there however often the rest is run again."""
    drill = Drill(CHAIN).look().end("a").end("b", code=1).end("c")
    drill.annotate(rerun="1 failed").end("b", code=1).annotate(rerun="2 failed").end("b")

    assert (drill.status.phase, drill.status.run) == ("Succeeded", 3)
    assert {job_id: state.kept_from for job_id, state in drill.status.jobs.items()} == {"a": 1, "b": None, "c": 1}
    assert drill.log.count("start b") == 3


def test_rerun_of_what_failed_takes_allowed_failures_along() -> None:
    """What may fail has failed all the same."""
    drill = Drill({"jobs": {"a": a_job(continueOnError=True), "b": a_job()}}).look().end("a", code=1).end("b")
    assert drill.status.phase == "Partial"

    drill.annotate(rerun="1 failed").end("a")

    assert (drill.log, drill.status.phase) == (["start a", "start b", "start a"], "Succeeded")


def test_an_edit_beats_a_rerun() -> None:
    """Another spec runs whole, whatever was asked for."""
    drill = Drill(CHAIN).look().end("a").end("b", code=1).end("c")
    drill.mark(rerun="1 failed")

    drill.edit(jobs={"a": a_job(env={"X": "1"}), "b": a_job(needs="a")})

    assert (drill.status.run, drill.log[-1], drill.job("a").kept_from) == (2, "start a", None)
    assert drill.end("a", "b").status.run == 2


def test_rerun_after_an_edit_that_removed_a_job() -> None:
    """The request is about the spec's jobs as they are now."""
    drill = Drill(CHAIN).look().end("a", "b", "c").edit(jobs={"a": a_job()}).end("a")

    drill.annotate(rerun="2 from b")
    assert drill.status.run == 2
    drill.annotate(rerun="2 from a")

    assert (drill.status.run, list(drill.status.jobs)) == (3, ["a"])


@pytest.mark.parametrize("request_", ["1 all", "1 from nowhere", "1 from", "first"])
def test_a_request_that_cannot_be_done(request_: str) -> None:
    """It is told while the run goes on, and changes nothing."""
    drill = Drill(CHAIN).look().annotate(rerun=request_)

    assert drill.status.message == (
        f'fairlead.dev/rerun is "{request_}", which can\'t be done; '
        'to run it again, set it to "1", "1 failed" or "1 from JOB"'
    )
    assert drill.end("a", "b", "c").status.run == 1


def test_a_rerun_starts_the_time_to_live_anew() -> None:
    """A workflow that was run again is kept that long after its new end."""
    drill = Drill({"ttlAfterFinished": 60, "jobs": {"a": a_job()}}).look().end("a").pass_time(59)

    drill.annotate(rerun="1").pass_time(30).end("a").pass_time(59)
    assert "delete the workflow" not in drill.log
    look_again = drill.decide().look_again
    assert look_again is not None
    drill.now = look_again

    assert drill.decide().actions == (DeleteWorkflow(),)


def test_a_rerun_comes_before_the_deletion() -> None:
    """Where both are due, somebody still wants it."""
    drill = Drill({"ttlAfterFinished": 60, "jobs": {"a": a_job()}}).look().end("a")
    drill.mark(rerun="1")

    drill.pass_time(60)

    assert (drill.log, drill.status.run) == (["start a", "start a"], 2)


def test_an_earlier_failure_does_not_stop_a_rerun() -> None:
    """With failFast, only what fails in this run ends it."""
    drill = Drill({"failFast": True, "jobs": {"a": a_job(), "b": a_job()}}).look().end("b").end("a", code=1)

    drill.annotate(rerun="1 from b")
    assert drill.phases == {"a": "Failed StepFailed", "b": "Queued"}

    assert drill.end("b").status.phase == "Failed"
