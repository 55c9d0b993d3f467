"""The sequence language: which of the numbered scripts are meant, and in which order.

    sequence = part { "," part }
    part     = [ "!" ] ( NUMBER | NUMBER "-" NUMBER | DIGITS "*" | "stage:" NAME | "tag:" NAME )

`0400-0499,!0450` is every script from 0400 to 0499 but 0450. A range, a wildcard, a stage and a tag stand for the
scripts that exist, by ascending number. Scripts come in the order in which they are named, each once.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from fairlead.model.problem import closest, quote

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from fairlead.convert.aitherzero.scripts import Scripts

_NUMBER: Final = re.compile(r"[0-9]{4}", re.ASCII)
_RANGE: Final = re.compile(r"([0-9]{4})\s*-\s*([0-9]{4})", re.ASCII)
_WILDCARD: Final = re.compile(r"([0-9]{1,3})\*", re.ASCII)
_FILE: Final = re.compile(r"(?:.*[/\\])?([0-9]{4})(?:[_-].*|\.ps1)", re.ASCII)
_MOST_PARTS: Final = 10_000
_SHOWN: Final = 8
_ALL: Final = 10_000


class SequenceError(Exception):
    """A sequence that can't be read, or that names what isn't there."""


class _Kind(Enum):
    NUMBER = auto()
    RANGE = auto()
    WILDCARD = auto()
    STAGE = auto()
    TAG = auto()


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it is written; `first` and `last` are the numbers between which it lies, `name` a stage or a tag."""

    kind: _Kind
    text: str
    excludes: bool = False
    first: str = ""
    last: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The numbers in order, and the parts that no script fits."""

    numbers: tuple[str, ...]
    empty: tuple[Part, ...] = ()


def parse_sequence(text: str) -> tuple[Part, ...]:
    """Read one expression. Raises SequenceError in words."""
    if text.count(",") >= _MOST_PARTS:
        raise SequenceError(f"it has more than {_MOST_PARTS} parts")
    return tuple(_part(each.strip(), text) for each in text.split(","))


def _part(written: str, whole: str) -> Part:
    excludes = written.startswith("!")
    text = written[1:].strip() if excludes else written
    folded = text.casefold()
    if not text:
        raise SequenceError(
            f"a number is missing in {quote(whole)}; write 0407, 0400-0499, 04*, stage:NAME or tag:NAME"
        )
    for prefix, kind in (("stage:", _Kind.STAGE), ("tag:", _Kind.TAG)):
        if folded.startswith(prefix):
            name = text[len(prefix) :].strip()
            if not name:
                raise SequenceError(f"{quote(text)} names nothing; write {prefix}NAME")
            return Part(kind, text, excludes, name=name)
    if _NUMBER.fullmatch(text):
        return Part(_Kind.NUMBER, text, excludes, text, text)
    if found := _RANGE.fullmatch(text):
        if found[1] > found[2]:
            raise SequenceError(f"{quote(text)} ends before it begins; write {found[2]}-{found[1]}")
        return Part(_Kind.RANGE, text, excludes, found[1], found[2])
    if found := _WILDCARD.fullmatch(text):
        # One digit is the hundreds of the first thousand, as the engine has it: 4* is 04*.
        digits = found[1].rjust(2, "0")
        return Part(_Kind.WILDCARD, text, excludes, digits.ljust(4, "0"), digits.ljust(4, "9"))
    if found := _FILE.fullmatch(text):
        return Part(_Kind.NUMBER, text, excludes, found[1], found[1])
    raise SequenceError(f"{quote(text)} is no script; write 0407, 0400-0499, 04*, stage:NAME or tag:NAME")


class Excluded:
    """The numbers that parts with `!` take away, from whatever names them."""

    def __init__(self) -> None:
        self._numbers = bytearray(_ALL)

    def add(self, parts: Iterable[Part], scripts: Scripts | None) -> Self:
        """Add those of some parts. Raises SequenceError for a stage or a tag without scripts."""
        for part in parts:
            if part.excludes and part.kind in (_Kind.STAGE, _Kind.TAG):
                for number in _named(part, scripts):
                    self._numbers[int(number)] = 1
            elif part.excludes:
                first, end = int(part.first), int(part.last) + 1
                self._numbers[first:end] = b"\x01" * (end - first)
        return self

    def __contains__(self, number: str) -> bool:
        """Whether a number is taken away."""
        return bool(self._numbers[int(number)])


def resolve(parts: Iterable[Part], scripts: Scripts | None, without: Excluded | None = None) -> Resolution:
    """Give the numbers that are meant, but those in `without`; what has `!` is passed over.

    Without scripts only numbers can be resolved, and are taken to exist. Raises SequenceError for what can't be
    resolved so, and for a stage or a tag that no script has; a number that no script has stays, for the caller.
    """
    found: dict[str, None] = {}
    empty: list[Part] = []
    for part in parts:
        if part.excludes:
            continue
        numbers = _numbers(part, scripts)
        if not numbers:
            empty.append(part)
        found |= dict.fromkeys(number for number in numbers if without is None or number not in without)
    return Resolution(tuple(found), tuple(empty))


def _numbers(part: Part, scripts: Scripts | None) -> tuple[str, ...]:
    if part.kind is _Kind.NUMBER:
        return (part.first,)
    if part.kind in (_Kind.STAGE, _Kind.TAG):
        return _named(part, scripts)
    numbers = _folder(part, scripts).numbers
    return numbers[bisect_left(numbers, part.first) : bisect_right(numbers, part.last)]


def _named(part: Part, scripts: Scripts | None) -> tuple[str, ...]:
    folder = _folder(part, scripts)
    word, known = ("stage", folder.by_stage) if part.kind is _Kind.STAGE else ("tag", folder.by_tag)
    found = known.get(part.name.casefold(), ())
    if not found and not part.excludes:
        meant = closest(part.name, known)
        hint = (
            f"; did you mean {quote(meant)}?" if meant else f"; they have {', '.join(list(known)[:_SHOWN]) or 'none'}"
        )
        raise SequenceError(f"no script has the {word} {quote(part.name)} in its header{hint}")
    return found


def _folder(part: Part, scripts: Scripts | None) -> Scripts:
    if scripts is None:
        raise SequenceError(f"which scripts {quote(part.text)} stands for shows their folder; give --scripts DIR")
    return scripts
