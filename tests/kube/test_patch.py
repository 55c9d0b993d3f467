from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.kube.patch import merge_patch
from tests.kube.apiserver import apply_patch

KEYS = st.sampled_from(["a", "b", "c"])
# A merge patch can't say null, and a status has none.
LEAVES = st.booleans() | st.integers(0, 3) | st.sampled_from(["x", "y", ""])
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(KEYS, inside, max_size=3),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=3)


@given(DOCUMENTS, DOCUMENTS)
def test_leads_from_one_to_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Applied as RFC 7386 has it, the patch turns the one document into the other, and neither is touched by it."""
    kept = copy.deepcopy((before, after))
    assert apply_patch(before, merge_patch(before, after)) == after
    assert (before, after) == kept


@given(DOCUMENTS)
def test_nothing_to_say(document: dict[str, Any]) -> None:
    """Between equal documents there is nothing to say."""
    assert merge_patch(document, copy.deepcopy(document)) == {}


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": 1}, {"b": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {}}}, {"a": {"b": {"c": None}}}),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, {"a": [1, 2, 3]}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": 1}, {"a": 1}),
        ({"a": {}}, {"a": {}}, {}),
        ({}, {"a": {}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": []}, {"a": []}),
    ],
)
def test_smallest(before: dict[str, Any], after: dict[str, Any], patch: dict[str, Any]) -> None:
    """Only what differs is said; lists are replaced whole."""
    assert merge_patch(before, after) == patch
