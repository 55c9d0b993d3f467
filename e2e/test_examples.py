"""The examples that users copy: every one of them runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import yaml

from e2e.support.sandbox import open_sandbox
from e2e.support.together import chosen, played
from e2e.testcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from e2e.support.harness import Harness
    from e2e.support.installation import Installation
    from e2e.support.sandbox import Sandbox

FOLDER = REPOSITORY / "manifests" / "examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
CI = "ci"
MINUTES = 5
PART = {"PYTEST_ADDOPTS": "-k expressions"}
"""Which of this project's tests ci.yaml runs here; `make check` runs them all, and `make demo` does in the cluster."""


@pytest.fixture(scope="module")
def ends(
    request: pytest.FixtureRequest, harness: Harness, installation: Installation
) -> Iterator[Mapping[str, Future[None]]]:
    """Run all chosen examples, some at a time, each in a namespace of its own; the one that takes longest first."""
    names = sorted(chosen(request, "example"), key=lambda name: name != CI)
    harness.cluster("images", "--all")
    texts = {name: (FOLDER / f"{name}.yaml").read_text() for name in names}
    if CI in texts:
        forge = request.getfixturevalue("forge")
        texts[CI] = forge.manifest_of_ci(installation.kubectl, PART)

    def in_sandbox(name: str, text: str) -> None:
        with open_sandbox(installation.kubectl, f"example-{name}") as sandbox:
            run(sandbox, text)

    with played({name: partial(in_sandbox, name, texts[name]) for name in names}) as ends:
        yield ends


def run(sandbox: Sandbox, text: str) -> None:
    """Apply what an example has, and see each of its workflows succeed, as kubectl does."""
    sandbox.kubectl.apply(text)
    names = [each["metadata"]["name"] for each in yaml.safe_load_all(text) if each["kind"] == "Workflow"]
    assert names
    for name in names:
        sandbox.wait(name, "Succeeded", seconds=MINUTES * 60)
        # One with a schedule may have begun its next run meanwhile.
        waited = sandbox.kubectl.run("wait", f"fwf/{name}", "--for=condition=Succeeded", "--timeout=60s")
        assert waited == f"workflow.fairlead.dev/{name} condition met\n"


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_succeeds(example: str, ends: Mapping[str, Future[None]]) -> None:
    """An example is applied as it is and ends well; ci.yaml is pointed to a Git server, and to some of our tests."""
    ends[example].result()


def test_hello_says_hello(sandbox: Sandbox) -> None:
    """What hello.yaml's own comment says to type shows the greeting."""
    sandbox.kubectl.apply((FOLDER / "hello.yaml").read_text())
    sandbox.kubectl.run("wait", "fwf/hello", "--for=condition=Succeeded", "--timeout=60s")
    log = sandbox.kubectl.run("logs", "-l", "fairlead.dev/workflow=hello", "--prefix")
    assert "Hello, world!" in [line.partition("] ")[2] for line in log.splitlines()]
