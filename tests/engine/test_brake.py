from __future__ import annotations

import asyncio

from fairlead.engine.brake import LONGEST, Brake
from tests.fakes import passing, virtually


async def paused(brake: Brake) -> float:
    """Wait for the end of a pause; give its seconds."""
    start = asyncio.get_running_loop().time()
    await brake.released()
    return round(asyncio.get_running_loop().time() - start, 6)


@virtually
async def test_a_pause() -> None:
    """Everybody waits as long as was asked for, and nobody without a reason."""
    brake = Brake()
    found: list[float | bool] = [await paused(brake), brake.on]
    brake.pull(3)
    found += [brake.on, await paused(brake), brake.on]
    assert found == [0, False, True, 3, False]


@virtually
async def test_answers_that_were_on_their_way() -> None:
    """Several answers to what was sent before are one reason; the latest moment that one asks for counts."""
    brake = Brake()
    brake.pull(2)
    await passing(1)
    brake.pull(1)
    brake.pull(2)
    assert await paused(brake) == 2


@virtually
async def test_a_pause_that_did_not_help() -> None:
    """Each one that follows another at once is twice as long, up to half a minute; a quiet while starts over."""
    brake, found = Brake(), []
    for _ in range(7):
        brake.pull(1)
        found.append(await paused(brake))
    await passing(LONGEST + 1)
    brake.pull(1)
    assert [*found, await paused(brake)] == [1, 2, 4, 8, 16, LONGEST, LONGEST, 1]


@virtually
async def test_one_refusal_among_many_answers() -> None:
    """Where ten requests got through since the last pause, that has helped: the next one is short again."""
    found = []
    for passed in (10, 10, 9, 10):
        brake = Brake()
        for _ in range(3):
            brake.pull(1)
            await brake.released()
            for _ in range(passed):
                brake.passed()
        brake.pull(1)
        found.append(await paused(brake))
    assert found == [1, 1, 8, 1]


@virtually
async def test_more_than_anybody_waits() -> None:
    """A server that asks for an hour is asked again after half a minute."""
    brake = Brake()
    brake.pull(3600)
    assert await paused(brake) == LONGEST
