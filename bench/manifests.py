"""The very Kubernetes Jobs that Fairlead would make for a Workflow, serialised before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from fairlead.model.ids import Uid, WorkflowKey
from fairlead.model.status import WorkflowStatus
from fairlead.plan import CreateJob, Observed, Policy, Resource, plan
from fairlead.render.job import (
    LABEL_COMBINATION,
    LABEL_JOB,
    LABEL_WORKFLOW,
    LABEL_WORKFLOW_UID,
    MANAGED_BY,
    job_manifest,
)
from fairlead.render.pack import LABEL_INDEX
from fairlead.syntax import parse_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Json = dict[str, Any]

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_KEEP = 24 * 3600
_JOB_NAME = "batch.kubernetes.io/job-name"


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A node of a workflow, as the labels of its Job and its Pods tell."""

    workflow: str
    job: str
    combination: str = ""


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """A Job to POST as soon as the nodes have ended that it needs."""

    node: Node
    needs: frozenset[Node]
    body: bytes


def manifests(document: Json, namespace: str, uid: str = "ceiling") -> list[Json]:
    """Render all Jobs of a Workflow, as the operator would; none of them may depend on another one's outputs."""
    spec = document["spec"]
    # Without needs all of them are planned at once.
    jobs = {name: {key: value for key, value in job.items() if key != "needs"} for name, job in spec["jobs"].items()}
    workflow = parse_spec({**spec, "jobs": jobs})
    resource = Resource(
        key=WorkflowKey(namespace, document["metadata"]["name"]), uid=Uid(uid), generation=1, status=WorkflowStatus()
    )
    decision = plan(workflow, resource, Observed(), _NOW, Policy(combinations=5000))
    found = [action for action in decision.actions if isinstance(action, CreateJob)]
    return [job_manifest(create, resource, keep_seconds=_KEEP) for create in found]


def ready_made(document: Json, namespace: str) -> list[ReadyMade]:
    """Give the Jobs of a Workflow out of the operator's sight, with what each of them needs."""
    jobs: Mapping[str, Json] = document["spec"]["jobs"]
    found = [(node_of(each), disowned(each)) for each in manifests(document, namespace)]
    by_job: dict[str, set[Node]] = {}
    for node, _ in found:
        by_job.setdefault(node.job, set()).add(node)
    return [
        ReadyMade(node, _all(by_job[need] for need in jobs[node.job].get("needs", ())), orjson.dumps(manifest))
        for node, manifest in found
    ]


def disowned(manifest: Json) -> Json:
    """Give a Job that no operator takes for its own, and that nothing owns."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "ownerReferences"}
    spec = manifest["spec"]
    template = {**spec["template"], "metadata": _unmanaged(spec["template"]["metadata"])}
    return {**manifest, "metadata": _unmanaged(metadata), "spec": {**spec, "template": template}}


def node_of(document: Json) -> Node:
    """Read the labels of a Job or a Pod. Of an Indexed Job they tell no combination: its name and the index do."""
    metadata = document["metadata"]
    labels = metadata.get("labels") or {}
    combination = labels.get(LABEL_COMBINATION, "")
    if (index := labels.get(LABEL_INDEX)) is not None:
        combination = f"{labels[_JOB_NAME]}/{index}"
    elif (document.get("spec") or {}).get("completionMode") == "Indexed":
        combination = metadata["name"]
    return Node(labels.get(LABEL_WORKFLOW, ""), labels.get(LABEL_JOB, ""), combination)


def _unmanaged(metadata: Json) -> Json:
    labels = {key: value for key, value in metadata["labels"].items() if key not in MANAGED_BY}
    return {**metadata, "labels": {**labels, LABEL_WORKFLOW_UID: "ceiling"}}


def _all(sets: Iterable[set[Node]]) -> frozenset[Node]:
    return frozenset().union(*sets)
