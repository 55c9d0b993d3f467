"""Workflows applied at once, and run by an operator that is a process of this machine."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from bench import audit
from bench.ceiling import AT_ONCE
from bench.process import Operator
from bench.stage import DEFAULT, RAISED
from fairlead.model.crd import GROUP, PLURAL, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.observer import Observer, Seen
    from bench.shapes import Json
    from bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run came to. `start`, `applied` and `recorded` are moments of `time.perf_counter`.

    `cpu` seconds and the `peak` in MiB are the operator's; `requests` are everybody's, by program and kind.
    """

    seen: Seen
    start: float
    applied: float
    recorded: float
    cpu: float
    peak: float
    requests: dict[str, dict[str, int]]


OPTIONS: Final[Mapping[str, Sequence[str]]] = {DEFAULT: (), RAISED: ("--max-unstarted-jobs=50",)}
"""The operator's, by the controller-manager's limits, as docs/operations.md advises."""


async def run(stage: Stage, limits: str, what: str, documents: Sequence[Json], ends: int, patience: float) -> Ran:
    """Apply Workflows in a namespace of their own, and wait until so many Pods have ended and it is recorded.

    Requests count until the Jobs are complete, too. Raises as `until_recorded`, and StuckError.
    """
    async with stage.namespace(what) as observer:
        operator = Operator(observer.namespace, stage.folder / "operator.log", options=OPTIONS[limits])
        operator.start()
        try:
            await asyncio.to_thread(operator.wait_until_ready)
            mark, before, start = stage.mark(), operator.usage(), time.perf_counter()
            await apply(observer, documents)
            applied = time.perf_counter()
            await observer.until(f"the end of {ends} Pods", lambda seen: len(seen.ended) >= ends, patience)
            recorded = await until_recorded(observer, len(documents), patience)
            after = operator.usage()
            await observer.until_complete(patience)
            # The audit log is written in batches.
            await asyncio.sleep(1)
            requests = audit.counted(mark.asked(), observer.namespace)
        finally:
            operator.stop()
        return Ran(observer.seen, start, applied, recorded, after.cpu - before.cpu, after.peak, requests)


async def apply(observer: Observer, documents: Sequence[Json]) -> None:
    """POST Workflows, several at a time."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{observer.namespace}/{PLURAL}"
    room = asyncio.Semaphore(AT_ONCE)

    async def post(body: bytes) -> None:
        async with room:
            await observer.client.request("POST", path, PLURAL, body, metadata_only=True)

    await asyncio.gather(*(post(orjson.dumps(each)) for each in documents))


async def until_recorded(observer: Observer, count: int, patience: float) -> float:
    """Wait until so many Workflows are recorded as ended; give the moment. Raises RuntimeError where one failed."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{observer.namespace}/{PLURAL}"
    deadline = time.perf_counter() + patience
    while True:
        documents, _ = await observer.client.list(path, PLURAL)
        now = time.perf_counter()
        phases = [(each.get("status") or {}).get("phase") for each in documents]
        if phases.count("Succeeded") >= count:
            return now
        if "Failed" in phases or now > deadline:
            messages = {(each.get("status") or {}).get("message") for each in documents}
            raise RuntimeError(f"not all Workflows succeeded: {sorted(map(str, messages))[:3]}")
        await asyncio.sleep(0.2)
