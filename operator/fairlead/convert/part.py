"""A piece of the source with its place, which gives what has the right shape and refuses the rest where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairlead.model.fields import scalar_text
from fairlead.model.problem import closest, quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fairlead.convert.notes import Notes
    from fairlead.model.problem import Path

_MOST = 10**9


@dataclass(frozen=True, slots=True)
class Part:
    """`value` is what JSON knows, `path` its place in the source."""

    value: object
    path: Path
    notes: Notes

    def get(self, key: str) -> Part | None:
        """Give a member of a map; None where it is missing or null."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return None if value is None else Part(value, (*self.path, key), self.notes)

    def members(self) -> dict[str, Part]:
        """Give all members of a map, those that are null, too; nothing, and a refusal, where it is no map."""
        if not isinstance(self.value, dict):
            self.refuse(f"{self.what} is a map (KEY: VALUE)")
            return {}
        return {key: Part(value, (*self.path, key), self.notes) for key, value in self.value.items()}

    def elements(self) -> list[Part]:
        """Give what is in a list; a text or a number by itself is a list of one."""
        match self.value:
            case list() as values:
                return [Part(value, (*self.path, index), self.notes) for index, value in enumerate(values)]
            case str() | bool() | int() | float():
                return [self]
            case _:
                self.refuse(f"{self.what} is a list")
                return []

    def text(self) -> str | None:
        """Give a scalar as a text; None, and a refusal, where it is a list or a map."""
        if isinstance(self.value, str | bool | int | float):
            return str(scalar_text(self.value))
        self.refuse(f"{self.what} is a text")
        return None

    def texts(self) -> list[str]:
        """Give the scalars in a list, or the one by itself, as texts."""
        found = (each.text() for each in self.elements())
        return [text for text in found if text is not None]

    def number(self) -> float | None:
        """Give a number; None, and a refusal, where it is none, or beyond what anybody counts here."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.refuse(f"{self.what} is a number")
            return None
        if abs(self.value) > _MOST:
            self.refuse(f"{self.what} is too large a number")
            return None
        return self.value

    def only(self, known: Iterable[str]) -> None:
        """Refuse the members that aren't known."""
        names = list(known)
        for key, each in self.members().items():
            if key not in names:
                meant = closest(key, names)
                each.refuse(f"unknown key {quote(key)}" + (f"; did you mean {quote(meant)}?" if meant else ""))

    @property
    def what(self) -> str:
        """Its name, for a message."""
        names = [each for each in self.path if isinstance(each, str)]
        name = quote(names[-1]) if names else "the document"
        return f"what is in {name}" if self.path and isinstance(self.path[-1], int) else name

    def refuse(self, message: str) -> None:
        """Refuse this part."""
        self.notes.refused(self.path, message)
