from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairlead.model.phase import Reason, Result, WorkflowPhase
from fairlead.view.exits import Exit, exit_code
from tests.builders import a_run, failed, succeeded

if TYPE_CHECKING:
    from fairlead.model.status import WorkflowStatus

TIMED_OUT = failed("timed out", reason=Reason.TIMED_OUT, exit_code=124)
ALLOWED = failed("timed out", result=Result.SUCCESS, outcome=Result.FAILURE)

CODES: dict[str, tuple[WorkflowStatus, Exit]] = {
    "success": (a_run(WorkflowPhase.SUCCEEDED).with_job("a", succeeded()).status(), Exit.SUCCESS),
    "partial": (a_run(WorkflowPhase.PARTIAL).with_job("a", ALLOWED).status(), Exit.SUCCESS),
    "failure": (a_run(WorkflowPhase.FAILED).with_job("a", failed()).status(), Exit.FAILED),
    "timeout": (a_run(WorkflowPhase.FAILED).with_job("a", TIMED_OUT).status(), Exit.TIMED_OUT),
    "timeout beside what may fail": (
        a_run(WorkflowPhase.FAILED).with_job("a", ALLOWED).with_job("b", TIMED_OUT).status(),
        Exit.TIMED_OUT,
    ),
    "both": (a_run(WorkflowPhase.FAILED).with_job("a", TIMED_OUT).with_job("b", failed()).status(), Exit.FAILED),
    "no job failed": (a_run(WorkflowPhase.FAILED).with_job("a", succeeded()).status(), Exit.FAILED),
    "cancelled": (a_run(WorkflowPhase.CANCELLED).status(), Exit.CANCELLED),
    "invalid": (a_run(WorkflowPhase.INVALID).status(), Exit.USAGE),
}


@pytest.mark.parametrize(("status", "code"), CODES.values(), ids=CODES)
def test_exit_code(status: WorkflowStatus, code: Exit) -> None:
    """Each end of a run has its exit code."""
    assert exit_code(status) is code
