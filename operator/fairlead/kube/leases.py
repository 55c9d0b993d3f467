"""Leases of `coordination.k8s.io`, as `engine.keeper` needs them: one for each shard, in one namespace."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from fairlead.engine import errors as engine
from fairlead.engine.shards import Lease, LeaseId, Shard
from fairlead.kube.client import in_namespace
from fairlead.kube.errors import ApiError, BusyError, ConflictError, ExpiredError, NotFoundError, UnreachableError
from fairlead.kube.reduce import version_of
from fairlead.render.job import MANAGED_BY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fairlead.kube.client import Client

RESOURCE: Final = "leases"
_API: Final = "/apis/coordination.k8s.io/v1"
_OPERATOR: Final = "fairlead.dev/operator"
_SHARD: Final = "fairlead.dev/shard"
_SHARDS: Final = "fairlead.dev/shards"
_FENCE: Final = "fairlead.dev/fence"
_WANTED_BY: Final = "fairlead.dev/wanted-by"
_UNSAID_SECONDS: Final = 15


class KubernetesLeases:
    """Implements `engine.keeper.Leases`. `name` tells the operators of one namespace apart, as a release's name does.

    The Lease of shard 0 of 1 is called NAME-0-of-1.
    """

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self._client = client
        self._path = f"{_API}{in_namespace(namespace)}/{RESOURCE}"
        self._namespace = namespace
        self._name = name
        self._selector = f"{_OPERATOR}%3D{name}"

    async def list(self) -> tuple[list[Lease], int]:
        """GET all of this operator's, of every layout."""
        with _translated():
            documents, version = await self._client.list(self._path, RESOURCE, self._selector)
        found = [lease for lease in map(lease_of, documents) if lease is not None]
        return found, int(version) if version.isdecimal() else 0

    async def watch(self, version: int) -> AsyncIterator[Lease | tuple[LeaseId, int]]:
        """Follow them from a version on."""
        with _translated():
            async for kind, document in self._client.watch(self._path, RESOURCE, str(version), self._selector):
                lease = lease_of(document) if kind != "BOOKMARK" else None
                if lease is not None:
                    yield (lease.id, lease.version) if kind == "DELETED" else lease

    async def write(self, lease: Lease) -> Lease:
        """POST one, or PUT it over exactly its version."""
        body = orjson.dumps(self._document(lease))
        with _translated():
            if lease.version:
                document = await self._client.request("PUT", f"{self._path}/{self._lease_name(lease)}", RESOURCE, body)
            else:
                document = await self._create(body)
        written = lease_of(document)
        if written is None:
            raise engine.UnavailableError("not the answer of an API server: no Lease of ours")
        return written

    async def _create(self, body: bytes) -> dict[str, Any]:
        try:
            return await self._client.request("POST", self._path, RESOURCE, body)
        except NotFoundError as error:
            raise engine.RefusedError(error.message, final=False) from error

    def _lease_name(self, lease: Lease) -> str:
        return f"{self._name}-{lease.id.shard}-of-{lease.id.shards}"

    def _document(self, lease: Lease) -> dict[str, Any]:
        labels = {**MANAGED_BY, _OPERATOR: self._name, _SHARD: str(lease.id.shard), _SHARDS: str(lease.id.shards)}
        annotations = {_FENCE: None if lease.fence is None else str(lease.fence), _WANTED_BY: lease.wanted_by or None}
        metadata: dict[str, Any] = {
            "name": self._lease_name(lease),
            "namespace": self._namespace,
            "labels": labels,
            "annotations": {name: value for name, value in annotations.items() if value is not None},
        }
        if lease.version:
            metadata["resourceVersion"] = str(lease.version)
        spec = {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": max(round(lease.seconds), 1),
            "acquireTime": _written(lease.acquired_at),
            "renewTime": _written(lease.renewed_at),
            "leaseTransitions": lease.transitions,
        }
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def lease_of(document: dict[str, Any]) -> Lease | None:
    """Read a Lease; None where its labels aren't what ours have."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    shard, shards = str(labels.get(_SHARD, "")), str(labels.get(_SHARDS, ""))
    if not (shard.isdecimal() and shards.isdecimal()) or int(shard) >= int(shards):
        return None
    fence = str(annotations.get(_FENCE, ""))
    return Lease(
        id=LeaseId(int(shards), Shard(int(shard))),
        holder=spec.get("holderIdentity") or "",
        seconds=float(spec.get("leaseDurationSeconds") or _UNSAID_SECONDS),
        acquired_at=_time(spec.get("acquireTime")),
        renewed_at=_time(spec.get("renewTime")),
        transitions=spec.get("leaseTransitions") or 0,
        fence=int(fence) if fence.isdecimal() else None,
        wanted_by=annotations.get(_WANTED_BY) or "",
        version=version_of(document),
    )


def _written(moment: datetime | None) -> str | None:
    """Write a MicroTime."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


@contextmanager
def _translated() -> Iterator[None]:
    """Say in the engine's words what to try again."""
    try:
        yield
    except (ConflictError, ExpiredError, NotFoundError) as error:
        raise engine.ConflictError(error.message) from error
    except BusyError as error:
        raise engine.UnavailableError(str(error), error.retry_after) from error
    except ApiError as error:
        if error.reason == "AlreadyExists":
            raise engine.ConflictError(error.message) from error
        raise engine.RefusedError(error.message, final=False) from error
    except UnreachableError as error:
        raise engine.UnavailableError(str(error)) from error
