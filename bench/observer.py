"""Sees what becomes of the Jobs of one namespace: when they, their Pods and their ends showed up on a watch."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.manifests import Node, node_of
from fairlead.kube.errors import KubeError
from fairlead.render.job import MAIN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fairlead.kube.client import Client

Json = dict[str, Any]


class StuckError(Exception):
    """Something that was waited for didn't come about in time."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(what, seconds)
        self.what = what
        self.seconds = seconds

    def __str__(self) -> str:
        return f"{self.what} wasn't there after {self.seconds:.0f} s"


@dataclass(slots=True)
class Seen:
    """When a watch first showed it, in seconds of the observer's clock (`time.perf_counter`)."""

    jobs: dict[Node, float] = field(default_factory=dict)
    pods: dict[Node, float] = field(default_factory=dict)
    running: dict[Node, float] = field(default_factory=dict)
    ended: dict[Node, float] = field(default_factory=dict)
    complete: dict[str, float] = field(default_factory=dict)


class Observer:
    """One namespace. `on_end` hears of each node whose main container has terminated, once."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.seen = Seen()
        self.on_end: Callable[[Node], None] = lambda _: None
        self._news = asyncio.Event()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[Observer]:
        """Watch as long as the context lasts. Raises KubeError where a watch breaks."""
        watches = [
            asyncio.create_task(self._watch("/apis/batch/v1", "jobs", self._job)),
            asyncio.create_task(self._watch("/api/v1", "pods", self._pod)),
        ]
        try:
            yield self
            for watch in watches:
                if watch.done():
                    watch.result()
        finally:
            for watch in watches:
                watch.cancel()
                with suppress(asyncio.CancelledError, KubeError):
                    await watch

    async def until(self, what: str, condition: Callable[[Seen], bool], seconds: float) -> None:
        """Wait until a condition holds of what was seen. Raises StuckError."""
        try:
            async with asyncio.timeout(seconds):
                while not condition(self.seen):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise StuckError(what, seconds) from error

    async def until_complete(self, seconds: float) -> None:
        """Wait until the Job controller has done with all Jobs that were seen. Raises StuckError."""
        await self.until("complete Jobs", lambda seen: len(seen.complete) >= len(seen.jobs), seconds)

    async def _watch(self, api: str, resource: str, see: Callable[[Json], None]) -> None:
        path = f"{api}/namespaces/{self.namespace}/{resource}"
        _, version = await self.client.list(path, resource)
        while True:
            async for kind, document in self.client.watch(path, resource, version):
                version = document["metadata"]["resourceVersion"]
                if kind in ("ADDED", "MODIFIED"):
                    see(document)
                    self._news.set()

    def _job(self, document: Json) -> None:
        now = time.perf_counter()
        self.seen.jobs.setdefault(node_of(document), now)
        conditions = (document.get("status") or {}).get("conditions") or ()
        if any(each["type"] in ("Complete", "Failed") and each["status"] == "True" for each in conditions):
            self.seen.complete.setdefault(document["metadata"]["name"], now)

    def _pod(self, document: Json) -> None:
        now, node = time.perf_counter(), node_of(document)
        self.seen.pods.setdefault(node, now)
        states = (document.get("status") or {}).get("containerStatuses") or ()
        state: Json = next((each["state"] for each in states if each["name"] == MAIN), {})
        if "running" in state:
            self.seen.running.setdefault(node, now)
        elif "terminated" in state and node not in self.seen.ended:
            self.seen.ended[node] = now
            self.on_end(node)
