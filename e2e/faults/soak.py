"""`make soak`: a mixed load under faults for a long time, and whether anything grows meanwhile."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

from e2e.faults import plots, report
from e2e.faults.fates import Fates, Kind
from e2e.faults.ground import open_ground, without_another_operator
from e2e.faults.process import run_operator
from e2e.support.harness import Harness
from e2e.testcluster.settings import REPOSITORY
from fairlead.cli.lint import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from e2e.faults.ground import Ground
    from e2e.faults.process import OperatorProcess

RATES: Final[Mapping[Kind, float]] = {Kind.WATCH: 0.3, Kind.READ: 0.05, Kind.WRITE: 0.05}
FIGURE: Final = REPOSITORY / "docs" / "figures" / "soak.svg"
_EVERY: Final = 15.0
"""Seconds between two samples."""
_AT_A_TIME: Final = 6
_BLOW: Final = 45.0
"""Seconds between two blows: the operator is stopped for some seconds, or another one comes and is killed."""
_WARM_UP: Final = 0.25
"""The part of the time that isn't judged: caches fill."""
_SIGMAS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The operator at a moment, in minutes since the start.

    `hop`: seconds that a chain of three jobs took, the mean of those since the last sample.
    """

    minute: float
    rss: float
    descriptors: float
    tasks: float
    hop: float | None


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through samples: the mean, the growth over the whole time, and how far chance alone may take it.

    `slack`: a growth that would be borne, chance or not.
    """

    mean: float
    growth: float
    chance: float
    slack: float

    @property
    def flat(self) -> bool:
        """Whether it grows no more than can be borne, or than chance explains."""
        return self.growth <= max(self.slack, self.chance)


def fit(points: Sequence[tuple[float, float]], slack: float) -> Trend:
    """Fit by least squares; `slack` is a part of the mean. Points are (time, value), at least three at two times."""
    times, values = [time for time, _ in points], [value for _, value in points]
    middle, mean = fmean(times), fmean(values)
    spread = sum((time - middle) ** 2 for time in times)
    slope = sum((time - middle) * (value - mean) for time, value in points) / spread
    rest = sum((value - mean - slope * (time - middle)) ** 2 for time, value in points)
    error = (rest / (len(points) - 2) / spread) ** 0.5
    span = max(times) - min(times)
    return Trend(mean, slope * span, _SIGMAS * error * span, slack * mean)


MEASURES: Final[Mapping[str, tuple[str, Callable[[Sample], float | None], float]]] = {
    "memory": ("MiB resident", lambda each: each.rss, 0.05),
    "descriptors": ("open files", lambda each: each.descriptors, 0.1),
    "tasks": ("asyncio tasks", lambda each: each.tasks, 0.1),
    "latency": ("seconds of a chain of three", lambda each: each.hop, 0.25),
}
"""What is measured: its unit, where it is in a sample, and which part of its mean it may grow by in the whole time."""


