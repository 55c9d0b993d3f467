"""The members of a map whose keys have no case, as PowerShell's."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from fairlead.model.problem import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairlead.convert.part import Part

_CLOSE: Final = 0.86


class Members:
    """What is in a map, by names without case; what nobody takes is left in the end."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._parts: dict[str, Part] = {}
        self._known: set[str] = set()
        for key, each in part.members().items():
            self._parts.setdefault(key.casefold(), each)

    def take(self, *names: str) -> Part | None:
        """Give the first of these members that is there and isn't null."""
        self._known |= {name.casefold() for name in names}
        found = (self._parts.get(name.casefold()) for name in names)
        return next((part for part in found if part is not None and part.value is not None), None)

    def leave(self, message: str, *names: str) -> None:
        """Leave out these members, for one reason."""
        for name in names:
            part = self.take(name)
            if part is not None:
                part.notes.left_out(part.path, f"{part.path[-1]}: {message}")

    def close(self, what: str, *, strict: bool) -> None:
        """Leave out the rest; where `strict`, refuse what is nearly the name of a known member."""
        for key, part in self._parts.items():
            if key in self._known:
                continue
            written = quote(str(part.path[-1]))
            meant = get_close_matches(key, self._known, n=1, cutoff=_CLOSE)
            if strict and meant:
                part.refuse(f"{what} has no {written}; did you mean {quote(meant[0])}?")
            else:
                part.notes.left_out(part.path, f"{what} has no {written} that would change what runs")

    def __iter__(self) -> Iterator[Part]:
        """Give all members, as they are written."""
        return iter(self._parts.values())


def integer(part: Part | None) -> int | None:
    """Give a whole number that isn't negative; a number in a text counts, as in PowerShell."""
    if part is None:
        return None
    match part.value:
        case int(value) if not isinstance(value, bool) and value >= 0:
            return value
        case float(value) if value >= 0 and value == int(value):
            return int(value)
        case str(value) if value.strip().isascii() and value.strip().isdigit() and len(value) < 10:  # noqa: PLR2004
            return int(value)
        case value:
            part.refuse(f"{quote(str(value))} is no whole number")
            return None


def flag(part: Part | None) -> bool | None:
    """Give true or false; their names in a text count."""
    if part is None:
        return None
    if isinstance(part.value, bool):
        return part.value
    if isinstance(part.value, str) and part.value.casefold() in ("true", "false"):
        return part.value.casefold() == "true"
    part.refuse(f"{quote(str(part.value))} is neither true nor false")
    return None
