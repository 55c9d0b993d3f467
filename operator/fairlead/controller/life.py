"""The life of the operator's process: what is started, in which order, and what happens when a part of it dies.

Nothing is decided before everything has been read once: a Kubernetes Job that isn't known yet looks like one that is
gone. Of several replicas each reads everything, and works on what its Leases give it.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import kopf
import structlog

from fairlead.controller.handlers import take_workflow
from fairlead.kube.client import in_namespace
from fairlead.kube.errors import KubeError, NotFoundError, pause_after
from fairlead.model.crd import GROUP, PLURAL, VERSION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from fairlead.engine.engine import Engine
    from fairlead.engine.keeper import Keeper
    from fairlead.engine.ports import Cluster
    from fairlead.engine.records import JobRecord, PodRecord
    from fairlead.kube.client import Client
    from fairlead.kube.reflector import Reflector

_REPAIR_SECONDS = 300.0
"""How often all Workflows are listed, to repair what kopf's watch has lost."""

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0


class OperatorLife:
    """Starts and ends what runs beside kopf. `ended` is set when a part that has to run has died, and at the end.

    `keep` makes what keeps the Leases, given how to read everything anew; without it all is this process's. `drain`:
    for how many seconds after a signal reviews are still answered.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        cluster: Cluster,
        client: Client,
        reflectors: Sequence[Reflector[JobRecord] | Reflector[PodRecord]],
        namespaces: Sequence[str],
        ended: asyncio.Event,
        keep: Callable[[Callable[[], Awaitable[int]]], Keeper] | None = None,
        drain: float = 0.0,
    ) -> None:
        self._engine = engine
        self._cluster = cluster
        self._client = client
        self._reflectors = reflectors
        self._namespaces = namespaces
        self._ended = ended
        self._keeper = keep(self.refresh) if keep is not None else None
        self._drain = drain
        self._leaving: asyncio.Task[None] | None = None
        self._listed = asyncio.Event()
        self._version = 0
        self._unwatched: dict[str | None, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger("fairlead.operator")
        self.failure: BaseException | None = None

    async def start(self) -> None:
        """Start everything; returns when Workflows can be listed, or a part has died; the rest goes on meanwhile.

        kopf looks only once which resources there are, so it must not look before the CRD is installed.
        """
        for reflector in self._reflectors:
            self._spawn(reflector.run(), "reflector")
        self._spawn(self._repair(), "repair")
        self._spawn(self._work(), "engine")
        waits = [asyncio.create_task(each.wait()) for each in (self._listed, self._ended)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        # kopf has set its own by now. With these it would close the webhook first, and have the Leases left last.
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.leave)

    def leave(self) -> None:
        """Begin to end, as at a signal: Leases are left at once, and reviews are answered until the others get them.

        Asked again, it waits no longer.
        """
        if self._leaving is not None:
            self._ended.set()
        else:
            self._leaving = asyncio.create_task(self._leave(), name="leaving")

    async def _leave(self) -> None:
        """Let it be known first: who sends reviews hears late that this replica is about to end."""
        until = asyncio.get_running_loop().time() + self._drain
        await self._stop_working()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._ended.wait()
        self._ended.set()

    async def stop(self) -> None:
        """End everything. What was begun stays as it is; the next start, or another replica, goes on from there."""
        await self._stop_working()
        # kopf waits five seconds for whoever still waits for this.
        self._ended.set()

    async def _stop_working(self) -> None:
        if self._keeper is not None:
            await self._keeper.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def alive(self) -> str | None:
        """Tell what has died, if anything has."""
        return f"{self.failure!r}" if self.failure is not None else None

    def ready(self) -> str | None:
        """Tell what hasn't been read yet, if anything hasn't, or that it is about to end."""
        if self._leaving is not None:
            return "about to end"
        if not self._listed.is_set() or not all(each.synced.is_set() for each in self._reflectors):
            return "still reading Workflows, Jobs and Pods"
        return self.alive()

    async def _work(self) -> None:
        await self._listed.wait()
        for reflector in self._reflectors:
            await reflector.synced.wait()
        # What is kept of each workflow needn't be searched for garbage: that stops everything for 60 ms a thousand.
        gc.freeze()
        self._log.info("ready", workflows=len(self._engine.store.workflows), jobs=len(self._engine.store.jobs))
        if self._keeper is not None:
            self._spawn(self._keeper.run(), "leases")
        else:
            # Whoever worked on them before may have died with a request on its way.
            self._engine.take_up(lambda _: True, self._version)
        await self._engine.run(self._cluster)

    async def refresh(self) -> int:
        """Read everything anew, until that succeeds; gives the version of the Workflows."""
        pause = _FIRST_PAUSE
        while True:
            try:
                versions = await asyncio.gather(*map(self._list, self._namespaces or (None,)))
                await asyncio.gather(*(reflector.refresh() for reflector in self._reflectors))
            except KubeError as error:
                self._log.warning("can't read what there is", error=str(error), retry_in=pause_after(error, pause))
                await asyncio.sleep(pause_after(error, pause))
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return max(versions)

    async def read_all(self, namespace: str | None) -> int:
        """Read all Workflows, or those of a namespace, for a watch that is about to begin; give where to begin it.

        What was read to start with serves the first one. Raises KubeError.
        """
        version = self._unwatched.pop(namespace, None)
        return version if version is not None else await self._list(namespace)

    async def _repair(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                for namespace in self._namespaces or (None,):
                    version = await self._list(namespace)
                    self._version = max(self._version, version)
                    if not self._listed.is_set():
                        self._unwatched[namespace] = version
            except KubeError as error:
                said = "is the CRD installed?" if isinstance(error, NotFoundError) else str(error)
                self._log.warning("can't list Workflows", error=said, retry_in=pause_after(error, pause))
                await asyncio.sleep(pause_after(error, pause))
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            self._listed.set()
            pause = _FIRST_PAUSE
            await asyncio.sleep(_REPAIR_SECONDS)

    async def _list(self, namespace: str | None) -> int:
        path = f"/apis/{GROUP}/{VERSION}{in_namespace(namespace)}/{PLURAL}"
        live: set[tuple[str, str]] = set()
        version = ""
        async for documents, version in self._client.pages(path, PLURAL):  # noqa: B007
            for document in documents:
                take_workflow(self._engine.store, "LISTED", document)
                live.add((document["metadata"]["namespace"], document["metadata"]["name"]))
            # Thousands of large ones take seconds, in which a Lease would be lost, or a probe fail.
            await asyncio.sleep(0)
        number = int(version) if version.isdecimal() else 0
        self._engine.store.workflows.keep_only(live, number, namespace)
        return number

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._watch)
        self._tasks.append(task)

    def _watch(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        self.failure = task.exception() or RuntimeError(f"the {task.get_name()} has ended by itself")
        self._log.error("a part has died; stopping", part=task.get_name(), exc_info=self.failure)
        self._ended.set()


async def run_kopf(registry: kopf.OperatorRegistry, namespaces: Sequence[str], ended: asyncio.Event) -> None:
    """Run kopf until a signal, or until `ended` is set."""
    await kopf.operator(
        registry=registry,
        # Without one, kopf makes it of the user's name, which a Pod's user has none of, and a DNS query.
        identity=cast("Any", "fairlead"),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=ended,
    )
