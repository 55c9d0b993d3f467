"""How a called Workflow stands, judged from its own status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.model.phase import Reason, WorkflowPhase
from fairlead.plan.attempts import Ended, Going, Lost, Verdict, Waiting

if TYPE_CHECKING:
    from fairlead.plan.observed import CalledWorkflow


def judge_call(call: CalledWorkflow) -> Verdict:
    """Tell how a called Workflow stands; its first run is what was called."""
    status = call.status
    match status.phase:
        case WorkflowPhase.SUCCEEDED | WorkflowPhase.PARTIAL:
            return Ended(None, None, 0, status.started_at, status.finished_at, outputs=status.outputs)
        case WorkflowPhase.FAILED | WorkflowPhase.INVALID:
            said = f"the workflow {call.name} failed: {status.message}"
            return Ended(Reason.CALL_FAILED, said, None, status.started_at, status.finished_at, outputs=status.outputs)
        case WorkflowPhase.CANCELLED:
            said = f"the workflow {call.name} was cancelled"
            return Ended(Reason.CANCELLED, said, None, status.started_at, status.finished_at, cancelled=True)
        case WorkflowPhase.RUNNING:
            return Going(status.started_at)
        case _ if call.deleting:
            return Lost(Reason.JOB_DELETED, "its Workflow was deleted")
        case _:
            return Waiting(status.message if status.phase is WorkflowPhase.QUEUED else None)
