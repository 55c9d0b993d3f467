from __future__ import annotations

import pytest

from fairlead.model.report import Report, StepReport
from fairlead.plan import ContainerTerminated
from tests.plan.drill import Drill, a_job

RETRY = {"retry": {"limit": 1, "delay": "30s"}}


def test_cancel_while_it_waits_to_be_tried_again() -> None:
    """There is no other attempt; there is nothing to delete either."""
    drill = Drill({"jobs": {"a": a_job(**RETRY)}}).look().end("a", code=1).annotate(cancel="1")

    assert (drill.phases, drill.status.phase) == ({"a": "Cancelled Cancelled"}, "Cancelled")
    assert (drill.job("a").retry_at, drill.pass_time(60).log) == (None, ["start a"])


def test_a_failure_with_retries_left_when_the_run_is_cancelled() -> None:
    """It isn't tried again, so it was cancelled; one without retries left has failed by itself."""
    drill = Drill({"jobs": {"a": a_job(retry={"limit": 1}), "b": a_job()}}).look()
    drill.mark(cancel="1")
    for job in ("a", "b"):
        drill.set(drill.newest(job), drill_end(drill))
    drill.look()

    assert drill.phases == {"a": "Cancelled Cancelled", "b": "Failed StepFailed"}
    assert (drill.log, drill.status.phase) == (["start a", "start b"], "Cancelled")


def drill_end(drill: Drill) -> ContainerTerminated:
    """Give a container that failed just now."""
    report = Report((StepReport(1, 0, 1),), {}, 1)
    return ContainerTerminated(1, "", "", drill.now, drill.now, report)


def test_a_job_that_runs_always_is_tried_again_though_the_run_is_cancelled() -> None:
    """It goes on as if nothing had happened."""
    drill = Drill({"jobs": {"a": a_job(**RETRY, **{"if": "always()"})}}).look().annotate(cancel="1").end("a", code=1)
    assert drill.phases == {"a": "Queued Retrying"}

    drill.pass_time(30).end("a")

    assert (drill.log, drill.status.phase) == (["start a", "start a 2"], "Succeeded")


def test_fail_fast_waits_for_the_last_retry() -> None:
    """What is tried again hasn't failed yet; once it has, nothing else is tried again."""
    jobs = {"a": a_job(**RETRY), "b": a_job(**RETRY), "c": a_job()}
    drill = Drill({"failFast": True, "jobs": jobs}).look().end("a", code=1).end("c", code=0)
    assert drill.phases == {"a": "Queued Retrying", "b": "Queued", "c": "Succeeded"}

    drill.end("b", code=1).pass_time(30).end("a", code=1)

    assert drill.phases == {"a": "Failed StepFailed", "b": "Cancelled FailFast", "c": "Succeeded"}
    assert (drill.status.phase, drill.log[-2:]) == ("Failed", ["start b 2", "delete b"])


def test_a_matrix_fails_fast_with_retries_pending() -> None:
    """A combination that waits for its retry is cancelled with the others."""
    job = a_job(strategy={"matrix": {"x": [1, 2]}}, **RETRY)
    drill = Drill({"jobs": {"t": job}}).look().end("t[0]", code=1).pass_time(10).end("t[1]", code=1)
    assert list(drill.combinations("t").values()) == ["Queued Retrying", "Queued Retrying"]

    drill.pass_time(20).end("t[0]", code=1)

    assert list(drill.combinations("t").values()) == ["Failed StepFailed", "Cancelled FailFast"]
    assert drill.status.message == 'job "t": t (1): step "true" failed with exit code 1'
    assert drill.pass_time(60).log == ["start t[0]", "start t[1]", "start t[0] 2"]


def test_timeout_while_it_waits_to_be_tried_again() -> None:
    """It was under way, so it timed out."""
    spec = {"timeout": "1m", "jobs": {"a": a_job(retry={"limit": 1, "delay": "5m"}), "b": a_job(needs="a")}}

    drill = Drill(spec).look().end("a", code=1).pass_time(60)

    assert drill.phases == {"a": "Failed TimedOut", "b": "Cancelled TimedOut"}
    assert (drill.job("a").exit_code, drill.status.phase) == (124, "Failed")
    assert drill.status.message == 'job "a": the run timed out after 1m'


