"""A graph as text: boxes from left to right, joined by lines.

source ─┬─ test ────┬─ report
        ╰─ package ─╯
"""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.text import Text

from fairlead.graph.layout import layout_of, positions
from fairlead.plan.forecast import Outlook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fairlead.graph.dag import Box, Dag
    from fairlead.graph.layout import Layout

_N, _E, _S, _W = 1, 2, 4, 8
_LINES: Final = {
    _N: "│",
    _S: "│",
    _N | _S: "│",
    _E: "─",
    _W: "─",
    _E | _W: "─",
    _E | _S: "╭",
    _W | _S: "╮",
    _N | _E: "╰",
    _N | _W: "╯",
    _N | _E | _S: "├",
    _N | _S | _W: "┤",
    _E | _S | _W: "┬",
    _N | _E | _W: "┴",
    _N | _E | _S | _W: "┼",
}
_ASCII: Final = {"─": "-", "│": "|"}
_COLOURS: Final = {Outlook.RUNS: "", Outlook.SKIPPED: "dim", Outlook.DEPENDS: "yellow"}
_MARKS: Final = {Outlook.RUNS: "", Outlook.SKIPPED: " -", Outlook.DEPENDS: " ?"}
_LEGEND: Final = {Outlook.DEPENDS: "? if its condition holds", Outlook.SKIPPED: "- skipped"}
_MOST_ROWS: Final = 120
_AROUND: Final = 2
"""Columns of line at each end of the space between two layers."""


def draw(dag: Dag, *, width: int | None, plain: bool) -> list[Text]:
    """Draw a graph in lines of at most `width` columns, or any number; `plain`: with ASCII lines.

    What is too wide, too high, or too tangled is listed by waves instead.
    """
    drawn = _drawn(dag, width, plain=plain)
    lines = drawn if drawn is not None else _listed(dag, plain=plain)
    used = {box.outlook for box in dag.boxes}
    legend = [text for outlook, text in _LEGEND.items() if outlook in used]
    return [*lines, *([Text(), Text("   ".join(legend), style="dim")] if legend else [])]


def label_of(box: Box, *, plain: bool) -> str:
    """Give what stands for a box: its id, how many it is, and whether that is certain."""
    times = box.times.replace("×", "x") if plain else box.times  # noqa: RUF001  the sign for "times"
    return f"{box.id}{' ' if times else ''}{times}{_MARKS[box.outlook]}"


def _listed(dag: Dag, *, plain: bool) -> list[Text]:
    boxes = {box.id: box for box in dag.boxes}
    width = max((cell_len(label_of(box, plain=plain)) for box in dag.boxes), default=0)
    arrow = "<-" if plain else "←"
    digits = len(str(len(dag.waves)))
    lines: list[Text] = []
    for number, wave in enumerate(dag.waves, 1):
        for index, job in enumerate(wave):
            label = label_of(boxes[job], plain=plain)
            line = Text(f"{number if index == 0 else '':>{digits}}  ")
            line.append(label, _COLOURS[boxes[job].outlook])
            if dag.needs[job]:
                line.append(f"{' ' * (width - cell_len(label))}  {arrow} {', '.join(dag.needs[job])}", "dim")
            lines.append(line)
    return lines


# Drawing


@dataclass(slots=True)
class _Canvas:
    """The lines by cell: which net goes into which directions there. `labels` stand where no line does."""

    lines: dict[tuple[int, int], dict[int, int]] = field(default_factory=dict)
    labels: dict[tuple[int, int], Box] = field(default_factory=dict)

    def across(self, net: int, row: int, start: int, end: int) -> None:
        """Draw from one column to another."""
        for column in range(start, end + 1):
            mask = (_W if column > start else 0) | (_E if column < end else 0)
            self._add(net, row, column, mask or _E | _W)

    def down(self, net: int, column: int, top: int, bottom: int) -> None:
        """Draw from one row to another."""
        for row in range(top, bottom + 1):
            self._add(net, row, column, (_N if row > top else 0) | (_S if row < bottom else 0))

    def _add(self, net: int, row: int, column: int, mask: int) -> None:
        cell = self.lines.setdefault((row, column), {})
        cell[net] = cell.get(net, 0) | mask

    def character(self, row: int, column: int) -> str:
        """Give what is drawn in a cell. Where a line only crosses another one, it passes below it."""
        nets = self.lines.get((row, column))
        if not nets:
            return " "
        masks = [mask for mask in nets.values() if mask]
        if len(masks) > 1 and {*masks} == {_N | _S, _E | _W}:
            return _LINES[_N | _S]
        found = 0
        for mask in masks:
            found |= mask
        return _LINES.get(found, " ")


def _drawn(dag: Dag, width: int | None, *, plain: bool) -> list[Text] | None:
    layout = layout_of(dag)
    if max(map(len, layout.layers), default=0) > _MOST_ROWS:
        return None
    at = positions(layout, lambda _, __: 1)
    rows = _whole(layout, at)
    found = _routed(dag, layout, rows, plain=plain)
    if found is None:
        # With every other layer between the lines of its neighbours no two lines can be in each other's way.
        rows = {place: 2 * row + layout.places[place].layer % 2 for place, row in rows.items()}
        found = _routed(dag, layout, rows, plain=plain)
    if found is None:
        return None
    canvas, columns = found
    if (width is not None and columns > width) or max(rows.values(), default=0) > _MOST_ROWS:
        return None
    return list(_rendered(canvas, rows, columns, plain=plain))


