"""Matrices that are written out: what is wrong with one is known before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.model.problem import Problem
from fairlead.plan.matrix import expand
from fairlead.plan.matrix_filters import MatrixError
from fairlead.plan.run import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.problem import Path


def matrix_problems(resource: Mapping[str, Any]) -> Iterator[Problem]:
    """Find the matrices that can't be expanded, in a resource without other mistakes; paths begin at its root."""
    jobs = resource["spec"].get("jobs") or {}
    for job_id, job in jobs.items():
        matrix = (job.get("strategy") or {}).get("matrix")
        at: Path = ("spec", "jobs", job_id, "strategy", "matrix")
        if not isinstance(matrix, dict) or _computed(matrix):
            continue
        try:
            found = expand(matrix, most=Policy().combinations)
        except MatrixError as error:
            yield Problem((*at, *error.path), error.reason)
            continue
        if not found:
            yield Problem(at, "has no combinations: exclude takes all of them away; the job would be skipped")


def _computed(value: object) -> bool:
    match value:
        case str():
            return "${{" in value
        case dict():
            return any(map(_computed, value.values()))
        case list():
            return any(map(_computed, value))
        case _:
            return False
