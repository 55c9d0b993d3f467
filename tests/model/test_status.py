from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.ids import Attempt, JobId, RunNumber, SpecDigest, StepId
from fairlead.model.phase import JobPhase, Reason, Result, WorkflowPhase
from fairlead.model.spec import QueueKind
from fairlead.model.status import (
    AdmissionStatus,
    CombinationStatus,
    Condition,
    JobStatus,
    Recorded,
    RunRecord,
    StepStatus,
    WorkflowStatus,
    format_time,
)
from tests.builders import DIGEST, NOW, a_condition, a_record_of, a_run, a_step, at, failed, pending, succeeded

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = st.integers(0, 2**31).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
MILLISECONDS = st.integers(0, 2**41).map(lambda count: datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=count))
TEXT = st.text(max_size=20)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give None as well."""
    return st.none() | strategy


def built(model: Callable[..., Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give instances of a model; Hypothesis would fill in the fields' other names by itself."""
    return st.fixed_dictionaries(fields).map(lambda found: model(**found))


ADMISSIONS = built(
    AdmissionStatus,
    admitted=st.booleans(),
    since=MILLISECONDS,
    group=maybe(TEXT),
    cancel_in_progress=st.booleans(),
    queue=st.sampled_from(QueueKind),
    priority=st.integers(-9, 9),
)
STEPS = built(
    StepStatus,
    name=TEXT,
    id=maybe(st.just(StepId("v"))),
    result=maybe(st.sampled_from(Result)),
    outcome=maybe(st.sampled_from(Result)),
    exit_code=maybe(st.integers(0, 255)),
    started_at=maybe(MILLISECONDS),
    finished_at=maybe(MILLISECONDS),
)
NODES: dict[str, st.SearchStrategy[Any]] = {
    "phase": st.sampled_from(JobPhase),
    "result": maybe(st.sampled_from(Result)),
    "outcome": maybe(st.sampled_from(Result)),
    "reason": maybe(st.sampled_from(Reason)),
    "message": maybe(TEXT),
    "attempt": maybe(st.integers(1, 9).map(Attempt)),
    "retries": st.integers(0, 9),
    "retry_at": maybe(MILLISECONDS),
    "kubernetes_job": maybe(TEXT),
    "workflow": maybe(TEXT),
    "exit_code": maybe(st.integers(0, 255)),
    "started_at": maybe(SECONDS),
    "finished_at": maybe(SECONDS),
    "outputs": st.dictionaries(TEXT, TEXT, max_size=3),
    "steps": st.lists(STEPS, max_size=2).map(tuple),
    "admission": maybe(ADMISSIONS),
}
JOBS = built(
    JobStatus,
    **NODES,
    kept_from=maybe(st.integers(1, 9).map(RunNumber)),
    summary=maybe(TEXT),
    combinations=st.lists(built(CombinationStatus, **NODES, name=TEXT), max_size=2).map(tuple),
)
RECORDS = built(
    RunRecord,
    run=st.integers(1, 9).map(RunNumber),
    generation=st.integers(1, 9),
    phase=st.sampled_from(WorkflowPhase),
    message=maybe(TEXT),
    started_at=maybe(SECONDS),
    finished_at=maybe(SECONDS),
)
CONDITIONS = built(
    Condition,
    type=st.just("Ready"),
    status=st.sampled_from(["True", "False", "Unknown"]),
    reason=st.just("Because"),
    message=TEXT,
    observed_generation=st.integers(1, 9),
    last_transition_time=SECONDS,
)
STATUSES = built(
    WorkflowStatus,
    observed_generation=maybe(st.integers(1, 9)),
    spec_digest=maybe(st.just(SpecDigest("0123456789ab"))),
    run=maybe(st.integers(1, 9).map(RunNumber)),
    phase=maybe(st.sampled_from(WorkflowPhase)),
    message=maybe(TEXT),
    progress=maybe(TEXT),
    duration=maybe(TEXT),
    started_at=maybe(SECONDS),
    finished_at=maybe(SECONDS),
    next_run_at=maybe(SECONDS),
    scheduled_at=maybe(SECONDS),
    missed_runs=st.integers(0, 100),
    admission=maybe(ADMISSIONS),
    compacted=maybe(TEXT),
    outputs=st.dictionaries(TEXT, TEXT, max_size=3),
    problems=st.lists(TEXT, max_size=2).map(tuple),
    conditions=st.lists(CONDITIONS, max_size=2).map(tuple),
    jobs=st.dictionaries(st.sampled_from(["a", "b", "c"]).map(JobId), JOBS, max_size=2),
    history=st.lists(RECORDS, max_size=2).map(tuple),
)


@given(STATUSES)
def test_round_trip(status: WorkflowStatus) -> None:
    """Whatever was recorded is read back as it was."""
    assert WorkflowStatus.from_json(status.to_json()) == status


@given(STATUSES, STATUSES, st.booleans())
def test_over_another(before: WorkflowStatus, after: WorkflowStatus, shared: bool) -> None:  # noqa: FBT001  drawn
    """Written over another one and read back it is the same as by itself; what hasn't changed stays the same object."""
    after = after.model_copy(update={"jobs": {**before.jobs, **after.jobs}}) if shared else after
    recorded = Recorded(before, before.to_json())
    document = after.to_json(recorded)
    read = WorkflowStatus.from_json(document, recorded)
    kept = {job_id for job_id, state in before.jobs.items() if read.jobs.get(job_id) is state}
    assert (document, read) == (after.to_json(), after)
    assert kept == {job_id for job_id, state in before.jobs.items() if after.jobs.get(job_id) == state}


