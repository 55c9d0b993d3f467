"""Whether a job may start: its needs, its condition, and the combinations that its matrix makes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from fairlead.expressions import EvaluationError, ExpressionError, evaluate, interpolate, truthy
from fairlead.model.ids import NodeId
from fairlead.model.phase import JobPhase, Reason, Result
from fairlead.model.problem import one_line, quote
from fairlead.model.status_functions import status_functions
from fairlead.plan.contexts import fill_deep, with_needs
from fairlead.plan.matrix import Combination, combination_name, expand
from fairlead.plan.matrix_filters import MatrixError
from fairlead.plan.steps import flag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.model.ids import JobId
    from fairlead.model.status import JobStatus
    from fairlead.model.workflow import JobPlan
    from fairlead.plan.contexts import Contexts
    from fairlead.plan.run import Run

ALWAYS_AFTER_SUCCESS = "success()"
_MOST_NAME = 100

_VERBS: Mapping[JobPhase, str] = {
    JobPhase.FAILED: "failed",
    JobPhase.CANCELLED: "was cancelled",
    JobPhase.SKIPPED: "was skipped",
}


@dataclass(frozen=True, slots=True)
class Lineage:
    """How the jobs ended that one has before it, all of them: what its condition is decided by."""

    succeeded: bool = True
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """The job doesn't start."""

    phase: JobPhase
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Combinations:
    """What a job is run as: one node without a matrix, or many. `index` in the list is the combination's."""

    nodes: tuple[tuple[NodeId, str, Combination | None], ...]


def lineage_of(job: JobPlan, states: Mapping[JobId, JobStatus], lineages: Mapping[JobId, Lineage]) -> Lineage:
    """Sum up a job's ancestors from its needs. A job that isn't enabled is as if it weren't there."""
    succeeded, failed = True, False
    for need in job.needs:
        state, before = states[need], lineages[need]
        left_out = state.reason is Reason.DISABLED
        succeeded = succeeded and before.succeeded and (left_out or state.result is Result.SUCCESS)
        failed = failed or before.failed or state.result is Result.FAILURE
    return Lineage(succeeded, failed)


def gate(run: Run, job: JobPlan, lineage: Lineage) -> Closed | None:
    """Decide whether a job whose needs have ended may start; None where it may."""
    try:
        if not flag(job.enabled, run.base):
            return Closed(JobPhase.SKIPPED, Reason.DISABLED, "it is not enabled")
        if holds(run, job, lineage):
            return None
    except ExpressionError as error:
        return Closed(JobPhase.FAILED, Reason.EXPRESSION_FAILED, f"if: {one_line(str(error))}")
    if run.stop is not None:
        return Closed(JobPhase.CANCELLED, run.stop.reason, run.stop.message)
    for need in job.needs:
        state = run.states[need]
        if state.result is not Result.SUCCESS and state.reason is not Reason.DISABLED and not lineage.succeeded:
            return Closed(
                JobPhase.SKIPPED, Reason.NEED_NOT_MET, f"needs {quote(need)}, which {_VERBS.get(state.phase, 'failed')}"
            )
    if not lineage.succeeded and job.condition.startswith(ALWAYS_AFTER_SUCCESS):
        return Closed(JobPhase.SKIPPED, Reason.NEED_NOT_MET, "a job before its needs did not succeed")
    return Closed(JobPhase.SKIPPED, Reason.CONDITION_NOT_MET, "its condition does not hold")


def holds(run: Run, job: JobPlan, lineage: Lineage) -> bool:
    """Evaluate a job's condition as it stands now. Raises ExpressionError."""
    stopped = run.stop is not None
    success = lineage.succeeded and not stopped
    if job.condition == ALWAYS_AFTER_SUCCESS:
        return success
    functions = status_functions(success=success, failure=lineage.failed, cancelled=stopped)
    return truthy(evaluate(job.condition, with_needs(run.base, job, run.states), functions))


def combinations(run: Run, job: JobPlan, contexts: Contexts) -> Combinations | Closed:
    """Give the nodes that a job is run as. The same as long as its needs are as they were recorded."""
    if job.strategy is None:
        return Combinations(((NodeId(job.id), job.label, None),))
    try:
        matrix = fill_deep(job.strategy.matrix, contexts)
        if not isinstance(matrix, dict):
            raise EvaluationError(f"matrix: {quote(str(job.strategy.matrix), 80)} gives no map")
        # A limit that was lowered meanwhile doesn't take back what was begun.
        most = max(run.policy.combinations, len(run.recorded(job).combinations))
        found = _expanded(json.dumps(matrix), most)
    except (ExpressionError, MatrixError) as error:
        return Closed(JobPhase.FAILED, Reason.MATRIX_FAILED, one_line(f"strategy.{error}"))
    if not found:
        return Closed(JobPhase.SKIPPED, Reason.CONDITION_NOT_MET, "its matrix has no combinations")
    try:
        names = [_name(job, each, contexts) for each in found]
    except ExpressionError as error:
        return Closed(JobPhase.FAILED, Reason.EXPRESSION_FAILED, f"name: {one_line(str(error))}")
    return Combinations(
        tuple((NodeId(job.id, at), name, each) for at, (name, each) in enumerate(zip(names, found, strict=True)))
    )


def _name(job: JobPlan, combination: Combination, contexts: Contexts) -> str:
    """Name a combination: as the job's name says where that has expressions, else by its values."""
    if "${{" not in job.label:
        return combination_name(job.label, combination)
    return one_line(interpolate(job.label, {**contexts, "matrix": combination.values}), _MOST_NAME)


@lru_cache(maxsize=256)
def _expanded(matrix: str, most: int) -> tuple[Combination, ...]:
    return expand(json.loads(matrix), most=most)
