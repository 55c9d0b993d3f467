from __future__ import annotations

from typing import Any

import pytest

from fairlead.model.containers import EnvReference, KeyRef, Resources
from fairlead.model.ids import Attempt, JobId, NodeId, RunNumber, SpecDigest, StepId
from fairlead.model.report import JobState
from fairlead.model.workflow import PodSettings, StepPlan
from fairlead.plan.actions import CreateJob, JobRequest, LateStep, Mixed, ServiceRequest, StepRequest
from fairlead.render.driver import Late, Script, assemble, report_room
from fairlead.render.job import NoAgentError, job_manifest
from fairlead.render.program import parse_program
from tests.builders import UID, a_resource

TOKEN = EnvReference(secret_key_ref=KeyRef(name="ci", key="token"))
LEVEL = EnvReference(config_map_key_ref=KeyRef(name="settings", key="level", optional=True))
ATTEMPT = {"name": "FAIRLEAD_ATTEMPT", "value": "2"}
FROM_TOKEN = {"secretKeyRef": {"name": "ci", "key": "token"}}
FROM_LEVEL = {"configMapKeyRef": {"name": "settings", "key": "level", "optional": True}}
WHEN_GOOD = frozenset({JobState.SUCCESS})
ALWAYS = frozenset(JobState)
OWN = [{"name": "fairlead", "emptyDir": {}}, {"name": "workspace", "emptyDir": {}}]
OWN_MOUNTS = [{"name": "fairlead", "mountPath": "/fairlead"}, {"name": "workspace", "mountPath": "/workspace"}]
PLAIN_LABELS = {
    "app.kubernetes.io/managed-by": "fairlead",
    "fairlead.dev/workflow": "ci",
    "fairlead.dev/workflow-uid": UID,
    "fairlead.dev/spec": "0123456789ab",
    "fairlead.dev/run": "3",
    "fairlead.dev/job": "build",
    "fairlead.dev/attempt": "2",
    "fairlead.dev/retries": "1",
}


def a_step(run: str = "true", **fields: Any) -> StepRequest:  # noqa: ANN401  any of the step's own
    """Give a step."""
    made: dict[str, Any] = {"label": run, "run": run, "runs_in": WHEN_GOOD, **fields}
    return StepRequest(**made)


def a_request(*steps: StepRequest | LateStep, **fields: Any) -> JobRequest:  # noqa: ANN401  any of the request's own
    """Give a job of steps."""
    made: dict[str, Any] = {"image": "busybox", "steps": steps or (a_step(),), "env": {}, "timeout": 600, **fields}
    return JobRequest(**made)


def rendered(
    request: JobRequest,
    combination: int | None = None,
    group: str | None = None,
    agent_image: str | None = "fairlead:1",
) -> dict[str, Any]:
    """Render a Job."""
    creation = CreateJob(
        name="ci-build-3-2-01234567",
        node=NodeId(JobId("build"), combination),
        run=RunNumber(3),
        digest=SpecDigest("0123456789ab"),
        attempt=Attempt(2),
        request=request,
        retries=1,
        group=group,
        run_group=None if group is None else "team/ci",
    )
    return job_manifest(creation, a_resource(), keep_seconds=3600, agent_image=agent_image)


def pod(request: JobRequest) -> dict[str, Any]:
    """Give a job's Pod."""
    found: dict[str, Any] = rendered(request)["spec"]["template"]["spec"]
    return found


def main(request: JobRequest) -> dict[str, Any]:
    """Give the container that runs a job's steps."""
    (found,) = pod(request)["containers"]
    container: dict[str, Any] = found
    return container


def command(text: str) -> list[str]:
    """Give the command that runs a driver's text."""
    return ["/bin/sh", "-c", text.replace("$", "$$")]


