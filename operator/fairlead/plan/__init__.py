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
    CreatePack,
    Creation,
    Decision,
    DeleteJob,
    DeletePod,
    DeleteWorkflow,
    EndPack,
    JobRequest,
    LateStep,
    Making,
    Mixed,
    ReadEvents,
    ReadOutputs,
    Removal,
    ServiceRequest,
    StepRequest,
    attempts_of,
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
    "CreatePack",
    "Creation",
    "Decision",
    "DeleteJob",
    "DeletePod",
    "DeleteWorkflow",
    "EndPack",
    "JobFailure",
    "JobRequest",
    "KubernetesJob",
    "LateStep",
    "Making",
    "Mixed",
    "Observed",
    "Planner",
    "Pod",
    "Policy",
    "ReadEvents",
    "ReadOutputs",
    "Refusal",
    "Removal",
    "Resource",
    "ServiceRequest",
    "StepRequest",
    "attempts_of",
    "plan",
]
