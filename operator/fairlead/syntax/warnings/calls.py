"""Calls of templates: whether they are among the files, and take what they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.expressions import fold
from fairlead.model.problem import InvalidWorkflowError, Problem, closest, quote
from fairlead.syntax.finding import Remark, Rule, Severity
from fairlead.syntax.template import instantiate, parse_template_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.problem import Path


def calls(
    document: Mapping[str, Any], jobs: Mapping[str, Any], templates: Mapping[str, Mapping[str, Any]]
) -> Iterator[Remark]:
    """Check each call against its template. `templates`: the specs of those that are known, by name."""
    callers: list[tuple[Path, Mapping[str, Any]]] = [(("spec",), document)]
    callers += [(("spec", "jobs", job_id), job) for job_id, job in jobs.items() if isinstance(job, dict)]
    for at, caller in callers:
        name, given = caller.get("uses"), caller.get("with") or {}
        if not isinstance(name, str) or "${{" in name or not isinstance(given, dict):
            continue
        if name not in templates:
            said = f"the template {quote(name)} is not among the files; it has to be in the workflow's namespace"
            near = closest(name, templates)
            severity = Severity.WARNING if near else Severity.NOTE
            yield Remark(Rule.UNKNOWN_TEMPLATE, (*at, "uses"), said, near, severity=severity)
            continue
        for problem in _mistakes(templates[name], given):
            path = (*at, *problem.path) if problem.path[1] in given else (*at, "uses")
            said = (
                problem.message
                if problem.path[1] in given
                else f"the input {quote(str(problem.path[1]))} {problem.message}"
            )
            yield Remark(
                Rule.TEMPLATE_INPUT, path, said, problem.suggestion, severity=Severity.ERROR, at_key="no such" in said
            )


def _mistakes(template: Mapping[str, Any], given: Mapping[str, Any]) -> list[Problem]:
    """Give what is wrong with a call; what is computed is of no known type yet."""
    try:
        declared = parse_template_spec(template).inputs
    except InvalidWorkflowError:
        return []
    computed = {name for name, value in given.items() if isinstance(value, str) and "${{" in value}
    plain = {name: value for name, value in given.items() if isinstance(value, str | int | float | bool)}
    try:
        instantiate(template, plain)
    except InvalidWorkflowError as error:
        unknown = {name for name in computed if fold(name) not in map(fold, declared)}
        return [each for each in error.problems if each.path[-1] not in computed or each.path[-1] in unknown]
    return []
