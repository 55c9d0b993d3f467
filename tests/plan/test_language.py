"""What the language means, run by run: each test is a rule of docs/semantics.md."""

from __future__ import annotations

import pytest

from fairlead.model.ids import JobId
from tests.plan.drill import Drill, a_job


def test_implicit_success_skips_the_whole_chain_after_a_failure() -> None:
    """A failed job skips its dependants, and theirs; what doesn't depend on it runs."""
    spec = {"jobs": {"a": a_job(), "b": a_job(needs="a"), "c": a_job(needs="b"), "d": a_job()}}

    drill = Drill(spec).look().end("a", code=1).end("d")

    assert drill.phases == {
        "a": "Failed StepFailed",
        "d": "Succeeded",
        "b": "Skipped NeedNotMet",
        "c": "Skipped NeedNotMet",
    }
    assert drill.status.phase == "Failed"


@pytest.mark.parametrize(
    ("fields", "ran_after"),
    [
        ({}, {"success"}),
        ({"if": "always()"}, {"success", "failure"}),
        ({"if": "${{ failure() }}"}, {"failure"}),
        ({"if": "needs.b.result == 'skipped' && always()"}, {"failure"}),
        ({"unless": "failure()"}, {"success"}),
        ({"onComplete": "always"}, {"success", "failure"}),
        ({"onComplete": "failure"}, {"failure"}),
        ({"onComplete": "success"}, {"success"}),
        ({"if": "true"}, {"success"}),
        ({"if": "false"}, set()),
        ({"if": "1 == 2", "onComplete": "always"}, set()),
    ],
)
def test_conditions(fields: dict[str, object], ran_after: set[str]) -> None:
    """A condition looks at all ancestors, through a skipped one, too."""
    spec = {"jobs": {"a": a_job(), "b": a_job(needs="a"), "c": a_job(needs="b", **fields)}}

    after_failure = Drill(spec).look().end("a", code=1)
    after_success = Drill(spec).look().end("a").end("b")

    ran = {"failure"} if "start c" in after_failure.log else set()
    ran |= {"success"} if "start c" in after_success.log else set()
    assert ran == ran_after


def test_what_is_not_enabled_is_as_if_it_were_not_there() -> None:
    """Its dependants go on, unlike after `if: false`."""
    spec = {
        "jobs": {"a": a_job(enabled=False), "b": a_job(needs="a"), "c": a_job(**{"if": False}), "d": a_job(needs="c")}
    }

    drill = Drill(spec).look().end("b")

    assert drill.phases == {
        "a": "Skipped Disabled",
        "c": "Skipped ConditionNotMet",
        "b": "Succeeded",
        "d": "Skipped NeedNotMet",
    }
    assert drill.status.phase == "Succeeded"


def test_an_allowed_failure_makes_the_run_partial() -> None:
    """Its result is a success for those who need it, its outcome a failure."""
    spec = {"jobs": {"a": a_job(continueOnError=True), "b": a_job(needs="a")}}

    drill = Drill(spec).look().end("a", code=3).end("b")

    a = drill.job("a")
    assert (a.phase, a.result, a.outcome) == ("Failed", "success", "failure")
    assert (drill.status.phase, drill.status.message) == ("Partial", "succeeded, but for what may fail: a")


def test_a_check_is_decided_without_a_pod() -> None:
    """By what its needs gave."""
    build = a_job(steps=[{"id": "s", "run": "true"}], outputs={"score": "${{ steps.s.outputs.score }}"})
    del build["commands"]
    spec = {
        "jobs": {
            "build": build,
            "good": {"needs": "build", "check": "needs.build.outputs.score > 0.85"},
            "bad": {"needs": "build", "check": "${{ needs.build.outputs.score > 0.95 }}"},
        }
    }

    drill = Drill(spec).look().end("build", outputs={"s": {"score": "0.9"}})

    assert drill.phases == {"build": "Succeeded", "good": "Succeeded", "bad": "Failed CheckFailed"}
    assert drill.log == ["start build"]


