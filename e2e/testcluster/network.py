"""The cluster's network on this machine: a bridge for Pods, forwarding, and a way out.

The bridge's address is the node's and the API server's: reachable from Pods and from here, and
from nowhere else.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.testcluster.commands import run, succeeds
from e2e.testcluster.errors import CommandFailed, MissingRequirement
from e2e.testcluster.packages import find_program

if TYPE_CHECKING:
    from collections.abc import Mapping

BRIDGE = "fairlead0"
POD_NETWORK = ipaddress.ip_network("10.244.0.0/22")
SERVICE_NETWORK = ipaddress.ip_network("10.96.0.0/16")
NODE_ADDRESS = str(POD_NETWORK[1])
KUBERNETES_SERVICE_ADDRESS = str(SERVICE_NETWORK[1])
# There is no DNS server; the kubelet complains about every container when it is told of none.
DNS_ADDRESS = str(SERVICE_NETWORK[10])
NFT_TABLE = "fairlead-e2e"
TABLES = (f"ip {NFT_TABLE}", "ip kube-proxy", "ip6 kube-proxy")

# Docker drops what it does not forward itself, which is all that Pods say to one another.
FORWARD_RULES = (("-i", BRIDGE, "-j", "ACCEPT"), ("-o", BRIDGE, "-j", "ACCEPT"))

# What goes wrong below these says "no space left on device" or "too many open files" instead.
MINIMUM_SYSCTLS: Mapping[str, int] = {
    "fs/inotify/max_user_instances": 1024,
    "fs/inotify/max_user_watches": 524288,
    "net/ipv4/ip_forward": 1,
}


def create() -> None:
    """Set up bridge, forwarding and masquerading; replaces what an earlier cluster left."""
    for module in ("overlay", "br_netfilter", "nf_tables"):
        if find_program("modprobe"):
            succeeds(["modprobe", "-q", module])  # Most kernels have them built in or loaded.
    _raise_sysctls()
    _require_free_networks()
    run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "address", "add", f"{NODE_ADDRESS}/{POD_NETWORK.prefixlen}", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])
    run(["nft", "-f", "-"], stdin=_masquerading())
    if "-P FORWARD DROP" in _forward_chain():
        for rule in FORWARD_RULES:
            run(["iptables", "--insert", "FORWARD", *rule])


def _forward_chain() -> list[str]:
    """Return the rules of iptables' FORWARD chain; none where iptables is missing or of no use."""
    if not find_program("iptables"):
        return []
    try:
        return run(["iptables", "-S", "FORWARD"]).splitlines()
    except CommandFailed:
        return []


def _masquerading() -> str:
    inside = f"{{ {POD_NETWORK}, {SERVICE_NETWORK} }}"
    return f"""
        table ip {NFT_TABLE} {{
          chain postrouting {{
            type nat hook postrouting priority srcnat
            ip saddr {POD_NETWORK} ip daddr != {inside} masquerade
          }}
        }}
    """


def _raise_sysctls() -> None:
    for name, minimum in MINIMUM_SYSCTLS.items():
        setting = Path("/proc/sys", name)
        if int(setting.read_text()) < minimum:
            setting.write_text(f"{minimum}\n")


def _require_free_networks() -> None:
    for route in json.loads(run(["ip", "-json", "-4", "route", "show"]) or "[]"):
        if route["dst"] == "default":
            continue
        taken = ipaddress.ip_network(route["dst"], strict=False)
        for wanted in (POD_NETWORK, SERVICE_NETWORK):
            if taken.overlaps(wanted):
                raise MissingRequirement(
                    f"the cluster's network {wanted} is in use here: {taken} on {route.get('dev', 'a route')}",
                    "end what uses it (another Kubernetes?), or use that cluster: FAIRLEAD_E2E_CLUSTER=existing",
                )


def remove() -> None:
    """Remove bridge, nftables tables and rules; nothing being there is fine."""
    for line in _forward_chain():
        if BRIDGE in line.split():
            run(["iptables", "--delete", *line.split()[1:]])
    if find_program("nft"):
        for table in TABLES:
            succeeds(["nft", "delete", "table", *table.split()])
    if Path("/sys/class/net", BRIDGE).exists():
        # Pods whose network namespace vanished leave their end of the pair on the bridge.
        for port in Path("/sys/class/net", BRIDGE, "brif").iterdir():
            succeeds(["ip", "link", "delete", port.name])
        run(["ip", "link", "delete", BRIDGE])


def require_free_port(address: str, port: int, component: str) -> None:
    """Raise MissingRequirement, naming the holder, unless `component` can listen there."""
    refused = _refusal(address, port)
    if refused is not None:
        holder = run(["ss", "-Hltnp", f"sport = :{port}"]).split("users:")[-1].strip()
        raise MissingRequirement(
            f"{component} cannot listen on {address}:{port} ({refused.strerror}); "
            f"held by {holder or 'an unknown process'}",
            "end that process; `e2e/cluster down` has already ended ours",
        ) from refused


def is_free(port: tuple[str, int]) -> bool:
    """Whether one can listen on an address and port."""
    return _refusal(*port) is None


def _refusal(address: str, port: int) -> OSError | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as refused:
            return refused
    return None
