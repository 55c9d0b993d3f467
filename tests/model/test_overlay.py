from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.overlay import overlay

MAIN = {"name": "main", "image": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
POD = {"containers": [MAIN], "volumes": [{"name": "w", "emptyDir": {"sizeLimit": "1Gi"}}], "nodeSelector": {"a": "b"}}

TABLE: dict[str, tuple[Any, Any, Any]] = {
    "nothing": (POD, {}, POD),
    "maps are merged": ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "d": 4}}, {"a": {"b": 3, "c": 2, "d": 4}}),
    "null takes away": ({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"c": None}, "d": None}, {"b": {}}),
    "null in what is new": ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
    "other types take the place": ({"a": {"b": 1}, "c": [1]}, {"a": "x", "c": {"d": 1}}, {"a": "x", "c": {"d": 1}}),
    "plain lists are replaced": ({"command": ["a", "b"]}, {"command": ["c"]}, {"command": ["c"]}),
    "tolerations are replaced": ({"tolerations": [{"key": "a"}]}, {"tolerations": []}, {"tolerations": []}),
    "items by their key": (
        POD,
        {"containers": [{"name": "main", "image": "b"}, {"name": "new"}]},
        {**POD, "containers": [{**MAIN, "image": "b"}, {"name": "new"}]},
    ),
    "items in items": (
        POD,
        {"containers": [{"name": "main", "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}]},
        {
            **POD,
            "containers": [
                {
                    **MAIN,
                    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "C", "value": "4"}],
                }
            ],
        },
    ),
    "keys are not only names": (
        {"ports": [{"containerPort": 1, "name": "a"}], "hostAliases": [{"ip": "1", "hostnames": ["a"]}]},
        {"ports": [{"containerPort": 1, "name": "b"}], "hostAliases": [{"ip": "2", "hostnames": ["b"]}]},
        {
            "ports": [{"containerPort": 1, "name": "b"}],
            "hostAliases": [{"ip": "1", "hostnames": ["a"]}, {"ip": "2", "hostnames": ["b"]}],
        },
    ),
    "new items have their place": (
        {"initContainers": [{"name": "a"}, {"name": "b"}]},
        {"initContainers": [{"name": "1"}, {"name": "2"}, {"name": "b", "image": "x"}, {"name": "3"}, {"name": "4"}]},
        {
            "initContainers": [
                *({"name": name} for name in ("a", "1", "2")),
                {"name": "b", "image": "x"},
                *({"name": name} for name in ("3", "4")),
            ]
        },
    ),
    "a volume has one source": (
        POD,
        {"volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "c"}}]},
        {**POD, "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "c"}}]},
    ),
    "a volume keeps its source": (
        POD,
        {"volumes": [{"name": "w", "emptyDir": {"medium": "Memory"}}]},
        {**POD, "volumes": [{"name": "w", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}}]},
    ),
    "replace a map": (
        {"a": {"b": 1, "c": {"d": 2}}},
        {"a": {"$patch": "replace", "c": {"e": 3}}},
        {"a": {"c": {"e": 3}}},
    ),
    "delete a map": ({"a": {"b": 1}}, {"a": {"$patch": "delete"}}, {"a": {}}),
    "merge a map": ({"a": {"b": 1}}, {"a": {"$patch": "merge", "c": 2}}, {"a": {"b": 1, "c": 2}}),
    "delete an item": (POD, {"containers": [{"name": "main", "$patch": "delete"}]}, {**POD, "containers": []}),
    "replace an item": (
        POD,
        {"containers": [{"name": "main", "$patch": "replace", "image": "b"}]},
        {**POD, "containers": [{"name": "main", "image": "b"}]},
    ),
    "replace a list": (
        POD,
        {"volumes": [{"$patch": "replace"}, {"name": "v", "emptyDir": {}}]},
        {**POD, "volumes": [{"name": "v", "emptyDir": {}}]},
    ),
    "an item without its key is added": ({"env": []}, {"env": [{"value": "x"}, 7]}, {"env": [{"value": "x"}, 7]}),
    "unknown directives say nothing": ({"a": 1}, {"$retainKeys": ["b"]}, {"a": 1}),
}


@pytest.mark.parametrize(("base", "patch", "expected"), TABLE.values(), ids=TABLE)
def test_overlay(base: Any, patch: Any, expected: Any) -> None:  # noqa: ANN401  JSON documents
    """A patch is laid over a Pod's template as kubectl does it."""
    assert overlay(base, patch) == expected


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
NAMES = st.sampled_from(["name", "env", "containers", "volumes", "ip", "$patch", "a"])
JSON = st.recursive(
    SCALARS | st.sampled_from(["replace", "delete"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)
MAPS = st.dictionaries(NAMES, JSON, max_size=4)


@given(MAPS, MAPS)
def test_any(base: dict[str, Any], patch: dict[str, Any]) -> None:
    """Whatever is laid over whatever else, neither of the two is changed, and twice is the same as once."""
    before = deepcopy((base, patch))
    once = overlay(base, patch)
    assert (base, patch) == before
    if "$patch" not in str(patch) and _has_keys(patch):
        assert overlay(once, patch) == once


def _has_keys(value: object) -> bool:
    """Tell whether all items can be told apart, so that none of them is added again."""
    if isinstance(value, dict):
        return all(_has_keys(each) for each in value.values())
    return not isinstance(value, list) or not value
