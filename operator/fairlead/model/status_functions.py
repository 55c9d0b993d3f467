"""The functions of conditions: success(), failure(), always() and cancelled(), and what hashFiles() looks like."""

from __future__ import annotations

from functools import cache
from typing import Final

from fairlead.expressions import BUILTINS, Function, Functions
from fairlead.expressions.errors import EvaluationError

STATUS_FUNCTIONS: Final = frozenset({"success", "failure", "always", "cancelled"})
"""In lower case, as `fairlead.expressions.calls` gives names."""

_MOST_PATTERNS = 255


@cache
def status_functions(*, success: bool, failure: bool, cancelled: bool) -> Functions:
    """Give the table of functions for a condition, all builtins included."""
    return BUILTINS.extended(
        Function("success", 0, 0, lambda: success),
        Function("failure", 0, 0, lambda: failure),
        Function("always", 0, 0, lambda: True),
        Function("cancelled", 0, 0, lambda: cancelled),
    )


def _only_in_steps(*_patterns: object) -> str:
    raise EvaluationError("hashFiles reads the workspace, which only a running job's steps have")


HASH_FILES: Final = Function("hashFiles", 1, _MOST_PATTERNS, _only_in_steps)
"""Its place is taken by the real one in the running job."""

CONDITION_FUNCTIONS: Final = status_functions(success=True, failure=False, cancelled=False)
"""What a job's condition may call; for parsing."""

STEP_FUNCTIONS: Final = BUILTINS.extended(HASH_FILES)
"""What a step's texts may call."""

STEP_CONDITION_FUNCTIONS: Final = CONDITION_FUNCTIONS.extended(HASH_FILES)
"""What a step's condition may call."""
