"""A matrix by Fairlead: as packs, which it makes by itself, and as one Job a combination, side by side."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bench import audit, shapes
from bench.process import Operator
from bench.stage import RAISED, say
from bench.throughput import apply, until_recorded

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
    packs = await _made(stage, _matrix(width, {}), width, patience)
    say(f"  {packs}")
    say("  now as one Job each")
    # A limit that is never reached keeps them out of packs.
    jobs = await _made(stage, _matrix(width, {"maxParallel": width}), width, patience)
    say(f"  {jobs}")
    names = ("clusterWrites", "operatorWrites", "lastPodS", "lastEndS", "recordedS", "operatorCpuMs")
    return {"ratio": {each: round(jobs[each] / packs[each], 1) for each in names}, "jobs": jobs, "packs": packs}


def _matrix(width: int, strategy: Json) -> Json:
    job = shapes.matrix(width)["m"]
    return shapes.document(
        "matrix", {"m": {**job, "strategy": {**job["strategy"], **strategy}}}, extra=shapes.ON_FAKE_NODES
    )


async def _made(stage: Stage, document: Json, width: int, patience: float) -> Json:
    async with stage.namespace("packs") as observer:
        operator = Operator(observer.namespace, stage.folder / "operator.log")
        operator.start()
        try:
            await asyncio.to_thread(operator.wait_until_ready)
            mark, before, start = stage.mark(), operator.usage(), time.perf_counter()
            await apply(observer, [document])
            await observer.until(f"the end of {width} Pods", lambda seen: len(seen.ended) >= width, patience)
            recorded = await until_recorded(observer, 1, patience)
            after = operator.usage()
            await observer.until("complete Jobs", lambda seen: len(seen.complete) >= len(seen.jobs), patience)
            # The audit log is written in batches.
            await asyncio.sleep(1)
            counts = audit.counted(mark.asked(), observer.namespace)
        finally:
            operator.stop()
        seen = observer.seen
        every = sum(audit.writes(count) for agent, count in counts.items() if agent != "fairlead-bench")
        return {
            "clusterWrites": every,
            "operatorWrites": audit.writes(counts.get("fairlead", {})),
            "lastPodS": round(max(seen.pods.values()) - start, 2),
            "lastEndS": round(max(seen.ended.values()) - start, 2),
            "recordedS": round(recorded - start, 2),
            "operatorCpuMs": round(1000 * (after.cpu - before.cpu)),
        }
