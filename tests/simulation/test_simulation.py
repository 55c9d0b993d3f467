from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS, UNSEEN, WITHOUT_LEASES, Mutant
from tests.simulation.simulation import Scenario, simulate

_SEEDS = 50
_ROOT = Path(__file__).parents[2]


def test_nothing_is_lost_doubled_or_stuck() -> None:
    """Whatever befalls requests, watches, processes and Pods: what must hold holds. `make simulate` runs many more."""
    outcomes = map(simulate, range(_SEEDS))
    assert [each.report() for each in outcomes if each.violation is not None] == []


def test_packs_lose_and_double_nothing_either() -> None:
    """The same holds where wide matrices are made as Indexed Jobs; the histories have all that is done with these."""
    outcomes = [simulate(seed, scenario=Scenario.of_packs(seed)) for seed in range(_SEEDS)]
    lines = [line for each in outcomes for line in each.history if " r" in line]
    made, ended = (any(f"{what} jobs/" in line and "-p0-" in line for line in lines) for what in ("ADDED", "MODIFIED"))
    single = any("MODIFIED pods/" in line and "leaving" in line for line in lines)
    assert ([each.report() for each in outcomes if each.violation is not None], made, ended, single) == (
        [],
        True,
        True,
        True,
    )


def test_two_without_leases_make_nothing_twice() -> None:
    """What one makes the other sees late, and asks for before it makes it anew."""
    outcomes = [simulate(seed, scenario=WITHOUT_LEASES) for seed in range(_SEEDS // 4)]
    assert [each.report() for each in outcomes if each.violation is not None] == []


def test_what_is_seen_late_is_asked_for() -> None:
    """Jobs and Pods of which it hears late are neither repeated nor forgotten, whoever deletes what they belong to."""
    outcomes = [simulate(seed, scenario=UNSEEN) for seed in range(120, 120 + _SEEDS)]
    assert [each.report() for each in outcomes if each.violation is not None] == []


def test_a_conflict_that_lasts_is_not_tried_again_and_again() -> None:
    """While the watch of Workflows brings nothing newer, what is to be recorded first is tried ever less often."""
    assert simulate(50_016).violation is None


@pytest.mark.parametrize("seed", [3, 17, 46])
def test_a_seed_decides_everything(seed: int) -> None:
    """The same seed gives the same history, line for line, whatever order Python gives to sets."""
    code = f"from tests.simulation.simulation import simulate; print(simulate({seed}).digest)"
    program = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": f"{_ROOT}:{_ROOT}/operator"}
    told = subprocess.run(program, cwd=_ROOT, env=environment, check=True, capture_output=True, text=True)  # noqa: S603
    assert [simulate(seed).digest, told.stdout.strip()] == [simulate(seed).digest] * 2


def test_a_report_tells_how_to_replay_it() -> None:
    """What fails says what doesn't hold, the last that happened, and how to see all of it."""
    lines = simulate(0, MUTANTS["nameless"].build).report(most=5).splitlines()
    assert (lines[0].split(":")[0], len(lines[2:-1]), lines[-1]) == ("seed 0", 5, "replay it: make simulate SEED=0")


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_it_can_fail(mutant: Mutant) -> None:
    """An operator with a known bug is found out within some seeds."""
    seeds = range(mutant.first, mutant.first + mutant.seeds)
    violations = (simulate(seed, mutant.build, mutant.scenario).violation for seed in seeds)
    found = next((each for each in violations if each is not None), "nothing was found")
    assert any(word in found for word in mutant.symptoms), found
