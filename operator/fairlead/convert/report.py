"""A conversion's report as lines: `ci.yml:12: approximated: …`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fairlead.convert.conversion import Outcome
from fairlead.model.problem import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairlead.convert.conversion import Conversion, Note


def report(file: str, conversion: Conversion) -> list[str]:
    """Word all notes on a file, and in a last line what it comes to."""
    return [*(_line(file, note) for note in conversion.notes), f"{one_line(file)}: {_summary(conversion)}"]


def _line(file: str, note: Note) -> str:
    where = one_line(file if note.file is None else note.file)
    place = f":{note.position.line}" if note.position else ""
    return f"{where}{place}: {note.outcome}: {one_line(note.message, 500)}"


def _summary(conversion: Conversion) -> str:
    counts = Counter(note.outcome for note in conversion.notes)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    if conversion.refused:
        return f"not converted ({told})"
    made = _kinds([str(resource["kind"]) for resource in conversion.resources])
    return f"converted to {made}" + (f" ({told})" if told else "")


def _kinds(kinds: Sequence[str]) -> str:
    counts = Counter(kinds)
    return " and ".join(f"{count} {kind}s" if count > 1 else f"a {kind}" for kind, count in counts.items()) or "nothing"
