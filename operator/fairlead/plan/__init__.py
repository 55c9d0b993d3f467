"""What happens next: pure functions from a workflow, its recorded status and what exists, to a decision.

    observed ── attempts.judge ──┐
    workflow ── contexts.resolve ┼─→ planner.plan ─→ Decision(actions, status, look_again)
    status ──────────────────────┘     └─ passes.decide └─ summary.summarize

No I/O, no clock: the moment is an argument. The same decision follows from the same arguments, so a restarted
operator goes on where the last one stopped.
"""

from fairlead.plan.actions import (
    Action,
    CallRequest,
    CallWorkflow,
    CancelWorkflow,
    CreateJob,
    Creation,
    Decision,
    DeleteJob,
    DeleteWorkflow,
    JobRequest,
    LateStep,
    Mixed,
    ReadOutputs,
    ServiceRequest,
    StepRequest,
)
from fairlead.plan.observed import (
    CalledWorkflow,
    ContainerRunning,
    ContainerTerminated,
    ContainerWaiting,
    JobFailure,
    KubernetesJob,
    Observed,
    Pod,
    Refusal,
    Resource,
)
from fairlead.plan.planner import Planner, plan
from fairlead.plan.run import Policy

__all__ = [
    "Action",
    "CallRequest",
    "CallWorkflow",
    "CalledWorkflow",
    "CancelWorkflow",
    "ContainerRunning",
    "ContainerTerminated",
    "ContainerWaiting",
    "CreateJob",
    "Creation",
    "Decision",
    "DeleteJob",
    "DeleteWorkflow",
    "JobFailure",
    "JobRequest",
    "KubernetesJob",
    "LateStep",
    "Mixed",
    "Observed",
    "Planner",
    "Pod",
    "Policy",
    "ReadOutputs",
    "Refusal",
    "Resource",
    "ServiceRequest",
    "StepRequest",
    "plan",
]
