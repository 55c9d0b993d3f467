"""A matrix by Fairlead: as packs, which it makes by itself, and as one Job a combination, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import audit, shapes
from bench.running import run
from bench.stage import RAISED, say

if TYPE_CHECKING:
    from bench.shapes import Json
    from bench.stage import Stage

_SECONDS_A_COMBINATION = {"raised": 0.4, "default": 0.9}


def widths(limits: str, scale: float) -> tuple[int, ...]:
    """Give the matrices' sizes. With default limits the larger one would take minutes, and shows nothing new."""
    return tuple(max(8, round(each * scale)) for each in ((256, 1000) if limits == RAISED else (256,)))


async def measure(stage: Stage, limits: str, width: int) -> Json:
    """Run a matrix in either way, in turn; give ratios of one Job each to packs."""
    patience = max(90.0, width * _SECONDS_A_COMBINATION[limits])
    say(f"packs, limits {limits}: {width} combinations in packs")
    packs = await _made(stage, limits, _matrix(width, {}), width, patience)
    say(f"  {packs}")
    say("  now as one Job each")
    # A limit that is never reached keeps them out of packs.
    jobs = await _made(stage, limits, _matrix(width, {"maxParallel": width}), width, patience)
    say(f"  {jobs}")
    names = ("clusterWrites", "operatorWrites", "lastPodS", "lastEndS", "recordedS", "operatorCpuMs")
    return {"ratio": {each: round(jobs[each] / packs[each], 1) for each in names}, "jobs": jobs, "packs": packs}


def _matrix(width: int, strategy: Json) -> Json:
    job = shapes.matrix(width)["m"]
    return shapes.document(
        "matrix", {"m": {**job, "strategy": {**job["strategy"], **strategy}}}, extra=shapes.ON_FAKE_NODES
    )


async def _made(stage: Stage, limits: str, document: Json, width: int, patience: float) -> Json:
    ran = await run(stage, limits, "packs", [document], width, patience)
    every = sum(audit.writes(count) for agent, count in ran.requests.items() if agent != "fairlead-bench")
    return {
        "clusterWrites": every,
        "operatorWrites": audit.writes(ran.requests.get("fairlead", {})),
        "lastPodS": round(max(ran.seen.pods.values()) - ran.start, 2),
        "lastEndS": round(max(ran.seen.ended.values()) - ran.start, 2),
        "recordedS": round(ran.recorded - ran.start, 2),
        "operatorCpuMs": round(1000 * ran.cpu),
    }
