"""What one expression may cost, and the text builder that holds the bounds.

Depth and length are GitHub's own. The others have no counterpart with a stated number there: they keep
a hostile workflow from exhausting the memory or the time of the process that evaluates it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from .errors import EvaluationError

MAX_DEPTH: Final = 50
"""Levels of an expression's tree, and of brackets inside brackets."""

MAX_LENGTH: Final = 21_000
"""Characters of one expression, without the `${{ }}` around it."""

MAX_TEXT: Final = 1 << 20
"""Characters that one function or one template may produce, and that `fromJson` may read."""

MAX_JSON_DEPTH: Final = 100
"""Arrays and objects inside each other that `fromJson` and `toJson` follow."""

MAX_ITEMS: Final = 100_000
"""Items that one `*` may select. YAML aliases can make a small document hold billions."""

MAX_WORK: Final = 1 << 23
"""Characters and items that all the functions and filters of one evaluation may handle together."""


MAX_TEXTS: Final = 1 << 20
"""Characters to which the templates of one job may come together: more than fits into a Kubernetes Job."""

_TOO_MUCH: Final = f"The results of the expressions come to more than {MAX_TEXTS} characters together"

_left: ContextVar[list[int] | None] = ContextVar("_left", default=None)


@contextmanager
def counted_together() -> Iterator[None]:
    """Bound what all templates that are filled in meanwhile come to: one text may stand in thousands of places."""
    token = _left.set([MAX_TEXTS])
    try:
        yield
    finally:
        _left.reset(token)


def count(text: object) -> None:
    """Count what a template has come to. Raises EvaluationError where it is too much."""
    if isinstance(text, str):
        count_again(len(text))


def counted() -> int:
    """Tell how much of `counted_together` has been counted so far."""
    left = _left.get()
    return 0 if left is None else MAX_TEXTS - left[0]


def count_again(length: int) -> None:
    """Count what was filled in for somebody else, and is used once more. As `count`."""
    left = _left.get()
    if left is None:
        return
    left[0] -= length
    if left[0] < 0:
        raise EvaluationError(_TOO_MUCH)


class TextBuilder:
    """Collects text and refuses to grow past MAX_TEXT, before the memory is taken."""

    __slots__ = ("_parts", "_room")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = MAX_TEXT

    def append(self, text: str) -> None:
        """Raise EvaluationError when the whole would be longer than MAX_TEXT."""
        self._room -= len(text)
        if self._room < 0:
            raise EvaluationError(f"The result is longer than {MAX_TEXT} characters")
        self._parts.append(text)

    def build(self) -> str:
        """Return what was collected."""
        return "".join(self._parts)
