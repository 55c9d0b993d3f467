"""kwok: nodes without machines, for load tests.

They are tainted, so that only what tolerates `kwok.x-k8s.io/node=fake:NoSchedule` lands there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from e2e.testcluster import api, binaries, network, processes
from e2e.testcluster.binaries import KWOK
from e2e.testcluster.components import FAKE_NODES, Options
from e2e.testcluster.deadlines import poll
from e2e.testcluster.errors import ComponentFailed
from e2e.testcluster.terminal import step

if TYPE_CHECKING:
    from e2e.testcluster.settings import Settings

LABEL = "type=kwok"


def reconcile(settings: Settings, options: Options) -> None:
    """Have exactly as many fake nodes as asked for; kwok itself only runs when there are any.

    Raises ComponentFailed when kwok does not come up or a node is refused.
    """
    wanted = {f"kwok-{number:04d}" for number in range(options.kwok_nodes)}
    there = names(settings)
    if wanted and not processes.pid_of(FAKE_NODES.name, settings):
        binaries.ensure(KWOK, settings)
        for address, port in FAKE_NODES.ports:
            network.require_free_port(address, port, FAKE_NODES.name)
        with step("kwok"):
            processes.start(FAKE_NODES.name, FAKE_NODES.command(settings, options), settings)
            if not poll(lambda: FAKE_NODES.healthy(settings), seconds=30):
                raise ComponentFailed("kwok", "not healthy after 30s", settings.log("kwok"))
    if wanted != there:
        with step(f"{len(wanted)} fake nodes (there were {len(there)})"):
            for name in sorted(there - wanted):
                _expect("DELETE", f"/api/v1/nodes/{name}", None, settings)
            for name in sorted(wanted - there):
                _expect("POST", "/api/v1/nodes", _node(name), settings)
            if not poll(lambda: _all_ready(len(wanted), settings), seconds=60, interval=0.25):
                raise ComponentFailed("kwok", "its nodes are not Ready after 60s", settings.log("kwok"))
    if not wanted and processes.pid_of(FAKE_NODES.name, settings):
        processes.stop(FAKE_NODES.name, settings, grace=3)


def names(settings: Settings) -> set[str]:
    """Return the fake nodes that there are."""
    return {node["metadata"]["name"] for node in _nodes(settings)}


def _nodes(settings: Settings) -> list[Any]:
    answer = api.get(settings, f"/api/v1/nodes?labelSelector={LABEL.replace('=', '%3D')}")
    items: list[Any] = answer.json()["items"] if answer.ok else []
    return items


def _all_ready(count: int, settings: Settings) -> bool:
    ready = [node for node in _nodes(settings) if api.is_ready(node)]
    return len(ready) == count


def _expect(method: str, path: str, body: object, settings: Settings) -> None:
    answer = api.request(settings, method, path, body)
    if not answer.ok:
        raise ComponentFailed("kwok", f"{method} {path}: {answer.status} {answer.body}")


def _node(name: str) -> dict[str, object]:
    key, value = LABEL.split("=")
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {key: value, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
        },
        "spec": {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]},
    }
