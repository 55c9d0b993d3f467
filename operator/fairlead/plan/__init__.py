"""What happens next: pure functions from a workflow, its recorded status and what exists, to a decision.

    observed ── attempts.judge ──┐
    workflow ── contexts.resolve ┼─→ planner.plan ─→ Decision(actions, status, look_again)
    status ──────────────────────┘                      └─ summary.summarize

No I/O, no clock: the moment is an argument. The same decision follows from the same arguments, so a restarted
operator goes on where the last one stopped.
"""

from fairlead.plan.actions import Action, CreateJob, Decision, DeleteJob, JobRequest, StepRequest
from fairlead.plan.observed import (
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
from fairlead.plan.planner import Policy, plan

__all__ = [
    "Action",
    "ContainerRunning",
    "ContainerTerminated",
    "ContainerWaiting",
    "CreateJob",
    "Decision",
    "DeleteJob",
    "JobFailure",
    "JobRequest",
    "KubernetesJob",
    "Observed",
    "Pod",
    "Policy",
    "Refusal",
    "Resource",
    "StepRequest",
    "plan",
]
