"""Where a measurement takes place: the cluster as it needs it, and a namespace of its own."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from bench import audit, shapes
from bench.ceiling import Ceiling
from bench.manifests import ready_made
from bench.observer import Observer, StuckError
from fairlead.kube.client import Client
from fairlead.kube.connection import connect
from fairlead.kube.errors import KubeError, NotFoundError
from fairlead.model.crd import GROUP, PLURAL, VERSION, crds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bench.shapes import Json
    from e2e.support.harness import Harness

FAKE_NODES = 20
DEFAULT, RAISED = "default", "raised"
"""The controller-manager's limits: its own 20 requests a second, or 500."""

APPLY = "application/apply-patch+yaml"

_LABEL = "bench.fairlead.dev/namespace"
_GONE = 240.0
_SETTLED = 60.0


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(f"{datetime.now(UTC):%H:%M:%S}  {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Stage:
    """A cluster of this machine, and a client for it. `folder` takes the logs of what is started."""

    harness: Harness
    client: Client
    folder: Path

    async def prepare(self, limits: str) -> None:
        """Have fake nodes and these limits of the controller-manager, and let it begin to work."""
        fast = ["--fast-controllers"] if limits == RAISED else []
        say(f"the cluster: {FAKE_NODES} fake nodes, the controller-manager's limits {limits}")
        await asyncio.to_thread(self.harness.cluster, "up", f"--kwok-nodes={FAKE_NODES}", *fast)
        await self._let_anything_onto_fake_nodes()
        # What was just started fills its caches first; the first to come must not pay for that.
        async with self.namespace("warm-up") as observer:
            jobs = ready_made(
                shapes.document("warm-up", shapes.fan(12), extra=shapes.ON_FAKE_NODES), observer.namespace
            )
            await Ceiling(observer, jobs).run(120)

    async def _let_anything_onto_fake_nodes(self) -> None:
        """Take their taints away: the tolerations of 5,000 jobs would take a third of what a Workflow may have."""
        path = "/api/v1/nodes"
        found, _ = await self.client.list(path, "nodes", "type%3Dkwok")
        for name in (each["metadata"]["name"] for each in found):
            body = orjson.dumps({"spec": {"taints": None}})
            await self.client.request("PATCH", f"{path}/{name}", "nodes", body, "application/merge-patch+json")

    async def install_crds(self) -> None:
        """Have the CRDs of this checkout."""
        for kind, crd in crds().items():
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind}.{GROUP}"
            options = "?fieldManager=fairlead-bench&force=true"
            await self.client.request("PATCH", path + options, "customresourcedefinitions", orjson.dumps(crd), APPLY)
        # The server takes a moment to serve what it was told of.
        await self._until_there(f"/apis/{GROUP}/{VERSION}/{PLURAL}?limit=1", PLURAL)

    @classmethod
    @asynccontextmanager
    async def opened(cls, harness: Harness, folder: Path) -> AsyncIterator[Stage]:
        """Give the cluster of the environment with our CRDs; afterwards it is as `e2e/cluster up` gives it."""
        async with Client(connect(), user_agent="fairlead-bench") as client:
            stage = cls(harness, client, folder)
            try:
                await stage.sweep()
                await stage.install_crds()
                yield stage
            finally:
                await stage.restore()

    async def sweep(self) -> None:
        """Remove the namespaces of a run that was killed."""
        path = "/api/v1/namespaces"
        found, _ = await self.client.list(path, "namespaces", f"{_LABEL}%3Dtrue")
        for name in (each["metadata"]["name"] for each in found):
            say(f"removing {name}, which an earlier run has left")
            await self.client.request("DELETE", f"{path}/{name}", "namespaces")
            await self._until_gone(f"{path}/{name}", "namespaces")

    async def restore(self) -> None:
        """Leave the cluster as `e2e/cluster up` gives it."""
        await asyncio.to_thread(self.harness.cluster, "up")

    def mark(self) -> audit.Mark:
        """Remember this moment in the audit log."""
        return audit.Mark.now(self.harness.audit_log)

    @asynccontextmanager
    async def namespace(self, what: str, *, settle: bool = True) -> AsyncIterator[Observer]:
        """Have a namespace and an observer of it; afterwards nothing is left, and nothing is under way.

        `settle`: its Jobs complete by themselves, which is waited for.
        """
        name = f"bench-{what}-{int(time.time())}"
        metadata = {"name": name, "labels": {_LABEL: "true"}}
        body = orjson.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        path = f"/api/v1/namespaces/{name}"
        await self.client.request("POST", "/api/v1/namespaces", "namespaces", body)
        try:
            # Without it no Pod can be made, and who tries waits ever longer.
            await self._until_there(f"{path}/serviceaccounts/default", "serviceaccounts")
            async with Observer(self.client, name).watching() as observer:
                yield observer
                with suppress(StuckError):
                    if not settle:
                        return
                    # The next measurement must not pay for what the Job controller has still to do.
                    await observer.until_complete(_SETTLED)
        finally:
            await self.client.request("DELETE", path, "namespaces")
            await self._until_gone(path, "namespaces")

    async def _until_there(self, path: str, resource: str) -> None:
        async with asyncio.timeout(30):
            while True:
                with suppress(NotFoundError):
                    await self.client.request("GET", path, resource)
                    return
                await asyncio.sleep(0.05)

    async def _until_gone(self, path: str, resource: str) -> None:
        deadline = time.monotonic() + _GONE
        while time.monotonic() < deadline:
            try:
                await self.client.request("GET", path, resource)
            except NotFoundError:
                return
            except KubeError as error:
                say(f"while {path} goes: {error}")
            await asyncio.sleep(0.25)
        say(f"{path} isn't gone after {_GONE:.0f} s; going on")


def machine() -> Json:
    """Tell what it is measured on; ratios are what to compare."""
    return {
        "cores": os.cpu_count(),
        "memoryGiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
