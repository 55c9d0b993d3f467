"""Each component of the cluster: its command line, and how to see that it is well."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from e2e.testcluster import api, binaries, network
from e2e.testcluster.binaries import ETCD, KUBERNETES, KWOK
from e2e.testcluster.certificates import API_PORT, node_name
from e2e.testcluster.packages import find_program
from e2e.testcluster.settings import SOURCE, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

ETCD_PORT = 2379


@dataclass(frozen=True)
class Options:
    """What `up` was asked for; kept in the state folder, so that a second `up` can compare."""

    fast_controllers: bool = False
    allow_pulls: bool = False
    kwok_nodes: int = 0


@dataclass(frozen=True)
class Component:
    """One process of the cluster.

    `healthy` answers at once, and never raises. `ports` are those that must be free before.
    """

    name: str
    command: Callable[[Settings, Options], Sequence[str | Path]]
    healthy: Callable[[Settings], bool]
    ports: Sequence[tuple[str, int]] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    seconds_to_start: float = 30


def _etcd(settings: Settings, _: Options) -> Sequence[str | Path]:
    pki = settings.state / "pki"
    client = f"https://127.0.0.1:{ETCD_PORT}"
    peer = f"https://127.0.0.1:{ETCD_PORT + 1}"
    security = [
        f"--{prefix}{flag}={pki / file}"
        for prefix in ("", "peer-")
        for flag, file in (
            ("cert-file", "etcd.crt"),
            ("key-file", "etcd.key"),
            ("trusted-ca-file", "etcd-ca.crt"),
        )
    ]
    return [
        binaries.program(ETCD, "etcd", settings),
        f"--data-dir={settings.state / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--client-cert-auth",
        "--peer-client-cert-auth",
        *security,
        # The data is thrown away at the next start: nothing to save from a power cut.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _apiserver(settings: Settings, _: Options) -> Sequence[str | Path]:
    pki = settings.state / "pki"
    return [
        binaries.program(KUBERNETES, "kube-apiserver", settings),
        f"--etcd-servers=https://127.0.0.1:{ETCD_PORT}",
        f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'apiserver-etcd.crt'}",
        f"--etcd-keyfile={pki / 'apiserver-etcd.key'}",
        f"--bind-address={network.NODE_ADDRESS}",
        f"--advertise-address={network.NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        f"--service-cluster-ip-range={network.SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--audit-policy-file={SOURCE / 'config' / 'audit-policy.yaml'}",
        f"--audit-log-path={settings.log('audit')}",
        # A test that counts lines must not see the file rotated under it.
        "--audit-log-maxsize=2000",
        "--audit-log-maxbackup=1",
    ]


def _controller_manager(settings: Settings, options: Options) -> Sequence[str | Path]:
    pki = settings.state / "pki"
    fast = ["--kube-api-qps=500", "--kube-api-burst=1000", "--concurrent-job-syncs=20"]
    return [
        binaries.program(KUBERNETES, "kube-controller-manager", settings),
        f"--kubeconfig={settings.state / 'kube-controller-manager.kubeconfig'}",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--allocate-node-cidrs=false",
        "--bind-address=127.0.0.1",
        f"--flex-volume-plugin-dir={settings.state / 'kubelet' / 'volume-plugins'}",
        *(fast if options.fast_controllers else ()),
    ]


def _scheduler(settings: Settings, _: Options) -> Sequence[str | Path]:
    return [
        binaries.program(KUBERNETES, "kube-scheduler", settings),
        f"--kubeconfig={settings.state / 'kube-scheduler.kubeconfig'}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]


def containerd_socket(settings: Settings) -> Path:
    """Where containerd listens."""
    return settings.state / "containerd" / "containerd.sock"


def _containerd(settings: Settings, _: Options) -> Sequence[str | Path]:
    program = find_program("containerd") or "containerd"
    return [program, "--config", settings.state / "config" / "containerd.toml"]


def _kubelet(settings: Settings, _: Options) -> Sequence[str | Path]:
    return [
        binaries.program(KUBERNETES, "kubelet", settings),
        f"--config={settings.state / 'config' / 'kubelet.yaml'}",
        f"--kubeconfig={settings.state / 'kubelet.kubeconfig'}",
        f"--root-dir={settings.state / 'kubelet'}",
        f"--hostname-override={node_name()}",
        f"--node-ip={network.NODE_ADDRESS}",
    ]


def _proxy(settings: Settings, _: Options) -> Sequence[str | Path]:
    return [
        binaries.program(KUBERNETES, "kube-proxy", settings),
        f"--config={settings.state / 'config' / 'kube-proxy.yaml'}",
    ]


def _kwok(settings: Settings, _: Options) -> Sequence[str | Path]:
    return [
        binaries.program(KWOK, "kwok", settings),
        f"--kubeconfig={settings.state / 'kwok.kubeconfig'}",
        f"--config={SOURCE / 'config' / 'kwok.yaml'}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-ip=10.245.0.1",
        "--cidr=10.245.0.0/16",
        "--server-address=127.0.0.1:10247",
        "--node-lease-duration-seconds=120",
    ]


def _answers(port: int, path: str, *, tls: bool = True) -> Callable[[Settings], bool]:
    """Return a probe of a component's own health endpoint on this machine."""

    def healthy(_: Settings) -> bool:
        # Self-signed, on the loopback interface, and nothing is sent: there is nothing to verify.
        unverified = ssl.create_default_context()
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        connection = (
            http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=unverified)
            if tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        )
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return healthy


def _etcd_listens(_: Settings) -> bool:
    # It speaks only to holders of its certificates; the API server's readiness includes it.
    try:
        socket.create_connection(("127.0.0.1", ETCD_PORT), timeout=1).close()
    except OSError:
        return False
    return True


def _containerd_listens(settings: Settings) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(containerd_socket(settings)))
        except OSError:
            return False
    return True


LOOPBACK = "127.0.0.1"
NODE = network.NODE_ADDRESS
CONTAINERD = Component("containerd", _containerd, _containerd_listens)
APISERVER = Component(
    "kube-apiserver",
    _apiserver,
    lambda settings: api.get(settings, "/readyz").ok,
    ports=[(NODE, API_PORT)],
    seconds_to_start=90,
)
CONTROLLER_MANAGER = Component(
    "kube-controller-manager",
    _controller_manager,
    _answers(10257, "/healthz"),
    ports=[(LOOPBACK, 10257)],
)
FAKE_NODES = Component("kwok", _kwok, _answers(10247, "/healthz", tls=False), ports=[(LOOPBACK, 10247)])
# In the order in which they need one another.
CONTROL_PLANE = (
    Component("etcd", _etcd, _etcd_listens, ports=[(LOOPBACK, ETCD_PORT), (LOOPBACK, ETCD_PORT + 1)]),
    APISERVER,
    CONTROLLER_MANAGER,
    Component("kube-scheduler", _scheduler, _answers(10259, "/healthz"), ports=[(LOOPBACK, 10259)]),
)
NODE_AGENTS = (
    Component(
        "kubelet",
        _kubelet,
        _answers(10248, "/healthz", tls=False),
        ports=[(NODE, 10250), (LOOPBACK, 10248)],
        seconds_to_start=60,
    ),
    Component(
        "kube-proxy",
        _proxy,
        _answers(10256, "/healthz", tls=False),
        ports=[(LOOPBACK, 10249), (LOOPBACK, 10256)],
    ),
)
COMPONENTS = (*CONTROL_PLANE, CONTAINERD, *NODE_AGENTS)
