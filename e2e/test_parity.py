"""The same workflow comes to the same status in processes and in containers of this machine, and in the cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from e2e.support.sandbox import open_sandbox
from e2e.support.together import chosen, played

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from e2e.support.installation import Installation
    from e2e.support.podman import Podman

FOLDER = Path(__file__).parent / "parity"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
PROGRAM = Path(sys.executable).with_name("fairlead")

_TIMES = {"startedAt", "finishedAt", "lastTransitionTime", "retryAt", "duration", "since"}
_IDS = {"kubernetesJob", "workflow"}


def compared(value: object) -> object:
    """Give what has to be the same: a status without times and generated names."""
    if isinstance(value, dict):
        return {key: compared(each) for key, each in value.items() if key not in _TIMES | _IDS}
    return [compared(each) for each in value] if isinstance(value, list) else value


def run_here(example: Path, folder: Path, engine: str, env: Mapping[str, str]) -> dict[str, Any]:
    """Run it with `fairlead run`, in an empty workspace, and give the status."""
    workspace = folder / engine
    workspace.mkdir()
    env = {**env, "XDG_STATE_HOME": str(folder / f"state-{engine}")}
    options = ["--engine", engine, "--workspace", str(workspace), "--output", "json"]
    command = [str(PROGRAM), "run", *options, str(example)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return {key: value for key, value in document.items() if key not in ("name", "namespace")}


@pytest.fixture(scope="module")
def ends(
    request: pytest.FixtureRequest, installation: Installation, podman: Podman, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[None]]]:
    """Run all chosen examples, some at a time, in a folder and a namespace of their own."""

    def run(name: str) -> None:
        compare(name, installation, podman, tmp_path_factory.mktemp(name))

    with played({name: partial(run, name) for name in chosen(request, "example")}, at_a_time=3) as ends:
        yield ends


def compare(name: str, installation: Installation, podman: Podman, folder: Path) -> None:
    """Run an example in the three ways, and compare what they came to."""
    example = FOLDER / f"{name}.yaml"
    with open_sandbox(installation.kubectl, f"parity-{name}") as sandbox:
        for document in yaml.safe_load_all(example.read_text()):
            sandbox.kubectl.apply(json.dumps(document))
        in_processes = run_here(example, folder, "host", os.environ)
        in_containers = run_here(example, folder, "podman", podman.environment)
        in_cluster = sandbox.wait("parity", in_processes["phase"])

        assert compared(in_processes) == compared(in_cluster)
        assert compared(in_containers) == compared(in_cluster)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_same_status(example: str, ends: Mapping[str, Future[None]]) -> None:
    """Times and generated names aside, nothing tells where it ran."""
    ends[example].result()
