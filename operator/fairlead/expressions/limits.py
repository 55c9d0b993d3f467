"""What one expression may cost, and the text builder that holds the bounds.

Depth and length are GitHub's own. The others have no counterpart with a stated number there: they keep
a hostile workflow from exhausting the memory or the time of the process that evaluates it.
"""

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
