"""A decided attempt as a Kubernetes Job: one container that runs all steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.model.crd import API_VERSION, KIND
from fairlead.model.spec import EnvReference
from fairlead.render.driver import Script, assemble

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.plan import CreateJob, Resource, StepRequest

MANAGED_BY = {"app.kubernetes.io/managed-by": "fairlead"}
"""What the operator finds its Jobs and Pods by."""

LABEL_WORKFLOW = "fairlead.dev/workflow"
LABEL_WORKFLOW_UID = "fairlead.dev/workflow-uid"
LABEL_GENERATION = "fairlead.dev/generation"
LABEL_RUN = "fairlead.dev/run"
LABEL_JOB = "fairlead.dev/job"
LABEL_ATTEMPT = "fairlead.dev/attempt"

MAIN = "main"
"""The container that runs the steps."""

_DEADLINE_SLACK = 60
"""Seconds that the Job controller leaves to the driver and the operator before it ends a job by itself."""

_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def job_manifest(create: CreateJob, resource: Resource, *, keep_seconds: int) -> dict[str, Any]:
    """Render the Job. `keep_seconds`: how long Kubernetes keeps it, and so its log, after it has ended."""
    labels = {
        **MANAGED_BY,
        LABEL_WORKFLOW: resource.key.name,
        LABEL_WORKFLOW_UID: resource.uid,
        LABEL_GENERATION: str(resource.generation),
        LABEL_RUN: str(create.run),
        LABEL_JOB: create.job,
        LABEL_ATTEMPT: str(create.attempt),
    }
    owner = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": resource.key.name,
        "uid": resource.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": create.name,
            "namespace": resource.key.namespace,
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": create.request.timeout + _DEADLINE_SLACK,
            "ttlSecondsAfterFinished": keep_seconds,
            # What was evicted or preempted is made again by the Job controller, and doesn't count as a failure.
            "podFailurePolicy": {
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": {"metadata": {"labels": labels}, "spec": _pod(create)},
        },
    }


def _pod(create: CreateJob) -> dict[str, Any]:
    request = create.request
    scripts = [_script(index, step) for index, step in enumerate(request.steps)]
    text = assemble(scripts, outputs=request.wanted, timeout=request.timeout)
    container: dict[str, Any] = {
        "name": MAIN,
        "image": request.image,
        "command": ["/bin/sh", "-c", _literal(text)],
        "workingDir": "/workspace",
        "env": [*_env(request.env), *_step_references(request.steps)],
        "securityContext": _RESTRICTED,
        "volumeMounts": [
            {"name": "fairlead", "mountPath": "/fairlead"},
            {"name": "workspace", "mountPath": "/workspace"},
        ],
    }
    if request.resources is not None:
        container["resources"] = request.resources.model_dump(by_alias=True, exclude_defaults=True)
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [container],
        "volumes": [{"name": "fairlead", "emptyDir": {}}, {"name": "workspace", "emptyDir": {}}],
    }


def _script(index: int, step: StepRequest) -> Script:
    return Script(
        label=step.label,
        run=step.run,
        id=step.id,
        shell=step.shell,
        working_directory=step.working_directory,
        env={name: value for name, value in step.env.items() if isinstance(value, str)},
        env_from={name: _carrier(index, name) for name, value in step.env.items() if isinstance(value, EnvReference)},
    )


def _step_references(steps: tuple[StepRequest, ...]) -> Iterator[dict[str, Any]]:
    for index, step in enumerate(steps):
        references = {_carrier(index, name): value for name, value in step.env.items() if not isinstance(value, str)}
        yield from _env(references)


def _carrier(index: int, name: str) -> str:
    """Name the container's variable that carries a reference to the one step whose it is."""
    return f"FAIRLEAD_SECRET_{index}_{name}"


def _env(env: Mapping[str, str | EnvReference]) -> Iterator[dict[str, Any]]:
    for name, value in env.items():
        if isinstance(value, str):
            yield {"name": name, "value": _literal(value)}
        else:
            yield {"name": name, "valueFrom": value.model_dump(by_alias=True, exclude_defaults=True)}


def _literal(text: str) -> str:
    """Keep Kubernetes from expanding `$(NAME)`: a doubled $ is one $."""
    return text.replace("$", "$$")
