import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.expressions import (
    EvaluationError,
    ExpressionError,
    LexingError,
    ParsingError,
    evaluate,
)


def _error_of(source: str, contexts: dict[str, object] | None = None) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, contexts or {})
    return caught.value


def test_there_is_one_tree_of_errors() -> None:
    """Each stage has its type and its kind."""
    errors = [_error_of("@"), _error_of("1 2"), _error_of("fromJson('')")]
    assert [(type(error), error.kind) for error in errors] == [
        (LexingError, "lexing"),
        (ParsingError, "parsing"),
        (EvaluationError, "evaluation"),
    ]


def test_an_error_is_made_of_fields() -> None:
    """The message is worded from them."""
    error = _error_of("1 && x")
    assert (error.reason, error.symbol, error.position, error.source, str(error)) == (
        "Unrecognized named-value",
        "x",
        5,
        "1 && x",
        "Unrecognized named-value: 'x'. Located at position 6 within expression: 1 && x",
    )


def test_errors_survive_pickling() -> None:
    """They may cross a process or a copy."""
    error = _error_of("1 && x")
    assert [str(pickle.loads(pickle.dumps(error))), str(copy.copy(error))] == [str(error)] * 2  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("source", "caret"),
    [
        ("1 2", "1 2\n  ^"),
        ("1 ==", "1 ==\n  ^"),
        ("1 &&\n\ttrue 2\n|| 3", " true 2\n      ^"),
        ("1 &&\r\n2 3", "2 3\n  ^"),
        ("'日本' 2", "'日本' 2\n       ^"),
        ("'e\u0301' 2", "'e\u0301' 2\n    ^"),
        ("'\x1b[31m\u202e' 2", "'\ufffd[31m\ufffd' 2\n         ^"),
        ("", "\n^"),
    ],
)
def test_the_caret_stands_under_the_problem(source: str, caret: str) -> None:
    """Of several lines the one that matters, and nothing in it can move the cursor."""
    assert _error_of(source).caret() == caret


def test_a_long_line_is_cut_around_the_problem() -> None:
    """With an ellipsis where something was left out."""
    source = "1 == " * 9 + "x" + " == 1" * 9
    assert _error_of(source).caret(width=20) == "…1 == 1 == x == 1 == …\n           ^"


@given(st.text(), st.integers(min_value=0), st.integers(min_value=1, max_value=200))
def test_a_caret_display_is_always_two_printable_lines(source: str, position: int, width: int) -> None:
    """For any source, position and width."""
    error = ParsingError("reason", position=min(position, len(source)), source=source)
    line, caret = error.caret(width).split("\n")
    assert line.isprintable()
    assert caret.strip(" ") == "^"
    assert len(line) <= width + 2
