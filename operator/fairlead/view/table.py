"""Workflows as a table, with the columns that kubectl shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from fairlead.model.phase import WorkflowPhase
from fairlead.model.problem import one_line
from fairlead.view.rows import MARKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from fairlead.engine.runs import Found

_COLUMNS: Final = ("NAME", "PHASE", "PROGRESS", "RUN", "DURATION", "AGE", "MESSAGE")
_UNITS: Final = ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_FINE: Final = 2
"""Up to so many of a unit the next smaller one tells more."""


def age(moment: datetime | None, now: datetime) -> str:
    """Write how long ago something was: `42s`, `90m`, `3d`."""
    if moment is None:
        return ""
    seconds = max(0, int((now - moment).total_seconds()))
    return next((f"{seconds // size}{unit}" for size, unit in _UNITS if seconds > _FINE * size), f"{seconds}s")


def table(
    found: Iterable[Found],
    now: datetime,
    *,
    namespaces: bool = False,
    wide: bool = False,
    width: int | None = None,
) -> list[Text]:
    """Give a header and a line for each; `wide` adds their labels. `width`: the terminal's, at which lines are cut."""
    columns = ("NAMESPACE",) * namespaces + _COLUMNS + ("LABELS",) * wide
    rows = [_row(each, now) for each in found]
    widths = {name: max([len(name), *(cell_len(row[name]) for row in rows)]) for name in columns}
    lines = [
        _line({name: name for name in columns}, widths, columns, head=True),
        *(_line(row, widths, columns) for row in rows),
    ]
    if width is not None:
        for line in lines:
            line.truncate(width, overflow="ellipsis")
    return lines


def _row(found: Found, now: datetime) -> Mapping[str, str]:
    resource = found.record.resource
    status = resource.status
    cells = {
        "NAMESPACE": resource.key.namespace,
        "NAME": resource.key.name,
        "PHASE": str(status.phase or ""),
        "PROGRESS": status.progress or "",
        "RUN": str(status.run or ""),
        "DURATION": status.duration or "",
        "AGE": age(found.created_at, now),
        "MESSAGE": status.message or "",
        "LABELS": ",".join(f"{name}={value}" for name, value in found.labels.items()),
    }
    return {name: one_line(text) for name, text in cells.items()}


def _line(row: Mapping[str, str], widths: Mapping[str, int], columns: Sequence[str], *, head: bool = False) -> Text:
    line = Text(style="bold" if head else "")
    for name in columns:
        colour = ""
        if name == "PHASE" and row[name] and not head:
            _, colour = MARKS[WorkflowPhase(row[name])]
        line.append(set_cell_size(row[name], widths[name]), style=colour)
        line.append("   ")
    line.rstrip()
    return line
