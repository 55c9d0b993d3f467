"""Two kinds of small SVG plots: grouped bars, and lines over logarithmic axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_COLOURS = ("#2b6cb0", "#b7b7b7", "#c05621", "#2f855a", "#6b46c1")
_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 56, 44


def bars(title: str, unit: str, groups: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """Draw a group of bars for each name in `groups`, with a bar for each series in it."""
    top = _round_up(max(max(values) for values in series.values()))
    step = (_WIDTH - _LEFT - _RIGHT) / len(groups)
    width = step * 0.7 / len(series)
    body: list[str] = []
    for tick in range(5):
        value = top * tick / 4
        body += _rule(_up(value / top), _number(value))
    for place, (name, values) in enumerate(series.items()):
        for group, value in enumerate(values):
            x, y = _LEFT + group * step + step * 0.15 + place * width, _up(value / top)
            body.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.92:.1f}" height="{_up(0) - y:.1f}" '
                f'fill="{_COLOURS[place]}"><title>{escape(name)}: {_number(value)} {escape(unit)}</title></rect>'
            )
            body.append(_text(x + width * 0.46, y - 3, _number(value), "middle", 9))
    body += [
        _text(_LEFT + (place + 0.5) * step, _HEIGHT - _BOTTOM + 16, name, "middle") for place, name in enumerate(groups)
    ]
    return _svg(title, unit, list(series), body)


def lines(title: str, unit: str, sizes: Sequence[float], series: Mapping[str, Sequence[float]], goal: str = "") -> str:
    """Draw a line for each series over the sizes, both axes logarithmic; `goal` is a line below the picture."""
    low, high = (math.log10(each) for each in (min(sizes), max(sizes)))
    values = [value for each in series.values() for value in each]
    bottom, top = math.floor(math.log10(max(min(values), 1e-3))), math.ceil(math.log10(max(values)))
    body: list[str] = []
    for power in range(bottom, top + 1):
        body += _rule(_up((power - bottom) / (top - bottom)), _number(10.0**power))

    def x(size: float) -> float:
        return _LEFT + (math.log10(size) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT - 20)

    def y(value: float) -> float:
        return _up((math.log10(max(value, 1e-3)) - bottom) / (top - bottom))

    for place, each in enumerate(series.values()):
        points = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in zip(sizes, each, strict=True))
        body.append(f'<polyline points="{points}" fill="none" stroke="{_COLOURS[place]}" stroke-width="2"/>')
    body += [_text(x(size), _HEIGHT - _BOTTOM + 16, f"{size:g}", "middle") for size in sizes]
    body.append(_text(_WIDTH / 2, _HEIGHT - 8, goal, "middle"))
    return _svg(title, unit, list(series), body)


def _svg(title: str, unit: str, names: Sequence[str], body: Sequence[str]) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 20, f"{title}, {unit}", "start", 13),
        *_legend(names),
        *body,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend(names: Sequence[str]) -> Iterator[str]:
    x = float(_LEFT)
    for place, name in enumerate(names):
        yield f'<rect x="{x:.0f}" y="30" width="10" height="10" fill="{_COLOURS[place]}"/>'
        yield _text(x + 14, 39, name, "start")
        x += 34 + 6.5 * len(name)


def _rule(y: float, label: str) -> tuple[str, str]:
    line = f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#e2e2e2"/>'
    return line, _text(_LEFT - 6, y + 4, label, "end")


def _text(x: float, y: float, text: str, anchor: str, size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="#333">{escape(text)}</text>'


def _up(part: float) -> float:
    return _HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def _round_up(value: float) -> float:
    """Give the next number above that has one digit, or a half one."""
    unit = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(step * unit for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * unit >= value)
