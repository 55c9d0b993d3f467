"""The shorter form of `make faults`: nothing is lost, doubled or stuck, whatever is done to the operator."""

from __future__ import annotations

from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from e2e.faults.__main__ import SCENARIOS
from e2e.support.together import chosen, played

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from e2e.support.harness import Harness

pytestmark = pytest.mark.alone

HURTS_THE_CLUSTER: Final = frozenset({"restarted"})
"""What can't be done while others look: each of the others has an operator and a namespace of its own."""
AT_A_TIME: Final = 3
LONGEST_FIRST: Final = ("half-open", "stopped", "killed")


@pytest.fixture(scope="module")
def ends(request: pytest.FixtureRequest, alone: Harness, seed: int) -> Iterator[Mapping[str, Future[None]]]:
    """Do all that were chosen and hurt only their own operator, some at a time."""
    names = [name for name in chosen(request, "name") if name not in HURTS_THE_CLUSTER]
    names.sort(key=lambda name: name not in LONGEST_FIRST)
    with played({name: partial(do, alone, seed, name) for name in names}, AT_A_TIME) as ends:
        yield ends


def do(harness: Harness, seed: int, name: str) -> None:
    """Do what hurts, and see that nothing was found wrong."""
    run, _, short = SCENARIOS[name]
    found = {outcome.fault: list(outcome.found) for outcome in run(harness, seed, short) if outcome.found}
    assert found == {}, f"FAIRLEAD_FAULTS_SEED={seed}"


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_doubled_or_stuck(
    alone: Harness, seed: int, name: str, ends: Mapping[str, Future[None]]
) -> None:
    """Each run ends as it has to, each attempt was made and worked once, and groups kept to one at a time."""
    if name in HURTS_THE_CLUSTER:
        wait(ends.values())
        do(alone, seed, name)
    else:
        ends[name].result()