def test_fail_fast_stops_the_rest_but_not_what_runs_always() -> None:
    """The first failure that isn't allowed ends the run."""
    spec = {
        "failFast": True,
        "jobs": {
            "a": a_job(),
            "b": a_job(),
            "c": a_job(needs="b"),
            "clean": a_job(needs=["a", "b"], onComplete="always"),
        },
    }

    drill = Drill(spec).look().run("a", "b").end("a", code=1)

    assert drill.phases == {
        "a": "Failed StepFailed",
        "b": "Cancelled FailFast",
        "c": "Cancelled FailFast",
        "clean": "Queued",
    }
    assert drill.log == ["start a", "start b", "delete b", "start clean"]
    assert drill.end("clean").status.phase == "Failed"


def test_matrix_runs_each_combination_and_sums_them_up() -> None:
    """Names come from the values; the job is over when all are."""
    matrix = {"python": ["3.12", "3.13"], "db": ["pg", "lite"], "exclude": [{"python": "3.12", "db": "lite"}]}
    spec = {"jobs": {"test": a_job(strategy={"matrix": matrix, "failFast": False}), "after": a_job(needs="test")}}

    drill = Drill(spec).look().end("test[0]").end("test[1]", code=2)

    assert drill.combinations("test") == {
        "test (3.12, pg)": "Succeeded",
        "test (3.13, pg)": "Failed StepFailed",
        "test (3.13, lite)": "Queued",
    }
    assert drill.job("test").summary == "1/3 passed"
    assert drill.end("test[2]").phases == {"test": "Failed StepFailed", "after": "Skipped NeedNotMet"}


def test_matrix_fails_fast_by_default_and_not_for_what_may_fail() -> None:
    """A combination that may fail cancels nobody."""
    matrix = {"x": [1, 2, 3], "include": [{"x": 1, "soft": True}]}
    job = a_job(strategy={"matrix": matrix}, continueOnError="${{ matrix.soft }}")

    drill = Drill({"jobs": {"t": job}}).look().end("t[0]", code=1)
    assert list(drill.combinations("t").values()) == ["Failed StepFailed", "Queued", "Queued"]

    drill.end("t[1]", code=1)
    assert list(drill.combinations("t").values()) == ["Failed StepFailed", "Failed StepFailed", "Cancelled FailFast"]


def test_matrix_from_the_outputs_of_a_need() -> None:
    """It is expanded once its needs have ended."""
    plan_job = a_job(steps=[{"id": "s", "run": "true"}], outputs={"list": "${{ steps.s.outputs.list }}"})
    del plan_job["commands"]
    test = a_job(needs="plan", strategy={"matrix": {"x": "${{ fromJSON(needs.plan.outputs.list) }}"}})

    drill = Drill({"jobs": {"plan": plan_job, "test": test}}).look()
    drill.end("plan", outputs={"s": {"list": '["a", "b"]'}})

    assert drill.log == ["start plan", "start test[0]", "start test[1]"]


def test_max_parallel_of_a_matrix_and_of_a_workflow() -> None:
    """As many at a time as there is room for, in order."""
    one = {"t": a_job(strategy={"matrix": {"x": [1, 2, 3]}, "maxParallel": 1})}
    both = {"maxParallel": 2, "jobs": {name: a_job() for name in "abc"}}

    matrix, workflow = Drill({"jobs": one}).look(), Drill(both).look()

    assert (matrix.log, workflow.log) == (["start t[0]"], ["start a", "start b"])
    assert workflow.phases["c"] == "Queued WaitingForRoom"
    assert matrix.end("t[0]").log == ["start t[0]", "start t[1]"]
    assert workflow.end("a").log == ["start a", "start b", "start c"]


def test_retries_wait_longer_each_time() -> None:
    """Each attempt is another Kubernetes Job; the delay is multiplied."""
    job = a_job(retry={"limit": 2, "delay": "10s", "multiplier": 3})
    drill = Drill({"jobs": {"a": job}}).look().end("a", code=1)

    assert (drill.phases, drill.job("a").message) == (
        {"a": "Queued Retrying"},
        'step "true" failed with exit code 1; retry 1 of 2 in 10s',
    )
    assert drill.pass_time(9).log == ["start a"]
    assert drill.pass_time(1).log == ["start a", "start a 2"]
    drill.end("a", code=1).pass_time(29)
    assert drill.log == ["start a", "start a 2"]
    drill.pass_time(1).end("a", code=1)
    assert drill.log == ["start a", "start a 2", "start a 3"]
    assert (drill.phases, drill.job("a").retries) == ({"a": "Failed StepFailed"}, 2)


