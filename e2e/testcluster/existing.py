"""FAIRLEAD_E2E_CLUSTER=existing: the cluster of $KUBECONFIG, which somebody else looks after."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.testcluster.commands import run
from e2e.testcluster.errors import ClusterError, CommandFailed, MissingRequirement
from e2e.testcluster.packages import find_program
from e2e.testcluster.terminal import say, step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e2e.testcluster.settings import Settings

MINIMUM = (1, 29)  # Native sidecars are on by default from here on.


@dataclass(frozen=True)
class Loader:
    """A tool that brings an image archive into the clusters that it makes."""

    tool: str
    context_prefix: str
    command: Sequence[str]

    def command_for(self, cluster: str, tar: Path) -> list[str]:
        """Return the command line, ready to run."""
        return [word.format(cluster=cluster, tar=tar) for word in self.command]


LOADERS = (
    Loader("kind", "kind-", ["kind", "load", "image-archive", "{tar}", "--name", "{cluster}"]),
    Loader("k3d", "k3d-", ["k3d", "image", "import", "{tar}", "--cluster", "{cluster}"]),
)


def kubeconfig(settings: Settings) -> Path:
    """Return the user's own kubeconfig: the first of $KUBECONFIG, else kubectl's default."""
    paths = [path for path in settings.kubeconfig_of_user.split(os.pathsep) if path]
    return Path(paths[0]) if paths else Path.home() / ".kube" / "config"


def check(settings: Settings) -> str:
    """Return the version of the cluster, when it answers and is new enough.

    Raises MissingRequirement when there is none, when it does not answer, or when it is too old.
    """
    if not kubeconfig(settings).is_file():
        raise MissingRequirement(
            f"FAIRLEAD_E2E_CLUSTER=existing, but there is no kubeconfig at {kubeconfig(settings)}",
            "set KUBECONFIG to the cluster that is to be used",
        )
    try:
        found = json.loads(_kubectl("version", "-o", "json"))["serverVersion"]
    except (CommandFailed, KeyError, ValueError) as failure:
        raise MissingRequirement(
            f"the cluster of {kubeconfig(settings)} does not answer: {failure}",
            "start it, or set KUBECONFIG to one that runs",
        ) from failure
    version: str = found["gitVersion"]
    if parse_version(version) < MINIMUM:
        raise MissingRequirement(
            f"the cluster is {version}, and Fairlead needs {MINIMUM[0]}.{MINIMUM[1]} or newer",
            "use a newer one: jobs' services are native sidecars, which came with 1.29",
        )
    return version


def parse_version(version: str) -> tuple[int, int]:
    """`v1.29.4+k3s1` → (1, 29)."""
    major, minor = version.removeprefix("v").split(".")[:2]
    return int(major), int("".join(digit for digit in minor if digit.isdigit()) or 0)


def load_images(tars: Sequence[Path]) -> None:
    """Bring archives into a kind or k3d cluster.

    Raises ClusterError with the commands to run by hand for any other.
    """
    context = _kubectl("config", "current-context").strip()
    loader = next((each for each in LOADERS if context.startswith(each.context_prefix)), None)
    if loader is None or find_program(loader.tool) is None:
        ways = "\n".join(f"    {' '.join(each.command_for('NAME', tars[0]))}" for each in LOADERS)
        raise ClusterError(
            f"cannot tell how to load images into the cluster of context {context!r}. By hand:\n"
            f"{ways}\n    or push them to a registry that it can pull from"
        )
    cluster = context.removeprefix(loader.context_prefix)
    for tar in tars:
        with step(f"loaded {tar.name} with {loader.tool}"):
            run(loader.command_for(cluster, tar))


def describe(settings: Settings) -> None:
    """Print its version and nodes; raises MissingRequirement as `check` does."""
    version = check(settings)
    print(f"existing cluster of {kubeconfig(settings)}: {version}")
    nodes: Any = json.loads(_kubectl("get", "nodes", "-o", "json"))
    for node in nodes["items"]:
        print(f"  node {node['metadata']['name']} {node['status']['nodeInfo']['kubeletVersion']}")


def up(settings: Settings) -> None:
    """Check it and say so; nothing is started."""
    version = check(settings)
    say(f"Using the existing cluster of {kubeconfig(settings)}: {version}")


def _kubectl(*arguments: str) -> str:
    program = find_program("kubectl")
    if program is None:
        raise MissingRequirement(
            "there is no kubectl on PATH", "install it, or run `e2e/cluster build` and eval its env"
        )
    return run([program, "--request-timeout=15s", *arguments], timeout=30)
