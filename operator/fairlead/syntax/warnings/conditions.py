"""Jobs and steps whose condition never holds, and conditions that are texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.expressions import (
    ExpressionError,
    Index,
    Literal,
    Logical,
    Name,
    Not,
    fold,
    parse,
    references,
    simplify,
)
from fairlead.model.problem import quote
from fairlead.model.status_functions import STEP_CONDITION_FUNCTIONS, status_functions
from fairlead.syntax.finding import Remark, Rule
from fairlead.syntax.scopes import CONTEXTS
from fairlead.syntax.truth import truth
from fairlead.syntax.warnings.scripts import says_true_or_false
from fairlead.syntax.warnings.texts import condition_of, folded, member

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.expressions import Node
    from fairlead.model.ids import JobId
    from fairlead.model.problem import Path
    from fairlead.model.workflow import JobPlan, Workflow
    from fairlead.syntax.warnings.texts import Written

_CERTAIN = STEP_CONDITION_FUNCTIONS.extended(*status_functions(success=True, failure=False, cancelled=False).values())
_UNKNOWN = frozenset({"success", "failure", "cancelled", "hashFiles"})
_AFTER_SUCCESS = "success() && "
_FALSE_TEXTS = frozenset({"false", "no", "off", "0"})
_WAY_OUT = "write enabled: false to leave a job out, so that what needs it still runs"


def never_runs(workflow: Workflow, document: Mapping[str, Any]) -> Iterator[Remark]:
    """Find the jobs and steps of a workflow without mistakes that never run."""
    never: set[JobId] = set()
    for job in workflow.jobs.values():
        if job.enabled is False:
            continue
        said = _never(job, workflow, never)
        if said is not None:
            never.add(job.id)
            yield Remark(Rule.NEVER_RUNS, _field(document, job), f"never runs: {said}", at_key=True)
        yield from _steps(job)


def _field(document: Mapping[str, Any], job: JobPlan) -> Path:
    """Give the place of a job's condition; the job's own where it says none."""
    at: Path = ("spec", "jobs", job.id)
    written = document.get("jobs", {}).get(job.id)
    found = [name for name in ("if", "unless", "onComplete") if isinstance(written, dict) and name in written]
    return (*at, found[0]) if found else at


def _never(job: JobPlan, workflow: Workflow, never: set[JobId]) -> str | None:
    if not _may_hold(job.condition):
        return f"its condition is always false; {_WAY_OUT}"
    if not job.needs and not _may_hold(job.condition, failure=False):
        return "failure() looks at the jobs in needs, and there are none"
    lost = next((need for need in job.needs if need in never), None)
    if lost is not None and not _may_hold(job.condition, success=False):
        return f"it needs {quote(lost)}, which never runs"
    if job.condition.startswith(_AFTER_SUCCESS):
        ended = {str(need): {"result": "success"} for need in job.needs if workflow.jobs[need].enabled is True}
        if ended and not _may_hold(job.condition, needs=ended):
            said = "without a status function a condition holds only after success of all needs"
            return f"{said}; begin with failure() && or always() &&"
    return None


def _steps(job: JobPlan) -> Iterator[Remark]:
    for index, step in enumerate(job.steps):
        at: Path = ("spec", "jobs", job.id, "steps", index, "if")
        if not _may_hold(step.condition):
            yield Remark(Rule.NEVER_RUNS, at, "never runs: its condition is always false", at_key=True)
        elif index == 0 and not _may_hold(step.condition, failure=False):
            said = "never runs: failure() looks at the steps before, and there are none"
            yield Remark(Rule.NEVER_RUNS, at, said, at_key=True)


def _may_hold(
    condition: str,
    *,
    success: bool | None = None,
    failure: bool | None = None,
    needs: Mapping[str, Mapping[str, str]] | None = None,
) -> bool:
    """Whether a condition may hold, as far as that is known: of the status functions, and of the needs' results."""
    unknown = set(_UNKNOWN) | {name for name in CONTEXTS if name != "needs" or needs is None}
    unknown -= {name for name, value in (("success", success), ("failure", failure)) if value is not None}
    functions = status_functions(success=bool(success), failure=bool(failure), cancelled=False)
    if needs is not None:
        unknown |= {f"needs.{need}.{part}" for need in needs for part in ("outputs", "combinations")}
    try:
        node = parse(condition, functions=STEP_CONDITION_FUNCTIONS)
        if needs is not None:
            unknown |= {".".join(each.path[:2]) for each in references(node) if _other_need(each.path, needs)}
        known = simplify(node, {"needs": needs or {}}, _CERTAIN.extended(*functions.values()), unknown=unknown)
    except ExpressionError:
        return True
    return truth(known) is not False


def _other_need(path: tuple[str, ...], needs: Mapping[str, object]) -> bool:
    return fold(path[0]) == "NEEDS" and len(path) > 1 and fold(path[1]) not in {fold(need) for need in needs}


# Texts


def text_as_condition(document: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[Remark]:
    """Find the conditions that a text decides though it says "false": inputs, and outputs of true and false."""
    inputs = document.get("inputs")
    for job_id, job in jobs.items():
        if not isinstance(job, dict):
            continue
        at: Path = ("spec", "jobs", job_id)
        for field in ("if", "unless", "enabled", "check"):
            yield from _texts_in(condition_of(job.get(field), (*at, field)), inputs, job, jobs)
        steps = job.get("steps")
        for index, step in enumerate(steps if isinstance(steps, list) else ()):
            if isinstance(step, dict):
                found = condition_of(step.get("if"), (*at, "steps", index, "if"))
                yield from _texts_in(found, inputs, job, jobs)


def _texts_in(
    written: Written | None, inputs: object, job: Mapping[str, Any], jobs: Mapping[str, Any]
) -> Iterator[Remark]:
    if written is None:
        return
    for node in _decides(written.node):
        (found,) = references(node)
        shown = ".".join(found.path)
        match folded(found.path):
            case ["INPUTS", name] if _says_false(member(inputs, name)):
                said = f"{quote(shown)} is a text here, and a text that isn't empty counts as true"
                said = f"{said}; write the input without quotes, or compare: {shown} == 'true'"
            case ["NEEDS", need, "OUTPUTS", output] if says_true_or_false(member(jobs, need), output):
                said = _compare(shown)
            case ["STEPS", step, "OUTPUTS", output] if says_true_or_false(
                {**job, "outputs": {output: f"${{{{ steps.{step}.outputs.{output} }}}}"}}, output
            ):
                said = _compare(shown)
            case _:
                continue
        yield Remark(Rule.TEXT_AS_CONDITION, written.path, said, span=(found.position + written.shift, len(shown)))


def _compare(shown: str) -> str:
    said = f'{quote(shown)} is a text, as every output, and "false" counts as true'
    return f"{said}; compare: {shown} == 'true'"


def _says_false(value: object) -> bool:
    if isinstance(value, dict):
        value = value.get("default") if value.get("type", "string") == "string" else None
    return isinstance(value, str) and value.strip().casefold() in _FALSE_TEXTS | {"true"}


def _decides(node: Node) -> Iterator[Node]:
    """Give the parts of a condition that are paths, and count as true or false."""
    match node:
        case Not():
            yield from _decides(node.operand)
        case Logical():
            for operand in node.operands:
                yield from _decides(operand)
        case Index() if _is_path(node):
            yield node
        case _:
            pass


def _is_path(node: Node) -> bool:
    while isinstance(node, Index):
        if not isinstance(node.key, Literal):
            return False
        node = node.target
    return isinstance(node, Name)
