from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairlead.model.phase import (
    JOB_TRANSITIONS,
    RESULTS,
    WORKFLOW_TRANSITIONS,
    JobPhase,
    Result,
    WorkflowPhase,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLES = [WORKFLOW_TRANSITIONS, JOB_TRANSITIONS]
ENDS = {
    WorkflowPhase: {"Succeeded", "Partial", "Failed", "Cancelled", "Invalid"},
    JobPhase: {"Succeeded", "Failed", "Cancelled", "Skipped"},
}


@pytest.mark.parametrize(("phases", "table"), [*zip(ENDS, TABLES, strict=True)], ids=["workflow", "job"])
def test_table(
    phases: type[WorkflowPhase | JobPhase], table: Mapping[object, frozenset[WorkflowPhase | JobPhase]]
) -> None:
    """Each phase has a row, ends are where nothing follows, nothing follows itself, and each end is reached."""
    rows = {phase: table[phase] for phase in phases}
    reached = {successor for successors in rows.values() for successor in successors}
    assert {
        "ends": {str(phase) for phase in phases if phase.ended},
        "leads to itself": {phase for phase, successors in rows.items() if phase in successors},
        "never reached": {str(phase) for phase in phases if phase not in reached},
    } == {
        "ends": ENDS[phases],
        "leads to itself": set(),
        "never reached": {"Pending"} | ({"Invalid"} if phases is WorkflowPhase else set()),
    }


def test_only_a_job_goes_back() -> None:
    """The one way back is a job's from Running to Queued, for its next attempt; a workflow only moves forward."""
    order = {phase: index for index, phase in enumerate(JobPhase)}
    back = {(a, b) for a, row in JOB_TRANSITIONS.items() for b in row if order[b] < order[a]}
    workflow_order = {phase: index for index, phase in enumerate(WorkflowPhase)}
    workflow_back = {
        (a, b) for a, row in WORKFLOW_TRANSITIONS.items() for b in row if workflow_order[b] < workflow_order[a]
    }
    assert (back, workflow_back) == ({(JobPhase.RUNNING, JobPhase.QUEUED)}, set())


def test_results() -> None:
    """Each end of a job gives a result, and each result is given by one."""
    assert {str(phase): str(result) for phase, result in RESULTS.items()} == {
        "Succeeded": "success",
        "Failed": "failure",
        "Cancelled": "cancelled",
        "Skipped": "skipped",
    }
    assert set(RESULTS.values()) == set(Result)
    assert set(RESULTS) == {phase for phase in JobPhase if phase.ended}
