from __future__ import annotations

from typing import Any

import pytest

from fairlead.model.problem import InvalidWorkflowError
from fairlead.syntax import parse_spec
from fairlead.syntax.pods import reserved


def problems(**job: object) -> list[str]:
    """Give what is wrong with a job's Pod settings, without the place of the job."""
    document = {"jobs": {"test": {"image": "a", "commands": ["a"], **job}}}
    try:
        parse_spec(document)
    except InvalidWorkflowError as error:
        return [str(problem).removeprefix("spec.jobs.test.") for problem in error.problems]
    return []


def template(**fields: Any) -> list[str]:  # noqa: ANN401  as in JSON
    """Give what is wrong with an overlay, without its place."""
    return [text.removeprefix("podTemplate.") for text in problems(podTemplate=fields)]


def spec(**fields: Any) -> list[str]:  # noqa: ANN401  as in JSON
    """Give what is wrong with the spec of an overlay, without its place."""
    return [text.removeprefix("spec.") for text in template(spec=fields)]


def main(**fields: Any) -> list[str]:  # noqa: ANN401  as in JSON
    """Give what is wrong with an overlay of the main container, without its place."""
    return [text.removeprefix("containers[0].") for text in spec(containers=[{"name": "main", **fields}])]


def test_nothing_wrong() -> None:
    """Settings as Kubernetes has them are no problem."""
    volumes = [{"name": "cache", "emptyDir": {}}, {"name": "workspace", "persistentVolumeClaim": {"claimName": "a"}}]
    mounts = [
        {"name": "cache", "mountPath": "/cache"},
        {"name": "cache", "mountPath": "/workspace"},
        {"name": "late", "mountPath": "/fairleader"},
    ]
    overlay = {
        "metadata": {"labels": {"team": "a"}, "annotations": {"b": "c"}},
        "spec": {
            "priorityClassName": "high",
            "volumes": [{"name": "late", "emptyDir": {}}],
            "hostAliases": [{"ip": "127.0.0.2", "hostnames": ["a"]}],
            "initContainers": [{"name": "redis", "resources": {"$patch": "replace"}}, {"name": "migrate"}],
            "containers": [{"name": "main", "securityContext": {"runAsUser": 1}, "env": [{"name": "A", "value": "b"}]}],
        },
    }
    assert problems(services=["redis"], volumes=volumes, volumeMounts=mounts, podTemplate=overlay) == []


@pytest.mark.parametrize(
    ("name", "expected"), [("main", True), ("fairlead", True), ("fairlead-agent", True), ("fairleads", False)]
)
def test_reserved(*, name: str, expected: bool) -> None:
    """The names of our containers are ours."""
    assert reserved(name) is expected


VOLUMES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no name": ({"volumes": [{"emptyDir": {}}]}, ["volumes[0].name: is missing"]),
    "our name": (
        {"volumes": [{"name": "fairlead-a"}]},
        ['volumes[0].name: "fairlead-a": names that start with fairlead are Fairlead\'s own'],
    ),
    "twice": (
        {"volumes": [{"name": "a"}, {"name": "b"}, {"name": "a"}]},
        ['volumes[2].name: there are two volumes called "a"'],
    ),
    "a mount of nothing": (
        {"volumes": [{"name": "cache"}], "volumeMounts": [{"name": "cahce", "mountPath": "/a"}]},
        ['volumeMounts[0].name: no volume "cahce"; did you mean "cache"?'],
    ),
    "an empty mount": (
        {"volumeMounts": [{}]},
        ["volumeMounts[0].name: is missing", "volumeMounts[0].mountPath: is missing"],
    ),
    "our folder": (
        {"volumeMounts": [{"name": "workspace", "mountPath": "/fairlead/a"}]},
        ['volumeMounts[0].mountPath: "/fairlead/a" is Fairlead\'s own; choose another path'],
    ),
    "the report": (
        {"volumeMounts": [{"name": "workspace", "mountPath": "/dev/termination-log"}]},
        ['volumeMounts[0].mountPath: "/dev/termination-log" is Fairlead\'s own; choose another path'],
    ),
    "one path twice": (
        {"volumeMounts": [{"name": "workspace", "mountPath": "/a"}, {"name": "workspace", "mountPath": "/a/"}]},
        ['volumeMounts[1].mountPath: there are two mounts at "/a/"'],
    ),
}


@pytest.mark.parametrize(("job", "expected"), VOLUMES.values(), ids=VOLUMES)
def test_volumes(job: dict[str, Any], expected: list[str]) -> None:
    """Volumes have names of their own, and mounts are of volumes and at paths that can be had."""
    assert problems(**job) == expected


