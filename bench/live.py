"""How much memory live workflows take, and how soon an operator that is started among them does something.

The state is made by hand: Jobs that no controller works on, and Pods that run on fake nodes without an end, all of them
as the operator and the Job controller would have made them. So it is there in a minute.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import orjson
from prometheus_client.parser import text_string_to_metric_families

from bench import shapes
from bench.ceiling import AT_ONCE
from bench.manifests import manifests
from bench.process import Operator
from bench.running import apply
from bench.stage import FAKE_NODES, say
from fairlead.model.crd import GROUP, PLURAL, VERSION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bench.observer import Observer
    from bench.shapes import Jobs, Json
    from bench.stage import Stage

_JOBS: Jobs = {"build": {}, "test": {}}
_NOBODY = "fairlead.dev/nobody"
_PATIENCE = 240.0
_WAITING = "fairlead_queue_depth"


async def measure(stage: Stage, workflows: int) -> Json:
    """Have so many workflows of two running Jobs; start an operator among them twice."""
    async with stage.namespace("live", settle=False) as observer:
        say(f"live: making {workflows} Workflows, {2 * workflows} Jobs and Pods")
        await _populate(observer, workflows)
        operator = Operator(observer.namespace, stage.folder / "operator.log")
        try:
            operator.start()
            ready = await asyncio.to_thread(operator.wait_until_ready)
            say(f"  ready after {ready:.1f} s; recording their state")
            await _until_recorded(observer, workflows)
            await asyncio.sleep(5)
            filled = operator.usage()
            operator.stop()
            say(f"  {filled.memory:.0f} MiB; starting it again")
            return {
                "workflows": workflows,
                "pods": 2 * workflows,
                "memoryMiB": round(filled.memory),
                "peakMiB": round(filled.peak),
                **await _restarted(observer, operator),
            }
        finally:
            operator.stop()


async def _restarted(observer: Observer, operator: Operator) -> Json:
    """Start it with all of them there, and one that is new."""
    await apply(observer, [shapes.document("new", {"first": {}}, extra=shapes.ON_FAKE_NODES)])
    operator.start()
    ready = await asyncio.to_thread(operator.wait_until_ready)
    await observer.until("the first action", lambda seen: any(at.workflow == "new" for at in seen.jobs), _PATIENCE)
    acted = min(seen for at, seen in observer.seen.jobs.items() if at.workflow == "new") - operator.started_at
    looked = await _until_looked_at(operator)
    say(f"  ready after {ready:.1f} s, first action after {acted:.1f} s, all looked at after {looked:.1f} s")
    await asyncio.sleep(10)
    used = operator.usage()
    # What it costs to be there while nothing happens.
    start = time.perf_counter()
    await asyncio.sleep(10)
    rest = (operator.usage().cpu - used.cpu) / (time.perf_counter() - start)
    return {
        "readyS": round(ready, 2),
        "firstActionS": round(acted, 2),
        "allLookedAtS": round(looked, 2),
        "startCpuS": round(used.cpu, 2),
        "restartedMiB": round(operator.usage().memory),
        "restartedPeakMiB": round(operator.usage().peak),
        "idleCpuPercent": round(100 * rest, 1),
    }


async def _until_looked_at(operator: Operator) -> float:
    """Wait until no workflow waits for a look; give the seconds since the start."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            families = text_string_to_metric_families(await asyncio.to_thread(operator.metrics))
            waiting = [each.value for family in families if family.name == _WAITING for each in family.samples]
            if waiting and not any(waiting):
                return time.perf_counter() - operator.started_at
            await asyncio.sleep(0.05)


async def _populate(observer: Observer, workflows: int) -> None:
    post = _poster(observer)
    namespace = observer.namespace
    documents = [shapes.document(f"live-{index:05}", _JOBS, extra=shapes.STAYING) for index in range(workflows)]

    async def one(index: int, document: Json) -> None:
        made = await post(f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}", PLURAL, document)
        for place, manifest in enumerate(manifests(made, namespace, made["metadata"]["uid"])):
            manifest["spec"]["managedBy"] = _NOBODY
            job = await post(f"/apis/batch/v1/namespaces/{namespace}/jobs", "jobs", manifest)
            node = f"kwok-{(2 * index + place) % FAKE_NODES:04d}"
            await post(f"/api/v1/namespaces/{namespace}/pods", "pods", pod_of(manifest, job, node))

    await _at_once(one, documents)
    size = 2 * workflows
    await observer.until(f"{size} running Pods", lambda seen: len(seen.running) >= size, _PATIENCE)


def pod_of(manifest: Json, job: Json, node: str) -> Json:
    """Make the Pod of a Job, as the Job controller and the scheduler would."""
    name = job["metadata"]["name"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": True}
    template = manifest["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": f"{name}-abcde", "ownerReferences": [owner]},
        "spec": {**template["spec"], "nodeName": node},
    }


async def _at_once(one: Callable[[int, Json], Awaitable[None]], documents: Sequence[Json]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def within(index: int, document: Json) -> None:
        async with room:
            await one(index, document)

    await asyncio.gather(*(within(index, document) for index, document in enumerate(documents)))


def _poster(observer: Observer) -> Callable[[str, str, Json], Awaitable[Json]]:
    async def post(path: str, resource: str, document: Json) -> Json:
        return await observer.client.request("POST", path, resource, orjson.dumps(document))

    return post


async def _until_recorded(observer: Observer, workflows: int) -> None:
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{observer.namespace}/{PLURAL}"
    async with asyncio.timeout(_PATIENCE):
        while True:
            documents, _ = await observer.client.list(path, PLURAL)
            # Both jobs run, and that is known: nothing is left to be written.
            states = [(each.get("status") or {}).get("jobs") or {} for each in documents]
            done = sum(all(job.get("phase") == "Running" for job in jobs.values()) and bool(jobs) for jobs in states)
            if done >= workflows:
                return
            await asyncio.sleep(2)