def test_combinations_that_stay() -> None:
    """Of a matrix that has changed, the combinations that haven't stay the same objects, in document and status."""
    first, second, third = (CombinationStatus(name=f"m ({index})") for index in range(3))
    matrix = JobStatus(summary="0/3 passed", combinations=(first, second, third))
    before = WorkflowStatus(jobs={JobId("m"): matrix})
    recorded = Recorded(before, before.to_json())
    ended = second.model_copy(update={"phase": JobPhase.SUCCEEDED})
    changed = matrix.model_copy(update={"summary": "1/3 passed", "combinations": (first, ended, third)})
    document = WorkflowStatus(jobs={JobId("m"): changed}).to_json(recorded)
    read = WorkflowStatus.from_json(document, recorded).jobs[JobId("m")]
    parts = zip(document["jobs"]["m"]["combinations"], recorded.document["jobs"]["m"]["combinations"], strict=True)
    assert read == changed
    assert [new is old for new, old in zip(read.combinations, matrix.combinations, strict=True)] == [True, False, True]
    assert [new is old for new, old in parts] == [True, False, True]


@given(STATUSES, STATUSES)
def test_says_the_same(one: WorkflowStatus, other: WorkflowStatus) -> None:
    """Two say the same where their documents are equal."""
    again = WorkflowStatus.from_json(one.to_json())
    assert (other.says_the_same_as(one), again.says_the_same_as(one)) == (other.to_json() == one.to_json(), True)


def test_document() -> None:
    """The status stands in the resource in camelCase, times to the second, steps to the millisecond."""
    build = succeeded(
        kubernetes_job="ci-build-1-abc",
        started_at=NOW,
        outputs={"version": "1.2"},
        steps=(a_step("make", step_id="v", end=1.5),),
    )
    status = (
        a_run(run=2, generation=3)
        .with_job("build", build)
        .with_job("test", pending())
        .but(
            progress="1/2",
            message="pending",
            conditions=(a_condition("Ready", "False", "Running", observed_generation=3),),
            history=(a_record_of(1),),
        )
        .status()
    )
    assert status.to_json() == {
        "observedGeneration": 3,
        "specDigest": DIGEST,
        "run": 2,
        "phase": "Running",
        "message": "pending",
        "progress": "1/2",
        "startedAt": "2026-03-01T12:00:00Z",
        "jobs": {
            "build": {
                "phase": "Succeeded",
                "result": "success",
                "attempt": 1,
                "kubernetesJob": "ci-build-1-abc",
                "exitCode": 0,
                "startedAt": "2026-03-01T12:00:00Z",
                "finishedAt": "2026-03-01T12:00:00Z",
                "outputs": {"version": "1.2"},
                "steps": [
                    {
                        "name": "make",
                        "id": "v",
                        "result": "success",
                        "exitCode": 0,
                        "startedAt": "2026-03-01T12:00:00.000Z",
                        "finishedAt": "2026-03-01T12:00:01.500Z",
                    }
                ],
            },
            "test": {"phase": "Pending"},
        },
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "Running",
                "observedGeneration": 3,
                "lastTransitionTime": "2026-03-01T12:00:00Z",
            }
        ],
        "history": [
            {
                "run": 1,
                "generation": 1,
                "phase": "Succeeded",
                "message": "run 1",
                "startedAt": "2026-03-01T12:00:00Z",
                "finishedAt": "2026-03-01T12:00:00Z",
            }
        ],
    }


def test_unknown_fields() -> None:
    """What a later version has added is passed over, at every level."""
    build = failed(steps=(a_step("make", 1),), combinations=(CombinationStatus(name="build (1)"),))
    status = a_run().with_job("build", build).but(history=(a_record_of(1),)).status()
    document = status.to_json()
    document["future"] = {"a": 1}
    document["jobs"]["build"]["future"] = 1
    document["jobs"]["build"]["steps"][0]["future"] = []
    document["jobs"]["build"]["combinations"][0]["future"] = "x"
    document["history"][0]["future"] = None
    assert WorkflowStatus.from_json(document) == status


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"phase": "Sleeping"},
        {"jobs": []},
        {"jobs": {"build": {"phase": "Sleeping"}}},
        {"run": "first"},
        {"startedAt": "yesterday"},
        {"startedAt": "0001-01-01T00:00:00Z"},
        {"jobs": {"build": {"retryAt": "9999-12-31T23:59:59Z"}}},
        {"conditions": [{"type": "Ready"}]},
    ],
)
def test_unreadable(document: dict[str, Any] | None) -> None:
    """A status that isn't ours counts as none."""
    assert WorkflowStatus.from_json(document) == WorkflowStatus()


def test_a_moment_without_a_zone() -> None:
    """It is taken as one of UTC, so that it can be compared with others."""
    assert WorkflowStatus.from_json({"startedAt": "2026-03-01T12:00:00"}).started_at == at(0)


@pytest.mark.parametrize(
    ("phase", "ended"),
    [
        (None, False),
        (WorkflowPhase.PENDING, False),
        (WorkflowPhase.QUEUED, False),
        (WorkflowPhase.RUNNING, False),
        (WorkflowPhase.SUCCEEDED, True),
        (WorkflowPhase.PARTIAL, True),
        (WorkflowPhase.FAILED, True),
        (WorkflowPhase.CANCELLED, True),
        (WorkflowPhase.INVALID, False),
    ],
)
def test_ended(phase: WorkflowPhase | None, ended: bool) -> None:  # noqa: FBT001  a table's column
    """A run is over in each phase that nothing follows; an invalid spec is no run that could be over."""
    assert a_run().but(phase=phase).status().ended is ended


def test_time() -> None:
    """Moments are written in UTC, wherever they were taken."""
    assert format_time(at(0.7).astimezone(timezone(timedelta(hours=2)))) == "2026-03-01T12:00:00Z"
