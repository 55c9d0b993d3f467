from __future__ import annotations

import pytest

from fairlead.view.folding import Began, Ended, Event, Folder, Lines, Nested, Remarked, Wrote

SUM = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def events(text: str, *labels: str) -> list[Event]:
    """Fold a log."""
    folder = Folder(labels)
    return [event for line in text.splitlines() for event in folder.feed(line)]


def test_steps() -> None:
    """Each group is a step; what the driver says of it follows."""
    log = "::group::One\na\n::endgroup::\n::group::Two\n::endgroup::\n::error::step failed\n::warning::left out\n"
    assert events(log) == [
        Began(0, "One"),
        Wrote(0, "a"),
        Ended(0),
        Began(1, "Two"),
        Ended(1),
        Remarked(1, "step failed"),
        Remarked(1, "left out", warning=True),
    ]


def test_a_last_line_without_newline() -> None:
    """The marker may follow directly on what a step wrote."""
    assert events("::group::One\na::endgroup::") == [Began(0, "One"), Wrote(0, "a"), Ended(0)]


@pytest.mark.parametrize("labels", [(), ("One", "Two")])
def test_groups_of_a_script(labels: tuple[str, ...]) -> None:
    """A script's own groups, and its errors, belong to its step."""
    log = "::group::One\n::group::mine\na\n::error::b\n::endgroup::\nc\n::endgroup::\n::group::Two\n::endgroup::"
    assert events(log, *labels) == [
        Began(0, "One"),
        Nested(0, "mine"),
        Wrote(0, "a"),
        Wrote(0, "::error::b"),
        Wrote(0, "c"),
        Ended(0),
        Began(1, "Two"),
        Ended(1),
    ]


def test_groups_that_a_script_leaves_open() -> None:
    """Where the steps are known, a group that is never closed doesn't swallow the next step."""
    log = "::group::One\n::group::mine\n::endgroup::\n::group::Two\nb\n::endgroup::"
    assert events(log, "One", "Two") == [
        Began(0, "One"),
        Nested(0, "mine"),
        Ended(0),
        Began(1, "Two"),
        Wrote(1, "b"),
        Ended(1),
    ]


def test_steps_that_did_not_run() -> None:
    """A known step that left no trace is passed over, and none begins twice."""
    log = "::group::Two\n::group::One\n::endgroup::\n::endgroup::"
    assert events(log, "One", "Two") == [Began(0, "Two"), Nested(0, "One"), Ended(0)]


def test_large_outputs() -> None:
    """The frame of outputs at the log's end isn't shown; a script's group of that name is."""
    frame = f"::group::Outputs: 36207 bytes, {SUM}\nYWJj\n::endgroup::\n"
    assert events(f"::group::One\n{frame}::endgroup::\n{frame}") == [
        Began(0, "One"),
        Nested(0, f"Outputs: 36207 bytes, {SUM}"),
        Wrote(0, "YWJj"),
        Ended(0),
    ]


def test_lines() -> None:
    """Pieces are cut into lines wherever they were broken, also within a letter; what is no text is shown as such."""
    lines = Lines()
    pieces = ["é\nb".encode()[:1], "é\nb".encode()[1:], b"\n\xff\n", b"rest"]
    assert [lines.feed(piece) for piece in pieces] == [[], ["é"], ["b", "\ufffd"], []]
    assert (lines.end(), lines.end()) == (["rest"], [])


def test_a_line_without_end() -> None:
    """A line that is too long comes in parts, and is not kept."""
    lines = Lines()
    parts = [part for _ in range(10) for part in lines.feed(b"x" * 50_000)]
    assert (sum(map(len, parts)) + sum(map(len, lines.end())), max(map(len, parts)) <= 65_536) == (500_000, True)
