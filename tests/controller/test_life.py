from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from fairlead.controller.life import OperatorLife
from fairlead.engine.engine import Engine
from fairlead.engine.keeper import Keeper, Ownership
from fairlead.engine.pace import Pace
from fairlead.engine.shards import Holder, Roster
from fairlead.kube.client import Client
from fairlead.kube.cluster import KubernetesCluster
from fairlead.kube.leases import KubernetesLeases
from fairlead.kube.reduce import job_record, pod_record
from fairlead.kube.reflector import Reflector
from tests.builders import KEY, NOW, chain
from tests.fakes import FakeObserver
from tests.kube.apiserver import ApiServer, until
from tests.kube.documents import workflow_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from fairlead.model.ids import WorkflowKey

FAIRLEAD, BATCH = "/apis/fairlead.dev/v1alpha1", "/apis/batch/v1"
JOBS = f"{BATCH}/namespaces/team/jobs"


def _all(_: WorkflowKey) -> bool:
    return True


class Stage:
    """An operator without kopf."""

    def __init__(
        self,
        server: ApiServer,
        client: Client,
        namespaces: tuple[str, ...],
        holder: Holder | None = None,
        drain: float = 0.0,
    ) -> None:
        self.server = server
        roster = Roster(holder, 1) if holder is not None else None
        owns = Ownership(roster) if roster is not None else _all
        self.engine = Engine(clock=lambda: NOW, observer=FakeObserver(), pace=Pace(patience=0.01, spacing=0), owns=owns)
        self.ended = asyncio.Event()
        store = self.engine.store
        selector = "app.kubernetes.io/managed-by%3Dfairlead"

        def troubled(*_: object) -> None:
            """Let it pass."""

        def keep(refresh: Callable[[], Awaitable[int]]) -> Keeper:
            assert roster is not None
            leases = KubernetesLeases(client, "system", "fairlead")
            return Keeper(
                leases=leases,
                roster=roster,
                engine=self.engine,
                refresh=refresh,
                wall=lambda: datetime.now(UTC),
                observer=FakeObserver(),
            )

        self.life = OperatorLife(
            engine=self.engine,
            cluster=KubernetesCluster(client, store, lambda: NOW, keep_seconds=60, owns=owns),
            client=client,
            reflectors=[
                Reflector(
                    client,
                    api=BATCH,
                    resource="jobs",
                    namespace=None,
                    selector=selector,
                    reduce=job_record,
                    shelf=store.jobs,
                    troubled=troubled,
                ),
                Reflector(
                    client,
                    api="/api/v1",
                    resource="pods",
                    namespace=None,
                    selector=selector,
                    reduce=pod_record,
                    shelf=store.pods,
                    troubled=troubled,
                ),
            ],
            namespaces=namespaces,
            ended=self.ended,
            keep=keep if roster is not None else None,
            drain=drain,
        )


@asynccontextmanager
async def staged(*namespaces: str) -> AsyncIterator[Stage]:
    """Give an operator that hasn't started yet, on a server with one Workflow."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        server.put(FAIRLEAD, "workflows", workflow_document(chain().document()))
        stage = Stage(server, client, namespaces)
        try:
            yield stage
        finally:
            await stage.life.stop()


async def test_starts_to_work() -> None:
    """What is there is read, the operator is ready, and the first Job is made."""
    async with staged() as stage:
        before = stage.life.ready()
        await stage.life.start()
        await until(lambda: stage.server.requests("PATCH"))
        assert (before, stage.life.ready(), stage.life.alive(), stage.ended.is_set()) == (
            "still reading Workflows, Jobs and Pods",
            None,
            None,
            False,
        )
        assert stage.server.requests("POST", "PATCH") == [
            f"POST {JOBS}",
            f"PATCH {FAIRLEAD}/namespaces/team/workflows/ci/status",
        ]


@pytest.mark.parametrize("verbs", [1, 2, 3])
async def test_decides_nothing_before_it_has_read(verbs: int) -> None:
    """While a list fails, nothing is made, and the operator isn't ready."""
    async with staged() as stage:
        for _ in range(verbs):
            stage.server.refuse("GET", 503, "", "starting")
        await asyncio.wait_for(stage.life.start(), 10)
        await until(lambda: stage.server.requests("POST"))
        requests = stage.server.requests()
    posted = requests.index(f"POST {JOBS}")
    lists = [f"GET {path}" for path in (f"{FAIRLEAD}/workflows", f"{BATCH}/jobs", "/api/v1/pods")]
    assert [requests[:posted].count(each) >= 1 for each in lists] == [True] * 3
    assert len([each for each in requests[:posted] if each in lists]) == 3 + verbs


async def test_namespaces() -> None:
    """Where namespaces are named, only their Workflows are read."""
    async with staged("other", "more") as stage:
        await stage.life.start()
        await until(lambda: stage.life.ready() is None)
        assert [each for each in stage.server.requests("GET") if "workflows" in each] == [
            f"GET {FAIRLEAD}/namespaces/other/workflows",
            f"GET {FAIRLEAD}/namespaces/more/workflows",
        ]
        assert stage.engine.store.workflow(KEY) is None


