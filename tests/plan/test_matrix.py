from __future__ import annotations

import json
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.expressions import equal
from fairlead.plan.matrix import MOST_BEFORE_EXCLUDE, Combination, combination_name, expand
from fairlead.plan.matrix_filters import MatrixError

VECTORS = Path(__file__).parents[1] / "conformance" / "matrix.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))


def _values(matrix: dict[str, object], most: int = 256) -> list[dict[str, object]]:
    return [dict(each.values) for each in expand(matrix, most=most)]


def _names(matrix: dict[str, object]) -> list[str]:
    return [each.name for each in expand(matrix, most=256)]


def _problem(matrix: dict[str, object], most: int = 256) -> str:
    with pytest.raises(MatrixError) as caught:
        expand(matrix, most=most)
    return str(caught.value)


def test_the_data_is_complete() -> None:
    """A lost case must not look like success."""
    assert len(CASES) == 12


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_conforms(case: dict[str, Any]) -> None:
    """The combinations, how many there are, or the error, are those that GitHub gives."""
    if "expect_error" in case:
        assert case["expect_error"] in _problem(case["matrix"])
        return
    found = _values(case["matrix"])
    assert (found, len(found)) == (case.get("expect", found), case.get("expect_count", len(found)))


def test_values_survive_as_given() -> None:
    """Whatever kind a value is of; keys keep their spelling and their order."""
    pythons: list[object] = [3.1, True, None, "3.10", {"version": 3, "flags": ["-O"]}, ["a", 1]]
    assert repr(_values({"Python": pythons, "b": [0]})) == repr([{"Python": each, "b": 0} for each in pythons])


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ({"a": "X"}, [1, "1", None, True, {"K": "v", "n": [1, 2]}, [1, {"k": "v"}]]),
        ({"a": 1}, ["x", None, {"K": "v", "n": [1, 2]}, [1, {"k": "v"}]]),
        ({"a": "1"}, ["x", None, {"K": "v", "n": [1, 2]}, [1, {"k": "v"}]]),
        ({"a": "01"}, ["x", "1", None, {"K": "v", "n": [1, 2]}, [1, {"k": "v"}]]),
        ({"a": None}, ["x", 1, "1", True, {"K": "v", "n": [1, 2]}, [1, {"k": "v"}]]),
        ({"a": ""}, ["x", 1, "1", True, {"K": "v", "n": [1, 2]}, [1, {"k": "v"}]]),
        ({"a": {"k": "V"}}, ["x", 1, "1", None, True, [1, {"k": "v"}]]),
        ({"a": {"n": [1]}}, ["x", 1, "1", None, True, [1, {"k": "v"}]]),
        ({"a": {"n": [1, 3]}}, ["x", 1, "1", None, True, {"K": "v", "n": [1, 2]}, [1, {"k": "v"}]]),
        ({"a": {"k": "v", "z": 1}}, ["x", 1, "1", None, True, {"K": "v", "n": [1, 2]}, [1, {"k": "v"}]]),
        ({"a": [1]}, ["x", 1, "1", None, True, {"K": "v", "n": [1, 2]}]),
        ({"a": [1, {"K": "v"}]}, ["x", 1, "1", None, True, {"K": "v", "n": [1, 2]}]),
        ({"a": [{"k": "v"}]}, ["x", 1, "1", None, True, {"K": "v", "n": [1, 2]}, [1, {"k": "v"}]]),
        ({"a": {"z": None}}, []),
        ({"a": {}}, []),
    ],
)
def test_what_agrees_with_a_filter(wanted: dict[str, object], left: list[object]) -> None:
    """Scalars compare as `==` does, maps by what the filter names of them, lists by their first items."""
    values: list[object] = ["x", 1, "1", None, True, {"K": "v", "n": [1, 2]}, [1, {"k": "v"}]]
    found = [each["a"] for each in _values({"a": values, "exclude": [wanted]})]
    assert repr(found) == repr(left)


def test_a_number_that_is_none() -> None:
    """NaN equals nothing, itself included."""
    nan = float("nan")
    assert len(_values({"a": [nan, "x"], "exclude": [{"a": nan}]})) == 2


def test_everything_excluded() -> None:
    """Nothing is left, and that is no mistake of the matrix."""
    assert _values({"a": [1, 2], "exclude": [{"a": 1}, {"a": 2}]}) == []


def test_an_include_brings_back_what_was_excluded() -> None:
    """It fits none of the surviving combinations, so it stands at the end."""
    matrix: dict[str, object] = {"a": [1, 2], "exclude": [{"a": 1}], "include": [{"a": 1}]}
    assert _values(matrix) == [{"a": 2}, {"a": 1}]


