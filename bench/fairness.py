"""How long a workflow of a quiet namespace waits while another namespace has thousands under way."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import orjson
from prometheus_client.parser import text_string_to_metric_families

from bench import shapes
from bench.observer import StuckError
from bench.process import Operator
from bench.running import apply
from bench.stage import DEFAULT, RAISED, Stage, say
from e2e.support.harness import Harness
from fairlead.model.crd import GROUP, PLURAL, VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.manifests import Node
    from bench.observer import Observer, Seen
    from bench.shapes import Json

EVERY = 10.0
"""Seconds between two workflows of the quiet namespace."""

SIZES = {RAISED: (10_000, 200.0), DEFAULT: (1_000, 100.0)}
"""Workflows at once, and for how many seconds quiet ones are applied, by the controller-manager's limits."""

_PATIENCE = 120.0
_SAMPLES = 1.0
LAG = "fairlead_loop_lag_seconds"


@dataclass(slots=True)
class _Sampled:
    """How many Jobs the operator saw as unstarted, each second."""

    unstarted: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Wait:
    """Seconds from the request for a Workflow to its Job, to its Pod, and until that runs."""

    job: float
    pod: float
    running: float


async def measure(
    stage: Stage, limits: str, count: int, *, seconds: float, every: float = EVERY, options: Sequence[str] = ()
) -> Json:
    """Apply `count` one-job workflows at once, and one to a quiet namespace now and then, for so many seconds at most.

    The controller-manager has the `limits` that the stage was prepared with; `options` are the operator's.
    """
    say(f"fairness, limits {limits}: {count} workflows at once, and one in a quiet namespace every {every:g} s")
    async with stage.namespace("busy") as busy, stage.namespace("quiet") as quiet:
        operator = Operator(
            busy.namespace, stage.folder / "operator.log", options=[f"--namespace={quiet.namespace}", *options]
        )
        operator.start()
        sampled, sampling = _Sampled(), None
        try:
            await asyncio.to_thread(operator.wait_until_ready)
            alone = await _first_pod(quiet, "alone", time.perf_counter() + _PATIENCE)
            sampling = asyncio.create_task(_sample(operator, sampled))
            start = time.perf_counter()
            applying = asyncio.create_task(apply(busy, _flood(count)))
            waits = await _quiet_ones(quiet, busy, count, start, seconds, every)
            await applying
            lag = quantile(await asyncio.to_thread(operator.metrics), LAG, 0.99)
            usage = operator.usage()
        finally:
            if sampling is not None:
                sampling.cancel()
            operator.stop()
        found = {
            "workflows": count,
            "quietAloneS": round(alone.running, 2),
            "quietUntilJobS": _summed_up([each.job for each in waits]),
            "quietUntilPodS": _summed_up([each.pod for each in waits]),
            "quietUntilRunningS": _summed_up([each.running for each in waits]),
            **_progress(busy.seen, start),
            "mostUnseenJobs": most_unseen(busy.seen),
            "loopLagP99S": lag,
            "peakMiB": round(usage.peak),
            "mostUnstarted": max(sampled.unstarted, default=0),
        }
    waited = found["quietUntilRunningS"]
    say(f"  quiet ones ran after {waited['median']} s (median), {waited['most']} s at most")
    return found


def _summed_up(waits: Sequence[float]) -> Json:
    return {"median": round(statistics.median(waits), 2), "most": round(max(waits), 2)}


def _flood(count: int) -> list[Json]:
    jobs = shapes.chain(1)
    return [shapes.document(f"flood-{index:05}", jobs, extra=shapes.ON_FAKE_NODES) for index in range(count)]


async def _quiet_ones(
    quiet: Observer, busy: Observer, count: int, start: float, seconds: float, every: float
) -> list[_Wait]:
    """Apply one now and then, until the flood is over; give how long each waited for its Pod to run."""
    found: list[asyncio.Task[_Wait]] = []
    while time.perf_counter() - start < seconds and len(busy.seen.ended) < count:
        found.append(asyncio.create_task(_first_pod(quiet, f"quiet-{len(found)}", start + seconds + _PATIENCE)))
        await asyncio.sleep(every)
    return list(await asyncio.gather(*found))