async def test_what_was_read_serves_the_first_watch() -> None:
    """Who begins to watch after the start need not read all anew; whoever begins again later does."""
    async with staged() as stage:
        await stage.life.start()
        await until(lambda: stage.life.ready() is None)
        read = [each for each in stage.server.requests("GET") if "workflows" in each]
        first = await stage.life.read_all(None)
        before = [each for each in stage.server.requests("GET") if "workflows" in each]
        stage.server.remove(FAIRLEAD, "workflows", "team", "ci")
        second = await stage.life.read_all(None)
        assert (before, first < second, stage.engine.store.workflow(KEY)) == (read, True, None)


async def test_waits_for_the_crd() -> None:
    """Without the CRD there is nothing to list; the operator waits for it."""
    async with staged() as stage:
        stage.server.refuse("GET", 404, "NotFound", "the server could not find the requested resource")
        stage.server.refuse("GET", 404, "NotFound", "the server could not find the requested resource")
        stage.server.refuse("GET", 404, "NotFound", "the server could not find the requested resource")
        await asyncio.wait_for(stage.life.start(), 10)
        await until(lambda: stage.life.ready() is None)


async def test_death_of_a_part() -> None:
    """When a part dies, the operator says so and ends; it doesn't go on as half of itself."""
    async with staged() as stage:
        await stage.life.start()
        await until(lambda: stage.server.watching == 2)
        stage.server.put("/api/v1", "pods", {"metadata": {"namespace": "team", "name": "a", "labels": None}})
        stage.server.tell_of_error({"code": "not a number"})
        for _ in range(2):
            stage.server.answer("GET", 200, {"metadata": {"resourceVersion": "1"}, "items": [{}]})
        await asyncio.wait_for(stage.ended.wait(), 10)
        assert (stage.life.alive(), stage.life.ready()) == ("KeyError('metadata')", "KeyError('metadata')")


async def test_death_at_the_start() -> None:
    """A part that dies before anything could be read ends the start, too: nobody waits for what never comes."""
    async with staged() as stage:
        for _ in range(3):
            stage.server.answer("GET", 200, {"metadata": {"resourceVersion": "1"}, "items": [{}]})
        await asyncio.wait_for(stage.life.start(), 10)
        assert (stage.ended.is_set(), stage.life.alive()) == (True, "KeyError('metadata')")


async def test_stop() -> None:
    """Stopping ends every part, and is no failure."""
    async with staged() as stage:
        await stage.life.start()
        await until(lambda: stage.server.watching == 2)
        await stage.life.stop()
        left = {task.get_name() for task in asyncio.all_tasks()} & {"reflector", "repair", "engine"}
        assert (left, stage.life.alive(), stage.ended.is_set()) == (set(), None, True)


async def test_a_signal() -> None:
    """At a signal the Leases are left at once, and it isn't ready; it ends when reviews have come to the others."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        stage = Stage(server, client, (), Holder("a", "1"), drain=0.3)
        await stage.life.start()
        await until(lambda: server.requests("POST"))
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: server.requests("PUT"))
        left = server.objects["/apis/coordination.k8s.io/v1", "leases", "system", "fairlead-0-of-1"]["spec"]
        found = (left["holderIdentity"], stage.life.ready(), stage.life.alive(), stage.ended.is_set())
        await asyncio.wait_for(stage.ended.wait(), 10)
        await stage.life.stop()
    assert found == ("", "about to end", None, False)


async def test_two_signals() -> None:
    """Who asks again doesn't wait for reviews; without a webhook nobody does."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        patient, other = Stage(server, client, (), drain=600), Stage(server, client, ())
        for each in (patient, other):
            await each.life.start()
            each.life.leave()
        await asyncio.wait_for(other.ended.wait(), 10)
        before = patient.ended.is_set()
        patient.life.leave()
        await asyncio.wait_for(patient.ended.wait(), 10)
        for each in (patient, other):
            await each.life.stop()
    assert before is False


async def test_two_replicas() -> None:
    """Both are ready; one makes the Job. Where it stops, the other one goes on at once, and makes nothing again."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        server.put(FAIRLEAD, "workflows", workflow_document(chain().document()))
        first, second = (Stage(server, client, (), Holder(name, "1")) for name in "ab")
        try:
            await first.life.start()
            await until(lambda: server.requests("PATCH"))
            await second.life.start()
            await until(lambda: second.life.ready() is None)
            before = server.requests("POST", "PATCH", "PUT")
            await first.life.stop()
            server.put(FAIRLEAD, "workflows", workflow_document(chain().document(), name="next", uid="uid-next"))
            # What kopf would bring.
            await second.life.refresh()
            await until(lambda: len(server.requests("PATCH")) > 1)
            after = server.requests("POST", "PATCH", "PUT")[len(before) :]
        finally:
            await first.life.stop()
            await second.life.stop()
    lease = "/apis/coordination.k8s.io/v1/namespaces/system/leases"
    workflows = f"{FAIRLEAD}/namespaces/team/workflows"
    assert before == [f"POST {lease}", f"POST {JOBS}", f"PATCH {workflows}/ci/status"]
    assert after == [f"PUT {lease}/fairlead-0-of-1"] * 2 + [f"POST {JOBS}", f"PATCH {workflows}/next/status"]