def test_an_include_meets_own_values_only() -> None:
    """What an earlier include merged in is overwritten, whatever its case; it is nothing to agree with."""
    matrix: dict[str, object] = {"a": [1], "include": [{"Color": "red"}, {"color": "blue", "A": 1}, {"color": "green"}]}
    assert _values(matrix) == [{"a": 1, "Color": "green"}]


def test_an_include_that_was_appended_is_not_merged_into() -> None:
    """Includes meet the product, not each other."""
    matrix: dict[str, object] = {"a": [1], "include": [{"a": 2}, {"a": 2, "b": 3}]}
    assert _values(matrix) == [{"a": 1}, {"a": 2}, {"a": 2, "b": 3}]


def test_an_appended_include_has_the_matrix_keys_first() -> None:
    """So its name begins as those of the others do."""
    (*_, appended) = expand({"os": ["linux"], "include": [{"x": 1, "OS": "mac"}]}, most=9)
    assert (list(appended.values), appended.name) == (["OS", "x"], "mac, 1")


def test_keys_named_almost_include() -> None:
    """As GitHub has it, `include` and `exclude` are what they are in lower case only."""
    assert _values({"Include": [1], "EXCLUDE": [2]}) == [{"Include": 1, "EXCLUDE": 2}]


def test_empty_lists_of_filters() -> None:
    """A list without entries says nothing."""
    assert _values({"a": [1], "include": [], "exclude": [], "b": [2]}) == [{"a": 1, "b": 2}]


def test_names() -> None:
    """All scalars, depth first, without null and ''; what was merged in isn't shown, what was appended is."""
    matrix: dict[str, object] = {
        "a": [{"x": ["deep", None, {"y": 1.50}], "z": ""}, True],
        "b": [None, 3.10],
        "include": [{"b": None, "more": "hidden"}, {"c": {"d": "shown"}, "a": "new"}],
    }
    assert _names(matrix) == ["deep, 1.5", "deep, 1.5, 3.1", "true", "true, 3.1", "new, shown"]


@pytest.mark.parametrize(
    ("label", "matrix", "expected"),
    [
        ("test", {"a": ["3.12"], "b": ["sqlite"]}, "test (3.12, sqlite)"),
        ("test", {"a": [None, ""][:1]}, "test"),
        ("test", {"a": ["x" * 93]}, f"test ({'x' * 93})"),
        ("test", {"a": ["x" * 94]}, f"test ({'x' * 91}..."),
        ("test", {"a": [list(range(10_000))]}, "test (" + ", ".join(map(str, range(60)))[:91] + "..."),
        ("t" * 200, {"a": [1]}, "t" * 97 + "..."),
    ],
)
def test_combination_names(label: str, matrix: dict[str, object], expected: str) -> None:
    """The job's label, the combination in parentheses, cut at 100 characters."""
    (combination,) = expand(matrix, most=1)
    name = combination_name(label, combination)
    assert (name, len(name) <= 100) == (expected, True)


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        ({}, "Matrix must define at least one vector; give it a key with a list of values, or include"),
        (
            {"include": []},
            "Matrix must define at least one vector; give it a key with a list of values, or include",
        ),
        ({"os": []}, "os: Matrix vector 'os' does not contain any values; give it one, or leave the key out"),
        ({"os": "linux"}, 'os: a matrix key takes a list of values, not "linux"; write [VALUE, …]'),
        ({"os": None}, "os: a matrix key takes a list of values, not nothing; write [VALUE, …]"),
        ({"a b": {"x": 1}}, '["a b"]: a matrix key takes a list of values, not Object; write [VALUE, …]'),
        (
            {"a": [1], "include": {"a": 1}},
            "include: takes a list of maps, not Object; write a list of KEY: VALUE maps",
        ),
        ({"a": [1], "exclude": [{"a": 2}, 1]}, "exclude[1]: takes a map, not 1; write KEY: VALUE"),
        (
            {"a": [1], "exclude": [{}]},
            "exclude[0]: Matrix exclude filter must not be empty; name a key and its value, or take the entry out",
        ),
        (
            {"a": [1], "include": [{}]},
            (
                "include[0]: Matrix include mapping does not contain any values; "
                "name a key and its value, or take the entry out"
            ),
        ),
        (
            {"os": [1], "db": [1], "exclude": [{"os": 2}, {"so": 1}]},
            'exclude[1].so: Matrix exclude key \'so\' does not match any key within the matrix; it has "os", "db"',
        ),
        (
            {"exclude": [{"a": 1}], "include": [{"a": 1}]},
            "exclude[0].a: Matrix exclude key 'a' does not match any key within the matrix; it has none",
        ),
        ({"os": [1], "OS": [1]}, 'OS: "os" is the same key; keys have no case, so use one of the two'),
        (
            {"a": [1], "include": [{"b": 1, "B": 1}]},
            'include[0].B: "b" is the same key; keys have no case, so use one of the two',
        ),
        ({"a": [date(2026, 1, 2)]}, "An expression cannot use a value of the type date"),
        (
            {"a\x1b[31m": []},
            (
                "[\"a\\x1b[31m\"]: Matrix vector 'a\\x1b[31m' does not contain any values; "
                "give it one, or leave the key out"
            ),
        ),
    ],
)
def test_mistakes(matrix: dict[str, object], said: str) -> None:
    """Each names the place, what is wrong there, and what to write."""
    assert _problem(matrix) == said


