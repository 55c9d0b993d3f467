from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from fairlead.engine.errors import ConflictError, RefusedError, UnavailableError
from fairlead.engine.shards import Lease, LeaseId, Shard
from fairlead.kube.client import Client
from fairlead.kube.leases import KubernetesLeases, lease_of
from tests.kube.apiserver import ApiServer, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

API = "/apis/coordination.k8s.io/v1"
MOMENT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
FIRST = Lease(
    LeaseId(3, Shard(1)),
    "pod-a_1f",
    10.0,
    acquired_at=MOMENT,
    renewed_at=MOMENT,
    transitions=4,
    fence=77,
    wanted_by="b_2",
)


@asynccontextmanager
async def leases(name: str = "fairlead") -> AsyncIterator[tuple[ApiServer, KubernetesLeases]]:
    """Give the adapter, and the server that it talks to."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        yield server, KubernetesLeases(client, "system", name)


async def test_what_is_written_is_read() -> None:
    """A Lease is created, replaced, and read with all that was written."""
    async with leases() as (server, adapter):
        created = await adapter.write(FIRST)
        left = await adapter.write(replace(created, holder="", fence=None, wanted_by=""))
        found, version = await adapter.list()
        assert (created, left, found, version) == (
            replace(FIRST, version=created.version),
            replace(FIRST, holder="", fence=None, wanted_by="", version=left.version),
            [left],
            left.version,
        )
        path = f"{API}/namespaces/system/leases"
        assert server.requests() == [f"POST {path}", f"PUT {path}/fairlead-1-of-3", f"GET {path}"]


async def test_what_a_lease_looks_like() -> None:
    """As other controllers' do, with the shard and the operator as labels to list by."""
    async with leases("ci") as (server, adapter):
        await adapter.write(FIRST)
        ((_, _, namespace, name), document) = next(iter(server.objects.items()))
        metadata = document["metadata"]
        assert (namespace, name, document["spec"], metadata["labels"], metadata["annotations"]) == (
            "system",
            "ci-1-of-3",
            {
                "holderIdentity": "pod-a_1f",
                "leaseDurationSeconds": 10,
                "acquireTime": "2026-03-01T12:00:00.250000Z",
                "renewTime": "2026-03-01T12:00:00.250000Z",
                "leaseTransitions": 4,
            },
            {
                "app.kubernetes.io/managed-by": "fairlead",
                "fairlead.dev/operator": "ci",
                "fairlead.dev/shard": "1",
                "fairlead.dev/shards": "3",
            },
            {"fairlead.dev/fence": "77", "fairlead.dev/wanted-by": "b_2"},
        )


async def test_only_ones_own_are_read() -> None:
    """Another operator of the namespace has others."""
    async with leases("one") as (server, adapter), Client(server.connection, user_agent="test") as client:
        await KubernetesLeases(client, "system", "other").write(FIRST)
        assert (await adapter.list())[0] == []


async def test_a_write_is_conditional() -> None:
    """One that exists isn't created, and none is replaced in another version than was read, or once it is gone."""
    async with leases() as (server, adapter):
        created = await adapter.write(FIRST)
        for lease in (FIRST, replace(created, version=1), replace(created, id=LeaseId(3, Shard(2)))):
            with pytest.raises(ConflictError):
                await adapter.write(lease)
        assert len(server.objects) == 1


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [(403, "Forbidden", RefusedError), (404, "NotFound", RefusedError), (503, "", UnavailableError)],
)
async def test_trouble(status: int, reason: str, error: type[Exception]) -> None:
    """What the server has against it is told in the engine's words."""
    async with leases() as (server, adapter):
        server.refuse("POST", status, reason, "no")
        with pytest.raises(error):
            await adapter.write(FIRST)


async def test_watching() -> None:
    """What changes is told, and what is deleted; a version that is too old has to be listed again."""
    async with leases() as (server, adapter):
        created = await adapter.write(FIRST)
        found: list[object] = []

        async def follow() -> None:
            found.extend([each async for each in adapter.watch(created.version)])

        task = asyncio.create_task(follow())
        await until(lambda: server.watching)
        renewed = await adapter.write(replace(created, transitions=5))
        server.bookmark()
        server.remove(API, "leases", "system", "fairlead-1-of-3")
        gone = server.version
        server.end_watches()
        await task
        server.forget_the_past()
        with pytest.raises(ConflictError):
            _ = [each async for each in adapter.watch(created.version)]
        assert found == [renewed, (FIRST.id, gone)]


@pytest.mark.parametrize("labels", [{}, {"fairlead.dev/shard": "x", "fairlead.dev/shards": "1"}, None])
def test_what_is_none_of_ours(labels: dict[str, str] | None) -> None:
    """Without the labels, or with wrong ones, it is nobody's shard."""
    assert lease_of({"metadata": {"labels": labels, "resourceVersion": "5"}, "spec": {}}) is None


def test_what_somebody_else_has_written() -> None:
    """What is missing, or can't be read, doesn't stop anybody: such a holder is given time like others."""
    labels = {"fairlead.dev/shard": "0", "fairlead.dev/shards": "1"}
    metadata = {"labels": labels, "resourceVersion": "5", "annotations": {"fairlead.dev/fence": "much"}}
    spec = {"holderIdentity": "somebody", "renewTime": "yesterday"}
    assert lease_of({"metadata": metadata, "spec": spec}) == Lease(LeaseId(1, Shard(0)), "somebody", 15.0, version=5)
