"""Whatever stands in a status is planned from: somebody else may have written it, as the schema lets them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.ids import Uid, WorkflowKey
from fairlead.model.status import WorkflowStatus
from fairlead.plan import Decision, Observed, Resource, plan
from fairlead.plan.admission import claims_of
from fairlead.plan.announcements import announce
from tests.builders import NOW, a_spec, attempt_at, called
from tests.generated import TEXTS, documents, schema_of

if TYPE_CHECKING:
    from fairlead.model.workflow import Workflow

SPEC = (
    a_spec()
    .but(timeout="1h", concurrency={"group": "g", "cancelInProgress": True}, failFast=True)
    .job("a", retry={"limit": 2, "delay": "1h", "multiplier": 100}, timeout="1h")
    .job("b", "a", strategy={"matrix": {"x": [1, 2, 3]}, "maxParallel": 2}, concurrency={"group": "${{ matrix.x }}"})
    .job("c", "a", check="${{ needs.a.result > 1 }}")
    .job("d", "b", uses="other")
)
SPECS = [
    SPEC,
    SPEC.but(schedules=[{"cron": "*/5 * * * *", "timezone": "Europe/Berlin", "startingDeadline": "1h"}]),
    SPEC.but(ttlAfterFinished="8784h", historyLimit=1, outputs={"v": "${{ jobs.a.result }}"}),
]
WORKFLOWS = [spec.workflow() for spec in SPECS]
OBSERVED = [
    Observed(),
    Observed(jobs=(attempt_at("a"),)),
    Observed(calls=(called("d", WorkflowStatus()),)),
]
ANNOTATIONS = ["fairlead.dev/cancel", "fairlead.dev/rerun", "fairlead.dev/rerun-from", "fairlead.dev/callers"]


@st.composite
def statuses(draw: st.DrawFn, digest: str) -> dict[str, Any]:
    """Draw one that the schema lets through, mostly of the current run of a spec."""
    drawn: dict[str, Any] = draw(documents(schema_of("workflows", "status"), ("a", "b", "c", "d", "v")))
    if draw(st.integers(0, 9)):
        drawn |= {"specDigest": digest, "observedGeneration": 1, "run": draw(st.sampled_from([1, 1, 2, 2**53]))}
    return drawn


@given(st.data(), st.integers(0, 2))
def test_any_status_is_planned_from(data: st.DataObject, at: int) -> None:
    """A decision comes of it, whose status can be written, read again, and planned from."""
    workflow = WORKFLOWS[at]
    document = data.draw(statuses(workflow.digest))
    annotations = data.draw(st.dictionaries(st.sampled_from(ANNOTATIONS), TEXTS, max_size=2))
    observed = data.draw(st.sampled_from(OBSERVED))
    resource = Resource(
        WorkflowKey("team", "ci"), Uid("u"), 1, WorkflowStatus.from_json(document), annotations=annotations
    )
    for _ in range(2):
        claims_of(resource, observed.jobs, observed.calls)
        decision = plan(workflow, resource, observed, NOW)
        assert isinstance(decision, Decision)
        written = orjson.loads(orjson.dumps(decision.status.to_json()))
        # One that follows from a moment at the edge of what we take may lie beyond it, and counts as none.
        assert WorkflowStatus.from_json(written).to_json() in (written, {})
        list(announce(resource.status, decision.status))
        resource = replace(resource, status=WorkflowStatus.from_json(written))


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-01T12:00:00"])
@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Running", "startedAt": "MOMENT"},
        {"phase": "Running", "jobs": {"a": {"phase": "Running", "attempt": 1, "startedAt": "MOMENT"}}},
        {"phase": "Running", "jobs": {"a": {"phase": "Queued", "attempt": 1, "retryAt": "MOMENT"}}},
        {"phase": "Succeeded", "finishedAt": "MOMENT"},
        {"phase": "Pending", "scheduledAt": "MOMENT"},
        {"phase": "Queued", "admission": {"since": "MOMENT"}},
    ],
)
@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_odd_moments(workflow: Workflow, status: dict[str, Any], moment: str) -> None:
    """Moments that can't be reckoned with, or have no zone, do no harm wherever they stand."""
    document = json.loads(json.dumps(status).replace("MOMENT", moment))
    document |= {"specDigest": workflow.digest, "observedGeneration": 1, "run": 1}
    resource = Resource(WorkflowKey("team", "ci"), Uid("u"), 1, WorkflowStatus.from_json(document))
    for observed in OBSERVED:
        claims_of(resource, observed.jobs, observed.calls)
        assert isinstance(plan(workflow, resource, observed, NOW), Decision)