def test_manifest() -> None:
    """A job is one plain Job of one container: restricted, without a token, with a deadline behind its own timeout."""
    script = assemble([Script("make", "make"), Script("test", "test")], outputs=(), timeout=600)
    assert rendered(a_request(a_step("make"), a_step("test"))) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "ci-build-3-2-01234567",
            "namespace": "team",
            "labels": PLAIN_LABELS,
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
            "activeDeadlineSeconds": 720,
            "ttlSecondsAfterFinished": 3600,
            "podFailurePolicy": {
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": {
                "metadata": {"labels": PLAIN_LABELS},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 30,
                    "containers": [
                        {
                            "name": "main",
                            "image": "busybox",
                            "command": command(script),
                            "workingDir": "/workspace",
                            "env": [ATTEMPT],
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "capabilities": {"drop": ["ALL"]},
                                "seccompProfile": {"type": "RuntimeDefault"},
                            },
                            "volumeMounts": OWN_MOUNTS,
                        }
                    ],
                    "volumes": OWN,
                },
            },
        },
    }


def test_identity() -> None:
    """A combination is told by a label of the Job and of its Pods, concurrency groups by annotations of both."""
    found = rendered(a_request(), combination=4, group="team/deploy")
    labels = {**PLAIN_LABELS, "fairlead.dev/combination": "4"}
    groups = {"fairlead.dev/concurrency-group": "team/deploy", "fairlead.dev/run-concurrency-group": "team/ci"}
    assert (found["metadata"]["labels"], found["metadata"]["annotations"], found["spec"]["template"]["metadata"]) == (
        labels,
        groups,
        {"labels": labels, "annotations": groups},
    )


def test_env() -> None:
    """The job's variables are the container's, carriers of references before the texts that they are a part of."""
    found = main(a_request(env={"A": "$1", "URL": Mixed(("http://", TOKEN, "/", LEVEL)), "T": TOKEN}))
    carriers = ["FAIRLEAD_SECRET_JOB_0_URL", "FAIRLEAD_SECRET_JOB_1_URL"]
    script = assemble(
        [Script("true", "true", env_from={name: name for name in carriers})],
        outputs=(),
        timeout=600,
        masks=["FAIRLEAD_SECRET_JOB_0_URL", "T"],
    )
    assert (found["env"], found["command"]) == (
        [
            ATTEMPT,
            {"name": "FAIRLEAD_SECRET_JOB_0_URL", "valueFrom": FROM_TOKEN},
            {"name": "FAIRLEAD_SECRET_JOB_1_URL", "value": ""},
            {"name": "FAIRLEAD_SECRET_JOB_1_URL", "valueFrom": FROM_LEVEL},
            {"name": "A", "value": "$$1"},
            {"name": "URL", "value": "http://$(FAIRLEAD_SECRET_JOB_0_URL)/$(FAIRLEAD_SECRET_JOB_1_URL)"},
            {"name": "T", "valueFrom": FROM_TOKEN},
        ],
        command(script),
    )


def test_steps() -> None:
    """A step has its own env in the driver's script; its references come by variables that it alone is given."""
    steps = (
        a_step("one", env={"A": "1", "TOKEN": TOKEN}, continue_on_error=True, timeout=5),
        a_step(  # noqa: S604  no shell here
            "two",
            id=StepId("v"),
            env={"LEVEL": LEVEL, "URL": Mixed(("a:", TOKEN))},
            working_directory="src",
            shell="sh",
            runs_in=frozenset({JobState.FAILURE}),
        ),
    )
    found = main(a_request(*steps, wanted=((StepId("v"), "version"),), timeout=60))
    script = assemble(
        [
            Script(
                "one",
                "one",
                env={"A": "1"},
                env_from={"TOKEN": "FAIRLEAD_SECRET_0_TOKEN"},
                continue_on_error=True,
                timeout=5,
            ),
            Script(  # noqa: S604  as above
                "two",
                "two",
                id="v",
                shell="sh",
                working_directory="src",
                env_from={
                    "LEVEL": "FAIRLEAD_SECRET_1_LEVEL",
                    "URL": "FAIRLEAD_SECRET_1_URL",
                    "FAIRLEAD_SECRET_1_0_URL": "FAIRLEAD_SECRET_1_0_URL",
                },
                runs_in=frozenset({JobState.FAILURE}),
            ),
        ],
        outputs=[("v", "version")],
        timeout=60,
        masks=["FAIRLEAD_SECRET_0_TOKEN", "FAIRLEAD_SECRET_1_0_URL"],
    )
    assert (found["env"], found["command"]) == (
        [
            ATTEMPT,
            {"name": "FAIRLEAD_SECRET_0_TOKEN", "valueFrom": FROM_TOKEN},
            {"name": "FAIRLEAD_SECRET_1_0_URL", "valueFrom": FROM_TOKEN},
            {"name": "FAIRLEAD_SECRET_1_LEVEL", "valueFrom": FROM_LEVEL},
            {"name": "FAIRLEAD_SECRET_1_URL", "value": "a:$(FAIRLEAD_SECRET_1_0_URL)"},
        ],
        command(script),
    )


