"""The examples of docs/semantics.md: read from the document, played on a cluster, compared with what it says.

A ```yaml block has the resources; the ```yaml expect block after it says what becomes of them: parts of a status, and

    log        job (or combination) → lines that it printed, in this order
    pod        job → parts of its Pod
    workflows  name → all of this, where an example has several
    gone       true: the Workflow isn't there any more
    problems   why it is refused, all of it; stands alone
    then       a list of `kubectl: ARGUMENTS` and `expect: {…}`, carried out one after another
"""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import yaml

from e2e.support.documents import differences
from e2e.support.kubectl import KubectlError
from e2e.support.sandbox import ENDED
from e2e.testcluster.settings import REPOSITORY
from fairlead.render.pack import ANNOTATION_COMBINATIONS, LABEL_INDEX, parse_combinations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from e2e.support.kubectl import Json
    from e2e.support.sandbox import Sandbox

DOCUMENT: Final = REPOSITORY / "docs" / "semantics.md"
KIND: Final = "Workflow"
TEMPLATE_KIND: Final = "WorkflowTemplate"

_BLOCK: Final = re.compile(r"^```yaml([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS: Final = 90
"""How long a state may take to come: images are there, but jobs of other examples run beside it."""
_SETTLED: Final = 10
"""Seconds after which what has ended, otherwise than expected, stays as it is."""
_INTERVAL: Final = 0.5


class WrongExampleError(Exception):
    """The document has a block that no test could make sense of; the message says where."""


@dataclass(frozen=True, slots=True)
class Example:
    """One example: where it stands, what is applied, and what the document says that comes of it."""

    line: int
    resources: tuple[Json, ...]
    expected: Json

    @property
    def workflows(self) -> tuple[Json, ...]:
        """Its Workflows, in order; there is at least one."""
        return tuple(each for each in self.resources if each["kind"] == KIND)

    @property
    def name(self) -> str:
        """What a test calls it."""
        return f"{self.workflows[0]['metadata']['name']}-{self.line}"


def read_examples(path: Path = DOCUMENT) -> tuple[Example, ...]:
    """Read the document's examples. Raises WrongExampleError."""
    text = path.read_text()
    blocks = [(text.count("\n", 0, found.start()) + 1, found[1], found[2]) for found in _BLOCK.finditer(text)]
    if len(blocks) % 2:
        raise WrongExampleError(f"{path.name} has {len(blocks)} yaml blocks, which aren't pairs")
    return tuple(_example(path, one, other) for one, other in zip(blocks[::2], blocks[1::2], strict=True))


Block = tuple[int, str, str]


def _example(path: Path, first: Block, second: Block) -> Example:
    line, kind, body = first
    if kind.strip() or second[1].strip() != "expect":
        raise WrongExampleError(f"{path.name}:{line}: a yaml block and a yaml expect block make an example")
    resources = tuple(yaml.safe_load_all(body))
    example = Example(line, resources, yaml.safe_load(second[2]))
    if not example.workflows:
        raise WrongExampleError(f"{path.name}:{line}: has no Workflow")
    return example


def play(example: Example, sandbox: Sandbox) -> None:
    """Apply an example, and compare. Raises AssertionError with all that differs."""
    try:
        _play(example, sandbox)
    except (AssertionError, KubectlError) as error:
        raise AssertionError(f"semantics.md:{example.line}: {error}") from error


def _play(example: Example, sandbox: Sandbox) -> None:
    if "problems" in example.expected:
        _refused(example, sandbox)
        return
    for resource in example.resources:
        sandbox.kubectl.apply(resource)
    _reach(example, sandbox, {key: value for key, value in example.expected.items() if key != "then"})
    for step in example.expected.get("then", ()):
        if "kubectl" in step:
            sandbox.kubectl.run(*shlex.split(step["kubectl"]))
        else:
            _reach(example, sandbox, step["expect"])


def _refused(example: Example, sandbox: Sandbox) -> None:
    code, _, said = sandbox.kubectl.attempt("apply", "-f", "-", stdin=yaml.safe_dump_all(example.resources))
    assert code != 0, "it was accepted"
    missing = [problem for problem in example.expected["problems"] if problem not in said]
    assert not missing, f"not among the problems: {missing}\n{said}"


def _reach(example: Example, sandbox: Sandbox, expected: Mapping[str, Any]) -> None:
    """Wait until everything is as expected."""
    names = [each["metadata"]["name"] for each in example.workflows]
    wanted = expected.get("workflows") or {names[0]: expected}
    deadline = time.monotonic() + _SECONDS
    settled, before = deadline, None
    while True:
        seen = {name: sandbox.kubectl.get("workflows.fairlead.dev", name) for name in wanted}
        wrong = [each for name, one in wanted.items() for each in _wrong(sandbox, name, seen[name], one)]
        now = time.monotonic()
        if not wrong:
            return
        if seen != before:
            settled, before = now + _SETTLED, seen
        over = all(_ended(resource) for resource in seen.values()) and now > settled
        assert not over, "\n".join(["it ended otherwise:", *wrong])
        assert now < deadline, "\n".join([f"after {_SECONDS}s still:", *wrong])
        time.sleep(_INTERVAL)


def _ended(resource: Json | None) -> bool:
    return resource is not None and _status(resource).get("phase") in ENDED


def _status(resource: Json) -> Json:
    """Give a status, empty as long as it speaks of an earlier generation."""
    status: Json = resource.get("status", {})
    return status if status.get("observedGeneration") == resource["metadata"]["generation"] else {}


def _wrong(sandbox: Sandbox, name: str, resource: Json | None, wanted: Mapping[str, Any]) -> list[str]:
    if wanted.get("gone") or resource is None:
        return (
            [] if bool(wanted.get("gone")) == (resource is None) else [f"{name}: is it there? {resource is not None}"]
        )
    status = _status(resource)
    plain = {key: value for key, value in wanted.items() if key not in ("log", "pod")}
    wrong = differences(status, plain, name)
    if wrong:
        return wrong
    for node, lines in wanted.get("log", {}).items():
        wrong += _log(sandbox, _pod(sandbox, status, node), lines, f"{name}: log of {node}")
    for node, parts in wanted.get("pod", {}).items():
        wrong += differences(_pod(sandbox, status, node) or {}, parts, f"{name}: pod of {node}")
    return wrong


def _pod(sandbox: Sandbox, status: Json, name: str) -> Json | None:
    """Find the last Pod of a job by its id, or of a combination by its name."""
    jobs: dict[str, Json] = status.get("jobs", {})
    combinations = (enumerate(job.get("combinations", ())) for job in jobs.values())
    found = ((place, each) for place, each in chain.from_iterable(combinations) if each["name"] == name)
    place, node = (None, jobs[name]) if name in jobs else next(found, (None, {}))
    pods = sandbox.kubectl.items("pods", f"job-name={node.get('kubernetesJob')}")
    return next((pod for pod in reversed(pods) if _combination(pod) in (None, place)), None)


def _combination(pod: Json) -> int | None:
    """Tell which combination a Pod of a pack works for; None for a Pod of another Job."""
    found = pod["metadata"].get("annotations", {}).get(ANNOTATION_COMBINATIONS)
    return None if found is None else parse_combinations(found)[int(pod["metadata"]["labels"][LABEL_INDEX])]


def _log(sandbox: Sandbox, pod: Json | None, wanted: list[str], where: str) -> list[str]:
    if pod is None:
        return [f"{where}: it has no Pod"]
    _, output, said = sandbox.kubectl.attempt("logs", pod["metadata"]["name"], "-c", "main")
    printed = iter(output.splitlines())
    missing = next((line for line in wanted if line not in printed), None)
    return [] if missing is None else [f"{where}: no line {missing!r} (any more) in {output!r} {said}"]
