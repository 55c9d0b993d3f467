"""The resource around a spec: apiVersion, kind and metadata, as the API server will take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fairlead.model.crd import API_VERSION, GROUP, KIND, TEMPLATE_KIND
from fairlead.model.problem import Problem, closest, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.problem import Path

KINDS: Final = (KIND, TEMPLATE_KIND)

_FIELDS: Final = ("apiVersion", "kind", "metadata", "spec", "status")
_METADATA: Final = (
    "name",
    "generateName",
    "namespace",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    # What the API server adds, and so what `kubectl get -o yaml` shows.
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
)
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_PREFIX = re.compile(r"[a-z0-9][-a-z0-9]*", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", re.ASCII)
_MOST_LABEL: Final = 63
_MOST_SUBDOMAIN: Final = 253
_NAME_RULES: Final = {
    KIND: (_LABEL, _MOST_LABEL, "a Workflow's name is at most 63 of a-z, 0-9 and -, with no - at the ends"),
    TEMPLATE_KIND: (
        _SUBDOMAIN,
        _MOST_SUBDOMAIN,
        "a template's name is at most 253 of a-z, 0-9, - and ., with a letter or digit at the ends",
    ),
}


def check_resource(resource: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong around the spec of a Workflow or WorkflowTemplate, and whether the spec is a map."""
    kind = resource.get("kind")
    version = resource.get("apiVersion")
    if version is None:
        yield Problem(("apiVersion",), f"is missing; write apiVersion: {API_VERSION}")
    elif version != API_VERSION:
        theirs = isinstance(version, str) and version.startswith(f"{GROUP}/")
        said = "is not served" if theirs else "is not Fairlead's"
        yield Problem(("apiVersion",), f"{quote(str(version))} {said}; write {API_VERSION}")
    if kind not in KINDS:
        said = "is missing" if kind is None else f"{quote(str(kind))} is none of {', '.join(KINDS)}"
        yield Problem(("kind",), said, closest(str(kind), KINDS) if kind is not None else None)
    for name in resource:
        if name not in _FIELDS:
            yield Problem((name,), "unknown field", closest(name, _FIELDS))
    yield from _metadata(resource.get("metadata"), str(kind))
    if "spec" not in resource:
        yield Problem(("spec",), "is missing")
    elif not isinstance(resource["spec"], dict):
        yield Problem(("spec",), "write a map (KEY: VALUE)")


def _metadata(metadata: object, kind: str) -> Iterator[Problem]:
    if metadata is None:
        yield Problem(("metadata",), "is missing; write metadata: {name: NAME}")
        return
    if not isinstance(metadata, dict):
        yield Problem(("metadata",), "write a map (KEY: VALUE)")
        return
    for name in metadata:
        if name not in _METADATA:
            yield Problem(("metadata", name), "unknown field", closest(name, _METADATA))
    yield from _name(metadata, kind)
    namespace = metadata.get("namespace")
    if namespace is not None and not _fits(namespace, _LABEL, _MOST_LABEL):
        said = f"{quote(str(namespace))} is no namespace: at most 63 of a-z, 0-9 and -, with no - at the ends"
        yield Problem(("metadata", "namespace"), said)
    for field in ("labels", "annotations"):
        yield from _texts(metadata.get(field), ("metadata", field), labels=field == "labels")


def _name(metadata: Mapping[str, object], kind: str) -> Iterator[Problem]:
    name, prefix = metadata.get("name"), metadata.get("generateName")
    pattern, most, rule = _NAME_RULES.get(kind, _NAME_RULES[KIND])
    if name is None and prefix is None:
        yield Problem(("metadata", "name"), "is missing; write name, or generateName for a new one each time")
    elif name is not None and not _fits(name, pattern, most):
        yield Problem(("metadata", "name"), f"{quote(_text(name))} is no name: {rule}")
    elif name is None and not _fits(prefix, _PREFIX, most - 5):
        said = f"{quote(_text(prefix))} can't begin a name: {rule}; five letters are added to it"
        yield Problem(("metadata", "generateName"), said)


def _texts(texts: object, at: Path, *, labels: bool) -> Iterator[Problem]:
    if texts is None:
        return
    if not isinstance(texts, dict):
        yield Problem(at, "write a map (KEY: VALUE)")
        return
    for key, value in texts.items():
        prefix, _, name = key.rpartition("/")
        if not _fits(name, _KEY, _MOST_LABEL) or ("/" in key and not _fits(prefix, _SUBDOMAIN, _MOST_SUBDOMAIN)):
            said = "is no key: at most 63 letters, digits, -, _ and ., perhaps after a domain and a slash"
            yield Problem((*at, key), said)
        elif not isinstance(value, str):
            yield Problem((*at, key), f"write a text; put {_text(value)} into quotes")
        elif labels and value and not _fits(value, _KEY, _MOST_LABEL):
            said = f"{quote(value)} is no label: at most 63 letters, digits, -, _ and ., a letter or digit at the ends"
            yield Problem((*at, key), said)


def _fits(text: object, pattern: re.Pattern[str], most: int) -> bool:
    return isinstance(text, str) and len(text) <= most and pattern.fullmatch(text) is not None


def _text(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict() | list():
            return "it"
        case _:
            return str(value)
