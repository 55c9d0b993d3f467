from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fairlead.model.ids import JobId
from fairlead.model.phase import WorkflowPhase
from fairlead.model.problem import InvalidWorkflowError, Problem
from fairlead.model.status import WorkflowStatus
from fairlead.plan import Observed, plan
from tests.builders import (
    NOW,
    a_condition,
    a_record_of,
    a_resource,
    a_run,
    a_spec,
    at,
    attempt_at,
    cancelled,
    failed,
    going,
    observed,
    pending,
    pod,
    queued,
    running,
    skipped,
    succeeded,
)

if TYPE_CHECKING:
    from fairlead.model.status import Condition, JobStatus
    from fairlead.plan import Resource


def summed_up(jobs: dict[str, JobStatus], *, now: float = 20) -> WorkflowStatus:
    """Give the next status of a run whose jobs are recorded so; those that run are seen to run."""
    spec, run = a_spec(), a_run()
    for job_id, state in jobs.items():
        spec, run = spec.job(job_id), run.with_job(job_id, state)
    seen = [
        attempt_at(job_id, pod(going() if state.phase == "Running" else None))
        for job_id, state in jobs.items()
        if state.attempt and not state.phase.ended
    ]
    return plan(spec.workflow(), run.resource(), observed(*seen), at(now)).status


def ids(count: int, state: JobStatus) -> dict[str, JobStatus]:
    """Give so many jobs in a state."""
    return {f"{state.phase.lower()[0]}{index}": state for index in range(count)}


Shown = tuple[WorkflowPhase, str, str]
TABLE: dict[str, tuple[dict[str, JobStatus], Shown]] = {
    "one success": (ids(1, succeeded()), (WorkflowPhase.SUCCEEDED, "1/1", "1 job succeeded")),
    "three successes": (ids(3, succeeded()), (WorkflowPhase.SUCCEEDED, "3/3", "3 jobs succeeded")),
    "two failures": (
        {**ids(1, succeeded()), "a": failed("boom"), "b": failed("bang")},
        (WorkflowPhase.FAILED, "3/3", 'job "a": boom (and 1 more)'),
    ),
    "a failure without a word": (
        {"a": failed("")},
        (WorkflowPhase.FAILED, "1/1", 'job "a": failed'),
    ),
    "a failure and what it kept from running": (
        {"a": failed("boom"), "b": skipped()},
        (WorkflowPhase.FAILED, "2/2", 'job "a": boom'),
    ),
    "running": (
        {**ids(1, succeeded()), **ids(2, running()), **ids(1, queued())},
        (WorkflowPhase.RUNNING, "1/4", "running: r0, r1"),
    ),
    "many running": (ids(5, running()), (WorkflowPhase.RUNNING, "0/5", "running: r0, r1, r2 and 2 more")),
    "queued": (ids(2, queued()), (WorkflowPhase.RUNNING, "0/2", "queued: q0, q1")),
}


@pytest.mark.parametrize(("jobs", "shown"), TABLE.values(), ids=TABLE)
def test_shown(jobs: dict[str, JobStatus], shown: Shown) -> None:
    """Phase, progress and message say in a line how the jobs stand."""
    status = summed_up(jobs)
    assert (status.phase, status.progress, status.message) == shown


def test_duration() -> None:
    """A run lasts from its start to the end of its last job, and that is all there is to know later."""
    jobs = {"a": succeeded(finished_at=at(65)), "b": succeeded(finished_at=at(30))}
    status = summed_up(jobs, now=90)
    assert (status.started_at, status.finished_at, status.duration) == (NOW, at(65), "1m5s")


def test_no_duration_yet() -> None:
    """While it runs, nothing says when it ended."""
    status = summed_up({"a": running()})
    assert (status.finished_at, status.duration) == (None, None)


# Conditions


def conditions(*rows: tuple[str, str, str, str], **fields: Any) -> tuple[Condition, ...]:  # noqa: ANN401  a condition's own
    """Give conditions as (type, status, reason, message)."""
    return tuple(a_condition(kind, status, reason, text, **fields) for kind, status, reason, text in rows)


GOOD_START = [("Accepted", "True", "Valid", ""), ("Admitted", "True", "Admitted", "")]
CONDITIONS = {
    "running": (
        {"a": queued()},
        [
            *GOOD_START,
            ("Succeeded", "Unknown", "Running", "queued: a"),
            ("Ready", "False", "Running", "queued: a"),
            ("Reconciling", "True", "Running", "queued: a"),
        ],
    ),
    "succeeded": (
        {"a": succeeded()},
        [
            *GOOD_START,
            ("Succeeded", "True", "Succeeded", "1 job succeeded"),
            ("Ready", "True", "Succeeded", "1 job succeeded"),
        ],
    ),
    "failed": (
        {"a": failed("boom")},
        [
            *GOOD_START,
            ("Succeeded", "False", "Failed", 'job "a": boom'),
            ("Ready", "False", "Failed", 'job "a": boom'),
            ("Stalled", "True", "Failed", 'job "a": boom'),
        ],
    ),
}


