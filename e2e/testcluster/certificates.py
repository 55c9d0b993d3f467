"""Keys and certificates of one cluster: new at each start, readable by root only."""

from __future__ import annotations

import base64
import json
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from e2e.testcluster.commands import run
from e2e.testcluster.network import KUBERNETES_SERVICE_ADDRESS, NODE_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from e2e.testcluster.settings import Settings

API_PORT = 6443
DAYS = "365"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def node_name() -> str:
    """Return the node's name: this machine's, as Kubernetes wants names."""
    return socket.gethostname().lower()


@dataclass(frozen=True)
class Identity:
    """Who a certificate says its holder is, to the API server or as a server itself."""

    file: str
    common_name: str
    group: str = ""
    hosts: Sequence[str] = ()
    authority: str = "ca"

    @property
    def subject(self) -> str:
        """The subject, as openssl wants it."""
        return (f"/O={self.group}" if self.group else "") + f"/CN={self.common_name}"

    @property
    def alternative_names(self) -> str:
        """The subjectAltName of a server's hosts; empty for one that is only a client."""
        kinds = ((("IP" if host[0].isdigit() else "DNS"), host) for host in self.hosts)
        return ",".join(f"{kind}:{host}" for kind, host in kinds)


def identities() -> list[Identity]:
    """All the certificates of a cluster. The built-in RBAC roles know these names.

    etcd has an authority of its own: it lets in whoever has a certificate, and a cluster's user
    must not be among them.
    """
    service = "kubernetes.default.svc"
    api_hosts = (
        "localhost", "kubernetes", "kubernetes.default", service, f"{service}.cluster.local",
        "127.0.0.1", NODE_ADDRESS, KUBERNETES_SERVICE_ADDRESS,
    )  # fmt: skip
    node = node_name()
    return [
        Identity("etcd", "etcd", hosts=("localhost", "127.0.0.1"), authority="etcd-ca"),
        Identity("apiserver-etcd", "kube-apiserver", authority="etcd-ca"),
        Identity("apiserver", "kube-apiserver", hosts=api_hosts),
        Identity("apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters"),
        Identity("admin", "fairlead-admin", "system:masters"),
        Identity("kube-controller-manager", "system:kube-controller-manager"),
        Identity("kube-scheduler", "system:kube-scheduler"),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("kubelet", f"system:node:{node}", "system:nodes"),
        Identity("kubelet-server", f"system:node:{node}", hosts=(node, NODE_ADDRESS)),
        Identity("kwok", "fairlead-kwok", "system:masters"),
    ]


def create(settings: Settings) -> Path:
    """Make all keys and certificates, and return their folder."""
    folder = settings.state / "pki"
    folder.mkdir(mode=0o700, parents=True)
    before = os.umask(0o077)
    try:
        _authority(folder, "ca", "fairlead-e2e")
        _authority(folder, "etcd-ca", "fairlead-e2e-etcd")
        for identity in identities():
            _certificate(folder, identity)
        _service_account_keys(folder)
    finally:
        os.umask(before)
    return folder


def _authority(folder: Path, name: str, common_name: str) -> None:
    run([
        "openssl", "req", "-x509", *NEW_KEY, "-days", DAYS, "-subj", f"/CN={common_name}",
        "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt",
        "-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign",
    ])  # fmt: skip


def _certificate(folder: Path, identity: Identity) -> None:
    names = identity.alternative_names
    run([
        "openssl", "req", "-x509", *NEW_KEY, "-days", DAYS, "-subj", identity.subject,
        "-CA", folder / f"{identity.authority}.crt", "-CAkey", folder / f"{identity.authority}.key",
        "-keyout", folder / f"{identity.file}.key", "-out", folder / f"{identity.file}.crt",
        "-addext", "basicConstraints=critical,CA:FALSE",
        "-addext", "keyUsage=critical,digitalSignature",
        "-addext", "extendedKeyUsage=clientAuth,serverAuth",
        *(("-addext", f"subjectAltName={names}") if names else ()),
    ])  # fmt: skip


def _service_account_keys(folder: Path) -> None:
    run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout",
         "-out", folder / "service-accounts.key"])  # fmt: skip
    run(["openssl", "ec", "-in", folder / "service-accounts.key", "-pubout",
         "-out", folder / "service-accounts.pub"])  # fmt: skip


def write_kubeconfig(target: Path, identity: str, settings: Settings) -> None:
    """Write a kubeconfig with its certificates inside, so that it can be copied anywhere.

    It is JSON, which is YAML, so that no YAML library is needed to write it.
    """
    pki = settings.state / "pki"
    name = "fairlead-e2e"

    def content(file: str) -> str:
        return base64.b64encode((pki / file).read_bytes()).decode()

    cluster = {
        "server": f"https://{NODE_ADDRESS}:{API_PORT}",
        "certificate-authority-data": content("ca.crt"),
    }
    user = {
        "client-certificate-data": content(f"{identity}.crt"),
        "client-key-data": content(f"{identity}.key"),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": identity, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": identity}}],
        "current-context": name,
    }
    target.touch(mode=0o600)
    target.chmod(0o600)
    target.write_text(json.dumps(document, indent=1) + "\n")
