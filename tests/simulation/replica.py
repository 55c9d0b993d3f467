"""One process of the operator, put together as `fairlead operator` does it, on the simulated network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fairlead.controller.handlers import take_workflow
from fairlead.controller.life import OperatorLife
from fairlead.engine.engine import Engine
from fairlead.engine.errors import EngineError
from fairlead.engine.keeper import Keeper, LeaseObserver, Ownership
from fairlead.engine.ports import Observer
from fairlead.engine.shards import Holder, Roster
from fairlead.kube.cluster import KubernetesCluster
from fairlead.kube.errors import ExpiredError, KubeError
from fairlead.kube.leases import KubernetesLeases
from fairlead.kube.reduce import pod_record, watched_job_record
from fairlead.kube.reflector import Reflector
from fairlead.model.crd import GROUP, PLURAL, VERSION
from fairlead.plan import Policy
from fairlead.render.job import MANAGED_BY
from tests.simulation.network import SimulatedClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime

    from fairlead.engine.shards import LeaseId
    from fairlead.engine.store import Store
    from fairlead.model.ids import NodeId, WorkflowKey
    from fairlead.plan.admission import Limits
    from tests.simulation.network import Network
    from tests.simulation.schedule import Process

_WORKFLOWS = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
_SELECTOR = ",".join(f"{name}%3D{value}" for name, value in MANAGED_BY.items())
_BATCH_SECONDS = 0.1


class SimulatedEngine(Engine):
    """The engine, but for sets: in which order it takes their members must not depend on Python's hash seed."""

    def _wake(self, keys: Iterable[WorkflowKey]) -> None:
        super()._wake(sorted(keys))


@dataclass(frozen=True, slots=True)
class Build:
    """What an operator is made of, so that a test can put something broken in."""

    engine: type[Engine] = SimulatedEngine
    cluster: type[KubernetesCluster] = KubernetesCluster
    client: type[SimulatedClient] = SimulatedClient
    life: type[OperatorLife] = OperatorLife
    owns: Callable[[Roster], Callable[[WorkflowKey], bool]] = Ownership


@dataclass
class Witness(Observer, LeaseObserver):
    """Hears what an engine does, but for writes, which are seen where they arrive.

    `told` gets a line of it; `unforeseen` is told of errors that are none of ours.
    """

    name: str
    told: Callable[[str], None]
    unforeseen: Callable[[str], None]

    def changed(self, *_: object) -> None:
        """Pass over it, as over all writes."""

    def created(self, *_: object) -> None:
        """Pass over it."""

    def deleted(self, *_: object) -> None:
        """Pass over it."""

    def waited(self, *_: object) -> None:
        """Pass over it."""

    def refused(self, key: WorkflowKey, node: NodeId, message: str) -> None:
        """Write it down."""
        self.told(f"{self.name} {key} {node} is refused: {message}")

    def lease_moved(self, lease_id: LeaseId, what: str) -> None:
        """Write it down."""
        self.told(f"{self.name} Lease {lease_id.shard} of {lease_id.shards} is {what}")

    def lease_trouble(self, error: Exception) -> None:
        """Write it down."""
        self.told(f"{self.name} has trouble with Leases: {error}")

    def failed(self, key: WorkflowKey, error: Exception, retry_in: float) -> None:
        """Write it down; what isn't an EngineError nobody foresaw."""
        if not isinstance(error, EngineError):
            self.unforeseen(f"{self.name} {key}: {error!r}")
        self.told(f"{self.name} {key} failed: {error}; again in {retry_in:g}")


@dataclass(frozen=True, slots=True)
class Setting:
    """How operators are started. `shards`: None where one does all, without Leases. `packs`: as in `Policy`."""

    limits: Limits
    keep_seconds: int
    shards: int | None
    packs: bool = False