@pytest.mark.parametrize(("jobs", "rows"), CONDITIONS.values(), ids=CONDITIONS)
def test_conditions(jobs: dict[str, JobStatus], rows: list[tuple[str, str, str, str]]) -> None:
    """The conditions answer `kubectl wait`, Argo CD and Flux; Reconciling and Stalled stand only while they hold."""
    assert summed_up(jobs).conditions == conditions(*rows, last_transition_time=at(20))


def test_transition_times() -> None:
    """A condition keeps the time of its last change until it changes again."""
    earlier = conditions(*CONDITIONS["running"][1])
    spec = a_spec().job("a")
    recorded = a_run().with_job("a", succeeded()).but(conditions=earlier).resource()
    status = plan(spec.workflow(), recorded, Observed(), at(20)).status
    assert {each.type: each.last_transition_time for each in status.conditions} == {
        "Accepted": NOW,
        "Admitted": NOW,
        "Succeeded": at(20),
        "Ready": at(20),
    }


def test_generation_of_conditions() -> None:
    """Each condition says of which generation it speaks."""
    status = plan(a_spec().job("a").workflow(), a_resource(generation=7), Observed(), NOW).status
    assert {each.observed_generation for each in status.conditions} == {7}


# History


def with_history(runs: int, limit: int) -> tuple[int, ...]:
    """Start a run after so many, and give which of them are remembered."""
    history = tuple(a_record_of(run) for run in range(runs - 1, 0, -1))
    last = a_run(WorkflowPhase.SUCCEEDED, run=runs, generation=runs).but(history=history, finished_at=NOW)
    spec = a_spec().but(historyLimit=limit).job("a")
    status = plan(spec.workflow(), last.resource(generation=runs + 1), Observed(), NOW).status
    return tuple(record.run for record in status.history)


@pytest.mark.parametrize(
    ("runs", "limit", "remembered"),
    [(1, 10, (1,)), (3, 10, (3, 2, 1)), (12, 3, (12, 11, 10)), (3, 0, ())],
)
def test_history(runs: int, limit: int, remembered: tuple[int, ...]) -> None:
    """The newest runs are remembered, as many as the spec wants."""
    assert with_history(runs, limit) == remembered


def test_record_of_an_ended_run() -> None:
    """An earlier run is remembered as it ended."""
    ended = a_run(WorkflowPhase.FAILED).with_job("a", failed()).but(message="boom", finished_at=at(9))
    status = plan(a_spec().job("a").workflow(), ended.resource(generation=2), Observed(), at(20)).status
    record = a_record_of(1, WorkflowPhase.FAILED, "boom").model_copy(update={"finished_at": at(9)})
    assert status.history == (record,)


# Wrong specs


def invalid(count: int, resource: Resource | None = None) -> WorkflowStatus:
    """Give the status of a spec with so many mistakes."""
    problems = tuple(Problem(("spec", f"f{index}"), "unknown field") for index in range(count))
    return plan(InvalidWorkflowError(problems), resource or a_resource(), Observed(), NOW).status


def test_invalid() -> None:
    """All mistakes are in the status, the first in its message."""
    problems = ("spec.f0: unknown field", "spec.f1: unknown field", "spec.f2: unknown field")
    message = f"{problems[0]} (and 2 more)"
    text = "\n".join(problems)
    assert invalid(3) == WorkflowStatus(
        observed_generation=1,
        phase=WorkflowPhase.INVALID,
        message=message,
        problems=problems,
        conditions=conditions(
            ("Accepted", "False", "Invalid", text),
            ("Succeeded", "False", "Invalid", text),
            ("Ready", "False", "Invalid", text),
            ("Stalled", "True", "Invalid", text),
        ),
    )


def test_very_invalid() -> None:
    """A hundred mistakes are enough for a status."""
    status = invalid(130)
    assert (len(status.problems), status.problems[-1]) == (101, "… and 30 more")


def test_cancelled_names() -> None:
    """A cancelled run says what didn't finish."""
    run = a_run(WorkflowPhase.RUNNING)
    spec = a_spec()
    for job_id, state in {**ids(1, succeeded()), **ids(5, pending())}.items():
        spec, run = spec.job(job_id), run.with_job(job_id, state)
    resource = run.resource(annotations={"fairlead.dev/cancel": "1"})
    status = plan(spec.workflow(), resource, Observed(), NOW).status
    assert (status.phase, status.message, status.jobs[JobId("p0")]) == (
        WorkflowPhase.CANCELLED,
        "cancelled; p0, p1, p2 and 2 more did not finish",
        cancelled(message="the run was cancelled"),
    )
