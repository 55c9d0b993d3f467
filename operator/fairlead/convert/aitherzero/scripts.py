"""The folder of numbered scripts, and what the comments at the top of each say about it: `# Stage: Testing`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE: Final = re.compile(r"([0-9]{4})(?:[_-].*)?\.ps1", re.ASCII | re.IGNORECASE)
_HEADER: Final = re.compile(
    r"[ \t]*#[ \t]*(Stage|Dependencies|Tags|Condition|Description)[ \t]*:[ \t]*(\S.*)", re.IGNORECASE
)
_HEADER_LINES: Final = 20
"""How far down the engine looks."""

_NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Script:
    """One script: its file's name, its text, and the fields of its header in lower case."""

    number: str
    file: str
    text: str
    header: Mapping[str, str] = field(default_factory=dict)

    def words(self, name: str) -> tuple[str, ...]:
        """Give a field of the header that is a list: `Tags: validation, health-check`."""
        words = (each.strip() for each in self.header.get(name, "").split(","))
        return tuple(each for each in words if each and each.casefold() != _NONE)


@dataclass(frozen=True)
class Scripts:
    """All scripts of the folder. Where two have the same number, the first by name is it, as for the engine."""

    files: Mapping[str, str]

    @cached_property
    def _scripts(self) -> dict[str, Script]:
        found: dict[str, Script] = {}
        for number, (file, *_) in sorted(self._twins.items()):
            text = self.files[file]
            found[number] = Script(number, file, text, _header(text))
        return found

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that there are, ascending."""
        return tuple(self._scripts)

    def get(self, number: str) -> Script | None:
        """Give the script of a number."""
        return self._scripts.get(number)

    @cached_property
    def _twins(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for file in sorted(self.files):
            match = _FILE.fullmatch(file)
            if match is not None:
                found.setdefault(match[1], []).append(file)
        return found

    def twins(self, number: str) -> tuple[str, ...]:
        """Give all files of a number."""
        return tuple(self._twins.get(number, ()))

    @cached_property
    def by_stage(self) -> dict[str, tuple[str, ...]]:
        """The numbers of each stage, which is in lower case."""
        return self._by("stage")

    @cached_property
    def by_tag(self) -> dict[str, tuple[str, ...]]:
        """The numbers of each tag, which is in lower case."""
        return self._by("tags")

    def _by(self, name: str) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for number, script in self._scripts.items():
            for word in script.words(name):
                found.setdefault(word.casefold(), []).append(number)
        return {word: tuple(numbers) for word, numbers in sorted(found.items())}


def _header(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.lstrip("\ufeff").splitlines()[:_HEADER_LINES]:
        match = _HEADER.fullmatch(line)
        if match is not None:
            found.setdefault(match[1].casefold(), match[2].strip())
    return found
