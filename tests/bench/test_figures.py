from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from bench import plots, report
from bench.admission import lag_p99
from bench.hop import Chain, chain_of, compared, quantile
from bench.manifests import Node
from bench.observer import Seen
from bench.planner import Bed, exponent
from bench.shapes import chain

METRICS = """\
# HELP fairlead_loop_lag_seconds How late the event loop was
fairlead_loop_lag_seconds_bucket{le="0.001"} 90.0
fairlead_loop_lag_seconds_bucket{le="0.005"} 99.0
fairlead_loop_lag_seconds_bucket{le="+Inf"} 100.0
"""


def test_chain() -> None:
    """A hop goes from the end of one job to the Job of the next; the makespan from the first Job to the last end."""
    nodes = [Node("w", name) for name in "abc"]
    seen = Seen(
        jobs=dict(zip(nodes, (1.0, 2.01, 3.03), strict=True)), ended=dict(zip(nodes, (2.0, 3.0, 4.0), strict=True))
    )
    found = chain_of(seen, nodes)
    assert ([round(hop, 3) for hop in found.hops], found.makespan) == ([10.0, 30.0], 3.0)


def test_compared() -> None:
    """Medians and quantiles over all chains, and their ratios."""
    found = compared([Chain((10.0, 30.0), 3.0)], [Chain((10.0, 10.0), 2.0)])
    assert found == {
        "ratio": {"medianMs": 2.0, "p95Ms": 3.0, "p99Ms": 3.0, "makespanS": 1.5},
        "fairlead": {"medianMs": 20.0, "p95Ms": 30.0, "p99Ms": 30.0, "makespanS": 3.0},
        "ceiling": {"medianMs": 10.0, "p95Ms": 10.0, "p99Ms": 10.0, "makespanS": 2.0},
    }


@pytest.mark.parametrize(("part", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_quantile(part: float, value: int) -> None:
    """A quantile is one of the values: the smallest that as large a part stays within."""
    assert quantile(range(1, 101), part) == value


@pytest.mark.parametrize(("power", "points"), [(1, [10, 100, 1000]), (2, [10, 1000]), (0, [10, 100])])
def test_exponent(power: int, points: list[int]) -> None:
    """Growth is the exponent of the size."""
    assert round(exponent([(size, 3.0 * size**power) for size in points]), 6) == power


def test_lag() -> None:
    """The lag is told by the bucket that 99 of 100 measurements are in; there may be no such metric."""
    assert (lag_p99(METRICS), lag_p99("")) == (5.0, None)


def test_bed_is_half_way() -> None:
    """What is planned is a run under way, and one in which one more job has ended."""
    bed = Bed(chain(9))
    bed.half_way()
    assert (bed.look() >= 0, bed.after_one() >= 0) == (True, True)


def test_verdict() -> None:
    """A goal is met, or missed by a part of it."""
    said = [report.verdict(1.0, 2.0), report.verdict(3.0, 2.0), report.verdict(0.6, 0.8, at_least=True)]
    assert said == ["met", "missed by 50 %", "missed by 25 %"]


def test_verdict_on_a_smaller_run() -> None:
    """A goal goes for the full size: what was measured with less neither meets nor misses it."""
    said = [report.verdict(1.0, 2.0, {"scale": scale}) for scale in (1.0, 0.1)]
    assert said == ["met", "smaller: 0.1 of the size"]


def test_table() -> None:
    """Results become Markdown."""
    results = {
        "hop": {
            "length": 3,
            "rounds": 1,
            **compared([Chain((10.0, 30.0), 3.0)], [Chain((10.0, 10.0), 2.0)]),
            "machine": {"cores": 2, "memoryGiB": 4, "python": "3.11", "at": "2026-01-01T00:00:00Z"},
        }
    }
    assert "| hop, p99 | 3.0 | 30.0 ms | 10.0 ms | ≤ 50 ms | met |" in report.tables(results)


def test_table_of_packs() -> None:
    """Each width has its row, the default limits first, with what it took both ways."""
    figures = {"clusterWrites": 80, "operatorWrites": 20, "lastPodS": 9.0, "lastEndS": 10.0, "operatorCpuMs": 400}
    part = {"ratio": dict.fromkeys(figures, 2.0), "jobs": figures, "packs": figures}
    lines = report.tables({f"packs {each}": part for each in ("raised 1000", "raised 64", "default 64")}).splitlines()
    row = "2.0 (80 / 80) | 2.0 (20 / 20) | 2.0 (9.0 / 9.0 s) | 2.0 (10.0 / 10.0 s) | 2.0 (400 / 400 ms) |"
    assert lines[-3:] == [f"| 64 | default | {row}", f"| 64 | raised | {row}", f"| 1000 | raised | {row}"]


def test_plots() -> None:
    """Plots are well-formed, with a bar or a line for each value or series."""
    bars = ET.fromstring(plots.bars("T", "u", ["a<b", "c"], {"x": [1, 20], "y": [3, 4]}))  # noqa: S314  our own
    lines = ET.fromstring(plots.lines("T", "u", [10, 100], {"x": [0.1, 5], "y": [3, 40]}))  # noqa: S314  as above
    space = "{http://www.w3.org/2000/svg}"
    # The background and a mark for each series of the legend are rectangles, too.
    assert (len(bars.findall(f"{space}rect")), len(lines.findall(f"{space}polyline"))) == (7, 2)
