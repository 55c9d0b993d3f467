from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fairlead.model.ids import StepId
from fairlead.model.spec import EnvReference, KeyRef, Resources
from fairlead.plan import StepRequest
from fairlead.render.driver import Script, assemble
from fairlead.render.job import job_manifest
from tests.builders import UID, a_creation, a_request, a_resource, name_of

if TYPE_CHECKING:
    from fairlead.plan import CreateJob, JobRequest

TOKEN = EnvReference(secret_key_ref=KeyRef(name="ci", key="token"))
LEVEL = EnvReference(config_map_key_ref=KeyRef(name="settings", key="level", optional=True))


def rendered(request: JobRequest, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any of the wish's own
    """Render a Job."""
    creation: CreateJob = a_creation(request=request, **fields)
    return job_manifest(creation, a_resource(), keep_seconds=3600)


def container(request: JobRequest) -> dict[str, Any]:
    """Give the container that runs a job's steps."""
    (found,) = rendered(request)["spec"]["template"]["spec"]["containers"]
    main: dict[str, Any] = found
    return main


def a_step(run: str = "true", **fields: Any) -> StepRequest:  # noqa: ANN401  any of the step's own
    """Give a step."""
    made: dict[str, Any] = {"label": run, "run": run, "id": None, "shell": None, "working_directory": None, "env": {}}
    return StepRequest(**{**made, **fields})


def test_manifest() -> None:
    """A job is one plain Job of one container: restricted, without a token, with a deadline behind its own timeout."""
    labels = {
        "app.kubernetes.io/managed-by": "fairlead",
        "fairlead.dev/workflow": "ci",
        "fairlead.dev/workflow-uid": UID,
        "fairlead.dev/generation": "1",
        "fairlead.dev/run": "1",
        "fairlead.dev/job": "build",
        "fairlead.dev/attempt": "2",
    }
    script = assemble([Script("make", "make"), Script("test", "test")], outputs=(), timeout=600)
    assert rendered(a_request("make", "test", timeout=600), attempt=2) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name_of("build", 2),
            "namespace": "team",
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": "fairlead.dev/v1alpha1",
                    "kind": "Workflow",
                    "name": "ci",
                    "uid": UID,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": 660,
            "ttlSecondsAfterFinished": 3600,
            "podFailurePolicy": {
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "containers": [
                        {
                            "name": "main",
                            "image": "busybox",
                            "command": ["/bin/sh", "-c", script.replace("$", "$$")],
                            "workingDir": "/workspace",
                            "env": [],
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "capabilities": {"drop": ["ALL"]},
                                "seccompProfile": {"type": "RuntimeDefault"},
                            },
                            "volumeMounts": [
                                {"name": "fairlead", "mountPath": "/fairlead"},
                                {"name": "workspace", "mountPath": "/workspace"},
                            ],
                        }
                    ],
                    "volumes": [{"name": "fairlead", "emptyDir": {}}, {"name": "workspace", "emptyDir": {}}],
                },
            },
        },
    }


def test_env() -> None:
    """Values are literal: Kubernetes expands nothing in them. References stay references."""
    env = {"PRICE": "$(HOME) $$5", "PLAIN": "a b\nc", "TOKEN": TOKEN, "LEVEL": LEVEL}
    assert container(a_request(env=env))["env"] == [
        {"name": "PRICE", "value": "$$(HOME) $$$$5"},
        {"name": "PLAIN", "value": "a b\nc"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "ci", "key": "token"}}},
        {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level", "optional": True}}},
    ]


def test_steps() -> None:
    """A step has its own env in the driver's script; its references come by variables that it alone is given."""
    steps = (
        a_step("one", env={"A": "1", "TOKEN": TOKEN}),
        a_step("two", id=StepId("v"), env={"TOKEN": LEVEL}, working_directory="src", shell="sh"),  # noqa: S604  not here
    )
    found = container(a_request(steps=steps, wanted=((StepId("v"), "version"),), timeout=60))
    script = assemble(
        [
            Script("one", "one", env={"A": "1"}, env_from={"TOKEN": "FAIRLEAD_SECRET_0_TOKEN"}),
            Script(  # noqa: S604  as above
                "two",
                "two",
                id="v",
                shell="sh",
                working_directory="src",
                env_from={"TOKEN": "FAIRLEAD_SECRET_1_TOKEN"},
            ),
        ],
        outputs=[("v", "version")],
        timeout=60,
    )
    assert (found["env"], found["command"]) == (
        [
            {"name": "FAIRLEAD_SECRET_0_TOKEN", "valueFrom": {"secretKeyRef": {"name": "ci", "key": "token"}}},
            {
                "name": "FAIRLEAD_SECRET_1_TOKEN",
                "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level", "optional": True}},
            },
        ],
        ["/bin/sh", "-c", script.replace("$", "$$")],
    )


def test_secrets_stay_away() -> None:
    """No script has a secret in it, only the name of the variable that will."""
    assert "token" not in container(a_request(steps=(a_step(env={"T": TOKEN}),)))["command"][2]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (Resources(requests={"cpu": "500m"}), {"requests": {"cpu": "500m"}}),
        (
            Resources(requests={"cpu": "1"}, limits={"memory": "1Gi"}),
            {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
        ),
        (Resources(), {}),
    ],
)
def test_resources(resources: Resources, expected: dict[str, Any]) -> None:
    """What the job asks of its node is the container's."""
    assert container(a_request(resources=resources))["resources"] == expected
