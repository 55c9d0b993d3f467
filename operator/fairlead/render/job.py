"""A decided attempt as a Kubernetes Job: one container that runs all steps, and services beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fairlead.model.crd import API_VERSION, KIND
from fairlead.model.overlay import overlay
from fairlead.model.problem import quote
from fairlead.model.report import JobState
from fairlead.plan.actions import LateStep
from fairlead.render.agent import agent_container
from fairlead.render.container import attempt_variable, driver_text, environment, program_for
from fairlead.render.driver import report_room
from fairlead.render.env import literal
from fairlead.render.services import host_aliases, service_container, time_to_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fairlead.model.workflow import PodSettings
    from fairlead.plan import CreateJob, Creation, Resource
    from fairlead.plan.actions import JobRequest
    from fairlead.render.env import Env

MANAGED_BY = {"app.kubernetes.io/managed-by": "fairlead"}
"""What the operator finds its Jobs and Pods by."""

LABEL_WORKFLOW = "fairlead.dev/workflow"
LABEL_WORKFLOW_UID = "fairlead.dev/workflow-uid"
LABEL_SPEC = "fairlead.dev/spec"
LABEL_RUN = "fairlead.dev/run"
LABEL_JOB = "fairlead.dev/job"
LABEL_COMBINATION = "fairlead.dev/combination"
LABEL_ATTEMPT = "fairlead.dev/attempt"
LABEL_RETRIES = "fairlead.dev/retries"

LABEL_JOB_NAME = "batch.kubernetes.io/job-name"
"""Which Kubernetes Job a Pod is of: the Job controller gives it to each."""

ANNOTATION_GROUP = "fairlead.dev/concurrency-group"
ANNOTATION_RUN_GROUP = "fairlead.dev/run-concurrency-group"

MAIN = "main"
"""The container that runs the steps."""

WORKSPACE = "/workspace"

_DEADLINE_SLACK: Final = 120
"""Seconds that the Job controller leaves to the driver, whose clean-up after a timeout takes 67 at most, and to the
operator before it ends a job by itself."""

_GRACE: Final = 30
"""Seconds from the signal that ends a Pod until it is killed: the driver takes 7 of them, its services the rest. After
a job's end a service that doesn't heed the signal keeps the Pod that long."""

_GRACE_TO_CLEAN_UP: Final = 300
"""The same where steps run after a cancel: what GitHub Actions gives them."""

_RESTRICTED: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


class NoAgentError(Exception):
    """A job has late steps, and nobody has said what image the agent is in."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step

    def __str__(self) -> str:
        """Say which step, and what to do."""
        said = "names what only the running job knows, which the agent answers"
        return f"step {quote(self.step)} {said}; start the operator with --agent-image"


def job_manifest(
    create: CreateJob, resource: Resource, *, keep_seconds: int, agent_image: str | None = None
) -> dict[str, Any]:
    """Render the Job. `keep_seconds`: how long Kubernetes keeps it, and so its log, after it has ended.

    `agent_image`: an image with this program, for the jobs with late steps. Raises NoAgentError where it is needed.
    """
    request, metadata = create.request, metadata_of(create, resource)
    settings = {"backoffLimit": 0, "activeDeadlineSeconds": deadline_of(request)}
    return manifest_of(
        request,
        metadata,
        settings,
        keep_seconds=keep_seconds,
        text=lambda room: driver_text(request, room=room),
        agent_image=agent_image,
    )


def deadline_of(request: JobRequest) -> int:
    """Give the seconds after which a job is ended from outside."""
    return request.timeout + time_to_start(request.services) + _DEADLINE_SLACK


