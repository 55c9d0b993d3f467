from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.ids import Attempt, JobId, RunNumber, StepId
from fairlead.model.phase import JobPhase, Reason, Result, WorkflowPhase
from fairlead.model.status import (
    Condition,
    JobStatus,
    RunRecord,
    StepStatus,
    WorkflowStatus,
    format_time,
)
from tests.builders import NOW, a_condition, a_record_of, a_run, a_step, at, failed, pending, succeeded

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


STEPS = built(
    StepStatus,
    name=TEXT,
    id=maybe(st.just(StepId("v"))),
    exit_code=maybe(st.integers(0, 255)),
    started_at=maybe(MILLISECONDS),
    finished_at=maybe(MILLISECONDS),
)
JOBS = built(
    JobStatus,
    phase=st.sampled_from(JobPhase),
    result=maybe(st.sampled_from(Result)),
    reason=maybe(st.sampled_from(Reason)),
    message=maybe(TEXT),
    attempt=maybe(st.integers(1, 9).map(Attempt)),
    kubernetes_job=maybe(TEXT),
    exit_code=maybe(st.integers(0, 255)),
    started_at=maybe(SECONDS),
    finished_at=maybe(SECONDS),
    outputs=st.dictionaries(TEXT, TEXT, max_size=3),
    steps=st.lists(STEPS, max_size=2).map(tuple),
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
    run=maybe(st.integers(1, 9).map(RunNumber)),
    phase=maybe(st.sampled_from(WorkflowPhase)),
    message=maybe(TEXT),
    progress=maybe(TEXT),
    duration=maybe(TEXT),
    started_at=maybe(SECONDS),
    finished_at=maybe(SECONDS),
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
    status = a_run().with_job("build", failed(steps=(a_step("make", 1),))).but(history=(a_record_of(1),)).status()
    document = status.to_json()
    document["future"] = {"a": 1}
    document["jobs"]["build"]["future"] = 1
    document["jobs"]["build"]["steps"][0]["future"] = []
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
        {"conditions": [{"type": "Ready"}]},
    ],
)
def test_unreadable(document: dict[str, Any] | None) -> None:
    """A status that isn't ours counts as none."""
    assert WorkflowStatus.from_json(document) == WorkflowStatus()


@pytest.mark.parametrize(
    ("phase", "generation", "over"),
    [
        (None, 1, False),
        (WorkflowPhase.RUNNING, 1, False),
        (WorkflowPhase.INVALID, 1, False),
        (WorkflowPhase.SUCCEEDED, 1, True),
        (WorkflowPhase.CANCELLED, 1, True),
        (WorkflowPhase.SUCCEEDED, 2, False),
    ],
)
def test_over(phase: WorkflowPhase | None, generation: int, over: bool) -> None:  # noqa: FBT001  a table's column
    """A run is over once it has ended for the generation that is asked about; an invalid spec is no run."""
    assert a_run().but(phase=phase).status().over(generation) is over


def test_time() -> None:
    """Moments are written in UTC, wherever they were taken."""
    assert format_time(at(0.7).astimezone(timezone(timedelta(hours=2)))) == "2026-03-01T12:00:00Z"
