from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.problem import InvalidWorkflowError, Path, Problem, closest, format_path, one_line, quote


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "(root)"),
        (("spec", "jobs", "test", "needs", 0), "spec.jobs.test.needs[0]"),
        (("spec", "env", "A_B-C"), "spec.env.A_B-C"),
        (("spec", "jobs", "a.b", "env"), 'spec.jobs["a.b"].env'),
        (("spec", ""), 'spec[""]'),
        (("spec", "\x1b[2J"), 'spec["\\x1b[2J"]'),
        (("spec", "x" * 200), f'spec["{"x" * 80}…"]'),
    ],
)
def test_path(path: Path, text: str) -> None:
    """A path is written as kubectl does; what is no plain name goes into brackets and quotes."""
    assert format_path(path) == text


def test_problem() -> None:
    """A problem says where, what, and what was probably meant."""
    problem = Problem(("spec", "jobs", "test", "needs", 0), 'no job "biuld"', "build")
    assert str(problem) == 'spec.jobs.test.needs[0]: no job "biuld"; did you mean "build"?'


def test_error() -> None:
    """The error has one line for each problem."""
    error = InvalidWorkflowError((Problem(("spec", "a"), "wrong"), Problem(("spec", "b"), "wrong, too")))
    assert str(error) == "spec.a: wrong\nspec.b: wrong, too"


@pytest.mark.parametrize(
    ("wrong", "known", "meant"),
    [
        ("biuld", ["test", "build"], "build"),
        ("Build", ["build"], "build"),
        ("Steps", ["steps", "strategy"], "steps"),
        ("x", ["build", "test"], None),
        ("anything", [], None),
    ],
)
def test_closest(wrong: str, known: list[str], meant: str | None) -> None:
    """The most similar name is suggested, if one is similar; case doesn't matter."""
    assert closest(wrong, known) == meant


@given(st.text(max_size=200), st.integers(1, 100))
def test_harmless(text: str, most: int) -> None:
    """Whatever somebody wrote is shown on one line, printable, and not longer than said."""
    for shown in (quote(text, most), one_line(text, most)):
        assert shown.isprintable()
    assert len(quote(text, most)) <= most + 3
    assert len(one_line(text, most)) <= most


@given(st.lists(st.text() | st.integers(0, 9)))
def test_paths_are_harmless(path: list[str | int]) -> None:
    """A path with somebody's keys in it is printable, too."""
    assert format_path(tuple(path)).isprintable()
