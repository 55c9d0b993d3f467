from __future__ import annotations

from dataclasses import dataclass, replace

from fairlead.model.ids import JobId
from fairlead.plan import ContainerTerminated, JobFailure
from tests.plan.drill import Drill, a_job


@dataclass
class Grace(Drill):
    """What is deleted works on until the test says that it is gone."""

    def _delete(self, name: str) -> None:
        job = self.jobs[name]
        self.log.append(f"delete {job.node}")
        self.jobs[name] = replace(job, deleting=True)

    def gone(self, job: str) -> Drill:
        """Let the newest attempt be gone, with its Pods."""
        del self.jobs[self.newest(job).name]
        return self.look()


def _cleaned(*needs: str, **fields: object) -> Grace:
    """Give a run of `a`, and of what cleans up after it, that was cancelled while `a` runs."""
    jobs = {"a": a_job(), "clean": a_job(needs=["a", *needs], onComplete="always"), **fields}
    drill = Grace({"jobs": jobs})
    drill.look().run("a").annotate(cancel="1")
    return drill


def test_who_cleans_up_waits_for_the_end_of_the_pods() -> None:
    """As in GitHub Actions: a job starts once those that it needs have really ended, not once that is decided."""
    drill = _cleaned()
    assert (drill.phases, drill.log) == (
        {"a": "Cancelled Cancelled", "clean": "Pending"},
        ["start a", "delete a"],
    )

    drill.gone("a")

    assert (drill.log, drill.status.phase) == (["start a", "delete a", "start clean"], "Running")


def test_an_ended_container_is_enough() -> None:
    """A service may hold the Pod, and the Job, for longer."""
    drill = _cleaned()

    drill.set(drill.newest("a"), ContainerTerminated(137))

    assert drill.look().log == ["start a", "delete a", "start clean"]


def test_it_waits_for_the_pods_of_a_job_that_is_gone() -> None:
    """Somebody may delete the Job before its Pods."""
    drill = _cleaned()
    drill.remnants = (drill.newest("a"),)
    assert drill.gone("a").log == ["start a", "delete a"]

    drill.remnants = ()

    assert drill.look().log == ["start a", "delete a", "start clean"]


def test_what_is_skipped_in_between_makes_no_difference() -> None:
    """What cleans up may need a job that never began because of what still works."""
    jobs = {"a": a_job(), "b": a_job(needs="a"), "clean": a_job(needs="b", onComplete="always")}
    drill = Grace({"jobs": jobs})
    drill.look().run("a").annotate(cancel="1")
    assert (drill.phases["b"], drill.log) == ("Cancelled Cancelled", ["start a", "delete a"])

    drill.gone("a")

    assert drill.log == ["start a", "delete a", "start clean"]


def test_what_goes_on_in_spite_of_a_cancel_is_waited_for() -> None:
    """Also by those that need it only through a job that was cancelled at once."""
    jobs = {
        "a": a_job(onComplete="always"),
        "b": a_job(needs="a"),
        "clean": a_job(needs="b", **{"if": "cancelled()"}),
    }
    drill = Drill({"jobs": jobs}).look().run("a").annotate(cancel="1")
    assert drill.phases == {"a": "Running", "b": "Cancelled Cancelled", "clean": "Pending"}

    drill.end("a")

    assert drill.log == ["start a", "start clean"]


def test_who_neednt_wait_ends_at_once() -> None:
    """What doesn't start anyway is told so without delay."""
    drill = _cleaned(other=a_job(needs="a"))
    assert drill.phases == {"a": "Cancelled Cancelled", "clean": "Pending", "other": "Cancelled Cancelled"}


def test_the_rest_of_a_matrix_that_fails_fast() -> None:
    """Who heeds a failure starts when the last combination has ended."""
    jobs = {"m": a_job(strategy={"matrix": {"x": [0, 1]}}), "heed": a_job(needs="m", **{"if": "failure()"})}
    drill = Grace({"jobs": jobs})
    drill.look().run("m[0]", "m[1]").end("m[0]", code=1)
    assert (drill.combinations("m"), drill.phases["heed"], drill.log[2:]) == (
        {"m (0)": "Failed StepFailed", "m (1)": "Cancelled FailFast"},
        "Pending",
        ["delete m[1]"],
    )

    drill.gone("m[1]")

    assert drill.log[2:] == ["delete m[1]", "start heed"]


def test_a_called_workflow_is_waited_for() -> None:
    """Its own jobs clean up first, however long that takes; so do their Pods."""
    drill = Drill({"jobs": {"a": {"uses": "deploy"}, "clean": a_job(needs="a", onComplete="always")}}).look()
    drill.answer("a", phase="Running", run=1).annotate(cancel="1").pass_time(3600)
    assert drill.log == ["call a deploy {}", "cancel a"]

    (name,) = drill.calls
    drill.calls[name] = replace(drill.calls[name], works=True)
    drill.answer("a", phase="Cancelled", run=1, finishedAt=drill.now)
    assert drill.log == ["call a deploy {}", "cancel a"]

    drill.calls[name] = replace(drill.calls[name], works=False)

    assert drill.look().log == ["call a deploy {}", "cancel a", "start clean"]


def test_a_lost_node_holds_nobody_up_for_ever() -> None:
    """Its Pods never say that they have ended; the next look comes when the longest grace has passed."""
    drill = _cleaned()
    again = drill.decide().look_again
    assert again is not None
    assert (again - drill.now).total_seconds() == 330

    assert drill.pass_time(329).log == ["start a", "delete a"]
    assert drill.pass_time(1).log == ["start a", "delete a", "start clean"]


def test_a_job_that_has_begun_goes_on() -> None:
    """Whoever has started already isn't stopped by what is seen of the jobs before it later."""
    drill = _cleaned()
    drill.gone("a").run("clean")
    late = replace(drill.newest("clean"), name="late", node=drill.newest("clean").node._replace(job=JobId("a")))
    drill.jobs["late"] = late

    drill.look().end("clean")

    assert (drill.status.phase, drill.log) == ("Cancelled", ["start a", "delete a", "start clean", "delete a"])


def test_what_the_deadline_ended_is_over_with_its_container() -> None:
    """The Job controller's word isn't the Pod's."""
    drill = Grace({"jobs": {"a": a_job(timeout="1m"), "clean": a_job(needs="a", onComplete="always")}})
    drill.look().run("a")
    known = drill.newest("a")
    drill.jobs[known.name] = replace(known, failure=JobFailure("DeadlineExceeded"))
    assert (drill.look().phases, drill.log) == ({"a": "Failed TimedOut", "clean": "Pending"}, ["start a"])

    drill.set(drill.newest("a"), ContainerTerminated(137))

    assert drill.look().log == ["start a", "start clean"]
