#!/usr/bin/env python3
"""How long the gap between two jobs of a chain is, beside the smallest program that could do the same.

The ceiling is a script with one watch and pre-serialised bytes that makes the same Kubernetes Jobs on the same API
server. The two run in turn, and the same observer times both: from the moment at which its watch shows a main container
terminated to the moment at which it shows the next Job. Ratios are what to quote; the machine is noisy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from fairlead.kube.client import Client
from fairlead.kube.connection import connect
from fairlead.kube.errors import ConfigurationError, KubeError, NotFoundError
from fairlead.kube.reduce import pod_record
from fairlead.model.crd import API_VERSION, GROUP, KIND, PLURAL, VERSION
from fairlead.plan import ContainerTerminated
from fairlead.render.job import LABEL_JOB, LABEL_WORKFLOW, MANAGED_BY

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = "busybox:1.35"
DEADLINE = 120.0
"""Seconds that one chain may take."""


@dataclass(slots=True)
class Chain:
    """What the observer saw of one chain: seconds on its clock, by the jobs' ids."""

    made: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)

    def hops(self) -> list[float]:
        """Give the gaps in milliseconds."""
        ids = [job_id(index) for index in range(len(self.made))]
        return [1000 * (self.made[after] - self.ended[before]) for before, after in pairwise(ids)]

    def makespan(self) -> float:
        """Give the seconds from the first Job to the last end."""
        return max(self.ended.values()) - min(self.made.values())


def job_id(index: int) -> str:
    """Name a job of a chain."""
    return f"j{index:03}"


def workflow(name: str, length: int) -> dict[str, Any]:
    """Write a chain of jobs that do nothing."""
    jobs = {job_id(i): {"commands": ["true"], "needs": [job_id(i - 1)] if i else []} for i in range(length)}
    metadata = {"name": name}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata,
        "spec": {"defaults": {"image": IMAGE}, "jobs": jobs},
    }


class Bench:
    """One namespace on one API server, with a watch of its Jobs and Pods."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._chains: dict[str, Chain] = {}
        self._on_end: Callable[[str, str], None] = lambda _chain, _job: None
        self._news = asyncio.Event()

    async def observe(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch("/apis/batch/v1", "jobs", self._job))
            group.create_task(self._watch("/api/v1", "pods", self._pod))

    async def _watch(self, api: str, resource: str, see: Callable[[dict[str, Any]], None]) -> None:
        path = f"{api}/namespaces/{self._namespace}/{resource}"
        _, version = await self._client.list(path, resource)
        while True:
            async for kind, document in self._client.watch(path, resource, version):
                version = document["metadata"]["resourceVersion"]
                if kind in ("ADDED", "MODIFIED"):
                    see(document)

    def _job(self, document: dict[str, Any]) -> None:
        chain, job = _place(document)
        self._chains.setdefault(chain, Chain()).made.setdefault(job, time.perf_counter())

    def _pod(self, document: dict[str, Any]) -> None:
        record = pod_record(document)
        if record is None or not isinstance(record.pod.container, ContainerTerminated):
            return
        chain, job = _place(document)
        ended = self._chains.setdefault(chain, Chain()).ended
        if job not in ended:
            ended[job] = time.perf_counter()
            self._on_end(chain, job)
            self._news.set()

    async def _whole(self, chain: str, length: int) -> Chain:
        async with asyncio.timeout(DEADLINE):
            while len(self._chains.get(chain, Chain()).ended) < length:
                self._news.clear()
                await self._news.wait()
        return self._chains[chain]

    async def fairlead(self, name: str, length: int) -> Chain:
        """Run a chain by the operator."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{self._namespace}/{PLURAL}"
        await self._client.request("POST", path, PLURAL, orjson.dumps(workflow(name, length)))
        return await self._whole(name, length)

    async def ceiling(self, name: str, like: str, length: int) -> Chain:
        """Make the same Jobs as the operator did for `like`, each as soon as the one before has ended."""
        path = f"/apis/batch/v1/namespaces/{self._namespace}/jobs"
        documents, _ = await self._client.list(path, "jobs", f"{LABEL_WORKFLOW}%3D{like}")
        bodies = {_place(document)[1]: _anew(document, name) for document in documents}
        pending: list[asyncio.Task[Any]] = []

        def post(index: int) -> None:
            if index < length:
                work = self._client.request("POST", path, "jobs", bodies[job_id(index)])
                pending.append(asyncio.create_task(work))

        def on_end(chain: str, job: str) -> None:
            if chain == name:
                post(int(job[1:]) + 1)

        self._on_end = on_end
        post(0)
        chain = await self._whole(name, length)
        await asyncio.gather(*pending)
        return chain


