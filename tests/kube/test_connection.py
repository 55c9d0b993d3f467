from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import yaml

from fairlead.kube.connection import connect
from fairlead.kube.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

CONTEXTS = {"here": ("https://here:6443/", "me"), "there": ("http://there:8001", "nobody")}


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a kubeconfig of two clusters."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [
            {"name": name, "cluster": {"server": server, "insecure-skip-tls-verify": True}}
            for name, (server, _) in CONTEXTS.items()
        ],
        "users": [{"name": "me", "user": {"token": "sesame"}}, {"name": "nobody", "user": {}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": user}} for name, (_, user) in CONTEXTS.items()
        ],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    # Inside of a Pod, too, a kubeconfig that is named comes first.
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")


@pytest.mark.usefixtures("kubeconfig")
def test_current_context() -> None:
    """The kubeconfig's current context says where the cluster is, and who we are."""
    found = connect()
    context = found.ssl_context()
    assert context is not None
    assert (found.server, found.headers(), context.verify_mode) == (
        "https://here:6443",
        {"Authorization": "Bearer sesame"},
        ssl.CERT_NONE,
    )


@pytest.mark.usefixtures("kubeconfig")
def test_other_context() -> None:
    """A context that is named comes before the current one; plain HTTP needs no TLS, and nobody has no token."""
    found = connect("there")
    assert (found.server, found.token, found.headers(), found.ssl_context()) == ("http://there:8001", None, {}, None)


@pytest.mark.usefixtures("kubeconfig")
def test_secrets_are_not_shown() -> None:
    """Nothing that is shown of a connection has its credentials."""
    assert repr(connect()) == "Connection(server='https://here:6443')"


@pytest.mark.usefixtures("kubeconfig")
def test_no_such_context() -> None:
    """A context that isn't there is named, and so is the way out."""
    with pytest.raises(ConfigurationError, match=r"elsewhere.*; set KUBECONFIG to a file"):
        connect("elsewhere")


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a kubeconfig there is no cluster; the file that is missing is named."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match=r"/none: [^;]*[^.]; set KUBECONFIG to a file"):
        connect()
