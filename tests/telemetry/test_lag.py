from __future__ import annotations

import asyncio

from fairlead.telemetry.lag import EVERY, measure_lag
from tests.fakes import VirtualLoop, passing


class LateLoop(VirtualLoop):
    """An event loop with a clock that can be set forward."""

    late = 0.0

    def time(self) -> float:
        """Give the seconds since it was made, and those that were lost."""
        return super().time() + self.late


def test_lag() -> None:
    """What the loop can't do in time because of something else shows up, once; a punctual loop is late by nothing."""
    found: list[float] = []

    async def work(loop: LateLoop) -> None:
        measuring = asyncio.create_task(measure_lag(found.append))
        await passing(2.5 * EVERY)
        loop.late = 0.7
        await passing(1.5 * EVERY)
        measuring.cancel()

    with asyncio.Runner(loop_factory=LateLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, LateLoop)
        runner.run(work(loop))
    assert [round(lag, 3) for lag in found] == [0, 0, 0.65, 0]
