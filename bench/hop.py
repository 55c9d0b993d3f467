"""How long the gap between two jobs of a chain is: real Pods on the real node, the operator in its Pod."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from bench import shapes
from bench.ceiling import Ceiling
from bench.manifests import Node, ready_made
from bench.running import apply
from bench.stage import say
from e2e.support.installation import NAMESPACE, RELEASE, Installation, operator_image
from e2e.support.kubectl import Kubectl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.observer import Observer, Seen
    from bench.shapes import Json
    from bench.stage import Stage

_SECONDS_A_JOB = 8.0


@dataclass(frozen=True, slots=True)
class Chain:
    """What was seen of one chain: gaps in milliseconds, from the first Job to the last end in seconds."""

    hops: tuple[float, ...]
    makespan: float


async def measure(stage: Stage, length: int, rounds: int) -> Json:
    """Run chains by the operator and by the ceiling in turn. The operator is installed for it, and removed."""
    kubectl = Kubectl(stage.harness.environment())
    say("hop: installing the operator")
    image = await asyncio.to_thread(operator_image, stage.harness)
    ours, theirs = list[Chain](), list[Chain]()
    try:
        await asyncio.to_thread(Installation(kubectl).install, image)
        async with stage.namespace("hop") as observer:
            for number in range(rounds):
                say(f"hop: chains of {length}, round {number + 1} of {rounds}")
                ours.append(await _by_fairlead(observer, f"fairlead-{number}", length))
                theirs.append(await _by_ceiling(observer, f"ceiling-{number}", length))
    finally:
        command = ["helm", "uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--ignore-not-found"]
        await asyncio.to_thread(subprocess.run, command, env=kubectl.environment, check=False, capture_output=True)
    return {"length": length, "rounds": rounds, **compared(ours, theirs)}


async def _by_fairlead(observer: Observer, name: str, length: int) -> Chain:
    await apply(observer, [shapes.document(name, shapes.chain(length))])
    nodes = [Node(name, shapes.job_id(index)) for index in range(length)]
    await observer.until(name, lambda seen: nodes[-1] in seen.ended, length * _SECONDS_A_JOB)
    return chain_of(observer.seen, nodes)


async def _by_ceiling(observer: Observer, name: str, length: int) -> Chain:
    jobs = ready_made(shapes.document(name, shapes.chain(length)), observer.namespace)
    nodes = [job.node for job in jobs]
    await Ceiling(observer, jobs).run(length * _SECONDS_A_JOB)
    return chain_of(observer.seen, nodes)


def chain_of(seen: Seen, nodes: Sequence[Node]) -> Chain:
    """Read the gaps of one chain: from the end of a main container to the next Job, both as a watch shows them."""
    hops = tuple(1000 * (seen.jobs[after] - seen.ended[before]) for before, after in pairwise(nodes))
    return Chain(hops, seen.ended[nodes[-1]] - seen.jobs[nodes[0]])


def compared(ours: Sequence[Chain], theirs: Sequence[Chain]) -> Json:
    """Sum both up, and give the ratios."""
    fairlead, ceiling = _figures(ours), _figures(theirs)
    ratio = {name: round(fairlead[name] / ceiling[name], 2) for name in fairlead if ceiling[name] > 0}
    return {"ratio": ratio, "fairlead": fairlead, "ceiling": ceiling}


def _figures(chains: Sequence[Chain]) -> dict[str, float]:
    hops = sorted(hop for chain in chains for hop in chain.hops)
    return {
        "medianMs": round(statistics.median(hops), 1),
        "p95Ms": round(quantile(hops, 0.95), 1),
        "p99Ms": round(quantile(hops, 0.99), 1),
        "makespanS": round(statistics.median(chain.makespan for chain in chains), 2),
    }


def quantile(ordered: Sequence[float], part: float) -> float:
    """Give the smallest of the ordered values that so large a part doesn't exceed."""
    return ordered[min(len(ordered) - 1, max(0, -(-int(part * 1000) * len(ordered) // 1000) - 1))]