TAKEN = "spec: takes away what the steps run by: the container main, its mount at /fairlead, the volume fairlead"
TEMPLATES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a bare spec": ({"containers": []}, ["containers: write this under spec, as a Job's template has it"]),
    "an unknown field": (
        {"meta": {}},
        ['meta: unknown field; a template has metadata and spec; did you mean "metadata"?'],
    ),
    "no map": ({"spec": None}, ["spec: write a map (KEY: VALUE)"]),
    "a name": (
        {"metadata": {"name": "a"}},
        ["metadata.name: a job's Pod takes labels and annotations; the rest is Kubernetes' own"],
    ),
    "our label": (
        {"metadata": {"labels": {"fairlead.dev/job": "a"}}},
        ['metadata.labels["fairlead.dev/job"]: is what Fairlead and Kubernetes find the Pod by'],
    ),
    "Kubernetes' label": (
        {"metadata": {"labels": {"batch.kubernetes.io/job-name": None}}},
        ['metadata.labels["batch.kubernetes.io/job-name"]: is what Fairlead and Kubernetes find the Pod by'],
    ),
    "the restart policy": (
        {"spec": {"restartPolicy": "Always"}},
        ["spec.restartPolicy: can't be set here: a Pod runs its job once; retry starts another one"],
    ),
    "the deadline": (
        {"spec": {"activeDeadlineSeconds": 1}},
        ["spec.activeDeadlineSeconds: can't be set here: set the job's timeout"],
    ),
    "a container beside main": (
        {"spec": {"containers": [{"name": "helper"}]}},
        [
            (
                'spec.containers[0]: the container "helper" would keep the Pod from ending with the steps, which run '
                'in "main"; make it a service, or an init container with restartPolicy: Always'
            )
        ],
    ),
    "our init container": (
        {"spec": {"initContainers": [{"name": "fairlead-agent"}]}},
        ['spec.initContainers[0].name: the name "fairlead-agent" is Fairlead\'s own'],
    ),
    "our volume": (
        {"spec": {"volumes": [{"name": "fairlead"}]}},
        ['spec.volumes[0].name: the name "fairlead" is Fairlead\'s own'],
    ),
    "no key": (
        {"spec": {"volumes": [{"emptyDir": {}}]}},
        ["spec.volumes[0]: has no name, by which the items of volumes are told apart"],
    ),
    "no map in a list": (
        {"spec": {"initContainers": ["a"]}},
        ["spec.initContainers[0]: has no name, by which the items of initContainers are told apart"],
    ),
    "another directive": (
        {"spec": {"$retainKeys": ["a"]}},
        ['spec["$retainKeys"]: means nothing here; known is $patch: delete, merge or replace'],
    ),
    "an unknown directive": (
        {"spec": {"volumes": [{"name": "a", "$patch": "remove"}]}},
        ['spec.volumes[0]["$patch"]: means nothing here; known is $patch: delete, merge or replace'],
    ),
    "the spec replaced": ({"spec": {"$patch": "replace"}}, [TAKEN]),
    "main deleted": ({"spec": {"containers": [{"name": "main", "$patch": "delete"}]}}, [TAKEN]),
    "all volumes replaced": ({"spec": {"volumes": [{"$patch": "replace"}]}}, [TAKEN]),
    "no volumes": ({"spec": {"volumes": None}}, [TAKEN]),
    "no mounts": ({"spec": {"containers": [{"name": "main", "volumeMounts": None}]}}, [TAKEN]),
}


@pytest.mark.parametrize(("overlay", "expected"), TEMPLATES.values(), ids=TEMPLATES)
def test_template(overlay: dict[str, Any], expected: list[str]) -> None:
    """An overlay leaves alone what the steps run by and the Pod is found by, and is one that can be laid over."""
    assert template(**overlay) == expected


def test_main() -> None:
    """What runs the steps can't be set in the overlay of their container."""
    assert (main(command=["a"], image="b"), main(env=[{"name": "FAIRLEAD_HOME"}])) == (
        [
            "command: can't be set here: the steps are run by it",
            "image: can't be set here: set the job's image",
        ],
        ["env[0].name: names that start with FAIRLEAD_ are Fairlead's own"],
    )


def test_our_mount() -> None:
    """The overlay can't mount something where the driver lives."""
    assert main(volumeMounts=[{"name": "a", "mountPath": "/fairlead"}]) == [
        'volumeMounts[0].mountPath: "/fairlead" is Fairlead\'s own; choose another path'
    ]


def test_names_of_services() -> None:
    """An overlay of the addresses would take the services' names away."""
    aliases = {"spec": {"hostAliases": [{"ip": "127.0.0.1", "hostnames": ["a"]}]}}
    assert (problems(podTemplate=aliases), problems(podTemplate=aliases, services=["redis"])) == (
        [],
        [
            (
                "podTemplate.spec.hostAliases[0]: takes the place of the services' names, which are 127.0.0.1's; "
                "use another address, as 127.0.0.2"
            )
        ],
    )