def _place(document: dict[str, Any]) -> tuple[str, str]:
    labels = document["metadata"].get("labels", {})
    return labels.get(LABEL_WORKFLOW, ""), labels.get(LABEL_JOB, "")


def _anew(document: dict[str, Any], chain: str) -> bytes:
    """Take a Job's own part, under another name and out of the operator's sight."""
    pod = document["spec"]["template"]["spec"]
    spec = {name: document["spec"][name] for name in ("backoffLimit", "activeDeadlineSeconds", "podFailurePolicy")}
    labels = {LABEL_WORKFLOW: chain, LABEL_JOB: _place(document)[1], "fairlead.dev/workflow-uid": "ceiling"}
    made = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{chain}-{labels[LABEL_JOB]}", "labels": labels},
        "spec": {**spec, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
    assert not MANAGED_BY.items() <= labels.items()  # noqa: S101  or the operator would see them, too
    return orjson.dumps(made)


async def measure(length: int, rounds: int) -> dict[str, Any]:
    """Run both in turn; give the figures."""
    namespace = f"bench-{int(time.time())}"
    async with Client(connect(), user_agent="fairlead-bench") as client:
        body = orjson.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        await client.request("POST", "/api/v1/namespaces", "namespaces", body)
        bench = Bench(client, namespace)
        observing = asyncio.create_task(bench.observe())
        try:
            ours, theirs = [], []
            for number in range(rounds):
                ours.append(await bench.fairlead(f"chain-{number}", length))
                theirs.append(await bench.ceiling(f"ceiling-{number}", f"chain-{number}", length))
        finally:
            observing.cancel()
            with suppress(asyncio.CancelledError, KubeError):
                await observing
            await client.request("DELETE", f"/api/v1/namespaces/{namespace}", "namespaces")
    return {"length": length, "rounds": rounds, "fairlead": figures(ours), "ceiling": figures(theirs)}


def figures(chains: list[Chain]) -> dict[str, float]:
    """Sum chains up: gaps in milliseconds, makespan in seconds."""
    hops = sorted(hop for chain in chains for hop in chain.hops())
    return {
        "hopMedianMs": round(statistics.median(hops), 1),
        "hopP95Ms": round(hops[int(len(hops) * 0.95)], 1),
        "hopMaxMs": round(hops[-1], 1),
        "makespanS": round(statistics.median(chain.makespan() for chain in chains), 2),
    }


def table(result: dict[str, Any]) -> str:
    """Write the figures as a Markdown table, ratios first."""
    lines = [
        f"Chains of {result['length']} jobs, {result['rounds']} of each in turn.",
        "",
        "| | ratio | Fairlead | ceiling |",
        "|---|---|---|---|",
    ]
    for name, unit in (("hopMedianMs", "ms"), ("hopP95Ms", "ms"), ("hopMaxMs", "ms"), ("makespanS", "s")):
        ours, theirs = result["fairlead"][name], result["ceiling"][name]
        ratio = f"{ours / theirs:.2f}" if theirs else "-"
        lines.append(f"| {name.removesuffix('Ms').removesuffix('S')} | {ratio} | {ours} {unit} | {theirs} {unit} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and write the JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=10, help="jobs of a chain")
    parser.add_argument("--rounds", type=int, default=3, help="chains of each kind")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    try:
        result = asyncio.run(measure(arguments.length, arguments.rounds))
    except NotFoundError:
        print("bench: this cluster has no Workflows; install the operator first (make demo)", file=sys.stderr)
        return 1
    except TimeoutError:
        print(f"bench: a chain wasn't done after {DEADLINE:.0f} s; does the operator run?", file=sys.stderr)
        return 1
    except (ConfigurationError, KubeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(table(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
