"""The life of a workflow's run and of its jobs, as tables.

A **run** starts when a spec is first seen, when another one is, when a time of the schedule comes, or when somebody
asks for it again; it ends once. While it lasts it only moves forward. What ended stays as it ended; the next run may
find the resource in any phase, so the table of the workflow says what may follow *within one run*.

    Pending ── Queued ── Running ── Succeeded | Partial | Failed | Cancelled
    Invalid   (the spec says nothing that could run; a mended spec is a new run)

A **job** waits for its needs (Pending), then for room and for its Pod (Queued), then runs its steps (Running). A
job whose Pod was lost to the cluster goes back to Queued with its next attempt. It may be over before anybody saw
it run, since states between two looks are not observed: so Queued leads to every end.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class WorkflowPhase(StrEnum):
    """Where a workflow's current run stands."""

    ended: bool
    """Whether nothing follows in this run."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    PARTIAL = "Partial"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    INVALID = "Invalid"


class JobPhase(StrEnum):
    """Where a job stands."""

    ended: bool
    """Whether nothing follows in this run."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    SKIPPED = "Skipped"


class Result(StrEnum):
    """How a job ended, in the words that `needs.X.result` has in GitHub Actions."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a job is in its phase, where the phase alone doesn't say it."""

    CALL_FAILED = "CallFailed"
    CANCELLED = "Cancelled"
    CHECK_FAILED = "CheckFailed"
    CONDITION_NOT_MET = "ConditionNotMet"
    DEADLOCKED = "Deadlocked"
    DISABLED = "Disabled"
    EXPRESSION_FAILED = "ExpressionFailed"
    FAIL_FAST = "FailFast"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    JOB_DELETED = "JobDeleted"
    JOB_REFUSED = "JobRefused"
    MATRIX_FAILED = "MatrixFailed"
    MISCONFIGURED = "Misconfigured"
    NEED_NOT_MET = "NeedNotMet"
    OUTPUTS_LOST = "OutputsLost"
    OUTPUTS_TOO_LARGE = "OutputsTooLarge"
    OUT_OF_MEMORY = "OutOfMemory"
    POD_LOST = "PodLost"
    START_FAILED = "StartFailed"
    RETRYING = "Retrying"
    SERVICE_FAILED = "ServiceFailed"
    STEP_FAILED = "StepFailed"
    SUPERSEDED = "Superseded"
    SUSPENDED = "Suspended"
    TIMED_OUT = "TimedOut"
    WAITING_FOR_GROUP = "WaitingForGroup"
    WAITING_FOR_ROOM = "WaitingForRoom"


_W, _J = WorkflowPhase, JobPhase

WORKFLOW_TRANSITIONS: Mapping[WorkflowPhase, frozenset[WorkflowPhase]] = {
    _W.PENDING: frozenset({_W.QUEUED, _W.RUNNING, _W.SUCCEEDED, _W.PARTIAL, _W.FAILED, _W.CANCELLED}),
    _W.QUEUED: frozenset({_W.RUNNING, _W.SUCCEEDED, _W.PARTIAL, _W.FAILED, _W.CANCELLED}),
    _W.RUNNING: frozenset({_W.SUCCEEDED, _W.PARTIAL, _W.FAILED, _W.CANCELLED}),
    _W.SUCCEEDED: frozenset(),
    _W.PARTIAL: frozenset(),
    _W.FAILED: frozenset(),
    _W.CANCELLED: frozenset(),
    _W.INVALID: frozenset(),
}

JOB_TRANSITIONS: Mapping[JobPhase, frozenset[JobPhase]] = {
    _J.PENDING: frozenset({_J.QUEUED, _J.RUNNING, _J.SUCCEEDED, _J.FAILED, _J.CANCELLED, _J.SKIPPED}),
    _J.QUEUED: frozenset({_J.RUNNING, _J.SUCCEEDED, _J.FAILED, _J.CANCELLED, _J.SKIPPED}),
    _J.RUNNING: frozenset({_J.QUEUED, _J.SUCCEEDED, _J.FAILED, _J.CANCELLED}),
    _J.SUCCEEDED: frozenset(),
    _J.FAILED: frozenset(),
    _J.CANCELLED: frozenset(),
    _J.SKIPPED: frozenset(),
}

# Told far more often than anything else, so it is looked up once.
for _workflow_phase in WorkflowPhase:
    _workflow_phase.ended = not WORKFLOW_TRANSITIONS[_workflow_phase]
for _job_phase in JobPhase:
    _job_phase.ended = not JOB_TRANSITIONS[_job_phase]

RESULTS: Mapping[JobPhase, Result] = {
    _J.SUCCEEDED: Result.SUCCESS,
    _J.FAILED: Result.FAILURE,
    _J.CANCELLED: Result.CANCELLED,
    _J.SKIPPED: Result.SKIPPED,
}
"""The result that each ended phase of a job gives."""