def test_a_retry_waits_no_longer_where_the_clock_is_set_back() -> None:
    """A moment that is further away than any pause may be is over: it was reckoned by another clock."""
    drill = Drill({"jobs": {"a": a_job(retry={"limit": 1, "delay": "10s"})}}).look().end("a", code=1)
    assert drill.pass_time(-3600).log == ["start a", "start a 2"]


def test_what_the_cluster_lost_is_restarted_without_counting() -> None:
    """A retry is still left after it."""
    drill = Drill({"jobs": {"a": a_job(retry={"limit": 1})}}).look().lose("a").end("a", code=1).end("a")

    assert drill.log == ["start a", "start a 2", "start a 3"]
    assert (drill.status.phase, drill.job("a").retries) == ("Succeeded", 1)


def test_cancel_ends_what_runs_and_lets_always_go_on() -> None:
    """The conditions of running jobs are evaluated again."""
    jobs = {
        "a": a_job(),
        "keeps": a_job(**{"if": "always()"}),
        "b": a_job(needs="a"),
        "clean": a_job(needs="a", **{"if": "cancelled()"}),
    }
    drill = Drill({"jobs": jobs}).look().run("a", "keeps").annotate(cancel="1")

    assert drill.phases == {
        "a": "Cancelled Cancelled",
        "keeps": "Running",
        "b": "Cancelled Cancelled",
        "clean": "Queued",
    }
    assert drill.log == ["start a", "start keeps", "delete a", "start clean"]
    assert drill.end("clean", "keeps").status.phase == "Cancelled"


def test_a_run_that_takes_too_long_has_failed() -> None:
    """Running jobs time out, waiting ones are cancelled, and what runs always is still run."""
    jobs = {"a": a_job(), "b": a_job(needs="a"), "clean": a_job(needs="b", onComplete="always")}
    drill = Drill({"timeout": "1m", "jobs": jobs}).look().run("a").pass_time(60)

    assert drill.phases == {"a": "Failed TimedOut", "b": "Cancelled TimedOut", "clean": "Queued"}
    assert drill.job("a").exit_code == 124
    assert drill.end("clean").status.phase == "Failed"


def test_suspend_starts_nothing_new_and_resume_is_the_same_run() -> None:
    """Editing `suspend` is no other run."""
    drill = Drill({"jobs": {"a": a_job(), "b": a_job(needs="a")}}).look().edit(suspend=True).end("a")
    assert (drill.phases, drill.log) == ({"a": "Succeeded", "b": "Queued Suspended"}, ["start a"])

    drill.edit(suspend=False).end("b")

    assert (drill.log, drill.status.run, drill.status.phase) == (["start a", "start b"], 1, "Succeeded")


def test_an_edit_supersedes_the_run() -> None:
    """What works for the old spec is ended, and the history remembers it."""
    drill = Drill({"jobs": {"a": a_job()}}).look().run("a").edit(jobs={"b": a_job()})

    assert drill.log == ["start a", "start b", "delete a"]
    assert (drill.status.run, [each.message for each in drill.status.history]) == (2, ["superseded by generation 2"])


def test_rerun_of_what_failed_keeps_what_succeeded() -> None:
    """With its outputs; what was skipped because of the failure runs, too."""
    build = a_job(steps=[{"id": "s", "run": "true"}], outputs={"v": "${{ steps.s.outputs.v }}"})
    del build["commands"]
    jobs = {"build": build, "test": a_job(needs="build"), "ship": a_job(needs="test")}
    drill = Drill({"jobs": jobs}).look().end("build", outputs={"s": {"v": "1"}}).end("test", code=1)

    drill.annotate(rerun="1 failed").end("test").end("ship")

    assert drill.log == ["start build", "start test", "start test", "start ship"]
    assert (drill.status.phase, drill.status.run) == ("Succeeded", 2)
    assert (drill.job("build").kept_from, drill.job("build").outputs) == (1, {"v": "1"})