def test_the_limit() -> None:
    """It counts what there is in the end: without what is excluded, with what is appended."""
    matrix: dict[str, object] = {"a": [1, 2, 3], "b": [1, 2], "exclude": [{"a": 1}], "include": [{"a": 9}, {"c": 1}]}
    assert (len(_values(matrix, most=5)), _problem(matrix, most=4)) == (
        5,
        "the matrix has 5 combinations, and at most 4 are allowed; shorten its lists or exclude some of them",
    )


def test_a_gigantic_product() -> None:
    """It is refused before anything is made of it."""
    said = f"the lists have more than {MOST_BEFORE_EXCLUDE} combinations, before exclude takes any away; shorten them"
    assert _problem({f"key{each}": [0, 1] for each in range(10_000)}) == said


@pytest.mark.parametrize(
    "matrix",
    [
        {"a": list(range(5000)), "include": [{"x": each} for each in range(5000)]},
        {"a": ["x"] * 5000, "exclude": [{"a": "X"}] * 5000},
        {"a": [{}] * 5000, "exclude": [{"a": {f"k{each}": 1}} for each in range(5000)]},
        {"b": list(range(5000)), **{f"a{each}": [1] for each in range(2000)}},
    ],
    ids=["includes", "excludes", "places", "keys"],
)
def test_expensive_matrices(matrix: dict[str, object]) -> None:
    """What would keep the operator busy for long is refused."""
    assert _problem(matrix, most=5000).startswith("expanding the matrix takes more than 1000000 steps; use fewer")


def test_five_thousand() -> None:
    """As many as a workflow may have."""
    matrix: dict[str, object] = {
        "a": list(range(50)),
        "b": [str(each) for each in range(10)],
        "c": list("abcdefghij"),
        "exclude": [{"a": each, "c": "A"} for each in range(30)],
        "include": [{"a": each, "x": 1} for each in range(20)] + [{"a": 100 + each} for each in range(300)],
    }
    found = expand(matrix, most=5000)
    assert (len(found), found[0], found[-1]) == (
        5000,
        Combination({"a": 0, "b": "0", "c": "b", "x": 1}, "0, 0, b"),
        Combination({"a": 399}, "399"),
    )


SCALARS = st.sampled_from(["", "a", "A", "1", "01", "x", 0, 1, 1.0, 2.5, True, False, None])
KEYS = st.sampled_from(["a", "B", "c"])
MATRICES = st.fixed_dictionaries(
    {
        "vectors": st.dictionaries(KEYS, st.lists(SCALARS, min_size=1, max_size=4), min_size=1),
        "exclude": st.lists(st.dictionaries(KEYS, SCALARS, min_size=1), max_size=3),
        "include": st.lists(
            st.dictionaries(st.sampled_from(["A", "b", "c", "d", "D"]), SCALARS, min_size=1), max_size=4
        ),
    }
)


@given(MATRICES)
def test_expansion_does_what_the_rules_say(drawn: dict[str, Any]) -> None:
    """One after the other and combination by combination, the slow and plain way."""
    vectors = drawn["vectors"]
    names = {name.lower(): name for name in vectors}
    excludes = [each for each in drawn["exclude"] if {key.lower() for key in each} <= set(names)]
    includes = [each for each in drawn["include"] if len({key.lower() for key in each}) == len(each)]

    def agrees(row: dict[str, object], wanted: dict[str, object]) -> bool:
        return all(equal(row[names[key.lower()]], each) for key, each in wanted.items() if key.lower() in names)

    rows = [dict(zip(vectors, row, strict=True)) for row in product(*vectors.values())]
    rows = [row for row in rows if not any(agrees(row, each) for each in excludes)]
    merged: list[dict[str, object]] = [{} for _ in rows]
    appended = []
    for include in includes:
        for row, more in zip(rows, merged, strict=True):
            if agrees(row, include):
                for key, value in include.items():
                    if key.lower() not in names:
                        more[next((known for known in more if known.lower() == key.lower()), key)] = value
        if not any(agrees(row, include) for row in rows):
            appended.append(include)
    expected = [{**row, **more} for row, more in zip(rows, merged, strict=True)] + appended
    found = _values({**vectors, "exclude": excludes, "include": includes}, most=1000)
    assert [sorted(map(repr, each.items())) for each in found] == [sorted(map(repr, each.items())) for each in expected]
