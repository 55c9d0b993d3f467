from __future__ import annotations

import random
import xml.etree.ElementTree as ET

import pytest

from e2e.faults.plots import Panel, draw
from e2e.faults.soak import fit

MINUTES = [each / 4 for each in range(80)]


def test_fit() -> None:
    """A line without noise is found as it is."""
    trend = fit([(minute, 100 + 2 * minute) for minute in range(11)], 0.05)
    assert (trend.mean, trend.growth, round(trend.chance, 6), trend.flat) == (110, 20, 0, False)


@pytest.mark.parametrize(
    ("growth", "noise", "flat"),
    [(0.0, 0.0, True), (0.0, 5.0, True), (0.1, 0.5, True), (2.0, 1.0, False), (0.5, 20.0, True), (-3.0, 0.0, True)],
)
def test_flat(growth: float, noise: float, flat: bool) -> None:  # noqa: FBT001  a table's column
    """Growth counts where it is more than can be borne and more than chance explains; what shrinks is flat."""
    chance = random.Random(1)  # noqa: S311  repeatable
    points = [(minute, 100 + growth * minute + chance.gauss(0, noise)) for minute in MINUTES]
    assert fit(points, 0.05).flat is flat


def test_draw() -> None:
    """A plot is an XML document with a line for each panel."""
    panels = [Panel("memory <MiB>", [(0, 100), (1, 110)]), Panel("nothing", [(0, 0), (1, 0)])]
    lines = [each for each in ET.fromstring(draw(panels, "minutes")).iter() if each.tag.endswith("polyline")]  # noqa: S314
    assert [len(line.attrib["points"].split()) for line in lines] == [2, 2]
