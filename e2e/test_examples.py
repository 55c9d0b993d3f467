"""The examples that users copy: every one of them runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from e2e.testcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.support.sandbox import Sandbox

EXAMPLES = sorted((REPOSITORY / "manifests" / "examples").glob("*.yaml"))
MINUTES = 5


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_succeeds(example: Path, sandbox: Sandbox, request: pytest.FixtureRequest) -> None:
    """An example is applied as it is (ci.yaml pointed to a Git server in the cluster) and ends well."""
    text = example.read_text()
    if example.name == "ci.yaml":
        text = request.getfixturevalue("forge").manifest_of_ci(sandbox.kubectl)
    if example.name == "services.yaml":
        request.getfixturevalue("harness").cluster("images", "--all")
    sandbox.kubectl.apply(text)
    names = [each["metadata"]["name"] for each in yaml.safe_load_all(text) if each["kind"] == "Workflow"]
    assert names
    for name in names:
        sandbox.wait(name, "Succeeded", seconds=MINUTES * 60)
        waited = sandbox.kubectl.run("wait", f"fwf/{name}", "--for=condition=Succeeded", "--timeout=5s")
        assert waited == f"workflow.fairlead.dev/{name} condition met\n"


def test_hello_says_hello(sandbox: Sandbox) -> None:
    """What hello.yaml's own comment says to type shows the greeting."""
    sandbox.kubectl.apply((REPOSITORY / "manifests" / "examples" / "hello.yaml").read_text())
    sandbox.kubectl.run("wait", "fwf/hello", "--for=condition=Succeeded", "--timeout=60s")
    log = sandbox.kubectl.run("logs", "-l", "fairlead.dev/workflow=hello", "--prefix")
    assert "Hello, world!" in [line.partition("] ")[2] for line in log.splitlines()]
