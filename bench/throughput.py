"""How many workflows and Jobs a minute, beside the ceiling, on nodes whose Pods end at once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench import audit, shapes
from bench.ceiling import Ceiling
from bench.manifests import ready_made
from bench.running import run
from bench.stage import RAISED, say

if TYPE_CHECKING:
    from bench.observer import Seen
    from bench.shapes import Json
    from bench.stage import Stage

_SECONDS_A_JOB = {"raised": 0.4, "default": 2.0}
_AT_LEAST = 90.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is applied at once: workflows of one shape."""

    name: str
    documents: tuple[Json, ...]

    @property
    def jobs(self) -> int:
        """How many Kubernetes Jobs that makes."""
        return sum(_size(each) for each in self.documents)


def loads(limits: str, scale: float) -> list[Load]:
    """Give the loads: whole ones where the limits are raised; an eighth of that where they aren't, or it takes hours.

    Of a graph so small there is nothing to learn.
    """
    part = scale if limits == RAISED else scale / 8
    many, chains, wide, nodes = (max(6, round(each * part)) for each in (1000, 300, 1000, 5000))
    found = [
        Load("one-job workflows", _several("one", many, shapes.chain(1))),
        Load("chains of 3", _several("chain", chains, shapes.chain(3))),
        Load("one matrix", _several("matrix", 1, shapes.matrix(wide))),
    ]
    if limits == RAISED:
        found.append(Load("one random graph", _several("graph", 1, shapes.random_dag(nodes))))
    return found


async def measure(stage: Stage, limits: str, load: Load) -> Json:
    """Run a load by the operator, then by the ceiling."""
    patience = max(_AT_LEAST, load.jobs * _SECONDS_A_JOB[limits])
    say(f"throughput, limits {limits}: {load.name} ({load.jobs} Jobs) by Fairlead")
    ours = await _by_fairlead(stage, limits, load, patience)
    say(f"  {ours['jobsPerMinute']} Jobs/min, {ours['cpuMsPerJob']} ms CPU a Job; now by the ceiling")
    theirs = await _by_ceiling(stage, load, patience)
    say(f"  {theirs['jobsPerMinute']} Jobs/min")
    return {
        "workflows": len(load.documents),
        "jobs": load.jobs,
        "ratio": round(ours["jobsPerMinute"] / theirs["jobsPerMinute"], 2),
        "ratioComplete": round(ours["completePerMinute"] / theirs["completePerMinute"], 2),
        "fairlead": ours,
        "ceiling": theirs,
    }


async def _by_fairlead(stage: Stage, limits: str, load: Load, patience: float) -> Json:
    ran = await run(stage, limits, "fairlead", load.documents, load.jobs, patience)
    return {
        **figures(ran.seen, ran.start, len(load.documents)),
        "appliedS": round(ran.applied - ran.start, 2),
        "recordedS": round(ran.recorded - ran.start, 2),
        "cpuMsPerJob": round(1000 * ran.cpu / load.jobs, 2),
        "peakMiB": round(ran.peak),
        **_requests(ran.requests, len(load.documents), load.jobs),
    }


async def _by_ceiling(stage: Stage, load: Load, patience: float) -> Json:
    async with stage.namespace("ceiling") as observer:
        jobs = [job for document in load.documents for job in ready_made(document, observer.namespace)]
        mark, start = stage.mark(), time.perf_counter()
        await Ceiling(observer, jobs).run(patience)
        await observer.until_complete(patience)
        await asyncio.sleep(1)
        counts = audit.counted(mark.asked(), observer.namespace)
        every = sum(audit.writes(count) for count in counts.values())
        return {
            **figures(observer.seen, start, len(load.documents)),
            "clusterWritesPerJob": round(every / len(jobs), 2),
        }


def figures(seen: Seen, start: float, workflows: int) -> Json:
    """Sum up what was seen, from a moment on."""
    seconds, complete = (max(times.values()) - start for times in (seen.ended, seen.complete))
    return {
        "seconds": round(seconds, 2),
        "completeS": round(complete, 2),
        "lastPodS": round(max(seen.pods.values()) - start, 2),
        "jobsPerMinute": round(60 * len(seen.ended) / seconds),
        "workflowsPerMinute": round(60 * workflows / seconds),
        "completePerMinute": round(60 * len(seen.ended) / complete),
    }


def _requests(counts: dict[str, dict[str, int]], workflows: int, jobs: int) -> Json:
    """Put the operator's requests, and the writes of all, in relation to workflows and Jobs."""
    ours = counts.get("fairlead", {})
    every = sum(audit.writes(count) for agent, count in counts.items() if agent != "fairlead-bench")
    ours_besides = audit.writes(ours) - 2 * jobs
    return {
        "operatorWritesPerJob": round(audit.writes(ours) / jobs, 2),
        # Beyond two a Job, how many there are for each workflow.
        "operatorWritesPerWorkflowBesides": round(max(0, ours_besides) / workflows, 2),
        "operatorReads": audit.reads(ours),
        "clusterWritesPerJob": round(every / jobs, 2),
        "requests": counts,
    }


def _several(name: str, count: int, jobs: Any) -> tuple[Json, ...]:  # noqa: ANN401  a map of jobs
    extra = shapes.ON_FAKE_NODES
    return tuple(shapes.document(f"{name}-{index:04}", jobs, extra=extra) for index in range(count))


def _size(document: Json) -> int:
    jobs = document["spec"]["jobs"].values()
    return sum(len(job["strategy"]["matrix"]["n"]) if "strategy" in job else 1 for job in jobs)
