from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

import pytest
import structlog
import yaml
from click.testing import CliRunner

from fairlead import __version__
from fairlead.cli.main import main
from fairlead.model.crd import crds
from fairlead.syntax.writing import to_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """Put the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str | None]:
    """Give an environment without any cluster."""
    return {"KUBECONFIG": str(tmp_path / "none"), "KUBERNETES_SERVICE_HOST": None, "HOME": str(tmp_path)}


@pytest.fixture
def somewhere(tmp_path: Path) -> dict[str, str | None]:
    """Give an environment whose kubeconfig names a cluster, though nobody listens there."""
    path = tmp_path / "config"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return {"KUBECONFIG": str(path), "KUBERNETES_SERVICE_HOST": None}


def run(*arguments: str, env: dict[str, str | None] | None = None) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, arguments, env=env)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(option: str) -> None:
    """The help names each command."""
    result = run(option)
    assert result.exit_code == 0
    assert [word for word in ("crd", "operator", "Kubernetes resources") if word not in result.output] == []


@pytest.mark.parametrize("command", ["crd", "operator"])
def test_help_of_a_command(command: str) -> None:
    """Each command says what it does, and what each option means."""
    result = run(command, "-h")
    told = [line for line in result.output.splitlines() if line.startswith("  --")]
    assert (result.exit_code, [line for line in told if not line.split("  ")[-1]]) == (0, [])


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(option: str) -> None:
    """The version is a line."""
    assert run(option).output == f"fairlead {__version__}\n"


@pytest.mark.parametrize("plural", [None, *crds()])
def test_crd(plural: str | None) -> None:
    """The CRDs are printed as they are applied: all in one stream, or one of them."""
    result = run("crd", *([plural] if plural else []))
    printed = {each["spec"]["names"]["plural"]: each for each in yaml.safe_load_all(result.output)}
    assert (result.exit_code, printed) == (0, crds() if plural is None else {plural: crds()[plural]})


def test_yaml() -> None:
    """YAML is written for people: in order, lists indented, no anchors, no escapes."""
    shared = ["a"]
    assert to_yaml({"b": shared, "a": {"c": shared, "d": "…"}}) == "b:\n  - a\na:\n  c:\n    - a\n  d: …\n"


BAD: dict[str, tuple[list[str], str]] = {
    "no such command": (["oprator"], "No such command 'oprator'"),
    "no such option": (["operator", "--graec", "1m"], "No such option '--graec'"),
    "a bad duration": (
        ["operator", "--grace", "soon"],
        "Invalid value for '--grace': \"soon\" is not a duration; write 90s, 10m, 1h30m or a whole number of seconds",
    ),
    "a bad address": (
        ["operator", "--http-address", "8080"],
        "Invalid value for '--http-address': \"8080\" is not an address; write HOST:PORT, as 127.0.0.1:8080",
    ),
    "a port that is none": (
        ["operator", "--http-address", "localhost:99999"],
        "Invalid value for '--http-address': \"localhost:99999\" is not an address; write HOST:PORT, as 127.0.0.1:8080",
    ),
    "too many restarts": (["operator", "--restarts", "101"], "101 is not in the range 0<=x<=100"),
    "no such format": (["operator", "--log-format", "xml"], "'xml' is not one of 'auto', 'json', 'text'"),
    "a webhook without a certificate": (
        ["operator", "--webhook-port", "9443"],
        "--webhook-port needs --webhook-certificate with a file that exists",
    ),
    "a webhook without a key": (
        ["operator", "--webhook-port", "9443", "--webhook-certificate", __file__],
        "--webhook-port needs --webhook-key with a file that exists",
    ),
}


@pytest.mark.parametrize(("arguments", "said"), BAD.values(), ids=BAD)
def test_bad_use(arguments: list[str], said: str, nowhere: dict[str, str | None]) -> None:
    """What was called wrongly is told in a line, with exit code 2."""
    result = run(*arguments, env=nowhere)
    *_, last = result.output.splitlines()
    assert (result.exit_code, said in last, "Traceback" in result.output) == (2, True, False), result.output


def test_no_cluster(nowhere: dict[str, str | None]) -> None:
    """Without a cluster, the operator says what is missing and how to name one, with exit code 1."""
    result = run("operator", env=nowhere)
    *_, last = result.output.splitlines()
    assert (result.exit_code, last.startswith("Error: "), "set KUBECONFIG" in last) == (1, True, True), result.output


def test_no_such_context(somewhere: dict[str, str | None]) -> None:
    """A context that the kubeconfig doesn't have is named."""
    result = run("operator", "--context", "there", env=somewhere)
    assert (result.exit_code, "there" in result.output, "Traceback" in result.output) == (1, True, False)


def test_port_taken(somewhere: dict[str, str | None]) -> None:
    """A port that is taken is named, before anything else is begun."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run("operator", "--http-address", address, env=somewhere)
    *_, last = result.output.splitlines()
    assert (result.exit_code, last) == (1, f"Error: can't listen on {address}: address already in use")