def _whole(layout: Layout, at: Mapping[int, float]) -> dict[int, int]:
    """Round positions to rows, each place of a layer on one of its own."""
    rows: dict[int, int] = {}
    for layer in layout.layers:
        last = -1
        for place in layer:
            last = rows[place] = max(last + 1, round(at[place]))
    return rows


def _routed(dag: Dag, layout: Layout, rows: Mapping[int, int], *, plain: bool) -> tuple[_Canvas, int] | None:
    """Draw boxes and lines; give the width, too. None where lines would run into each other."""
    boxes = {box.id: box for box in dag.boxes}
    canvas = _Canvas()
    left = 0
    for index, layer in enumerate(layout.layers):
        labels = {place: boxes[layout.places[place].source] for place in layer if layout.places[place].box}
        wide = max((cell_len(label_of(box, plain=plain)) for box in labels.values()), default=0)
        nets = [place for place in layer if layout.after.get(place)]
        tracks = _tracks(layout, nets, rows)
        if tracks is None:
            return None
        last = index == len(layout.layers) - 1
        middle = left + wide + _AROUND
        right = middle + 2 * (max(tracks.values(), default=-1) + 1) + _AROUND - 1
        for place in layer:
            box = labels.get(place)
            if box is not None:
                canvas.labels[rows[place], left] = box
            if layout.after.get(place):
                start = left - 1 if box is None else left + cell_len(label_of(box, plain=plain)) + 1
                _net(canvas, layout, place, rows, (start, middle + 2 * tracks.get(place, 0), right))
        left = left + wide if last else right + 2
    return canvas, left


def _net(canvas: _Canvas, layout: Layout, place: int, rows: Mapping[int, int], columns: tuple[int, int, int]) -> None:
    """Draw the lines from one place to those after it: across, down or up, across."""
    start, track, end = columns
    own = rows[place]
    targets = [rows[each] for each in layout.after[place]]
    if targets == [own]:
        canvas.across(place, own, start, end)
        return
    canvas.across(place, own, start, track)
    canvas.down(place, track, min(own, *targets), max(own, *targets))
    for row in targets:
        canvas.across(place, row, track, end)


def _tracks(layout: Layout, nets: Sequence[int], rows: Mapping[int, int]) -> dict[int, int] | None:
    """Give each net that goes up or down a column of its own, as far as they overlap; None where that can't be."""
    spans: dict[int, tuple[int, int]] = {}
    entering: dict[int, list[int]] = {}
    for net in nets:
        targets = [rows[each] for each in layout.after[net]]
        if targets != [rows[net]]:
            spans[net] = (min(rows[net], *targets), max(rows[net], *targets))
        for row in targets:
            entering.setdefault(row, []).append(net)
    constraints = _constraints(spans, entering, rows)
    if constraints is None:
        return None
    try:
        order = list(_order(constraints, spans, rows))
    except CycleError:
        return None
    tracks: dict[int, int] = {}
    for net in order:
        track = max((tracks[each] + 1 for each in constraints[net]), default=0)
        taken = {tracks[each] for each in tracks if _overlap(spans[each], spans[net])}
        while track in taken:
            track += 1
        tracks[net] = track
    return tracks


def _constraints(
    spans: Mapping[int, tuple[int, int]], entering: Mapping[int, Sequence[int]], rows: Mapping[int, int]
) -> dict[int, list[int]] | None:
    """Give for each net those that have to stand left of it.

    Where the line into a box stands on the row of another box's line out, that one has to end before it begins; where
    it goes straight through, there is no way.
    """
    found: dict[int, list[int]] = {net: [] for net in spans}
    for net in spans:
        others = entering.get(rows[net], [])
        for other in others if net not in others else ():
            if other not in found:
                return None
            found[other].append(net)
    return found


def _order(
    constraints: Mapping[int, Sequence[int]], spans: Mapping[int, tuple[int, int]], rows: Mapping[int, int]
) -> Iterator[int]:
    """Order nets as they have to be, and else so that they cross less: what goes down starts from below."""
    sorter = TopologicalSorter(constraints)
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(
            sorter.get_ready(),
            key=lambda net: -rows[net] if spans[net][1] - rows[net] >= rows[net] - spans[net][0] else rows[net],
        )
        yield from ready
        sorter.done(*ready)


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _rendered(canvas: _Canvas, rows: Mapping[int, int], columns: int, *, plain: bool) -> Iterator[Text]:
    for row in range(max(rows.values(), default=-1) + 1):
        line = Text()
        column, between = 0, ""
        while column < columns:
            box = canvas.labels.get((row, column))
            if box is None:
                between += canvas.character(row, column)
                column += 1
                continue
            label = label_of(box, plain=plain)
            line.append(_in_ascii(between) if plain else between, "dim")
            line.append(label, _COLOURS[box.outlook] or "bold")
            column, between = column + cell_len(label), ""
        line.append(_in_ascii(between) if plain else between, "dim")
        line.rstrip()
        # A row in which lines only go down tells nothing.
        if line.plain.strip(" │|"):
            yield line


def _in_ascii(lines: str) -> str:
    return "".join(each if each == " " else _ASCII.get(each, "+") for each in lines)
