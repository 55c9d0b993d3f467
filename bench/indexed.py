"""One Kubernetes Job a combination, or one Indexed Job for all: raw manifests, so that it can be known before."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import orjson

from bench import audit, shapes
from bench.ceiling import Ceiling
from bench.manifests import disowned, indexed, manifests, ready_made
from bench.stage import RAISED, say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.observer import Observer
    from bench.shapes import Json
    from bench.stage import Stage

_SECONDS_A_JOB = {"raised": 0.4, "default": 0.8}


def widths(limits: str, scale: float) -> tuple[int, ...]:
    """Give the matrices' sizes. With default limits the larger one would take five minutes, and shows nothing new."""
    return tuple(max(4, round(each * scale)) for each in ((256, 1000) if limits == RAISED else (256,)))


async def measure(stage: Stage, limits: str, width: int) -> Json:
    """Make the Pods of a matrix in either way, in turn; give ratios of one Job each to one Indexed Job."""
    patience = max(90.0, width * _SECONDS_A_JOB[limits])
    document = shapes.document("matrix", shapes.matrix(width), extra=shapes.ON_FAKE_NODES)
    say(f"indexed, limits {limits}: {width} combinations as one Job each")

    async def single(observer: Observer) -> None:
        await Ceiling(observer, ready_made(document, observer.namespace)).run(patience)

    async def together(observer: Observer) -> None:
        body = indexed(disowned(manifests(document, observer.namespace)[0]), width)
        path = f"/apis/batch/v1/namespaces/{observer.namespace}/jobs"
        await observer.client.request("POST", path, "jobs", orjson.dumps(body))
        await observer.until(f"the end of {width} Pods", lambda seen: len(seen.ended) >= width, patience)

    jobs = await _made(stage, single, width, patience)
    say(f"  last Pod after {jobs['lastPodS']} s; now as one Indexed Job")
    one = await _made(stage, together, width, patience)
    say(f"  last Pod after {one['lastPodS']} s")
    names = ("writes", "lastPodS", "lastEndS", "completeS")
    return {"ratio": {each: round(jobs[each] / one[each], 1) for each in names}, "jobs": jobs, "indexed": one}


async def _made(stage: Stage, make: Callable[[Observer], Awaitable[None]], width: int, patience: float) -> Json:
    async with stage.namespace("indexed") as observer:
        mark, start = stage.mark(), time.perf_counter()
        await make(observer)
        await observer.until("complete Jobs", lambda seen: len(seen.complete) >= len(seen.jobs), patience)
        await asyncio.sleep(1)
        counts = audit.counted(mark.asked(), observer.namespace)
        seen = observer.seen
        writes = sum(audit.writes(count) for count in counts.values())
        return {
            "writes": writes,
            "writesPerPod": round(writes / width, 2),
            "lastPodS": round(max(seen.pods.values()) - start, 2),
            "lastEndS": round(max(seen.ended.values()) - start, 2),
            "completeS": round(max(seen.complete.values()) - start, 2),
            "requests": counts,
        }
