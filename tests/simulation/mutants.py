"""Operators with a known bug each: the simulation has to find every one of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from fairlead.kube.client import JSON
from fairlead.kube.cluster import KubernetesCluster
from fairlead.plan.admission import Limits
from tests.simulation.network import SimulatedClient
from tests.simulation.replica import Build, Setting, SimulatedEngine
from tests.simulation.simulation import Scenario

if TYPE_CHECKING:
    from fairlead.engine.shards import Roster
    from fairlead.engine.store import WorkflowRecord
    from fairlead.model.ids import WorkflowKey
    from fairlead.plan import CreateJob, Decision


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

MUTANTS: dict[str, Mutant] = {
    "unconditional": Mutant(Build(client=Unconditional), ("at a time", "was ", "never comes to rest", "is held by")),
    "nameless": Mutant(Build(cluster=Nameless)),
    "forgetful": Mutant(Build(engine=Forgetful)),
    "stubborn": Mutant(Build(owns=Stubborn), first=20, scenario=_CONTEST),
}