def manifest_of(
    request: JobRequest,
    metadata: dict[str, Any],
    settings: Mapping[str, Any],
    *,
    keep_seconds: int,
    text: Callable[[int], str],
    agent_image: str | None = None,
) -> dict[str, Any]:
    """Render a Job. `settings` says how its Pods are made; `text` gives the driver's text, for a report's bytes."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            **settings,
            "ttlSecondsAfterFinished": keep_seconds,
            # What was evicted or preempted is made again by the Job controller, and doesn't count as a failure.
            "podFailurePolicy": {
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": _template(request, metadata, agent_image, text),
        },
    }


def metadata_of(create: Creation, resource: Resource) -> dict[str, Any]:
    """Name what is made for a node, say whose it is, and label it with what it is to be recognised by."""
    metadata: dict[str, Any] = {
        "name": create.name,
        "namespace": resource.key.namespace,
        "labels": _labels(create, resource),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": resource.key.name,
                "uid": resource.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }
    groups = {ANNOTATION_GROUP: create.group, ANNOTATION_RUN_GROUP: create.run_group}
    annotations = {name: group for name, group in groups.items() if group is not None}
    if annotations:
        metadata["annotations"] = annotations
    return metadata


def _labels(create: Creation, resource: Resource) -> dict[str, str]:
    labels = {
        **MANAGED_BY,
        LABEL_WORKFLOW: resource.key.name,
        LABEL_WORKFLOW_UID: resource.uid,
        LABEL_SPEC: create.digest,
        LABEL_RUN: str(create.run),
        LABEL_JOB: create.node.job,
        LABEL_ATTEMPT: str(create.attempt),
        LABEL_RETRIES: str(create.retries),
    }
    if create.node.combination is not None:
        labels[LABEL_COMBINATION] = str(create.node.combination)
    return labels


def _template(
    request: JobRequest, metadata: Mapping[str, Any], agent_image: str | None, text: Callable[[int], str]
) -> dict[str, Any]:
    """Render the Pod's template: ours, what the job lays over it, and again what nothing may be laid over."""
    pod = _pod(request, attempt_variable(metadata["labels"][LABEL_ATTEMPT]), agent_image)
    merged = overlay({"spec": pod}, request.pod.template or {})
    containers = _count(merged, "containers") + _count(merged, "initContainers")
    ours: dict[str, Any] = {
        # A Pod may outlive its Job, and then has to tell by itself whose it is and which groups it holds.
        "metadata": {name: dict(metadata[name]) for name in ("labels", "annotations") if name in metadata},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": MAIN,
                    "command": ["/bin/sh", "-c", literal(text(report_room(containers)))],
                }
            ],
        },
    }
    return overlay(merged, ours)


def _count(template: Mapping[str, Any], kind: str) -> int:
    spec = template.get("spec")
    found = spec.get(kind) if isinstance(spec, dict) else None
    return len(found) if isinstance(found, list) else 0


def _pod(request: JobRequest, told: Env, agent_image: str | None) -> dict[str, Any]:
    settings = request.pod
    root = not _says_nobody_is_root(settings)
    volumes, mounts = _volumes(settings)
    container: dict[str, Any] = {
        "name": MAIN,
        "image": request.image,
        "workingDir": WORKSPACE,
        "env": [*told, *environment(request)],
        "securityContext": _RESTRICTED,
        "volumeMounts": mounts,
    }
    if request.resources is not None:
        container["resources"] = request.resources.model_dump(by_alias=True, exclude_defaults=True)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": settings.service_account_name is not None,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_of(request),
        "containers": [container],
        "volumes": volumes,
    }
    optional = {
        "serviceAccountName": settings.service_account_name,
        "nodeSelector": dict(settings.node_selector),
        "tolerations": list(settings.tolerations),
        "initContainers": [
            *_agent(request, agent_image, mounts),
            *(service_container(name, service, root=root) for name, service in request.services.items()),
        ],
        "hostAliases": host_aliases(request.services),
    }
    return pod | {name: value for name, value in optional.items() if value}


def _says_nobody_is_root(settings: PodSettings) -> bool:
    """Whether the Pod is one that only runs as somebody else than root."""
    at: object = settings.template
    for name in ("spec", "securityContext", "runAsNonRoot"):
        at = at.get(name) if isinstance(at, Mapping) else None
    return at is True


def _agent(request: JobRequest, image: str | None, mounts: list[Any]) -> Iterator[dict[str, Any]]:
    program = program_for(request)
    if program is None:
        return
    if image is None:
        raise NoAgentError(program.steps[min(program.steps)].label)
    shared = [mount for mount in mounts if str(mount["mountPath"]).rstrip("/") in ("/fairlead", WORKSPACE)]
    yield agent_container(image, program, shared)


def _volumes(settings: PodSettings) -> tuple[list[Any], list[Any]]:
    """Give the Pod's volumes and the main container's mounts; the job may bring a workspace of its own."""
    own_mount = any(str(mount.get("mountPath", "")).rstrip("/") == WORKSPACE for mount in settings.volume_mounts)
    own_volume = any(volume.get("name") == "workspace" for volume in settings.volumes)
    volumes: list[Any] = [{"name": "fairlead", "emptyDir": {}}]
    mounts: list[Any] = [{"name": "fairlead", "mountPath": "/fairlead"}]
    if not own_mount:
        mounts.append({"name": "workspace", "mountPath": WORKSPACE})
        if not own_volume:
            volumes.append({"name": "workspace", "emptyDir": {}})
    return [*volumes, *settings.volumes], [*mounts, *settings.volume_mounts]


def grace_of(request: JobRequest) -> int:
    """Give the seconds from the signal that ends a job until it is killed."""
    cleans_up = any(isinstance(step, LateStep) or JobState.CANCELLED in step.runs_in for step in request.steps)
    return _GRACE_TO_CLEAN_UP if cleans_up else _GRACE
