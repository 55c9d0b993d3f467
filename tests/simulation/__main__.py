"""Run seeds: `python -m tests.simulation --seeds 1000`; or one, with all that happens: `--seed 42`."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from tests.simulation.simulation import Outcome, simulate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_AT_A_TIME = 50
_MOST_FAILURES = 5


def run_seeds(seeds: Iterable[int], processes: int) -> Iterator[Outcome]:
    """Run seeds in some processes, and give their outcomes in order."""
    left = iter(seeds)
    with ProcessPoolExecutor(processes) as pool:
        while some := list(islice(left, _AT_A_TIME * processes)):
            yield from pool.map(simulate, some, chunksize=5)


def main(arguments: list[str]) -> int:
    """Run what the command line says; 1 where something doesn't hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run only this one, and say all that happens")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
    if given.seed is not None:
        outcome = simulate(given.seed)
        sys.stdout.write(outcome.report(most=len(outcome.history)) + "\n")
        return int(outcome.violation is not None)
    return _run_all(range(given.first, given.first + given.seeds), given.processes)


def _run_all(seeds: range, processes: int) -> int:
    began, number, failed, requests, troubles, seconds = time.monotonic(), 0, 0, 0, 0, 0.0
    for number, outcome in enumerate(run_seeds(seeds, processes), 1):
        requests, troubles = requests + outcome.requests, troubles + outcome.troubles
        seconds += outcome.seconds
        if outcome.violation is not None:
            failed += 1
            sys.stdout.write(outcome.report() + "\n\n")
            if failed == _MOST_FAILURES:
                break
        if number % 1000 == 0:
            sys.stdout.write(f"{number} seeds, {failed} failed, {time.monotonic() - began:.0f} s\n")
            sys.stdout.flush()
    hours = seconds / 3600
    sys.stdout.write(
        f"{number} seeds, {failed} failed: {requests} requests, {troubles} of them in trouble, "
        f"{hours:.1f} hours of the clusters' time\n"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
