"""Writing what the components read: their configuration files and kubeconfigs."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from e2e.testcluster import fence, network
from e2e.testcluster.certificates import node_name, write_kubeconfig
from e2e.testcluster.components import Options, containerd_socket
from e2e.testcluster.errors import MissingRequirement
from e2e.testcluster.images.recipes import PAUSE
from e2e.testcluster.packages import plugin_folder
from e2e.testcluster.settings import SOURCE, Settings

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kwok")


def write(settings: Settings, options: Options) -> None:
    """Write all of it below the state folder; the certificates must be there already."""
    write_kubeconfig(settings.kubeconfig, "admin", settings)
    for client in CLIENTS:
        write_kubeconfig(settings.state / f"{client}.kubeconfig", client, settings)
    values = _values(settings)
    for name in ("containerd.toml", "kubelet.yaml", "kube-proxy.yaml"):
        _render(name, settings.state / "config" / name, values)
    _render("cni.conflist", settings.state / "cni" / "10-bridge.conflist", values)
    allow_pulls(settings, allowed=options.allow_pulls)


def allow_pulls(settings: Settings, *, allowed: bool) -> None:
    """Let containerd talk to registries, or not. It looks at each pull: no restart is needed."""
    closed = settings.state / "containerd/registries/_default/hosts.toml"
    if allowed:
        closed.unlink(missing_ok=True)
    else:
        _render("no-registry.toml", closed, {})


def _values(settings: Settings) -> dict[str, str]:
    plugins = plugin_folder()
    if plugins is None:
        raise MissingRequirement("the CNI plugins are not installed", "install containernetworking-plugins")
    return {
        "state": str(settings.state),
        "socket": str(containerd_socket(settings)),
        "pause": f"docker.io/{PAUSE.reference}",
        "cni_plugins": str(plugins),
        "bridge": network.BRIDGE,
        "pod_network": str(network.POD_NETWORK),
        "node_address": network.NODE_ADDRESS,
        "dns_address": network.DNS_ADDRESS,
        "cgroup": fence.NAME,
        "node": node_name(),
    }


def _render(name: str, target: Path, values: dict[str, str]) -> None:
    template = string.Template((SOURCE / "config" / name).read_text())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(template.substitute(values))
