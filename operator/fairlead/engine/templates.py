"""A called Workflow's spec, made of its template, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fairlead.engine.errors import RefusedError
from fairlead.model.crd import TEMPLATE_KIND
from fairlead.model.problem import InvalidWorkflowError, quote
from fairlead.syntax.template import instantiate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.plan.actions import CallRequest

_MOST_PROBLEMS: Final = 3


def called_spec(request: CallRequest, template: Mapping[str, Any] | None, where: str) -> dict[str, Any]:
    """Fill in the inputs of a template, given as its spec; None: there is none of that name `where` it was sought.

    Raises RefusedError: with patience where it may come yet, for good where the values don't fit.
    """
    name = quote(request.template)
    if template is None:
        raise RefusedError(f"there is no {TEMPLATE_KIND} {name} {where}", final=False, impatient=True)
    try:
        return instantiate(template, request.inputs)
    except InvalidWorkflowError as error:
        shown = [str(problem) for problem in error.problems[:_MOST_PROBLEMS]]
        more = len(error.problems) - len(shown)
        said = "; ".join([*shown, f"and {more} more"] if more else shown)
        raise RefusedError(f"the {TEMPLATE_KIND} {name} can't be called: {said}", final=True) from error