@pytest.mark.parametrize(
    ("spec", "phase", "message"),
    [
        ({"jobs": {"a": a_job()}}, "Cancelled", "cancelled; a did not finish"),
        ({"timeout": 60, "jobs": {"a": a_job()}}, "Failed", 'job "a": the run timed out after 1m'),
        ({"timeout": 60, "jobs": {"a": a_job(continueOnError=True)}}, "Failed", 'job "a": the run timed out after 1m'),
        (
            {"timeout": 60, "maxParallel": 1, "jobs": {"a": a_job(**{"if": "always()"}), "b": a_job()}},
            "Failed",
            "the run timed out after 1m",
        ),
    ],
)
def test_how_a_stopped_run_ends(spec: dict[str, object], phase: str, message: str) -> None:
    """A cancelled run was cancelled, one that took too long has failed, whatever its jobs may do."""
    drill = Drill(spec).look()
    if "timeout" in spec:
        drill.pass_time(60)
        if not drill.status.ended:
            drill.end("a")
    else:
        drill.annotate(cancel="1")

    assert (drill.status.phase, drill.status.message) == (phase, message)


def test_a_run_that_was_over_when_it_was_cancelled() -> None:
    """Where everything had succeeded it stays so, though the request was there first."""
    drill = Drill({"jobs": {"a": a_job()}}).look()
    drill.mark(cancel="1")
    drill.end("a")

    assert drill.status.phase == "Succeeded"


def test_a_restart_waits_for_room() -> None:
    """What was lost isn't said to run while others have its place."""
    drill = Drill({"maxParallel": 1, "jobs": {"a": a_job(**RETRY), "b": a_job()}}).look().end("a", code=1).run("b")
    drill.now = drill.now.replace(minute=30)

    drill.lose("b")

    assert drill.log == ["start a", "start b", "start a 2"]
    assert (drill.phases, drill.job("b").message) == (
        {"a": "Queued Retrying", "b": "Queued JobDeleted"},
        "restarted: its Kubernetes Job was deleted",
    )
    assert drill.end("a").end("b").status.phase == "Succeeded"


def test_what_was_tried_again_says_why() -> None:
    """In the words of the failure, whatever words those are."""
    drill = Drill({"jobs": {"a": a_job(name="a", commands=["wait in line"], **RETRY)}}).look().end("a", code=1)
    assert drill.job("a").message == 'step "wait in line" failed with exit code 1; retry 1 of 1 in 30s'

    drill.pass_time(30)

    assert (drill.phases, drill.job("a").message) == (
        {"a": "Queued Retrying"},
        'tried again: step "wait in line" failed with exit code 1',
    )


def test_a_refusal_of_what_waited() -> None:
    """A job that waited for room and then is refused goes on waiting, and says for what."""
    drill = Drill({"maxParallel": 1, "jobs": {"a": a_job(), "b": a_job()}}).look().refuse("b", "quota exceeded")
    assert drill.phases["b"] == "Queued WaitingForRoom"

    drill.end("a")
    assert (drill.phases["b"], drill.job("b").message) == ("Queued", "can't be started yet: quota exceeded")

    drill.welcome().end("b")
    assert drill.status.phase == "Succeeded"


def test_a_condition_that_changes_while_it_waits() -> None:
    """A job that hasn't started is skipped where a label or an annotation has changed its mind."""
    jobs = {"a": a_job(), "b": a_job(unless="workflow.annotations['fairlead.dev/go'] == 'no'")}
    drill = Drill({"maxParallel": 1, "jobs": jobs}).look().annotate(go="no").end("a")

    assert (drill.phases, drill.status.phase) == ({"a": "Succeeded", "b": "Skipped ConditionNotMet"}, "Succeeded")
