"""The command line: `python -m bench run`, `planner` and `report`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench import admission, fairness, hop, live, packs, planner, report, results, throughput
from bench.observer import StuckError
from bench.running import OPTIONS
from bench.stage import DEFAULT, RAISED, Stage, machine, say
from e2e.support.harness import Harness, HarnessError
from e2e.support.installation import InstallationError
from fairlead.kube.errors import ConfigurationError, KubeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bench.shapes import Json

ON_FAKE_NODES = ("throughput", "packs", "live", "admission", "fairness")
ON_CLUSTER = ("hop", *ON_FAKE_NODES)
EVERYTHING = ("planner", *ON_CLUSTER)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or write the report; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="What Fairlead costs, beside plain Jobs.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure, and keep the figures")
    run.add_argument("--only", default="", help=f"of {', '.join(EVERYTHING)}; several with commas [all]")
    run.add_argument("--limits", choices=(RAISED, DEFAULT, "both"), default="both", help="of the controller-manager")
    run.add_argument("--scale", type=float, default=1.0, help="part of the full sizes, to try things out [1]")
    run.add_argument("--load", default="", help="throughput: only loads whose name has this in it")
    for command in (run, commands.add_parser("report", help="write tables and figures from the results")):
        command.add_argument("--results", type=Path, default=results.LATEST, help="[bench/results/latest.json]")
    parsed = parser.parse_args(arguments)
    if parsed.command == "report":
        report.write(results.load(parsed.results))
        return 0
    chosen = tuple(filter(None, parsed.only.split(","))) or EVERYTHING
    if unknown := [each for each in chosen if each not in EVERYTHING]:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(EVERYTHING)}")
    # A kill in good order cleans up, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(chosen, parsed)
    except (HarnessError, InstallationError, ConfigurationError, KubeError, StuckError, RuntimeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; what was measured before is kept", file=sys.stderr)
        return 130
    print(report.tables(results.load(parsed.results)))
    return 0


def _run(chosen: Sequence[str], parsed: argparse.Namespace) -> None:
    if "planner" in chosen:
        sizes = [max(10, round(size * parsed.scale)) for size in planner.SIZES]
        results.keep(
            parsed.results, "planner", {"shapes": planner.measure(sorted(set(sizes)))}, machine(), parsed.scale
        )
    if any(each in ON_CLUSTER for each in chosen):
        harness = Harness.of_this_process()
        if not harness.ours:
            raise HarnessError(
                "it changes the cluster's settings and reads its audit log; one of somebody else won't do"
            )
        harness.cluster("up")
        os.environ.update(harness.environment())
        asyncio.run(_on_cluster(harness, chosen, parsed))


async def _on_cluster(harness: Harness, chosen: Sequence[str], parsed: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="fairlead-bench-"))
    say(f"logs: {folder}")
    async with Stage.opened(harness, folder) as stage:
        if "hop" in chosen:
            await stage.restore()
            rounds = 3 if parsed.scale == 1 else 2
            found = await hop.measure(stage, max(3, round(20 * parsed.scale)), rounds)
            results.keep(parsed.results, "hop", found, machine(), parsed.scale)
        if any(each in chosen for each in ON_FAKE_NODES):
            for limits in (RAISED, DEFAULT) if parsed.limits == "both" else (parsed.limits,):
                await stage.prepare(limits)
                async for scenario, part in _with_limits(stage, limits, chosen, parsed):
                    results.keep(parsed.results, scenario, part, machine(), parsed.scale)


async def _with_limits(
    stage: Stage, limits: str, chosen: Sequence[str], parsed: argparse.Namespace
) -> AsyncIterator[tuple[str, Json]]:
    """Measure what needs these limits of the controller-manager, one after the other."""
    scale = parsed.scale
    if "throughput" in chosen:
        for load in throughput.loads(limits, scale):
            if parsed.load in load.name:
                yield f"throughput {limits} {load.name}", await throughput.measure(stage, limits, load)
    for width in packs.widths(limits, scale) if "packs" in chosen else ():
        yield f"packs {limits} {width}", await packs.measure(stage, limits, width)
    if "fairness" in chosen:
        count, seconds = fairness.SIZES[limits]
        count = max(20, round(count * scale))
        yield (
            f"fairness {limits}",
            await fairness.measure(stage, limits, count, seconds=seconds, options=OPTIONS[limits]),
        )
    if limits == RAISED and "admission" in chosen:
        yield "admission", await admission.measure(stage, max(20, round(300 * scale)))
    if limits == RAISED and "live" in chosen:
        yield "live", await live.measure(stage, max(20, round(5000 * scale)))
