"""A strategic merge of Pod templates: what kubectl does with a patch, for the lists that a Pod template has.

https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md; the
merge keys are those of Kubernetes' OpenAPI document (x-kubernetes-patch-merge-key, the same from 1.29 to 1.36).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

MERGE_KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "volumes": "name",
    "resourceClaims": "name",
    "imagePullSecrets": "name",
    "schedulingGates": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
"""The lists whose items are merged with those of the same key. Any other list takes the place of the one below."""

_ONE_OF_A_KIND: Final = frozenset({"volumes", "resourceClaims"})
"""Of these an item has one source or another: what the patch doesn't name goes (the strategy `retainKeys`)."""

DIRECTIVE: Final = "$patch"
DIRECTIVES: Final = frozenset({"replace", "delete", "merge"})

Map = dict[str, "JsonValue"]


def overlay(base: Mapping[str, JsonValue], patch: Mapping[str, JsonValue]) -> Map:
    """Lay `patch` over `base`, neither of which is changed.

    Maps are merged, null takes a field away, lists are merged by MERGE_KEYS. `$patch: replace` in a map, or as an item
    of a list, puts the patch in the place of what was there; `$patch: delete` takes it away. New items of a list come
    before the one that the patch names next, else at the end (kubectl puts those in front). Works for anything; what
    Kubernetes would refuse in a patch (an item without its key) is added as it is.
    """
    directive = patch.get(DIRECTIVE)
    if directive == "delete":
        return {}
    merged: Map = {} if directive == "replace" else dict(base)
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _laid_over(name, merged.get(name), value)
    return merged


def _laid_over(name: str, below: JsonValue, value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return overlay(below if isinstance(below, dict) else {}, value)
    if isinstance(value, list) and name in MERGE_KEYS:
        return _merged(name, below if isinstance(below, list) else [], value)
    return value


def _merged(name: str, below: Sequence[JsonValue], items: Sequence[JsonValue]) -> list[JsonValue]:
    key = MERGE_KEYS[name]
    replaced = any(isinstance(item, dict) and item.get(DIRECTIVE) == "replace" and key not in item for item in items)
    gone = [item for item in items if isinstance(item, dict) and key in item and item.get(DIRECTIVE) == "delete"]
    kept = () if replaced else below
    merged = [each for each in kept if not any(_same(each, key, item) for item in gone)]
    # From behind, so that a new item finds its place before the one that comes after it.
    before = len(merged)
    for item in reversed(items):
        if item in gone or item == {DIRECTIVE: "replace"}:
            continue
        at = _place(merged, key, item)
        if at is None:
            merged.insert(before, overlay({}, item) if isinstance(item, dict) else item)
        else:
            merged[at] = _item(name, merged[at], item)
            before = at
    return merged


def _place(items: Sequence[JsonValue], key: str, wanted: JsonValue) -> int | None:
    return next((index for index, each in enumerate(items) if _same(each, key, wanted)), None)


def _same(one: JsonValue, key: str, other: JsonValue) -> bool:
    return isinstance(one, dict) and isinstance(other, dict) and key in one and one[key] == other.get(key)


def _item(name: str, below: JsonValue, item: JsonValue) -> JsonValue:
    if not isinstance(below, dict) or not isinstance(item, dict):
        return item
    kept = {field: value for field, value in below.items() if field in item} if name in _ONE_OF_A_KIND else below
    return overlay(kept, item)
