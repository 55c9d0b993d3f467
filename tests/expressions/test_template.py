import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.expressions import (
    BUILTINS,
    Expression,
    ExpressionError,
    Function,
    Index,
    Kind,
    Literal,
    Name,
    ParsingError,
    Template,
    Text,
    evaluate_template,
    interpolate,
    parse_template,
)

UNCLOSED = (
    "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found"
)
CONTEXTS = {"a": {"text": "x", "list": [1, 2], "number": 2.0, "none": None}}


@given(st.text().filter(lambda text: "${{" not in text))
def test_text_without_expressions_is_unchanged(text: str) -> None:
    """Whatever else it holds, it comes back as it is, also when parsed."""
    assert (interpolate(text, {}), evaluate_template(text, {}), interpolate(parse_template(text), {})) == (
        text,
        text,
        text,
    )


@pytest.mark.parametrize(
    ("template", "text", "value"),
    [
        ("${{ a.text }}", "x", "x"),
        ("${{a.number}}", "2", 2),
        ("${{ a.none }}", "", None),
        ("${{ a.list }}", "Array", [1, 2]),
        ("${{ a }}", "Object", CONTEXTS["a"]),
        (" ${{ a.list }}", " Array", " Array"),
        ("<${{ a.text }}${{ a.number }}>${{ true }}", "<x2>true", "<x2>true"),
        ("${{ '}}' }}", "}}", "}}"),
        ("${{ 'it''s }}' }}!", "it's }}!", "it's }}!"),
        ('${{ fromJson(\'{"a":{"b":[]}}\').a }}', "Object", {"b": []}),
        ("$ {{ a }} }} ${ { a", "$ {{ a }} }} ${ { a", "$ {{ a }} }} ${ { a"),
    ],
)
def test_a_template_is_text_or_its_only_expressions_value(template: str, text: str, value: object) -> None:
    """`interpolate` always gives text; `evaluate_template` the value where nothing stands around it."""
    assert (interpolate(template, CONTEXTS), evaluate_template(template, CONTEXTS)) == (text, value)


def test_a_template_is_parsed_into_parts_with_offsets() -> None:
    """The positions of trees are offsets in the template, too."""
    template = parse_template("v${{ a.b }}!")
    assert template == Template(
        "v${{ a.b }}!", (Text("v"), Expression(Index(Name("a"), Literal(Kind.STRING, "b"))), Text("!"))
    )
    (expression,) = template.expressions
    assert [part.position for part in template.parts] == [0, 1, 11]
    assert (expression.position, expression.end, expression.node.position) == (1, 11, 6)
    assert [template.single, parse_template("${{ a }}").single] == [None, Name("a")]


def test_a_parsed_template_can_be_used_again_and_again() -> None:
    """Parsing is the expensive part."""
    template = parse_template("v${{ a }}")
    assert [interpolate(template, {"a": value}) for value in (1, "x")] == ["v1", "vx"]
    assert evaluate_template(parse_template("${{ a }}"), {"a": [1]}) == [1]


@pytest.mark.parametrize(
    ("template", "message", "position", "caret"),
    [
        (
            "echo ${{ a.b",
            UNCLOSED,
            5,
            "echo ${{ a.b\n     ^",
        ),
        ("${{ }}", "An expression was expected", 4, "${{ }}\n    ^"),
        (
            "one\ntwo ${{ a && }} three",
            "Unexpected end of expression: '&&'. Located at position 3 within expression: a &&",
            14,
            "two ${{ a && }} three\n          ^",
        ),
        (
            "${{ 'a }}",
            "Unexpected symbol: ''a'. Located at position 1 within expression: 'a",
            4,
            "${{ 'a }}\n    ^",
        ),
        (
            "x ${{ b }}",
            "Unrecognized named-value: 'b'. Located at position 1 within expression: b",
            6,
            "x ${{ b }}\n      ^",
        ),
        (
            "x ${{ fromJson('') }}",
            "Error parsing JSON when evaluating fromJson: empty input",
            6,
            "x ${{ fromJson('') }}\n      ^",
        ),
    ],
)
def test_errors_point_into_the_template(template: str, message: str, position: int, caret: str) -> None:
    """The message counts inside the expression as GitHub's does, the position in the whole template."""
    with pytest.raises(ExpressionError) as caught:
        interpolate(template, {"a": 1})
    error = caught.value
    assert (error.message, error.position, error.source, error.caret()) == (
        message,
        position,
        template,
        caret,
    )


def test_names_and_functions_are_checked_when_parsing() -> None:
    """As for single expressions."""
    functions = BUILTINS.extended(Function("always", 0, 0, lambda: True))
    assert interpolate("${{ always() }}", {}, functions) == "true"
    assert evaluate_template("${{ always() }}", {}, functions) is True
    with pytest.raises(ParsingError, match="Unrecognized named-value: 'b'"):
        parse_template("${{ a }}${{ b }}", names=["a"])


def test_the_whole_text_is_bounded() -> None:
    """The error points to the part that is too much."""
    with pytest.raises(ExpressionError) as caught:
        interpolate("-${{ a }}-${{ a }}", {"a": "x" * 600_000})
    assert (caught.value.message, caught.value.position) == (
        "The result is longer than 1048576 characters",
        10,
    )


def test_literal_text_is_not_bounded() -> None:
    """Without an expression there is nothing to compute."""
    text = "x" * 2_000_000
    assert interpolate(text, {}) is text
