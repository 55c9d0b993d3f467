import pytest

from fairlead.expressions import BUILTINS, EvaluationError, Function, evaluate


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("contains('Hello', 'ELL')", True),
        ("contains('', null)", True),
        ("contains(12345, 234)", True),
        ("contains(a, '1')", True),
        ("contains(a, 'TWO')", True),
        ("contains(a, a)", False),
        ("contains(o, 'x')", False),
        ("contains('Object', o)", False),
        ("startsWith('Straße', 'STRAß')", True),
        ("startsWith('Straße', 'strass')", False),
        ("startsWith(a, '')", False),
        ("endsWith(o, 'Object')", False),
    ],
)
def test_searching(source: str, value: object) -> None:
    """Without case; in arrays with the loose ==; arrays and objects are not searched as text."""
    assert evaluate(source, {"a": [1, "two"], "o": {"x": 1}}) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("join(a)", "1,,Array,Object,true"),
        ("join(a, '')", "1ArrayObjecttrue"),
        ("join(a, o)", "1,,Array,Object,true"),
        ("join(o)", ""),
        ("join(null)", ""),
        ("join(1.50)", "1.5"),
    ],
)
def test_joining(source: str, value: str) -> None:
    """Nested arrays and objects print as their kind; a separator that is one of them is a comma."""
    assert evaluate(source, {"a": [1, None, [2], {}, True], "o": {"x": 1}}) == value


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{1}{0}{1}", "bab"),
        ("{{{0}}}", "{a}"),
        ("{{0}}", "{0}"),
        ("{000}", "a"),
        ("", ""),
    ],
)
def test_formatting(template: str, value: str) -> None:
    """Placeholders in any order and number; doubled braces are braces."""
    assert evaluate("format(t, 'a', 'b')", {"t": template}) == value


@pytest.mark.parametrize("template", ["{", "}", "{}", "{a}", "{0", "{ 0}", "{-1}", "{0:x}", "{1000}", "{0}}", "{٣}"])
def test_malformed_formats(template: str) -> None:
    """A brace that is neither doubled nor part of a placeholder."""
    with pytest.raises(EvaluationError) as caught:
        evaluate("format(t, 1)", {"t": template})
    assert caught.value.message == f"The following format string is invalid: {template}"


def test_a_format_error_quotes_no_more_than_an_excerpt() -> None:
    """A template may be a megabyte, and a message ends in a status."""
    with pytest.raises(EvaluationError) as caught:
        evaluate("format(t)", {"t": "x" * 1000 + "{"})
    assert caught.value.message == f"The following format string is invalid: {'x' * 200}…"


def test_to_json_indents_by_two_and_prints_numbers_as_everywhere() -> None:
    """Other characters than control characters, quotes and backslashes stay as they are."""
    value = {"é\n": [1.0, 1e20, -0.0, None, True, '\x1f"\\ü'], "e": {}, "a": [], 1: {"x": {"y": "z"}}}
    assert evaluate("toJson(v)", {"v": value}) == (
        '{\n  "é\\n": [\n    1,\n    1E+20,\n    0,\n    null,\n    true,\n    "\\u001f\\"\\\\ü"\n  ],'
        '\n  "e": {},\n  "a": [],\n  "1": {\n    "x": {\n      "y": "z"\n    }\n  }\n}'
    )


def test_from_json_gives_plain_values() -> None:
    """Whole numbers are ints, whatever way they are written."""
    value = evaluate("fromJson(t)", {"t": ' {"a": [1.0, 2e1, 0.5, -0, 1e400, 12345678901234567890, "\\u00e9"]} '})
    assert value == {"a": [1, 20, 0.5, 0, float("inf"), 12345678901234567890.0, "é"]}
    assert isinstance(value, dict)
    assert [type(item) for item in value["a"]] == [int, int, float, int, float, float, str]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty input"),
        (" \n", "empty input"),
        ("secret", "Expecting value at line 1, column 1"),
        ("[1 2]", "Expecting ',' delimiter at line 1, column 4"),
        ("{'a': 1}", "Expecting property name enclosed in double quotes at line 1, column 2"),
        ("1 2", "Extra data at line 1, column 3"),
        ("[NaN]", "NaN is no JSON"),
        ("-Infinity", "-Infinity is no JSON"),
        ('"\\ud800"', "a lone surrogate"),
        ("[" * 101, "nested deeper than 100"),
    ],
)
def test_what_is_no_json(text: str, problem: str) -> None:
    """The message tells the place and never the text, which may be a secret."""
    with pytest.raises(EvaluationError) as caught:
        evaluate("fromJson(t)", {"t": text})
    assert caught.value.message == f"Error parsing JSON when evaluating fromJson: {problem}"


def test_a_surrogate_pair_is_one_character() -> None:
    """Only half a pair is an error."""
    assert evaluate("fromJson(t)", {"t": '"\\ud83d\\ude0a"'}) == "😊"


def test_brackets_in_strings_are_not_nesting() -> None:
    """Depth is counted outside of strings, escaped quotes included."""
    assert evaluate("fromJson(t)", {"t": '["' + '\\"[{' * 200 + '"]'}) == ['"[{' * 200]


def test_functions_are_found_without_case() -> None:
    """The table keeps the names as they are documented."""
    assert BUILTINS["FROMJSON"] is BUILTINS["fromJson"]
    assert list(BUILTINS) == [
        "case",
        "contains",
        "endsWith",
        "format",
        "fromJson",
        "join",
        "startsWith",
        "toJson",
    ]


def test_an_added_function_replaces_one_of_the_same_name() -> None:
    """Without case, too, and the first table stays as it was."""
    table = BUILTINS.extended(Function("ToJSON", 1, 1, lambda _value: "mine"))
    assert (evaluate("toJson(1)", {}, table), evaluate("toJson(1)", {})) == ("mine", "1")
    assert len(table) == len(BUILTINS)
