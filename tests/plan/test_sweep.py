from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.plan import ContainerTerminated, ContainerWaiting, DeleteJob, JobFailure, Pod
from tests.plan.drill import Drill, a_job

STUCK = ContainerWaiting("InvalidImageName", "no such image")


def deleted(drill: Drill) -> list[str]:
    """Give what the next decision deletes."""
    return [action.name for action in drill.decide().actions if isinstance(action, DeleteJob)]


def stuck(drill: Drill, job: str) -> None:
    """Let the newest attempt never get its image."""
    found = drill.newest(job)
    drill.jobs[found.name] = replace(found, pods=(Pod("p", STUCK, scheduled_at=drill.now),))


def test_what_never_started_is_ended_before_it_is_tried_again() -> None:
    """For Kubernetes an attempt without its image goes on for ever."""
    drill = Drill({"jobs": {"a": a_job(retry={"limit": 1, "delay": "10s"})}}).look()
    stuck(drill, "a")
    drill.look()

    assert (drill.phases, drill.log) == ({"a": "Queued Retrying"}, ["start a", "delete a"])


@pytest.mark.parametrize("calls", [1, 2])
def test_it_is_ended_though_the_operator_died(calls: int) -> None:
    """Wherever it died on the way to the second attempt, the first one goes."""
    drill = Drill({"jobs": {"a": a_job(retry={"limit": 1})}}).look()
    stuck(drill, "a")
    for act in drill.acts(drill.decide())[:calls]:
        act()
    drill.run("a")

    assert (drill.phases, drill.log) == ({"a": "Running"}, ["start a", "start a 2", "delete a"])
    assert [job.attempt for job in drill.jobs.values()] == [2]


def test_a_second_pod_is_ended() -> None:
    """Where a Pod has reported the end, another one that the Job controller made doesn't go on."""
    drill = Drill({"jobs": {"a": a_job()}}).look().end("a")
    job = drill.newest("a")
    drill.jobs[job.name] = replace(job, pods=(*job.pods, Pod("again")))

    assert deleted(drill) == [job.name]


@pytest.mark.parametrize(
    "fields",
    [
        {"complete": True},
        {"deleting": True},
        {"failure": JobFailure("BackoffLimitExceeded")},
        {"pods": (Pod("p", ContainerTerminated(1)),)},
    ],
)
def test_what_is_over_stays(fields: dict[str, object]) -> None:
    """Its log may still be wanted."""
    drill = Drill({"jobs": {"a": a_job(), "b": a_job()}}).look().annotate(cancel="1")
    drill.jobs = {}
    again = Drill({"jobs": {"a": a_job(), "b": a_job()}}).look()
    again.resource = drill.resource
    job = again.newest("a")
    again.jobs = {job.name: replace(job, **fields)}  # type: ignore[arg-type]

    assert deleted(again) == []


def test_what_a_decided_job_left_behind() -> None:
    """An attempt that appears after its node was cancelled is ended, whichever combination it is of."""
    spec = {"jobs": {"a": a_job(strategy={"matrix": {"x": [1, 2]}})}}
    late = Drill(spec).look()
    drill = Drill(spec)
    drill.mark(cancel="1")
    drill.look()
    assert (drill.phases, drill.log) == ({"a": "Cancelled Cancelled"}, [])

    drill.jobs = late.jobs

    assert deleted(drill) == list(late.jobs)


def test_combinations_that_are_no_more() -> None:
    """A matrix that was made of labels, which were changed, loses combinations: what runs for those is ended."""
    matrix = {"x": "${{ fromJSON(workflow.annotations['fairlead.dev/list']) }}"}
    drill = Drill({"jobs": {"a": a_job(strategy={"matrix": matrix})}})
    drill.mark(list="[1, 2, 3]")
    drill.look().run("a[0]", "a[1]", "a[2]")
    before = drill.log.copy()

    drill.annotate(list="[1]")

    assert (drill.log[len(before) :], list(drill.combinations("a"))) == (["delete a[1]", "delete a[2]"], ["a (1)"])
    assert drill.end("a[0]").status.phase == "Succeeded"


def test_a_matrix_that_can_be_made_no_more() -> None:
    """The same where it can't be told any more what it is made of."""
    matrix = {"x": "${{ fromJSON(workflow.annotations['fairlead.dev/list']) }}"}
    drill = Drill({"jobs": {"a": a_job(strategy={"matrix": matrix})}})
    drill.mark(list="[1, 2]")
    drill.look().run("a[0]", "a[1]").annotate(list="[")

    assert (drill.phases, drill.log[-2:]) == ({"a": "Failed MatrixFailed"}, ["delete a[0]", "delete a[1]"])


def test_a_lower_limit_on_combinations() -> None:
    """An operator that allows fewer goes on with what was begun."""
    drill = Drill({"jobs": {"a": a_job(strategy={"matrix": {"x": [1, 2, 3]}})}}).look()
    drill.policy = replace(drill.policy, combinations=2)

    drill.end("a[0]", "a[1]", "a[2]")

    assert drill.status.phase == "Succeeded"
