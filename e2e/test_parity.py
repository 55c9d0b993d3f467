"""The same workflow comes to the same status on this machine's processes and in the cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from e2e.support.sandbox import open_sandbox

if TYPE_CHECKING:
    from e2e.support.installation import Installation

EXAMPLES = sorted((Path(__file__).parent / "parity").glob("*.yaml"))
PROGRAM = Path(sys.executable).with_name("fairlead")

_TIMES = {"startedAt", "finishedAt", "lastTransitionTime", "retryAt", "duration", "since"}
_IDS = {"kubernetesJob", "workflow"}


def compared(value: object) -> object:
    """Give what has to be the same: a status without times and generated names."""
    if isinstance(value, dict):
        return {key: compared(each) for key, each in value.items() if key not in _TIMES | _IDS}
    return [compared(each) for each in value] if isinstance(value, list) else value


def run_here(example: Path, folder: Path, engine: str) -> dict[str, Any]:
    """Run it with `fairlead run`, in an empty workspace, and give the status."""
    workspace = folder / "workspace"
    workspace.mkdir()
    env = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    options = ["--engine", engine, "--workspace", str(workspace), "--output", "json"]
    command = [str(PROGRAM), "run", *options, str(example)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return {key: value for key, value in document.items() if key not in ("name", "namespace")}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.stem)
def test_the_same_status(example: Path, installation: Installation, tmp_path: Path) -> None:
    """Times and generated names aside, nothing tells where it ran."""
    with open_sandbox(installation.kubectl, f"parity-{example.stem}") as sandbox:
        for document in yaml.safe_load_all(example.read_text()):
            sandbox.kubectl.apply(json.dumps(document))
        here = run_here(example, tmp_path, "host")
        there = sandbox.wait("parity", here["phase"])

    assert compared(here) == compared(there)
