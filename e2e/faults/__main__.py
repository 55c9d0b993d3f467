"""`make faults`: every scenario at full length, on the cluster of `e2e/cluster`.

python -m e2e.faults [--seed N] [--only NAME]… [--short] [--write]
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Final

from e2e.faults import report, scenarios
from e2e.faults.ground import without_another_operator
from e2e.support.harness import Harness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from e2e.faults.scenarios import Outcome

    Scenario = Callable[[Harness, int, int], list[Outcome]]

SCENARIOS: Final[Mapping[str, tuple[Scenario, int, int]]] = {
    "proxied": (scenarios.proxied, 12, 2),
    "half-open": (scenarios.half_open, 1, 1),
    "killed": (scenarios.killed, 100, 10),
    "stopped": (scenarios.stopped, 10, 1),
    "restarted": (scenarios.restarted, 4, 1),
    "taken-away": (scenarios.taken_away, 30, 4),
    "clock": (scenarios.clock_set_back, 3, 1),
}
"""What there is, and how often it is done: in full, and in `make test`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; give the exit code."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    if parsed.short and parsed.write:
        parser.error("the table is of full runs; --write doesn't go with --short")
    harness = Harness.of_this_process()
    outcomes: list[Outcome] = []
    with without_another_operator(harness):
        for name in parsed.only or SCENARIOS:
            run, full, short = SCENARIOS[name]
            began = time.monotonic()
            print(f"{name}: seed {parsed.seed}", flush=True)
            found = run(harness, parsed.seed, short if parsed.short else full)
            outcomes += found
            for each in found:
                print(report.line(each), flush=True)
            print(f"  {time.monotonic() - began:.0f}s", flush=True)
            if parsed.write:
                report.keep(name, found, parsed.seed)
    return 1 if any(outcome.found for outcome in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m e2e.faults", description="Hurt a running operator, and look.")
    parser.add_argument("--seed", type=int, default=1, help="what decides which requests and moments are hit")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="this scenario; may be repeated")
    parser.add_argument("--short", action="store_true", help="as few times as `make test` does it")
    parser.add_argument("--write", action="store_true", help="put it into the table of docs/reliability.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
