"""A Git server and a page of wheels inside the cluster: what a CI workflow needs where there is no way out.

One Pod that serves a folder over HTTP. It outlives a session: what it has already isn't brought again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from e2e.testcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.support.kubectl import Json, Kubectl

NAMESPACE = "fairlead-forge"
PORT = 8000
LOCK = REPOSITORY / "requirements-dev.lock"
CI = REPOSITORY / "manifests" / "examples" / "ci.yaml"
_TARGET_PYTHON = "3.11"
"""That of the image in which ci.yaml runs."""

_LABELS = {"app.kubernetes.io/name": "forge"}
_OBJECTS: list[Json] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "forge", "namespace": NAMESPACE},
        "spec": {"selector": _LABELS, "ports": [{"port": PORT}]},
    },
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "forge", "namespace": NAMESPACE, "labels": _LABELS},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "server",
                    "image": "python:3.11",
                    "command": ["python3", "-m", "http.server", "--directory", "/srv", str(PORT)],
                    "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
                    "volumeMounts": [{"name": "srv", "mountPath": "/srv"}],
                }
            ],
            "volumes": [{"name": "srv", "emptyDir": {}}],
        },
    },
]


class ForgeError(Exception):
    """A program that fills the forge failed; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Forge:
    """`address` is reached from every Pod of the cluster."""

    address: str

    def manifest_of_ci(self, kubectl: Kubectl, env: Mapping[str, str] | None = None) -> str:
        """Give manifests/examples/ci.yaml, pointed to this forge, with some more variables for its steps."""
        inputs = {
            "repository": f"http://{self.address}:{PORT}/fairlead.git",
            "wheels": f"http://{self.address}:{PORT}/wheels/",
        }
        # pip takes plain HTTP only from hosts that it is told to trust.
        patch = {"spec": {"inputs": inputs, "env": {"PIP_TRUSTED_HOST": self.address, **(env or {})}}}
        return kubectl.run("patch", "--local", "-f", str(CI), "--type", "merge", "-p", json.dumps(patch), "-o", "yaml")


def open_forge(kubectl: Kubectl, cache: Path) -> Forge:
    """Have a forge with this checkout as it is now, uncommitted changes included, as branch `main`.

    `cache` keeps the wheels. Raises ForgeError.
    """
    for each in _OBJECTS:
        kubectl.apply(each)
    inside = kubectl.within(NAMESPACE)
    inside.run("wait", "pod/forge", "--for=condition=Ready", "--timeout=120s", seconds=150)
    with TemporaryDirectory() as folder:
        repository = Path(folder) / "fairlead.git"
        _mirror(repository)
        _bring(inside, repository, f"fairlead-{_head(repository)}.git", "fairlead.git")
    wheels = _wheels(cache)
    _bring(inside, wheels, wheels.name, "wheels")
    service = inside.get("service", "forge") or {}
    return Forge(service["spec"]["clusterIP"])


def _mirror(target: Path) -> None:
    """Clone the checkout bare, with what isn't committed as one more commit; its own index isn't touched."""
    _git("clone", "--quiet", "--bare", str(REPOSITORY), str(target))
    work = (f"--git-dir={target}", f"--work-tree={REPOSITORY}")
    _git(*work, "add", "--all")
    tree, parent = _git(*work, "write-tree"), _git(*work, "rev-parse", "HEAD")
    commit = parent
    if tree != _git(*work, "rev-parse", "HEAD^{tree}"):
        commit = _git(*work, "commit-tree", "-p", parent, "-m", "The working tree, as it is", tree)
    _git(*work, "update-ref", "refs/heads/main", commit)
    _git(*work, "symbolic-ref", "HEAD", "refs/heads/main")
    _git(*work, "update-server-info")
    (target / "index").unlink()


def _head(repository: Path) -> str:
    return _git(f"--git-dir={repository}", "rev-parse", "--short=12", "main")


def _git(*arguments: str) -> str:
    # A commit of the same files is the same commit: nothing that varies goes into it.
    who = {"NAME": "Fairlead's tests", "EMAIL": "e2e@fairlead.invalid", "DATE": "2026-01-01T00:00:00Z"}
    identity = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    # A hook's variables would turn us to its own repository.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return _output(["git", "-C", str(REPOSITORY), *arguments], {**inherited, **identity}).strip()


def _wheels(cache: Path) -> Path:
    """Give a folder with the wheels of the lock, of exactly the bytes that it names."""
    recipe = hashlib.sha256(LOCK.read_bytes() + _TARGET_PYTHON.encode()).hexdigest()[:12]
    folder = cache / "forge" / f"wheels-{recipe}"
    if not folder.is_dir():
        temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        try:
            pip = [_python_with_pip(), "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
            exactly = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--python-version", _TARGET_PYTHON]
            _output([*pip, *exactly, "--requirement", str(LOCK), "--dest", str(temporary)], os.environ)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _python_with_pip() -> str:
    """Prefer the project's own environment: the machine's Python may lack pip."""
    own = REPOSITORY / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _output(command: list[str], environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as missing:
        raise ForgeError(f"{command[0]} is not installed") from missing
    if done.returncode != 0:
        raise ForgeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def _bring(inside: Kubectl, folder: Path, name: str, served: str) -> None:
    """Copy a folder into the forge as `name`, unless it has it, and serve it as `served`."""
    code, _, _ = inside.attempt("exec", "forge", "--", "test", "-e", f"/srv/{name}")
    if code != 0:
        command = f"tar -x -C /srv && mv /srv/{name}.new /srv/{name}"
        sender = inside.start(
            "exec", "-i", "forge", "--", "sh", "-c", command, stdout=subprocess.DEVNULL, stdin=subprocess.PIPE
        )
        assert sender.stdin is not None
        with sender.stdin as pipe, tarfile.open(fileobj=pipe, mode="w|") as archive:
            archive.add(folder, f"{name}.new")
        if sender.wait() != 0:
            raise ForgeError(f"copying {folder} to the forge failed with exit code {sender.returncode}")
    inside.run("exec", "forge", "--", "ln", "-sfn", name, f"/srv/{served}")