async def _first_pod(quiet: Observer, name: str, deadline: float) -> _Wait:
    start = time.perf_counter()
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{quiet.namespace}/{PLURAL}"
    body = orjson.dumps(shapes.document(name, shapes.chain(1), extra=shapes.ON_FAKE_NODES))
    await quiet.client.request("POST", path, PLURAL, body)

    def begun(seen: Seen) -> dict[Node, float]:
        return {node: at for node, at in (seen.ended | seen.running).items() if node.workflow == name}

    while not begun(quiet.seen):
        # Others wait for the same observer, whose news wake one of them.
        if time.perf_counter() > deadline:
            raise StuckError(f"the first Pod of {name}", time.perf_counter() - start)
        await asyncio.sleep(0.02)
    seen = quiet.seen
    job, pod = (min(at for node, at in each.items() if node.workflow == name) for each in (seen.jobs, seen.pods))
    return _Wait(job - start, pod - start, min(begun(seen).values()) - start)


async def _sample(operator: Operator, sampled: _Sampled) -> None:
    while True:
        text = await asyncio.to_thread(operator.metrics)
        sampled.unstarted += [
            int(float(line.split()[-1]))
            for line in text.splitlines()
            if line.startswith("fairlead_jobs_unstarted") and not line.startswith("#")
        ]
        await asyncio.sleep(_SAMPLES)


def _progress(seen: Seen, start: float) -> Json:
    ended = sorted(seen.ended.values())
    seconds = (ended[-1] - start) if ended else 0.0
    return {
        "ended": len(ended),
        "seconds": round(seconds, 1),
        "jobsPerMinute": round(60 * len(ended) / seconds) if seconds else 0,
    }


def most_unseen(seen: Seen) -> int:
    """Count the Jobs without a Pod, when they were most: what the Job controller was behind by."""
    moves = sorted([(at, 1) for at in seen.jobs.values()] + [(at, -1) for at in seen.pods.values()])
    level, most = 0, 0
    for _, move in moves:
        level += move
        most = max(most, level)
    return most


def quantile(metrics: str, name: str, part: float) -> float | None:
    """Read a quantile off a histogram of /metrics: the upper bound of its bucket, None where that is open."""
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == f"{name}_bucket":
                bound = float(sample.labels["le"])
                buckets[bound] = buckets.get(bound, 0) + sample.value
    total = max(buckets.values(), default=0.0)
    found = min((bound for bound, below in buckets.items() if below >= part * total), default=float("inf"))
    return None if found == float("inf") else found


async def _alone(options: argparse.Namespace) -> Json:
    with TemporaryDirectory() as folder:
        async with Stage.opened(Harness.of_this_process(), Path(folder)) as stage:
            await stage.prepare(options.limits)
            try:
                return await measure(
                    stage,
                    options.limits,
                    options.workflows,
                    seconds=options.seconds,
                    every=options.every,
                    options=options.operator,
                )
            finally:
                sys.stderr.write((stage.folder / "operator.log").read_text()[-2000:])


def main() -> None:
    """Measure this alone, on the cluster of the environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workflows", type=int, default=10_000)
    parser.add_argument("--limits", choices=(DEFAULT, RAISED), default=RAISED)
    parser.add_argument("--seconds", type=float, default=180.0, help="stop applying quiet ones after that")
    parser.add_argument("--every", type=float, default=EVERY)
    parser.add_argument("--operator", action="append", default=[], help="an option for the operator; may be repeated")
    # A kill in good order cleans up, too: an operator that stays would keep the Lease from the next one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(json.dumps(asyncio.run(_alone(parser.parse_args())), indent=2))


if __name__ == "__main__":
    main()
