"""Lines over time, one panel below another, as a small SVG document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH: Final = 640
_HEIGHT: Final = 110
_LEFT: Final = 48
_RIGHT: Final = 12
_TOP: Final = 22
_FOOT: Final = 26


@dataclass(frozen=True, slots=True)
class Panel:
    """A title, and points (time, value), at least one."""

    title: str
    points: Sequence[tuple[float, float]]


def draw(panels: Sequence[Panel], unit: str) -> str:
    """Draw panels over one axis of time in `unit`; each begins at 0, so that what is flat looks so."""
    end = max(time for panel in panels for time, _ in panel.points) or 1.0
    height = len(panels) * _HEIGHT + _FOOT
    head = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="11"'
    parts = [
        f"<svg {head}>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        *(line for number, panel in enumerate(panels) for line in _panel(panel, number * _HEIGHT, end)),
        *(
            f'<text x="{_x(end * part / 4, end):.0f}" y="{height - 10}" text-anchor="middle">'
            f"{end * part / 4:.3g}{' ' + escape(unit) if part == 4 else ''}</text>"
            for part in range(5)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(panel: Panel, top: float, end: float) -> Iterator[str]:
    most = max(value for _, value in panel.points) * 1.15 or 1.0
    base = top + _HEIGHT - 4
    scale = (base - top - _TOP) / most
    points = " ".join(f"{_x(time, end):.1f},{base - value * scale:.1f}" for time, value in panel.points)
    yield f'<text x="{_LEFT}" y="{top + 15:.0f}" font-weight="bold">{escape(panel.title)}</text>'
    for value in (0.0, most / 2, most):
        y = base - value * scale
        yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 4}" y="{y + 4:.1f}" text-anchor="end" fill="#666">{value:.3g}</text>'
    yield f'<polyline points="{points}" fill="none" stroke="#2b6cb0" stroke-width="1.5"/>'


def _x(time: float, end: float) -> float:
    return _LEFT + time / end * (_WIDTH - _LEFT - _RIGHT)