def test_late_step() -> None:
    """A step that is defined when its turn comes has its references in the container already."""
    late = LateStep(StepPlan("two", "two"), {"TOKEN": TOKEN, "URL": Mixed(("a:", TOKEN))})
    found = main(a_request(a_step("one"), late))
    script = assemble(
        [
            Script("one", "one"),
            Late(1, ("FAIRLEAD_SECRET_1_TOKEN", "FAIRLEAD_SECRET_1_URL", "FAIRLEAD_SECRET_1_0_URL")),
        ],
        outputs=(),
        timeout=600,
        room=report_room(2),
        masks=["FAIRLEAD_SECRET_1_0_URL", "FAIRLEAD_SECRET_1_TOKEN"],
    )
    assert (found["env"], found["command"]) == (
        [
            ATTEMPT,
            {"name": "FAIRLEAD_SECRET_1_0_URL", "valueFrom": FROM_TOKEN},
            {"name": "FAIRLEAD_SECRET_1_TOKEN", "valueFrom": FROM_TOKEN},
            {"name": "FAIRLEAD_SECRET_1_URL", "value": "a:$(FAIRLEAD_SECRET_1_0_URL)"},
        ],
        command(script),
    )


def test_late_steps_have_the_agent_beside_them() -> None:
    """It shares the state folder and the workspace, knows the step's plan, and no secret."""
    late = LateStep(StepPlan("two", "echo $HOME", env={"TOKEN": TOKEN, "A": "b"}), {"TOKEN": TOKEN})
    request = a_request(a_step("one"), late)

    [agent] = pod(request)["initContainers"]

    program = parse_program({each["name"]: each["value"].replace("$$", "$") for each in agent["env"]})
    mounts = {(each["name"], each["mountPath"]) for each in agent["volumeMounts"]}
    assert (agent["image"], agent["args"], agent["restartPolicy"]) == ("fairlead:1", ["agent"], "Always")
    assert mounts == {("fairlead", "/fairlead"), ("workspace", "/workspace")}
    assert (program.steps[1].run, program.steps[1].env) == ("echo $HOME", {"A": "b"})
    assert program.references == {1: {"TOKEN": "FAIRLEAD_SECRET_1_TOKEN"}}


def test_without_an_agent_late_steps_are_refused() -> None:
    """The error names the step and what to do."""
    with pytest.raises(NoAgentError) as caught:
        rendered(a_request(LateStep(StepPlan("deploy it", "two"))), agent_image=None)

    said = 'step "deploy it" names what only the running job knows, which the agent answers'
    assert str(caught.value) == f"{said}; start the operator with --agent-image"