def soak(harness: Harness, seed: int, minutes: float) -> tuple[list[Sample], list[str], str]:
    """Let it run; give the samples, what was found wrong, and what was done."""
    dice = random.Random(seed)  # noqa: S311  repeatable
    samples: list[Sample] = []
    blows = 0
    with open_ground(harness, "soak") as ground, ground.proxy(Fates(seed, RATES)) as (proxy, kubeconfig):
        operator, other = ground.operator(kubeconfig), ground.operator()
        with run_operator(operator):
            began, settled = time.monotonic(), _Settled(ground)
            next_sample, next_blow = began, began + _BLOW
            while (now := time.monotonic()) - began < minutes * 60:
                assert not operator.gave_up, f"the operator ended by itself\n{operator.tail()}"
                if len(ground.unended()) < _AT_A_TIME:
                    ground.apply_wave()
                settled.look()
                if now >= next_sample:
                    samples.append(_sample(operator, (now - began) / 60, settled.hop()))
                    next_sample = now + _EVERY
                if now >= next_blow:
                    _blow(dice, operator, other)
                    blows, next_blow = blows + 1, time.monotonic() + _BLOW
                time.sleep(1)
                operator.keep_up()
            proxy.fates.rates = {}
            ground.run_until_all_ended(150)
            settled.look()
            found = [*settled.found, *ground.findings(operator, other)]
        done = f"{settled.count} workflows, {ground.worked()} jobs, {sum(proxy.met.values())} faults, {blows} blows"
    return samples, found, done


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, draw it, and say whether it is flat."""
    parser = argparse.ArgumentParser(prog="python -m e2e.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="fill docs/reliability.md, and draw docs/figures/soak.svg")
    parsed = parser.parse_args(arguments)
    harness = Harness.of_this_process()
    with without_another_operator(harness):
        samples, found, done = soak(harness, parsed.seed, parsed.minutes)
    trends = judge(samples)
    print(done)
    for name, trend in trends.items():
        print(f"  {name}: {_told(trend)}")
    for each in found:
        print(f"  {each}")
    if parsed.write:
        FIGURE.parent.mkdir(parents=True, exist_ok=True)
        FIGURE.write_text(draw(samples))
        report.replace_block("soak", _table(trends, found, done, parsed.minutes, parsed.seed))
    return 1 if found or not all(trend.flat for trend in trends.values()) else 0


def judge(samples: Sequence[Sample]) -> dict[str, Trend]:
    """Fit each measure, leaving out the time in which it warms up."""
    start = samples[-1].minute * _WARM_UP
    return {
        name: fit(
            [(each.minute, value) for each in samples if each.minute >= start and (value := read(each)) is not None],
            slack,
        )
        for name, (_, read, slack) in MEASURES.items()
    }


def draw(samples: Sequence[Sample]) -> str:
    """Draw each measure over the minutes, as an SVG document."""
    panels = [
        plots.Panel(f"{name}, {unit}", [(each.minute, value) for each in samples if (value := read(each)) is not None])
        for name, (unit, read, _) in MEASURES.items()
    ]
    return plots.draw(panels, "minutes")


class _Settled:
    """Compares what has ended and takes it away, so that the cluster doesn't fill; remembers how long chains took."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._took: list[float] = []
        self.found: list[str] = []
        self.count = 0

    def look(self) -> None:
        ended, found = self._ground.take_ended()
        self.found += found
        self.count += len(ended)
        for workflow in ended:
            if workflow["metadata"]["name"].startswith("chain-"):
                status = workflow["status"]
                times = [datetime.fromisoformat(status[each]) for each in ("startedAt", "finishedAt")]
                self._took.append((times[1] - times[0]).total_seconds())

    def hop(self) -> float | None:
        took, self._took = self._took, []
        return fmean(took) if took else None


def _sample(operator: OperatorProcess, minute: float, hop: float | None) -> Sample:
    folder = Path("/proc") / str(operator.pid)
    pages = int((folder / "statm").read_text().split()[1])
    tasks = operator.metrics().get("fairlead_loop_tasks", 0.0)
    return Sample(minute, pages * 4096 / 2**20, len(list((folder / "fd").iterdir())), tasks, hop)


def _blow(dice: random.Random, operator: OperatorProcess, other: OperatorProcess) -> None:
    """Stop it for some seconds; or let another one work beside it, and kill that."""
    if dice.random() < 0.5:
        operator.send(signal.SIGSTOP)
        time.sleep(dice.uniform(1.0, 8.0))
        operator.send(signal.SIGCONT)
        return
    other.start()
    time.sleep(dice.uniform(1.0, 6.0))
    other.kill()


def _told(trend: Trend) -> str:
    verdict = "flat" if trend.flat else "GROWS"
    return f"{verdict}: mean {trend.mean:.1f}, {trend.growth:+.2f} over the time (chance: ±{trend.chance:.2f})"


def _table(trends: Mapping[str, Trend], found: Sequence[str], done: str, minutes: float, seed: int) -> str:
    rows = "".join(f"| {name}, {MEASURES[name][0]} | {_told(trend)} |\n" for name, trend in trends.items())
    result = "nothing lost, doubled or stuck" if not found else counted(len(found), "finding")
    day = datetime.now(UTC).date().isoformat()
    return (
        f"| Measure | Verdict |\n|---|---|\n{rows}\n{done}: {result}.\n\n![soak](figures/soak.svg)\n\n"
        f"Run on {day}: `make soak MINUTES={minutes:g} SEED={seed}`.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
