"""The smallest program that could do the same: it POSTs Jobs that are serialised already, as their needs end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.manifests import Node, ReadyMade
    from bench.observer import Observer

AT_ONCE = 16
"""POSTs on their way at a time: as many as the operator has."""


class Ceiling:
    """Makes Jobs in the observer's namespace. The observer's watch is its only one."""

    def __init__(self, observer: Observer, jobs: Sequence[ReadyMade]) -> None:
        self._observer = observer
        self._path = f"/apis/batch/v1/namespaces/{observer.namespace}/jobs"
        self._room = asyncio.Semaphore(AT_ONCE)
        self._missing = {job.node: set(job.needs) for job in jobs}
        self._jobs = {job.node: job for job in jobs}
        self._left = len(jobs)
        self._waiting: dict[Node, list[Node]] = {}
        self._posts: list[asyncio.Task[None]] = []
        for job in jobs:
            for need in job.needs:
                self._waiting.setdefault(need, []).append(job.node)

    async def run(self, seconds: float) -> None:
        """Make them all, and wait until all have ended. Raises StuckError and KubeError."""
        self._observer.on_end = self._ended
        for node, missing in self._missing.items():
            if not missing:
                self._start(node)
        await self._observer.until(f"the end of {self._left} Jobs", lambda _: not self._left, seconds)
        await asyncio.gather(*self._posts)

    def _ended(self, node: Node) -> None:
        self._left -= node in self._jobs
        for each in self._waiting.get(node, ()):
            missing = self._missing[each]
            missing.discard(node)
            if not missing:
                self._start(each)

    def _start(self, node: Node) -> None:
        self._posts.append(asyncio.create_task(self._post(self._jobs[node].body)))

    async def _post(self, body: bytes) -> None:
        async with self._room:
            await self._observer.client.request("POST", self._path, "jobs", body, metadata_only=True)
