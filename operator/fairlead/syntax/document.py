"""One spec in, one workflow or all its problems out."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from fairlead.model.problem import MOST_PROBLEMS, InvalidWorkflowError
from fairlead.model.spec import Body, WorkflowSpec
from fairlead.syntax import concurrency, graph, jobs, names, pods, services, steering
from fairlead.syntax.compile import compile_workflow
from fairlead.syntax.shape import check_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fairlead.model.problem import Problem
    from fairlead.model.workflow import Workflow

B = TypeVar("B", bound=Body)

Check: TypeAlias = "Callable[[B, Mapping[str, object]], Iterable[Problem]]"
"""Finds what is wrong with a spec; the document tells what stood there before parts were left out."""


def parse_spec(document: Mapping[str, object]) -> Workflow:
    """Turn the `spec` of a Workflow resource, as JSON gives it, into a workflow that can be planned.

    Raises InvalidWorkflowError with every problem at once (of each kind, the first hundred). Where a part has the
    wrong shape, the rest is still checked, as if that part were left out.
    """
    return compile_workflow(checked(document, WorkflowSpec, lambda spec, _: steering.check(spec)))


def checked(document: Mapping[str, object], model: type[B], own: Check[B] = lambda _, __: ()) -> B:
    """Read a spec of one kind, with the checks that all kinds share and its `own`. Raises as `parse_spec`."""
    spec, problems = check_shape(document, model)
    if spec is not None:
        checks = (
            own(spec, document),
            jobs.check(spec, document),
            services.check(spec),
            pods.check(spec),
            concurrency.check(spec),
            graph.check(spec, document),
            names.check(spec),
        )
        # What stands in for a part in error says nothing more about it.
        wrong = {problem.path for problem in problems}
        for found in checks:
            problems += islice((problem for problem in found if problem.path not in wrong), MOST_PROBLEMS)
    if problems or spec is None:
        raise InvalidWorkflowError(_in_document_order(problems, document))
    return spec


def _in_document_order(problems: list[Problem], document: Mapping[str, object]) -> tuple[Problem, ...]:
    """Sort by place, as far as the document has the place; drop what was said of the same place twice."""

    def place(problem: Problem) -> tuple[int, ...]:
        at: object = {"spec": document}
        found = []
        for part in problem.path:
            if isinstance(at, dict) and part in at:
                found.append(list(at).index(part))
                at = at[part]
            elif isinstance(at, list) and isinstance(part, int) and part < len(at):
                found.append(part)
                at = at[part]
            else:
                break
        return tuple(found)

    return tuple(sorted(dict.fromkeys(problems), key=place))
