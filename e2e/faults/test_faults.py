"""The shorter form of `make faults`: nothing is lost, doubled or stuck, whatever is done to the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.faults.__main__ import SCENARIOS

if TYPE_CHECKING:
    from e2e.support.harness import Harness


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_doubled_or_stuck(alone: Harness, seed: int, name: str) -> None:
    """Each run ends as it has to, each attempt was made and worked once, and groups kept to one at a time."""
    run, _, short = SCENARIOS[name]
    found = {outcome.fault: list(outcome.found) for outcome in run(alone, seed, short) if outcome.found}
    assert found == {}, f"FAIRLEAD_FAULTS_SEED={seed}"
