from __future__ import annotations

import pytest

from fairlead.view.logtext import LogText, Look, Style, neutral

LOG = (
    "::group::One\n\x1b[31mred\x1b[2J\nstill red\n::group::mine\n::stop-commands::x\n::endgroup::\n::endgroup::\n"
    "::error::step \x1b[1m failed\n::warning::left out\n::group::Two\ntwo::endgroup::\n"
)

WRITTEN: dict[str, tuple[Look, str]] = {
    "folded": (
        Look(),
        "▸ One\nred\nstill red\n  ▸ mine\n::stop-commands::x\n✗ step [1m failed\n! left out\n▸ Two\ntwo\n",
    ),
    "flat": (Look(Style.FLAT), "red\nstill red\n::stop-commands::x\n✗ step [1m failed\n! left out\ntwo\n"),
    "with a prefix": (
        Look(Style.FLAT, prefix="a | "),
        "a | red\na | still red\na | ::stop-commands::x\na | ✗ step [1m failed\na | ! left out\na | two\n",
    ),
    "one step": (Look(step="Two"), "▸ Two\ntwo\n"),
    "a step that isn't there": (Look(step="Three"), ""),
    "in colours": (
        Look(colours=True, step="One"),
        (
            "\x1b[1m▸ One\x1b[0m\n\x1b[31mred\x1b[0m\n\x1b[31mstill red\x1b[0m\n\x1b[2m  ▸ mine\x1b[0m\n"
            "\x1b[31m::stop-commands::x\x1b[0m\n\x1b[31m✗ step [1m failed\x1b[0m\n\x1b[33m! left out\x1b[0m\n"
        ),
    ),
    "for GitHub": (
        Look(Style.GITHUB, prefix="build / ", neutral=True),
        (
            "::group::build / One\nred\nstill red\n▸ mine\n| ::stop-commands::x\n::endgroup::\n"
            "::error::step [1m failed\n::warning::left out\n::group::build / Two\ntwo\n::endgroup::\n"
        ),
    ),
    "raw": (
        Look(Style.RAW),
        (
            "::group::One\nred\nstill red\n::group::mine\n::stop-commands::x\n::endgroup::\n::endgroup::\n"
            "::error::step  failed\n::warning::left out\n::group::Two\ntwo::endgroup::\n"
        ),
    ),
}


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(("look", "written"), WRITTEN.values(), ids=WRITTEN)
def test_written(look: Look, written: str, size: int) -> None:
    """A log is written in each style, whatever pieces it comes in."""
    out: list[str] = []
    text = LogText(out.append, look)
    content = LOG.encode()
    for start in range(0, len(content), size):
        text.feed(content[start : start + size])
    text.end()
    assert "".join(out) == written


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a::b", "a::b"), ("::a::b", "| ::a::b"), ("  ::a::b", "|   ::a::b"), ("x ##[group]y", "x ## [group]y")],
)
def test_neutral(text: str, shown: str) -> None:
    """No line is a command to GitHub's runner, in neither of its two forms."""
    assert neutral(text) == shown
