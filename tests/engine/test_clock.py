from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from fairlead.engine.clock import SteadyClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("set_by", "told"),
    [
        pytest.param([0, 0, 0], [10, 20, 30], id="nobody touches it"),
        pytest.param([0, -3600, -3600], [10, 20, 30], id="set back"),
        pytest.param([0, -3600, 0], [10, 20, 30], id="set back and right again"),
        pytest.param([0, 3600, 3600], [10, 3620, 3630], id="set forward"),
        pytest.param([0, 3600, 0], [10, 3620, 3630], id="set forward and back"),
    ],
)
def test_steady_clock(set_by: list[int], told: list[int]) -> None:
    """Asked every ten seconds, it goes on with the time whatever becomes of the machine's, and never goes back."""
    wall, monotonic = iter([0, *(10 * at + by for at, by in enumerate(set_by, 1))]), count(0, 10)
    clock = SteadyClock(lambda: NOON + timedelta(seconds=next(wall)), lambda: float(next(monotonic)))
    assert [(clock() - NOON).total_seconds() for _ in set_by] == told
