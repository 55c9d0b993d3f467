"""Each example can be run as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead.model.crd import API_VERSION, KIND
from fairlead.model.ids import Uid, WorkflowKey
from fairlead.model.status import WorkflowStatus
from fairlead.plan import CreateJob, Observed, Resource, plan
from fairlead.render.job import job_manifest
from fairlead.syntax import parse_spec
from tests.builders import NOW

EXAMPLES = sorted((Path(__file__).parents[1] / "manifests" / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_example(path: Path) -> None:
    """An example is a valid Workflow; its first plan makes exactly the jobs that need nothing, and they render."""
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    workflow = parse_spec(document["spec"])
    key = WorkflowKey("default", document["metadata"]["name"])
    resource = Resource(key, Uid("uid"), 1, WorkflowStatus())
    actions = plan(workflow, resource, Observed(), NOW).actions
    made = [action.job for action in actions if isinstance(action, CreateJob)]
    manifests = [job_manifest(action, resource, keep_seconds=60) for action in actions if isinstance(action, CreateJob)]
    assert ((document["apiVersion"], document["kind"]), made, len(actions)) == (
        (API_VERSION, KIND),
        [job.id for job in workflow.jobs.values() if not job.needs],
        len(manifests),
    )


def test_there_are_examples() -> None:
    """The two that the documentation leads with are there."""
    assert {"hello", "ci"} <= {path.stem for path in EXAMPLES}
