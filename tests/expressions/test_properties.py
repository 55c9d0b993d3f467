"""What holds for every expression."""

import json
import math
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fairlead.expressions import (
    BUILTINS,
    Call,
    Comparison,
    ExpressionError,
    Filter,
    Index,
    Kind,
    Literal,
    Logical,
    Name,
    Node,
    Not,
    Operator,
    calls,
    equal,
    evaluate,
    fold,
    interpolate,
    parse,
    references,
    to_text,
    unparse,
)

NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**53), 2**53) | st.just(math.nan)
LITERALS: st.SearchStrategy[Node] = st.one_of(
    st.just(Literal(Kind.NULL, None)),
    st.booleans().map(lambda value: Literal(Kind.BOOLEAN, value)),
    NUMBERS.map(lambda value: Literal(Kind.NUMBER, value)),
    st.text().map(lambda value: Literal(Kind.STRING, value)),
)
NAMES: st.SearchStrategy[Node] = st.sampled_from(["a", "_b", "c-d", "null_", "E9"]).map(Name)
KEYS: st.SearchStrategy[Node] = st.sampled_from(["x", "null", "*", "a b", "it's", ""]).map(
    lambda key: Literal(Kind.STRING, key)
)
LOGICAL = st.sampled_from([Operator.AND, Operator.OR])
COMPARING = st.sampled_from(sorted(set(Operator) - {Operator.AND, Operator.OR}))


@st.composite
def _calls_of_builtins(draw: st.DrawFn, nodes: st.SearchStrategy[Node]) -> Node:
    name = draw(st.sampled_from([*BUILTINS, "FROMJSON", "tojson"]))
    function = BUILTINS[name]
    most = min(function.max_args, function.min_args + 2)
    arguments = draw(st.lists(nodes, min_size=function.min_args, max_size=most))
    if function.odd_args and len(arguments) % 2 == 0:
        arguments.pop()
    return Call(name, tuple(arguments))


def _composed(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(Index, nodes, nodes | KEYS),
        st.builds(Filter, nodes),
        st.builds(Not, nodes),
        st.builds(Comparison, COMPARING, nodes, nodes),
        st.builds(Logical, LOGICAL, st.lists(nodes, min_size=2, max_size=4).map(tuple)),
        _calls_of_builtins(nodes),
    )


TREES = st.recursive(LITERALS | NAMES, _composed, max_leaves=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15) + 1, 10**15 - 1) | st.text(st.characters(codec="utf-8")),
    lambda values: st.lists(values) | st.dictionaries(st.text(st.characters(codec="utf-8")), values),
    max_leaves=20,
)
FRAGMENTS = st.sampled_from(
    [
        *[
            "a",
            ".b",
            "['c']",
            "[0]",
            ".*",
            "[*]",
            "(",
            ")",
            "[",
            "]",
            ",",
            "!",
            "&&",
            "||",
            "==",
            "<",
            ">=",
            " ",
        ],
        *[
            "'text'",
            "'",
            "''",
            "1",
            "-1.5e3",
            "0xff",
            "null",
            "true",
            "NaN",
            "\n",
            "${{",
            "}}",
            "é",
            "😊",
            "\x00",
        ],
        *["format('{0}',", "fromJson('[1]')", "toJson(", "contains(", "case(", "join(", "startsWith("],
    ]
)
PROGRAMS = st.text() | st.lists(FRAGMENTS, max_size=40).map("".join)
CONTEXTS: dict[str, Any] = {"a": {"b": [1, {"c": "x"}, None], "C": {"*": True}}, "text": "${{ a }}"}


def _is_repeatable(node: Node) -> bool:
    """Tell trees with NaN apart, which equals nothing, itself included."""
    return "NaN" not in unparse(node)


@given(TREES)
def test_a_tree_written_and_parsed_is_the_same_tree(node: Node) -> None:
    """Whatever its shape, and whatever its strings and numbers."""
    written = unparse(node)
    again = parse(written)
    assert unparse(again) == written
    assert not _is_repeatable(node) or again == node


@given(PROGRAMS)
@example("(" * 1000)
@example("a[" * 1000)
@example("!" * 21_000)
def test_any_text_gives_a_value_or_an_expression_error(source: str) -> None:
    """Nothing else ever comes out, and what parses can be written again."""
    try:
        node = parse(source, CONTEXTS)
    except ExpressionError as error:
        assert 0 <= error.position <= len(source)  # noqa: PT017 - some texts are expressions
        return
    assert unparse(parse(unparse(node))) == unparse(node)
    assert {reference.path[0].lower() for reference in references(node)} <= set(CONTEXTS)
    assert calls(node) <= {name.lower() for name in BUILTINS}


@given(PROGRAMS)
def test_evaluating_any_text_raises_nothing_but_expression_errors(source: str) -> None:
    """As an expression and as a template."""
    for act in (evaluate, interpolate):
        try:
            act(source, CONTEXTS)
        except ExpressionError as error:
            assert error.caret().count("\n") == 1  # noqa: PT017 - most inputs are errors, some are not


@given(TREES)
@settings(max_examples=max(200, settings().max_examples))
def test_evaluating_any_tree_raises_nothing_but_expression_errors(node: Node) -> None:
    """Trees reach deeper than random text does."""
    contexts = {"a": {"x": [1, "2"]}, "_b": ["x", {"y": None}], "c-d": "text", "null_": None, "E9": 1.5}
    try:
        to_text(evaluate(node, contexts))
    except ExpressionError:
        return


@given(JSON)
def test_json_goes_in_and_out(value: object) -> None:
    """The functions fromJson and toJson are each other's inverse, and speak the JSON of everyone else."""
    written = evaluate("toJson(v)", {"v": value})
    assert isinstance(written, str)
    assert evaluate("fromJson(v)", {"v": written}) == value
    assert evaluate("fromJson(v)", {"v": json.dumps(value)}) == value


@given(st.text(), st.text())
def test_folding_keeps_the_length_and_the_parts(left: str, right: str) -> None:
    """One character to one, without regard to its neighbours: so searching can work on folded text."""
    assert fold(left) + fold(right) == fold(left + right)
    assert len(fold(left)) == len(left)
    assert fold(fold(left)) == fold(left)
    assert equal(left, fold(left))
