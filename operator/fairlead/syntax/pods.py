"""What a job says about its Pod: volumes, mounts of volumes that are there, an overlay that spares what is ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fairlead.model.overlay import DIRECTIVE, DIRECTIVES, MERGE_KEYS, overlay
from fairlead.model.problem import Path, Problem, closest, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

    from fairlead.model.spec import Body, Job

_MAIN: Final = "main"
_OURS: Final = "fairlead"
_WORKSPACE: Final = "workspace"
_OUR_PATHS: Final = ("/fairlead", "/dev/termination-log")
_OUR_LABELS: Final = ("fairlead.dev/", "app.kubernetes.io/managed-by", "batch.kubernetes.io/", "job-name")
_OF_MAIN: Final = {
    "command": "the steps are run by it",
    "args": "the steps are run by its command",
    "image": "set the job's image",
    "terminationMessagePath": "the steps' report goes there",
    "terminationMessagePolicy": "the steps' report goes there",
}
_OF_POD: Final = {
    "restartPolicy": "a Pod runs its job once; retry starts another one",
    "activeDeadlineSeconds": "set the job's timeout",
}
_SPEC_FIELDS: Final = frozenset(
    {"affinity", "containers", "initContainers", "nodeSelector", "securityContext", "tolerations", "volumes"}
)
_BASE: Final[dict[str, JsonValue]] = {
    "spec": {
        "containers": [{"name": _MAIN, "volumeMounts": [{"name": _OURS, "mountPath": "/fairlead"}]}],
        "volumes": [{"name": _OURS, "emptyDir": {}}],
    }
}


def reserved(container: str) -> bool:
    """Whether a container's name is one of ours."""
    return container in (_MAIN, _OURS) or container.startswith(f"{_OURS}-")


def check(spec: Body) -> Iterator[Problem]:
    """Find what is wrong with the Pod settings of jobs."""
    for job_id, job in spec.jobs.items():
        yield from _settings(job, ("spec", "jobs", job_id))


def _settings(job: Job, at: Path) -> Iterator[Problem]:
    yield from _volumes(job.volumes, (*at, "volumes"))
    yield from _mounts(job, (*at, "volumeMounts"))
    if job.pod_template is not None:
        found = list(_template(job, job.pod_template, (*at, "podTemplate")))
        yield from found
        if not found and not _left_alone(job.pod_template):
            said = "takes away what the steps run by: the container main, its mount at /fairlead, the volume fairlead"
            yield Problem((*at, "podTemplate", "spec"), said)


def _volumes(volumes: tuple[Mapping[str, JsonValue], ...], at: Path) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        name = volume.get("name")
        here = (*at, index, "name")
        if not isinstance(name, str) or not name:
            yield Problem(here, "is missing")
        elif name.startswith(_OURS):
            yield Problem(here, f"{quote(name)}: names that start with fairlead are Fairlead's own")
        elif name in seen:
            yield Problem(here, f"there are two volumes called {quote(name)}")
        else:
            seen.add(name)


def _mounts(job: Job, at: Path) -> Iterator[Problem]:
    names = [*(volume.get("name") for volume in job.volumes), _WORKSPACE]
    names += [volume.get("name") for volume in _maps(_spec(job.pod_template or {}).get("volumes"))]
    known = [name for name in names if isinstance(name, str)]
    seen: set[str] = set()
    for index, mount in enumerate(job.volume_mounts):
        here = (*at, index)
        name, path = mount.get("name"), mount.get("mountPath")
        if not isinstance(name, str) or not name:
            yield Problem((*here, "name"), "is missing")
        elif name not in known:
            yield Problem((*here, "name"), f"no volume {quote(name)}", closest(name, known))
        if not isinstance(path, str) or not path:
            yield Problem((*here, "mountPath"), "is missing")
            continue
        yield from _mount_path(path, (*here, "mountPath"))
        bare = path.rstrip("/")
        if bare in seen:
            yield Problem((*here, "mountPath"), f"there are two mounts at {quote(path)}")
        seen.add(bare)


def _mount_path(path: str, at: Path) -> Iterator[Problem]:
    if any(path.rstrip("/") == ours or path.startswith(f"{ours}/") for ours in _OUR_PATHS):
        yield Problem(at, f"{quote(path)} is Fairlead's own; choose another path")


