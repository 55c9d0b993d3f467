"""Conditions in one form: an expression without `${{ }}` that says all of `if`, `unless` and `onComplete`.

As GitHub Actions has it, a condition that calls no status function holds only after success.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.expressions import calls, parse, parse_template
from fairlead.model.status_functions import STATUS_FUNCTIONS, STEP_CONDITION_FUNCTIONS

if TYPE_CHECKING:
    from fairlead.model.spec import Job, Step

_MARK = "${{"
_ON_COMPLETE = {"success": "success()", "failure": "failure()", "always": "always()"}


def bare(text: str) -> str:
    """Take the `${{ }}` off a condition. Raises ValueError where it has more than one part, and ExpressionError."""
    stripped = text.strip()
    if _MARK not in stripped:
        return stripped
    template = parse_template(stripped, functions=STEP_CONDITION_FUNCTIONS)
    if template.single is None:
        raise ValueError("text around ${{ }} always holds; put the whole condition inside, or leave ${{ }} out")
    return stripped[len(_MARK) : -len("}}")].strip()


def job_condition(job: Job) -> str:
    """Give the whole condition of a job whose parts parse."""
    parts = [f"({bare(job.if_)})"] if job.if_ is not None else []
    parts += [f"!({bare(job.unless)})"] if job.unless is not None else []
    if job.on_complete is not None:
        parts.append(_ON_COMPLETE[job.on_complete])
    return _with_success(parts)


def step_condition(step: Step) -> str:
    """Give the whole condition of a step whose `if` parses."""
    return _with_success([f"({bare(step.if_)})"] if step.if_ is not None else [])


def _with_success(parts: list[str]) -> str:
    if not parts:
        return "success()"
    condition = " && ".join(parts)
    if calls(parse(condition, functions=STEP_CONDITION_FUNCTIONS)) & STATUS_FUNCTIONS:
        return condition
    return f"success() && {condition}"
