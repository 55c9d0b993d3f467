"""Operators with a known bug each: the simulation has to find every one of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import orjson

from fairlead.kube.client import JSON
from fairlead.kube.cluster import KubernetesCluster
from fairlead.plan import CreateJob
from fairlead.plan.admission import Limits
from tests.simulation.network import SimulatedClient
from tests.simulation.replica import Build, Setting, SimulatedEngine
from tests.simulation.simulation import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fairlead.engine.errors import EngineError
    from fairlead.engine.ports import Cluster
    from fairlead.engine.records import WorkflowRecord
    from fairlead.engine.shards import Roster
    from fairlead.model.ids import WorkflowKey
    from fairlead.plan import Decision, Making


class Unconditional(SimulatedClient):
    """Writes statuses whatever has been written since."""

    async def request(
        self,
        verb: str,
        path: str,
        resource: str,
        body: bytes | None = None,
        content_type: str = JSON,
        *,
        metadata_only: bool = False,
    ) -> dict[str, Any]:
        """Leave out on condition of what."""
        if verb == "PATCH" and path.endswith("/status") and body is not None:
            patch = orjson.loads(body)
            del patch["metadata"]["resourceVersion"]
            body = orjson.dumps(patch)
        return await super().request(verb, path, resource, body, content_type, metadata_only=metadata_only)


class Nameless(KubernetesCluster):
    """Gives each Job that it makes another name."""

    made = 0

    async def create_job(self, record: WorkflowRecord, create: CreateJob) -> None:
        """Make one more."""
        self.made += 1
        await super().create_job(record, replace(create, name=f"{create.name}-{self.made}"))


class Forgetful(SimulatedEngine):
    """Doesn't count what it has just admitted until it sees it."""

    def _plan(self, record: WorkflowRecord) -> Decision:
        decision = super()._plan(record)
        if decision.record_first:
            self._filing.release(record)
        return decision


class Eager(SimulatedEngine):
    """Makes what it has just admitted, and records that afterwards."""

    async def _create(
        self, cluster: Cluster, record: WorkflowRecord, creations: Sequence[Making]
    ) -> EngineError | None:
        decision = self._plan(record)
        if not decision.record_first:
            return await super()._create(cluster, record, creations)
        resource = replace(record.resource, status=decision.status)
        after = self._plan(replace(record, resource=resource))
        return await super()._create(cluster, record, [each for each in after.actions if isinstance(each, CreateJob)])


class Hasty(SimulatedEngine):
    """Takes what has ended in the record for ended."""

    def _plan(self, record: WorkflowRecord) -> Decision:
        with patch("fairlead.plan.passes.needs_leave", return_value=None):
            return super()._plan(record)


class Unfenced(SimulatedEngine):
    """Takes it that nothing of the engine before it is on its way any more."""

    def take_up(self, mine: Callable[[WorkflowKey], bool], version: int) -> None:
        """Be sure of everything."""
        del version
        super().take_up(mine, 0)


class Trusting(KubernetesCluster):
    """Makes another attempt in place of one that it doesn't see, without asking for that one."""

    async def create_job(self, record: WorkflowRecord, create: CreateJob) -> None:
        """Make it."""
        await super().create_job(record, replace(create, instead_of=None))


class Blind(KubernetesCluster):
    """Takes an attempt for lost whose Pod it doesn't see, without asking for that one."""

    async def create_job(self, record: WorkflowRecord, create: CreateJob) -> None:
        """Make the next one."""
        await super().create_job(record, replace(create, lost=None))


class Incurious(KubernetesCluster):
    """Takes it that a Job that has vanished has no Pod."""

    async def list_pods(self, key: WorkflowKey, jobs: Sequence[str]) -> None:
        """Ask for nothing."""


class Stubborn:
    """Goes on writing though its Lease has ended."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._had: set[str] = set()

    def __call__(self, key: WorkflowKey) -> bool:
        """Tell whether it ever was ours."""
        if self._roster.acts_on(key.namespace, asyncio.get_running_loop().time()):
            self._had.add(key.namespace)
        return key.namespace in self._had


@dataclass(frozen=True, slots=True)
class Mutant:
    """An operator with a bug. `first`: from which seed on it is looked for, among so many `seeds`, in which scenario.

    `symptoms`: words of the violations that such a bug has.
    """

    build: Build
    symptoms: tuple[str, ...] = ("is held by", "at a time", "is made again", "is made beside")
    first: int = 0
    seeds: int = 60
    scenario: Scenario | None = None


_CONTEST = Scenario(
    replicas=2,
    groups=True,
    crowded=True,
    setting=Setting(Limits(), keep_seconds=86_400, shards=1),
    trouble=0.25,
    faults_until=90.0,
)
"""Two replicas that are stopped and killed all the time, and workflows that all want one group."""

WITHOUT_LEASES = Scenario(
    replicas=2,
    groups=False,
    crowded=False,
    setting=Setting(Limits(), keep_seconds=86_400, shards=None),
    trouble=0.0,
    faults_until=60.0,
    behind=5.0,
)
"""Two that both work on everything, and see late what Jobs the other one has made."""

UNSEEN = Scenario(
    replicas=1,
    groups=True,
    crowded=True,
    setting=Setting(Limits(), keep_seconds=86_400, shards=None),
    trouble=0.0,
    faults_until=90.0,
    behind=20.0,
)
"""One that sees late what Jobs and Pods there are, while people delete what holds the groups that others want."""

MUTANTS: dict[str, Mutant] = {
    "unconditional": Mutant(Build(client=Unconditional), ("at a time", "was ", "never comes to rest", "is held by")),
    "nameless": Mutant(Build(cluster=Nameless)),
    "forgetful": Mutant(Build(engine=Forgetful)),
    "eager": Mutant(Build(engine=Eager), ("is made before it is recorded",)),
    "hasty": Mutant(Build(engine=Hasty), ("is made while",), first=30),
    "trusting": Mutant(Build(cluster=Trusting), scenario=WITHOUT_LEASES),
    "blind": Mutant(Build(cluster=Blind), ("has succeeded",), scenario=UNSEEN),
    "incurious": Mutant(Build(cluster=Incurious), ("is held by",), first=120, scenario=UNSEEN),
    "stubborn": Mutant(Build(owns=Stubborn), first=20, scenario=_CONTEST),
}
