"""Each example can be run as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead.model.crd import API_VERSION, KIND, TEMPLATE_KIND
from fairlead.plan import CallWorkflow, CreateJob
from fairlead.render.job import job_manifest
from fairlead.syntax import parse_spec
from fairlead.syntax.template import parse_template_spec
from tests.plan.drill import Drill

EXAMPLES = sorted((Path(__file__).parents[1] / "manifests" / "examples").glob("*.yaml"))
A_MINUTE = 60


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_example(path: Path) -> None:
    """Its resources are valid; a Workflow starts exactly the jobs that need nothing, and they render."""
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(path.read_text()))
    templates = {each["metadata"]["name"]: each["spec"] for each in documents if each["kind"] == TEMPLATE_KIND}
    for spec in templates.values():
        parse_template_spec(spec)
    workflows = [each for each in documents if each["kind"] == KIND]
    for document in workflows:
        started, called = _begin(document["spec"])
        first = [job.id for job in parse_spec(document["spec"]).jobs.values() if not job.needs]
        assert (document["apiVersion"], started) == (API_VERSION, set(first))
        assert called <= templates.keys()
    assert workflows


def _begin(spec: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Give the jobs that are started first, and the templates that they call."""
    drill = Drill(spec).look()
    if "schedules" in spec:
        assert not drill.requests
        drill = drill.pass_time(A_MINUTE)
    called = {each.request.template for each in drill.requests.values() if isinstance(each, CallWorkflow)}
    for each in drill.requests.values():
        if isinstance(each, CreateJob):
            job_manifest(each, drill.resource, keep_seconds=A_MINUTE, agent_image="fairlead")
    return {each.node.job for each in drill.requests.values()}, called


def test_there_are_examples() -> None:
    """What the documentation leads with is there, and one for each thing that is hard to guess."""
    assert {path.stem for path in EXAMPLES} >= {
        "hello",
        "ci",
        "matrix",
        "services",
        "concurrency",
        "retries",
        "outputs",
        "template",
        "schedule",
    }
