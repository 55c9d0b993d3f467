"""API objects as a cluster has them, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.model.ids import Uid
from fairlead.render.job import LABEL_JOB_NAME
from tests.builders import KEY, UID, attempt_at, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json = dict[str, Any]

DIGEST = attempt_at("build").digest


def workflow_document(
    spec: Mapping[str, Any] | None = None, *, name: str = KEY.name, version: int = 7, **metadata: object
) -> Json:
    """Give a Workflow."""
    return {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": name,
            "namespace": KEY.namespace,
            "uid": UID,
            "generation": 1,
            "resourceVersion": str(version),
            **metadata,
        },
        "spec": dict(spec or {"jobs": {}}),
    }


def labels_of(job: str = "build", attempt: int = 1, *, uid: str = UID) -> dict[str, str]:
    """Give the labels of what is made for a job."""
    return {
        "app.kubernetes.io/managed-by": "fairlead",
        "fairlead.dev/workflow": KEY.name,
        "fairlead.dev/workflow-uid": uid,
        "fairlead.dev/spec": DIGEST,
        "fairlead.dev/run": "1",
        "fairlead.dev/job": job,
        "fairlead.dev/attempt": str(attempt),
        "fairlead.dev/retries": "0",
    }


def job_document(
    job: str = "build",
    attempt: int = 1,
    *,
    uid: str = UID,
    version: int = 8,
    conditions: tuple[Mapping[str, str], ...] = (),
    **metadata: object,
) -> Json:
    """Give a Kubernetes Job of ours."""
    status: Json = {"active": 1, "ready": 0, "uncountedTerminatedPods": {}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name_of(job, attempt, uid=Uid(uid)),
            "namespace": KEY.namespace,
            "resourceVersion": str(version),
            "labels": labels_of(job, attempt, uid=uid),
            "ownerReferences": [{"apiVersion": "fairlead.dev/v1alpha1", "kind": "Workflow", "name": "ci", "uid": uid}],
            **metadata,
        },
        "status": status | ({"conditions": [dict(each) for each in conditions]} if conditions else {}),
    }


def template_document(spec: Mapping[str, Any], *, name: str = "builder") -> Json:
    """Give a WorkflowTemplate."""
    return {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": name, "namespace": KEY.namespace},
        "spec": dict(spec),
    }


def call_document(
    job: str = "build", attempt: int = 1, *, version: int = 8, name: str | None = None, **metadata: object
) -> Json:
    """Give a Workflow that a job of ours has called."""
    return workflow_document(
        {"jobs": {}},
        name=name or name_of(job, attempt),
        version=version,
        **{
            "uid": f"uid-of-{job}-{attempt}",
            "labels": labels_of(job, attempt),
            "ownerReferences": [{"apiVersion": "fairlead.dev/v1alpha1", "kind": "Workflow", "name": "ci", "uid": UID}],
            "annotations": {"fairlead.dev/callers": f'[{{"uid":"{UID}","run":1,"job":"{job}"}}]'},
            **metadata,
        },
    )


def pod_document(
    status: Mapping[str, Any] | None = None, *, job: str = "build", sidecars: Sequence[str] = (), **metadata: object
) -> Json:
    """Give the Pod of a Kubernetes Job of ours. `sidecars`: which of its init containers go on running."""
    name = name_of(job)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-abcde",
            "namespace": KEY.namespace,
            "resourceVersion": "9",
            "creationTimestamp": "2026-03-01T12:00:00Z",
            "labels": {**labels_of(job), LABEL_JOB_NAME: name, "controller-uid": "x"},
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": "x", "controller": True}
            ],
            **metadata,
        },
        "spec": {"initContainers": [{"name": name, "restartPolicy": "Always"} for name in sidecars]},
        "status": dict(status or {"phase": "Pending"}),
    }


def container(state: Mapping[str, Any], name: str = "main") -> Json:
    """Give a container's status."""
    return {"name": name, "ready": False, "restartCount": 0, "state": dict(state), "image": "busybox", "imageID": ""}


def condition(kind: str, truth: str = "True", **fields: str) -> dict[str, str]:
    """Give a condition of a Job or a Pod."""
    return {"type": kind, "status": truth, "lastTransitionTime": "2026-03-01T12:00:05Z", **fields}