@dataclass(slots=True)
class Replica:
    """A process. `holder`: what it calls itself in Leases."""

    process: Process
    network: Network
    clock: Callable[[], datetime]
    holder: Holder
    setting: Setting
    build: Build
    witness: Witness
    life: OperatorLife | None = field(default=None, init=False)
    store: Store | None = field(default=None, init=False)
    ending: bool = field(default=False, init=False)

    def start(self) -> None:
        """Start it."""
        self.process.call_soon(lambda: self.process.create_task(self._run(), name="operator"))

    def stop(self) -> None:
        """Ask it to end in good order, as SIGTERM does."""
        self.ending = True
        self.process.call_soon(lambda: self.process.create_task(self._stop(), name="stop"))

    async def _stop(self) -> None:
        if self.process.buried:
            return
        if self.life is not None:
            await self.life.stop()
        self.process.kill()

    async def _run(self) -> None:
        client = self.build.client(self.network, self.process)
        setting = self.setting
        roster = Roster(self.holder, setting.shards) if setting.shards is not None else None
        owns = self.build.owns(roster) if roster is not None else _all
        engine = self.build.engine(
            clock=self.clock,
            observer=self.witness,
            policy=Policy(restarts=50, packs=setting.packs and not setting.limits.on_jobs),
            limits=setting.limits,
            owns=owns,
        )
        self.store = engine.store

        def keep(refresh: Callable[[], Awaitable[int]]) -> Keeper:
            assert roster is not None
            leases = KubernetesLeases(client, "fairlead-system", "fairlead")
            return Keeper(
                leases=leases, roster=roster, engine=engine, refresh=refresh, wall=self.clock, observer=self.witness
            )

        self.life = self.build.life(
            engine=engine,
            cluster=self.build.cluster(client, engine.store, self.clock, keep_seconds=setting.keep_seconds, owns=owns),
            client=client,
            reflectors=_reflectors(client, engine.store),
            namespaces=(),
            ended=asyncio.Event(),
            keep=keep if roster is not None else None,
        )
        await self.life.start()
        await _Kopf(client, engine.store, self.life.read_all).run()


def _all(_: WorkflowKey) -> bool:
    return True


def _reflectors(client: SimulatedClient, store: Store) -> list[Any]:
    def troubled(_resource: str, _error: Exception, _pause: float) -> None:
        """Pass over it: the trouble was made, and is told of, by the network."""

    jobs = Reflector(
        client,
        api="/apis/batch/v1",
        resource="jobs",
        namespace=None,
        selector=_SELECTOR,
        reduce=watched_job_record,
        shelf=store.jobs,
        troubled=troubled,
    )
    pods = Reflector(
        client,
        api="/api/v1",
        resource="pods",
        namespace=None,
        selector=_SELECTOR,
        reduce=pod_record,
        shelf=store.pods,
        troubled=troubled,
    )
    return [jobs, pods]


@dataclass(slots=True)
class _Kopf:
    """What kopf does for Workflows: it has us list them, watches, and after a 410 has us list them again.

    Events of one object are held back until none has come for a moment; only the last one of them is told.
    """

    client: SimulatedClient
    store: Store
    read_all: Callable[[str | None], Awaitable[int]]
    _pending: dict[str, tuple[str, Any, asyncio.TimerHandle]] = field(default_factory=dict)

    async def run(self) -> None:
        version = ""
        while True:
            try:
                if not version:
                    version = str(await self.read_all(None))
                async for kind, document in self.client.watch(_WORKFLOWS, PLURAL, version):
                    version = document["metadata"]["resourceVersion"]
                    if kind != "BOOKMARK":
                        self._hear(kind, document)
            except ExpiredError:
                version = ""
            except KubeError:
                await asyncio.sleep(1.0)

    def _hear(self, kind: str, document: Any) -> None:  # noqa: ANN401  a JSON document
        uid = document["metadata"]["uid"]
        if uid in self._pending:
            self._pending[uid][2].cancel()
        timer = asyncio.get_running_loop().call_later(_BATCH_SECONDS, self._tell, uid)
        self._pending[uid] = (kind, document, timer)

    def _tell(self, uid: str) -> None:
        kind, document, _ = self._pending.pop(uid)
        take_workflow(self.store, kind, document)