def test_secrets_stay_away() -> None:
    """No script names a Secret or its key, only the variable that will have the value."""
    key = EnvReference(secret_key_ref=KeyRef(name="our-secret", key="deploy-key"))
    steps = (a_step(env={"T": key, "U": Mixed(("a", key))}),)
    text = main(a_request(*steps, env={"M": Mixed((key, "b"))}))["command"][2]
    assert [word for word in ("our-secret", "deploy-key") if word in text] == []


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ((a_step(),), 30),
        ((a_step(), a_step(runs_in=frozenset({JobState.FAILURE}))), 30),
        ((a_step(), a_step(runs_in=ALWAYS)), 300),
        ((a_step(), LateStep(StepPlan("a", "a"))), 300),
    ],
    ids=["nothing to clean up", "after a failure only", "always", "nobody knows yet"],
)
def test_grace(steps: tuple[StepRequest | LateStep, ...], seconds: int) -> None:
    """A Pod that is deleted has time for the steps that run then, where there are any."""
    assert pod(a_request(*steps))["terminationGracePeriodSeconds"] == seconds


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
    assert main(a_request(resources=resources))["resources"] == expected


# Services

SERVICES = {"postgres": ServiceRequest("postgres:15"), "cache": ServiceRequest("redis:7")}


def test_services() -> None:
    """Services start before the steps, are found by name and by variables, and have their time before the deadline."""
    found = rendered(a_request(services=SERVICES, env={"POSTGRES_HOST": "mine"}))["spec"]
    made = found["template"]["spec"]
    assert (
        [each["name"] for each in made["initContainers"]],
        made["hostAliases"],
        made["containers"][0]["env"],
        found["activeDeadlineSeconds"],
    ) == (
        ["postgres", "cache"],
        [{"ip": "127.0.0.1", "hostnames": ["postgres", "cache"]}],
        [
            ATTEMPT,
            {"name": "POSTGRES_HOST", "value": "mine"},
            {"name": "POSTGRES_PORT", "value": "5432"},
            {"name": "CACHE_HOST", "value": "cache"},
            {"name": "CACHE_PORT", "value": "6379"},
        ],
        600 + 120 + 2 * 600,
    )


@pytest.mark.parametrize(("services", "others", "room"), [(0, 0, 4096), (2, 0, 4096), (2, 1, 3072), (5, 0, 2048)])
def test_room(services: int, others: int, room: int) -> None:
    """The containers of a Pod share the bytes that reports may take, those of the overlay, too."""
    template: dict[str, Any] = {"spec": {"initContainers": [{"name": f"other-{index}"} for index in range(others)]}}
    request = a_request(
        services={f"s{index}": ServiceRequest("mine") for index in range(services)}, pod=PodSettings(template=template)
    )
    assert f"\n_f_begin 600 {room}\n" in main(request)["command"][2]


# Settings of the Pod


def test_pod_settings() -> None:
    """What a job says about its Pod is there as Kubernetes has it; a token is mounted where an account is named."""
    toleration = {"key": "gpu", "operator": "Exists"}
    settings = PodSettings(
        service_account_name="deployer",
        node_selector={"disk": "ssd"},
        tolerations=(toleration,),
        volumes=({"name": "cache", "emptyDir": {}},),
        volume_mounts=({"name": "cache", "mountPath": "/cache"},),
    )
    found = pod(a_request(pod=settings))
    assert (
        {name: found[name] for name in ("serviceAccountName", "automountServiceAccountToken")},
        {name: found[name] for name in ("nodeSelector", "tolerations", "volumes")},
        found["containers"][0]["volumeMounts"],
    ) == (
        {"serviceAccountName": "deployer", "automountServiceAccountToken": True},
        {
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [toleration],
            "volumes": [*OWN, {"name": "cache", "emptyDir": {}}],
        },
        [*OWN_MOUNTS, {"name": "cache", "mountPath": "/cache"}],
    )


CLAIM = {"persistentVolumeClaim": {"claimName": "src"}}