def test_rerun_from_a_job_and_of_all() -> None:
    """The job and everything after it; or everything."""
    jobs = {"a": a_job(), "b": a_job(needs="a"), "c": a_job(needs="b")}

    drill = Drill({"jobs": jobs}).look().end("a").end("b").end("c").annotate(rerun="1 from b").end("b").end("c")
    assert drill.log == ["start a", "start b", "start c", "start b", "start c"]

    drill.annotate(rerun="2")
    assert (drill.log[-1], drill.status.run) == ("start a", 3)


def test_a_template_is_called_and_gives_its_outputs() -> None:
    """Its outputs are the job's."""
    jobs = {
        "call": {"uses": "deploy", "with": {"env": "${{ workflow.name }}", "n": 2}},
        "after": a_job(needs="call", env={"URL": "${{ needs.call.outputs.url }}"}),
    }
    drill = Drill({"jobs": jobs}).look().answer("call", phase="Succeeded", run=1, outputs={"url": "x"})

    assert drill.log == ["call call deploy {'env': 'ci', 'n': 2}", "start after"]
    after = next(each for each in drill.requests.values() if each.node.job == "after")
    assert after.request.env == {"URL": "x"}  # type: ignore[union-attr]


def test_a_cancelled_caller_cancels_what_it_called() -> None:
    """Once, and only what still works."""
    drill = Drill({"jobs": {"call": {"uses": "deploy"}}}).look().answer("call", phase="Running", run=1)

    drill.annotate(cancel="1")

    assert drill.log == ["call call deploy {}", "cancel call"]
    assert drill.phases == {"call": "Cancelled Cancelled"}


def test_a_schedule_runs_at_its_times_and_not_when_applied() -> None:
    """Each time is another run; the history remembers them."""
    drill = Drill({"schedules": [{"cron": "*/5 * * * *"}], "jobs": {"a": a_job()}}).look()
    assert (drill.log, drill.status.phase) == ([], "Pending")
    assert drill.status.message == "the next run starts at 2026-01-01T12:05:00Z"

    drill.pass_time(300).end("a")
    assert (drill.log, drill.status.run, drill.status.phase) == (["start a"], 1, "Succeeded")

    drill.pass_time(300)
    assert (drill.log, drill.status.run, len(drill.status.history)) == (["start a", "start a"], 2, 1)


def test_a_schedule_tells_what_it_missed() -> None:
    """Of the times that passed the newest one is run."""
    drill = Drill({"schedules": [{"cron": "*/5 * * * *"}], "jobs": {"a": a_job()}}).look().pass_time(1000)

    assert (drill.log, drill.status.missed_runs) == (["start a"], 2)


def test_ttl_deletes_the_workflow() -> None:
    """That long after its end."""
    drill = Drill({"ttlAfterFinished": "1m", "jobs": {"a": a_job()}}).look().end("a").pass_time(59)
    assert drill.log == ["start a"]

    assert drill.now is not None
    decision = drill.decide()
    assert decision.look_again is not None
    drill.now = decision.look_again
    assert [type(each).__name__ for each in drill.decide().actions] == ["DeleteWorkflow"]


def test_outputs_of_a_run_have_a_limit_together() -> None:
    """They stand in its status; the job that goes over it fails and says so."""
    job = a_job(steps=[{"id": "s", "run": "true"}], outputs={"v": "${{ steps.s.outputs.v }}"})
    del job["commands"]
    jobs = {"a": job, "b": {**job, "needs": "a"}}

    drill = Drill({"jobs": jobs}).look().end("a", outputs={"s": {"v": "x" * 300_000}})
    drill.end("b", outputs={"s": {"v": "y" * 300_000}})

    b = drill.status.jobs[JobId("b")]
    assert (b.phase, b.reason, b.outputs) == ("Failed", "OutputsTooLarge", {})
    assert b.message == (
        "its outputs take 300001 bytes, and 224287 of the 524288 are left that a run's may take together"
    )
