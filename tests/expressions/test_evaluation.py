import math
from collections import UserDict, UserList
from datetime import date
from types import MappingProxyType

import pytest

from fairlead.expressions import (
    BUILTINS,
    EvaluationError,
    Evaluator,
    Function,
    Name,
    Node,
    ParsingError,
    equal,
    evaluate,
    fold,
    kind_of,
    parse,
    to_number,
    to_text,
    truthy,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (7, "7"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.333333333333333"),
        (123456789012345.0, "123456789012345"),
        (999999999999999.0, "999999999999999"),
        (1e15, "1E+15"),
        (1e20, "1E+20"),
        (-1.5e300, "-1.5E+300"),
        (0.0001, "0.0001"),
        (0.00001, "1E-05"),
        (1234567890123456789, "1.23456789012346E+18"),
        (10**400, "Infinity"),
        (-(10**400), "-Infinity"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_print_with_fifteen_digits(number: float, text: str) -> None:
    """.NET's G15: an exponent from 15 digits and from five places on, with two digits at least."""
    assert to_text(number) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        (" \u3000\n", 0),
        (" 12 ", 12),
        ("+.5e1", 5),
        ("5.", 5),
        ("0xfF", 255),
        ("0o17", 15),
        ("+Infinity", math.inf),
        ("1e999", math.inf),
        ("0x" + "f" * 1000, math.inf),
    ],
)
def test_texts_that_are_numbers(text: str, number: float) -> None:
    """As JavaScript's Number()."""
    assert to_number(text) == number


@pytest.mark.parametrize(
    "text", ["-0xFF", "0x", "0XFF", "0o8", ".", "1_0", "inf", "nan", "1e", "1 2", "٣", "infinity", "true"]
)
def test_texts_that_are_no_numbers(text: str) -> None:
    """Everything else, the spellings that only Python reads among it, is NaN."""
    assert math.isnan(to_number(text))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Straße", "STRAßE"),
        ("\N{LATIN SMALL LETTER DOTLESS I}\N{LATIN SMALL LETTER LONG S}", "\u0131\u017f"),
        ("ŉ", "ŉ"),
        ("ᾳ", "ᾼ"),
        ("ÿµ", "ŸΜ"),
        ("ßς", "ßΣ"),
    ],
)
def test_folding_maps_one_character_to_one(text: str, folded: str) -> None:
    """Where a capital takes two characters, or is an ASCII letter, the character stays."""
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, False),
        (0, False),
        (math.nan, False),
        ("", False),
        ("0", True),
        ([], True),
        ({}, True),
        (-1, True),
    ],
)
def test_truth(value: object, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """Only null, false, 0, NaN and '' are false."""
    assert truthy(value) is expected


def test_integers_compare_as_doubles() -> None:
    """Past 2**53 neighbours are equal, as they are for GitHub."""
    assert equal(2**53, 2**53 + 1)


def test_results_are_plain() -> None:
    """Whole numbers are ints, others floats, and a filter gives a list."""
    results = [evaluate(source, {"a": {"x": 1.0, "y": 2.5}}) for source in ("1.0", "a.x", "a.y", "-0.0", "a.*")]
    assert [(type(result), result) for result in results] == [
        (int, 1),
        (int, 1),
        (float, 2.5),
        (int, 0),
        (list, [1.0, 2.5]),
    ]


def test_what_comes_from_a_context_is_the_object_itself() -> None:
    """Arrays and objects are not copied, so they stay equal to themselves."""
    needs: dict[str, object] = {"build": {"outputs": {}}}
    assert evaluate("needs.build", {"needs": needs}) is needs["build"]
    assert evaluate("needs.build == needs['BUILD']", {"needs": needs}) is True


def test_any_mapping_and_sequence_will_do() -> None:
    """Contexts may be read-only or computed views."""
    contexts = MappingProxyType({"Env": UserDict({"A": (1, UserList(["x"]))})})
    assert evaluate("env.a[1][0]", contexts) == "x"
    assert [kind_of(value) for value in ((), range(2), UserDict({"x": 1}))] == ["Array", "Array", "Object"]


def test_an_exact_key_wins_over_one_of_another_case() -> None:
    """Objects of GitHub cannot hold both; ours may come from elsewhere."""
    assert evaluate("format('{0}{1}', a.key, a.KEY)", {"a": {"Key": 1, "KEY": 2}}) == "12"


def test_keys_that_are_no_strings_are_found_by_their_text() -> None:
    """YAML has them."""
    assert evaluate("a['1']", {"a": {1: "one"}}) == "one"


def test_a_value_without_a_kind_is_an_error_not_a_crash() -> None:
    """A date from YAML, say: the message names the type."""
    with pytest.raises(EvaluationError) as caught:
        evaluate("a.day == 1", {"a": {"day": date(2026, 1, 1)}})
    assert caught.value.message == "An expression cannot use a value of the type date"


def test_what_is_not_needed_is_not_evaluated() -> None:
    """Short circuits, the branches of case, and an index into nothing."""
    bad = "fromJson('')"
    sources = [
        f"false && {bad}",
        f"1 || {bad}",
        f"case(true, 2, {bad})",
        f"case(false, {bad}, 3)",
        f"null_[{bad}]",
    ]
    assert [evaluate(source, {"null_": None}) for source in sources] == [False, 1, 2, 3, None]


def test_indexes_of_arrays() -> None:
    """Coerced to a number and cut to a whole one; nothing outside the array."""
    keys = ["0", "1.9", "'1'", "true", "null", "''", "-0.5", "-1", "2", "1e300", "'x'", "NaN", "a"]
    assert [evaluate(f"a[{key}]", {"a": ["x", "y"]}) for key in keys] == [
        *["x", "y", "y", "y", "x", "x"],
        *[None] * 7,
    ]


def test_a_filter_drops_what_misses_and_keeps_null() -> None:
    """A property that is null is there."""
    assert evaluate("a.*.x", {"a": [{"x": 1}, {}, {"X": None}, 5, [1]]}) == [1, None]


def test_an_index_after_a_filter_goes_to_each_item() -> None:
    """Even through parentheses and functions; toJson makes it an ordinary array again."""
    contexts = {"a": [[1, 2], [3]]}
    sources = ["a.*[0]", "(a.*)[0]", "case(true, a.*, 0)[0]", "(a.* || 0)[1]", "fromJson(toJson(a.*))[0]"]
    assert [evaluate(source, contexts) for source in sources] == [[1, 3], [1, 3], [1, 3], [2], [1, 2]]


def test_a_function_of_the_caller_is_called_with_values() -> None:
    """Its name has no case, and one table can be replaced by another of the same shape."""
    results = [
        evaluate("Add(1, fromJson('2'))", {}, BUILTINS.extended(Function("add", 2, 2, call)))
        for call in (lambda a, b: a + b, lambda a, b: [a, b])
    ]
    assert results == [3, [1, 2]]


def test_an_error_in_a_function_is_located_at_the_innermost_call() -> None:
    """The function itself knows no positions."""
    with pytest.raises(EvaluationError) as caught:
        evaluate("1 == 2 || join(fromJson('{'))", {})
    assert (caught.value.position, caught.value.caret()) == (
        15,
        "1 == 2 || join(fromJson('{'))\n               ^",
    )


def test_a_parsed_tree_can_be_evaluated_again_and_again() -> None:
    """And complains of a context that it names and does not get."""
    node = parse("a.b")
    assert [evaluate(node, {"a": {"b": value}}) for value in (1, "2")] == [1, "2"]
    with pytest.raises(EvaluationError, match="Unrecognized named-value: 'a'"):
        evaluate(node, {})


def test_a_source_may_use_the_given_contexts_only() -> None:
    """A context that is missing is an error when parsing, and not null."""
    with pytest.raises(ParsingError, match="Unrecognized named-value: 'b'"):
        evaluate("a || b", {"a": 1})


def test_an_evaluator_can_be_extended() -> None:
    """A subclass decides a kind of node in its own way: the door to partial evaluation."""

    class Dreaming(Evaluator):
        def name(self, node: Name) -> object:
            return f"<{node.name}>"

    node: Node = parse("format('{0} {1}', a, b)")
    assert Dreaming({}).result(node) == "<a> <b>"