@pytest.mark.parametrize(
    ("volume", "mount", "volumes", "mounts"),
    [
        (
            {"name": "src", **CLAIM},
            {"name": "src", "mountPath": "/workspace/", "subPath": "a"},
            [OWN[0], {"name": "src", **CLAIM}],
            [OWN_MOUNTS[0], {"name": "src", "mountPath": "/workspace/", "subPath": "a"}],
        ),
        (
            {"name": "workspace", **CLAIM},
            {"name": "workspace", "mountPath": "/other"},
            [OWN[0], {"name": "workspace", **CLAIM}],
            [*OWN_MOUNTS, {"name": "workspace", "mountPath": "/other"}],
        ),
    ],
    ids=["mounted there", "called so"],
)
def test_own_workspace(volume: Any, mount: Any, volumes: list[Any], mounts: list[Any]) -> None:  # noqa: ANN401  as in JSON
    """A volume that a job mounts at /workspace, or calls so, takes the place of the empty one."""
    found = pod(a_request(pod=PodSettings(volumes=(volume,), volume_mounts=(mount,))))
    assert (found["volumes"], found["containers"][0]["volumeMounts"]) == (volumes, mounts)


def test_pod_template() -> None:
    """What a job lays over its Pod's template is merged into ours, services' containers and all."""
    template: dict[str, Any] = {
        "metadata": {"labels": {"team": "a"}, "annotations": {"sidecar.istio.io/inject": "false"}},
        "spec": {
            "priorityClassName": "high",
            "initContainers": [{"name": "cache", "resources": {"requests": {"cpu": "1"}}}, {"name": "migrate"}],
            "containers": [{"name": "main", "securityContext": {"runAsUser": 1000}}],
        },
    }
    found = rendered(a_request(services=SERVICES, pod=PodSettings(template=template)))["spec"]["template"]
    spec = found["spec"]
    assert (
        found["metadata"],
        spec["priorityClassName"],
        [(each["name"], each.get("resources")) for each in spec["initContainers"]],
        spec["containers"][0]["securityContext"]["runAsUser"],
        spec["containers"][0]["securityContext"]["capabilities"],
    ) == (
        {"labels": {"team": "a", **PLAIN_LABELS}, "annotations": {"sidecar.istio.io/inject": "false"}},
        "high",
        [("postgres", None), ("cache", {"requests": {"cpu": "1"}}), ("migrate", None)],
        1000,
        {"drop": ["ALL"]},
    )


@pytest.mark.parametrize(
    "template",
    [
        {"metadata": {"labels": {"fairlead.dev/job": "other", "app.kubernetes.io/managed-by": None}}},
        {"metadata": {"$patch": "delete"}},
        {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "main", "command": ["evil"]}]}},
    ],
)
def test_what_is_ours_stays(template: dict[str, Any]) -> None:
    """Whatever is laid over it, a Pod is found by our labels and runs our command once."""
    found = rendered(a_request(pod=PodSettings(template=template)))["spec"]["template"]
    assert (found["metadata"], found["spec"]["restartPolicy"], found["spec"]["containers"][0]["command"]) == (
        {"labels": PLAIN_LABELS},
        "Never",
        main(a_request())["command"],
    )


@pytest.mark.parametrize(
    ("template", "bare"),
    [
        ({"spec": {"securityContext": {"runAsNonRoot": True, "runAsUser": 1000}}}, True),
        ({"spec": {"securityContext": {"runAsNonRoot": False}}}, False),
        ({"spec": {"securityContext": {"runAsUser": 1000}}}, False),
        ({"spec": {"securityContext": None}}, False),
        (None, False),
    ],
)
def test_nobody_is_root(template: dict[str, Any] | None, bare: bool) -> None:  # noqa: FBT001  a table's column
    """Where no container may start as root, services have no capabilities left, as the steps' never has any."""
    found = pod(a_request(services={"web": ServiceRequest("mine")}, pod=PodSettings(template=template)))
    [service] = found["initContainers"]
    assert (service["securityContext"]["capabilities"]["drop"] == ["ALL"]) is bare
