"""No input takes much time or memory, or overflows the stack."""

import time
from collections.abc import Callable

import pytest

from fairlead.expressions import (
    EvaluationError,
    ExpressionError,
    counted_together,
    evaluate,
    evaluate_template,
    interpolate,
)

MEBI = 1 << 20


def _nested(times: int, template: str, inner: str) -> str:
    for _ in range(times):
        inner = template.replace("*", inner)
    return inner


def test_text_that_doubles_ends_at_a_mebibyte() -> None:
    """Twenty doublings fit into one character's place, the next is an error."""
    twenty = _nested(20, "format('{0}{0}', *)", "'x'")
    assert evaluate(twenty, {}) == "x" * MEBI
    with pytest.raises(EvaluationError) as caught:
        evaluate(f"format('{{0}}{{0}}', {twenty})", {})
    assert (caught.value.message, caught.value.position) == (
        "The result is longer than 1048576 characters",
        0,
    )


def _aliases(depth: int) -> object:
    """Build what YAML aliases make of a few lines: ten to the power of `depth` items."""
    value: list[object] = [1] * 10
    for _ in range(depth - 1):
        value = [value] * 10
    return value


def _cycle() -> object:
    value: list[object] = []
    value.append(value)
    return value


MILLION = 1_000_000


@pytest.mark.parametrize(
    ("source", "value", "message"),
    [
        ("toJson(v)", _aliases(9), "The result is longer than 1048576 characters"),
        ("toJson(v)", _cycle(), "toJson: the value is nested deeper than 100"),
        ("v" + ".*" * 9, _aliases(9), "A filter selects more than 100000 items"),
        ("v.*.*", [[1] * 100_000] * 100_000, "A filter selects more than 100000 items"),
        ("join(v, format('{0}', s))", [1] * 100_000, "The result is longer than 1048576 characters"),
        (
            "fromJson(v)",
            "[" * MILLION,
            "Error parsing JSON when evaluating fromJson: nested deeper than 100",
        ),
        (
            "fromJson(v)",
            '["' + "x" * MEBI,
            "Error parsing JSON when evaluating fromJson: the text is longer than 1048576 characters",
        ),
        (
            " || ".join(["contains(v, 'y')"] * 100),
            "x" * MILLION,
            "The evaluation handles too much text or too many items",
        ),
        (
            " || ".join(["v == 0"] * 100),
            "x" * MILLION,
            "The evaluation handles too much text or too many items",
        ),
        (
            " || ".join(["v.missing"] * 100),
            {f"key{number}": 1 for number in range(100_000)},
            "The evaluation handles too much text or too many items",
        ),
    ],
)
def test_bombs(source: str, value: object, message: str) -> None:
    """Each is an error with a message, long before it hurts."""
    with pytest.raises(EvaluationError) as caught:
        evaluate(source, {"v": value, "s": "-" * 1000})
    assert caught.value.message == message


def _hostile(text: str) -> Callable[[], object]:
    return lambda: evaluate("v == 1 || fromJson(v)", {"v": text})


@pytest.mark.parametrize(
    "act",
    [
        lambda: evaluate("(" * 21_000, {}),
        lambda: evaluate("!" * 21_000, {}),
        lambda: evaluate("1||1&&1==1<case(" * 1_300, {}),
        lambda: evaluate("a[" * 10_000, {"a": 1}),
        lambda: evaluate("'" * 20_999, {}),
        lambda: evaluate("==".join(["1"] * 7_000), {}),
        lambda: evaluate("a" + ".a" * 10_000, {"a": 1}),
        lambda: interpolate("${{ " * 250_000, {}),
        lambda: interpolate("${{ '" * 200_000, {}),
        lambda: interpolate("${{ 1 }" * 150_000, {}),
        _hostile("1" * 500_000 + "e" * 500_000),
        _hostile("9" * MILLION),
        _hostile("0x" + "f" * MILLION),
        _hostile(" " * MILLION + "x"),
        _hostile("[]" * 101 + '"' + '\\"' * 450_000),
        _hostile('{"a":' * 200_000),
        lambda: evaluate("format(v)", {"v": "{" + "0" * MILLION}),
        lambda: evaluate("format(v)", {"v": "{0" * 500_000}),
    ],
)
def test_hostile_input_is_quick(act: Callable[[], object]) -> None:
    """Nothing is worse than linear: a megabyte takes well under the two seconds allowed to slow machines."""
    start = time.process_time()
    try:
        act()
    except ExpressionError as error:
        assert len(error.message) < 50_000  # noqa: PT017 - some of the inputs are legal
    assert time.process_time() - start < 2


@pytest.mark.parametrize("fill", [interpolate, evaluate_template])
@pytest.mark.parametrize("template", ["${{ x }}", "a${{ x }}"])
def test_what_is_counted_together(fill: Callable[[str, dict[str, object]], object], template: str) -> None:
    """Four texts of a quarter of a mebibyte may be filled in for one purpose, and not another one; alone each may."""
    quarter: dict[str, object] = {"x": "x" * (MEBI // 4 - 1)}
    with counted_together():
        for _ in range(4):
            fill(template, quarter)
        with pytest.raises(EvaluationError) as caught:
            fill(template, quarter)
    fill(template, quarter)
    said = "The results of the expressions come to more than 1048576 characters together"
    assert caught.value.message == said


def test_texts_without_expressions_are_not_counted() -> None:
    """What stands in the spec as it is has been paid for."""
    with counted_together():
        assert [interpolate("x" * MEBI, {}) for _ in range(3)] == ["x" * MEBI] * 3
