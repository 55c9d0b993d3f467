"""A graph as SVG: one file that needs no other, in light or dark as whoever looks at it likes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size

from fairlead.graph.layout import layout_of, positions
from fairlead.model.problem import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.graph.dag import Box, Dag
    from fairlead.graph.layout import Layout, Place

_HEIGHT: Final = 46.0
_GAP: Final = 18.0
_PASSING: Final = 22.0
_BETWEEN: Final = 64.0
_MARGIN: Final = 24.0
_TITLE: Final = 34.0
_COLUMN: Final = 7.9
"""Width of a column of 13px text, rather too wide, as nobody knows the font."""

_SMALL: Final = 6.7
_PADDING: Final = 14.0
_MOST_COLUMNS: Final = 32
_SHIFT: Final = 4.0
"""How far the sheets of a matrix lie apart."""

_POINT: Final = (
    '<marker id="p" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="p" d="M0 0L8 4L0 8z"/></marker>'
)
_STYLE: Final = """
.bg{fill:#fff}.t{fill:#1f2328;font:600 13px ui-sans-serif,system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
.s{fill:#656d76;font-size:11px;font-weight:400}.h{font-size:15px}.b{fill:#f6f8fa;stroke:#d0d7de;stroke-width:1}
.m{fill:#eaeef2}.a{fill:#1f883d}.e{fill:none;stroke:#9aa4af;stroke-width:1.5}.p{fill:#9aa4af}
.depends .b{stroke:#bf8700;stroke-dasharray:5 3}.depends .a{fill:#bf8700}
.skipped{opacity:.55}.skipped .b{stroke-dasharray:2 3}.skipped .a{fill:#8c959f}
@media (prefers-color-scheme:dark){.bg{fill:#0d1117}.t{fill:#e6edf3}.s{fill:#8d96a0}.b{fill:#161b22;stroke:#30363d}
.m{fill:#1c2128}.a{fill:#3fb950}.e{stroke:#57606a}.p{fill:#57606a}.depends .b{stroke:#d29922}.depends .a{fill:#d29922}}
"""


def svg(dag: Dag, name: str) -> str:
    """Draw a graph, from left to right. Texts are escaped, and cut where they are long; their whole is in the title."""
    layout = layout_of(dag)
    boxes = {box.id: box for box in dag.boxes}
    across = positions(layout, _apart)
    widths = [
        max((_width(boxes[layout.places[place].source]) for place in layer if layout.places[place].box), default=0.0)
        for layer in layout.layers
    ]
    lefts = [_MARGIN + sum(widths[:index]) + _BETWEEN * index for index in range(len(widths))]
    width = (lefts[-1] + widths[-1] if widths else _MARGIN) + _MARGIN
    width = max(width, _MARGIN * 2 + cell_len(_heading(dag, name)) * 9)
    top = _MARGIN + _TITLE
    middles = {place: top + _HEIGHT / 2 + value for place, value in across.items()}
    height = max(middles.values(), default=top) + _HEIGHT / 2 + _MARGIN
    size = f'width="{_n(width)}" height="{_n(height)}"'
    heading = _text(_heading(dag, name))
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_n(width)} {_n(height)}" role="img"'
    parts = [
        f'{opening} aria-label="{heading}">',
        f"<style>{_STYLE.strip()}</style>",
        _POINT,
        f'<rect class="bg" {size} rx="8"/>',
        f'<text class="t h" x="{_n(_MARGIN)}" y="{_n(_MARGIN + 12)}">{heading}</text>',
        *_arrows(layout, boxes, lefts, widths, middles),
        *(
            _box(boxes[layout.places[place].source], lefts[index], middles[place] - _HEIGHT / 2)
            for index, layer in enumerate(layout.layers)
            for place in layer
            if layout.places[place].box
        ),
        "</svg>",
    ]
    return "\n".join(parts)


def _apart(one: Place, other: Place) -> float:
    if one.box and other.box:
        return _HEIGHT + _GAP
    return (_HEIGHT if one.box or other.box else 0) / 2 + _PASSING


def _heading(dag: Dag, name: str) -> str:
    jobs = "1 job" if len(dag.boxes) == 1 else f"{len(dag.boxes)} jobs"
    return f"{one_line(name, 60)}: {jobs}"


def _title(box: Box) -> str:
    return f"{box.id} {box.times}".strip()


def _subtitle(box: Box) -> str:
    if box.kind:
        return box.kind
    if box.condition is not None:
        return f"if {one_line(box.condition)}"
    return box.name if box.name != box.id else ""


def _width(box: Box) -> float:
    title = min(cell_len(_title(box)), _MOST_COLUMNS) * _COLUMN
    subtitle = min(cell_len(_subtitle(box)), _MOST_COLUMNS) * _SMALL
    return max(96.0, title + 2 * _PADDING, subtitle + 2 * _PADDING)


def _box(box: Box, left: float, top: float) -> str:
    width, subtitle = _width(box), _subtitle(box)
    sheets = [
        f'<rect class="b m" x="{_n(left + shift)}" y="{_n(top + shift)}" width="{_n(width)}" '
        f'height="{_n(_HEIGHT)}" rx="7"/>'
        for shift in ((2 * _SHIFT, _SHIFT) if box.is_matrix else ())
    ]
    whole = "\n".join(filter(None, (box.id, box.name if box.name != box.id else "", box.kind, box.condition)))
    title_at = top + (20 if subtitle else 28)
    return "".join(
        (
            f'<g class="{box.outlook}"><title>{_text(whole)}</title>',
            *sheets,
            f'<rect class="b" x="{_n(left)}" y="{_n(top)}" width="{_n(width)}" height="{_n(_HEIGHT)}" rx="7"/>',
            f'<rect class="a" x="{_n(left)}" y="{_n(top + 9)}" width="3" height="{_n(_HEIGHT - 18)}" rx="1.5"/>',
            f'<text class="t" x="{_n(left + _PADDING)}" y="{_n(title_at)}">{_text(_cut(_title(box)))}</text>',
            f'<text class="t s" x="{_n(left + _PADDING)}" y="{_n(top + 36)}">{_text(_cut(subtitle))}</text>'
            if subtitle
            else "",
            "</g>",
        )
    )


def _arrows(
    layout: Layout,
    boxes: Mapping[str, Box],
    lefts: list[float],
    widths: list[float],
    middles: Mapping[int, float],
) -> Iterator[str]:
    """Draw each arrow as one curve, through the places where it passes."""
    for start, ends in layout.after.items():
        place = layout.places[start]
        if not place.box:
            continue
        box = boxes[place.source]
        right = lefts[place.layer] + _width(box)
        pending = [(end, f"M{_n(right)} {_n(middles[start])}", right, middles[start]) for end in ends]
        while pending:
            at, path, x, y = pending.pop()
            target = layout.places[at]
            left, middle = lefts[target.layer], middles[at]
            half = _n((x + left) / 2)
            path += f"C{half} {_n(y)} {half} {_n(middle)} {_n(left)} {_n(middle)}"
            if target.box:
                yield f'<path class="e" marker-end="url(#p)" d="{path}"/>'
                continue
            beyond = left + widths[target.layer]
            path += f"H{_n(beyond)}"
            pending += [(end, path, beyond, middle) for end in layout.after.get(at, ())]


def _cut(text: str) -> str:
    return text if cell_len(text) <= _MOST_COLUMNS else set_cell_size(text, _MOST_COLUMNS - 1).rstrip() + "…"


def _text(text: str) -> str:
    """Escape a text, and leave out what XML has no place for."""
    return escape("".join(each if each.isprintable() or each == "\n" else " " for each in text))


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
