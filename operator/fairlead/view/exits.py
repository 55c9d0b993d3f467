"""The program's exit codes; docs/command-line.md lists them."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from fairlead.model.phase import Reason, Result, WorkflowPhase
from fairlead.view.nodes import nodes

if TYPE_CHECKING:
    from fairlead.model.status import WorkflowStatus


class Exit(IntEnum):
    """What the program ends with."""

    SUCCESS = 0
    FAILED = 1
    USAGE = 2
    TIMED_OUT = 124
    CANCELLED = 130


def exit_code(status: WorkflowStatus) -> Exit:
    """Tell a run's result. What was allowed to fail doesn't count; 124 says that nothing but a timeout failed it."""
    match status.phase:
        case WorkflowPhase.SUCCEEDED | WorkflowPhase.PARTIAL:
            return Exit.SUCCESS
        case WorkflowPhase.CANCELLED:
            return Exit.CANCELLED
        case WorkflowPhase.INVALID:
            return Exit.USAGE
        case _:
            failed = [each.state for each in nodes(status) if each.state.result is Result.FAILURE]
            timed_out = bool(failed) and all(state.reason is Reason.TIMED_OUT for state in failed)
            return Exit.TIMED_OUT if timed_out else Exit.FAILED
