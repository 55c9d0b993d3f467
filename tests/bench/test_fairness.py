from __future__ import annotations

import pytest

from bench.fairness import most_unseen, quantile
from bench.manifests import Node
from bench.observer import Seen

BUCKETS = """# TYPE lag_seconds histogram
lag_seconds_bucket{le="0.1"} 90
lag_seconds_bucket{le="1.0"} 99
lag_seconds_bucket{le="+Inf"} 100
lag_seconds_count 100
lag_seconds_sum 10
"""


@pytest.mark.parametrize(("part", "bound"), [(0.5, 0.1), (0.9, 0.1), (0.99, 1.0), (1.0, None)])
def test_quantile(part: float, bound: float | None) -> None:
    """A quantile is below its bucket's upper bound; in the last one nothing is known of it."""
    assert quantile(BUCKETS, "lag_seconds", part) == bound


def test_most_unseen() -> None:
    """Jobs count from when they are seen until their Pod is."""
    nodes = [Node(f"w{index}", "a") for index in range(4)]
    seen = Seen(
        jobs=dict(zip(nodes, (1.0, 2.0, 3.0, 6.0), strict=True)), pods=dict(zip(nodes, (2.5, 5.0, 4.0), strict=False))
    )
    assert most_unseen(seen) == 2