def _template(job: Job, patch: Mapping[str, JsonValue], at: Path) -> Iterator[Problem]:
    for name, value in patch.items():
        if name in _SPEC_FIELDS:
            yield Problem((*at, name), "write this under spec, as a Job's template has it")
        elif name not in ("metadata", "spec"):
            yield Problem((*at, name), "unknown field; a template has metadata and spec", closest(name, ["metadata"]))
        elif not isinstance(value, dict):
            yield Problem((*at, name), "write a map (KEY: VALUE)")
    yield from _directives(patch, at)
    yield from _metadata(patch.get("metadata"), (*at, "metadata"))
    spec = _spec(patch)
    yield from _refused(spec, _OF_POD, (*at, "spec"))
    yield from _containers(spec, (*at, "spec", "containers"))
    for kind in ("initContainers", "volumes"):
        for index, each in _numbered(spec.get(kind)):
            called = str(each.get("name"))
            if reserved(called) if kind == "initContainers" else called.startswith(_OURS):
                yield Problem((*at, "spec", kind, index, "name"), f"the name {quote(called)} is Fairlead's own")
    for index, alias in _numbered(spec.get("hostAliases")):
        if job.services and alias.get("ip") == "127.0.0.1":
            said = "takes the place of the services' names, which are 127.0.0.1's; use another address, as 127.0.0.2"
            yield Problem((*at, "spec", "hostAliases", index), said)


def _metadata(metadata: JsonValue, at: Path) -> Iterator[Problem]:
    if not isinstance(metadata, dict):
        return
    for name, value in metadata.items():
        if name not in ("labels", "annotations", DIRECTIVE):
            yield Problem((*at, name), "a job's Pod takes labels and annotations; the rest is Kubernetes' own")
        elif isinstance(value, dict):
            for key in value:
                if key.startswith(_OUR_LABELS):
                    yield Problem((*at, name, key), "is what Fairlead and Kubernetes find the Pod by")


def _containers(spec: Mapping[str, JsonValue], at: Path) -> Iterator[Problem]:
    for index, container in _numbered(spec.get("containers")):
        here = (*at, index)
        name = container.get("name")
        if name == _MAIN:
            yield from _refused(container, _OF_MAIN, here)
            for number, mount in _numbered(container.get("volumeMounts")):
                yield from _mount_path(str(mount.get("mountPath")), (*here, "volumeMounts", number, "mountPath"))
            for number, variable in _numbered(container.get("env")):
                if str(variable.get("name", "")).upper().startswith(("FAIRLEAD_", "_F_")):
                    yield Problem((*here, "env", number, "name"), "names that start with FAIRLEAD_ are Fairlead's own")
        elif isinstance(name, str):
            said = (
                f"the container {quote(name)} would keep the Pod from ending with the steps, which run in "
                f"{quote(_MAIN)}; make it a service, or an init container with restartPolicy: Always"
            )
            yield Problem(here, said)


def _refused(part: Mapping[str, Any], fields: Mapping[str, str], at: Path) -> Iterator[Problem]:
    for name, why in fields.items():
        if name in part:
            yield Problem((*at, name), f"can't be set here: {why}")


def _directives(value: object, at: Path, field: str = "") -> Iterator[Problem]:
    """Find `$…` keys that mean nothing here, and items of merged lists without the key that they are found by."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name.startswith("$") and not (name == DIRECTIVE and each in DIRECTIVES):
                yield Problem((*at, name), f"means nothing here; known is {DIRECTIVE}: delete, merge or replace")
            yield from _directives(each, (*at, name), name)
    elif isinstance(value, list):
        key = MERGE_KEYS.get(field)
        for index, each in enumerate(value):
            if key is not None and not (isinstance(each, dict) and (key in each or each == {DIRECTIVE: "replace"})):
                yield Problem((*at, index), f"has no {key}, by which the items of {field} are told apart")
            yield from _directives(each, (*at, index))


def _left_alone(patch: Mapping[str, JsonValue]) -> bool:
    spec = _spec(overlay(_BASE, patch))
    main = next((each for each in _maps(spec.get("containers")) if each.get("name") == _MAIN), {})
    paths = [mount.get("mountPath") for mount in _maps(main.get("volumeMounts"))]
    return "/fairlead" in paths and any(each.get("name") == _OURS for each in _maps(spec.get("volumes")))


def _spec(template: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    found = template.get("spec")
    return found if isinstance(found, dict) else {}


def _maps(value: JsonValue) -> list[dict[str, JsonValue]]:
    return [each for _, each in _numbered(value)]


def _numbered(value: JsonValue) -> list[tuple[int, dict[str, JsonValue]]]:
    return [(i, each) for i, each in enumerate(value) if isinstance(each, dict)] if isinstance(value, list) else []
