"""`status`: a line for each component, and what runs the node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.testcluster import api, binaries, fakenodes, processes
from e2e.testcluster.certificates import node_name
from e2e.testcluster.cluster import is_healthy, read_options
from e2e.testcluster.components import COMPONENTS, FAKE_NODES, Component

if TYPE_CHECKING:
    from e2e.testcluster.settings import Settings


def status(settings: Settings) -> bool:
    """Print how each component and the node are; whether all of it is well."""
    options = read_options(settings)
    for component in (*COMPONENTS, *([FAKE_NODES] if options.kwok_nodes else ())):
        print(f"{component.name:<24} {_describe(component, settings)}")
    print(f"{'node ' + node_name():<24} {_describe_node(settings)}")
    if options.kwok_nodes:
        print(f"{'fake nodes':<24} {len(fakenodes.names(settings))}")
    versions = ", ".join(f"{group.name} {group.version}" for group in binaries.EVERYTHING)
    print(f"{'versions':<24} {versions}")
    print(f"{'options':<24} fast controllers: {_yes(options.fast_controllers)}, "
          f"pulls from registries: {_yes(options.allow_pulls)}")  # fmt: skip
    print(f"{'kubeconfig':<24} {settings.kubeconfig}")
    print(f"{'logs':<24} {settings.logs}")
    return is_healthy(settings)


def _yes(value: bool) -> str:  # noqa: FBT001
    return "yes" if value else "no"


def _describe(component: Component, settings: Settings) -> str:
    pid = processes.pid_of(component.name, settings)
    if pid is None:
        return "not running"
    return f"running, pid {pid}, {'healthy' if component.healthy(settings) else 'NOT HEALTHY'}"


def _describe_node(settings: Settings) -> str:
    answer = api.get(settings, f"/api/v1/nodes/{node_name()}")
    if not answer.ok:
        return "unknown: the API server does not answer" if not answer.status else "not registered"
    node = answer.json()
    info = node["status"]["nodeInfo"]
    ready = "Ready" if api.is_ready(node) else "NOT READY"
    return f"{ready}, kubelet {info['kubeletVersion']}, {info['containerRuntimeVersion']}"
