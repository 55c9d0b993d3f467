"""Workflows of every shape that is measured, as documents to POST."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from fairlead.model.crd import API_VERSION, KIND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Json = dict[str, Any]
Jobs = dict[str, Json]

IMAGE = "busybox:1.35"

ON_FAKE_NODES: Json = {"nodeSelector": {"type": "kwok"}}
"""What brings a job onto kwok's nodes, whose Pods end at once: as little as can be, as 5,000 jobs each say it."""

STAYING: Json = {
    **ON_FAKE_NODES,
    "podTemplate": {"metadata": {"annotations": {"pod-complete.stage.kwok.x-k8s.io/delay": "24h"}}},
}
"""As ON_FAKE_NODES, but the Pods run on for a day."""

_COMMAND: Json = {"commands": ["true"]}


def job_id(index: int) -> str:
    """Name a job by its place, so that names sort as places do."""
    return f"j{index:05}"


def document(name: str, jobs: Jobs, *, extra: Json | None = None) -> Json:
    """Write a Workflow of these jobs; `extra` goes into each of them."""
    spec = {
        "defaults": {"image": IMAGE},
        "jobs": {each: {**_COMMAND, **job, **(extra or {})} for each, job in jobs.items()},
    }
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}


def chain(length: int) -> Jobs:
    """Each job needs the one before it."""
    return {job_id(index): {"needs": [job_id(index - 1)]} if index else {} for index in range(length)}


def fan(width: int) -> Jobs:
    """One job, then all the others at once, then one that needs them all; `width` jobs together, three or more."""
    first, last = job_id(0), job_id(width - 1)
    middle = [job_id(index) for index in range(1, width - 1)]
    return {first: {}, **{each: {"needs": [first]} for each in middle}, last: {"needs": middle}}


def layered(size: int, width: int = 10, fan_in: int = 3) -> Jobs:
    """Layers of `width` jobs, each of which needs `fan_in` neighbours in the layer before it."""
    jobs: Jobs = {}
    for index in range(size):
        layer, place = divmod(index, width)
        before = [(layer - 1) * width + (place + step) % width for step in range(min(fan_in, width))]
        jobs[job_id(index)] = {"needs": sorted(map(job_id, before))} if layer else {}
    return jobs


def random_dag(size: int, seed: int = 1, most: int = 3, reach: int = 500) -> Jobs:
    """Give a random graph: each job needs up to `most` of the `reach` jobs before it."""
    random = Random(seed)  # noqa: S311  the same graph each time
    jobs: Jobs = {}
    for index in range(size):
        count = min(index, random.randint(0 if index % 50 == 0 else 1, most))
        found = random.sample(range(max(0, index - reach), index), count)
        jobs[job_id(index)] = {"needs": sorted(map(job_id, found))} if found else {}
    return jobs


def matrix(width: int) -> Jobs:
    """One job of so many combinations."""
    return {"m": {"strategy": {"matrix": {"n": list(range(width))}}, "env": {"N": "${{ matrix.n }}"}}}


SHAPES: Mapping[str, Callable[[int], Jobs]] = {
    "chain": chain,
    "fan": fan,
    "layered": layered,
    "random": random_dag,
    "matrix": matrix,
}
"""Those of which the planner alone is measured, each made for a number of nodes."""
