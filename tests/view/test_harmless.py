from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.view.harmless import Colours, harmless

SHOWN: dict[str, tuple[str, str, str]] = {
    "plain": ("a b", "a b", "a b"),
    "other letters": ("héé 漢字 👩\u200d💻", "héé 漢字 👩\u200d💻", "héé 漢字 👩\u200d💻"),
    "a tab": ("a\tb", "a\tb", "a\tb"),
    "colours": ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m", "red"),
    "many colours": ("\x1b[38;5;200mx\x1b[48;2;1;2;3my\x1b[m", "\x1b[38;5;200mx\x1b[48;2;1;2;3my\x1b[m", "xy"),
    "hidden text": ("\x1b[8mx\x1b[5my", "xy", "xy"),
    "the cursor": ("\x1b[2J\x1b[10;1Hx\x1b[A", "x", "x"),
    "a title": ("\x1b]0;evil\x07x", "x", "x"),
    "the clipboard": ("\x1b]52;c;ZXZpbA==\x1b\\x", "x", "x"),
    "a link": ("\x1b]8;;http://evil\x1b\\x\x1b]8;;\x1b\\", "x", "x"),
    "a title that isn't closed": ("a\x1b]0;evil", "a", "a"),
    "a device string": ("\x1bPq#0\x1b\\x", "x", "x"),
    "eight bits": ("\x9b2Jx\x9d0;evil\x9cy", "xy", "xy"),
    "a sequence that isn't closed": ("a\x1b[31", "a", "a"),
    "a reset": ("\x1bcx", "x", "x"),
    "bells and backspaces": ("a\x07\x08\x00b", "ab", "ab"),
    "a progress bar": ("10%\r50%\r100%\r", "100%", "100%"),
    "text that runs backwards": ("a\u202eb\u2066c", "abc", "abc"),
    "lines in a line": ("a\u2028b\x85c", "abc", "abc"),
    "markup": ("[bold]x[/bold]", "[bold]x[/bold]", "[bold]x[/bold]"),
}


@pytest.mark.parametrize(("text", "coloured", "plain"), SHOWN.values(), ids=SHOWN)
def test_shown(text: str, coloured: str, plain: str) -> None:
    """Colours pass where they may, and nothing else that a terminal would obey."""
    assert (harmless(text, colours=True), harmless(text, colours=False)) == (coloured, plain)


@given(st.text(st.sampled_from("\x1b[]0;1m8;2\\\x07\x9b\x9dPXa\r\n\u202eZ?"), max_size=40))
def test_nothing_gets_through(text: str) -> None:
    """Whatever stands in a line: without colours no control character is left; with them only colours begin."""
    plain, coloured = harmless(text, colours=False), harmless(text, colours=True)
    assert [c for c in plain if not c.isprintable() and c != "\t"] == []
    assert harmless(coloured, colours=False) == plain
    for rest in coloured.split("\x1b")[1:]:
        assert rest.startswith("[")
        assert rest[1:].lstrip("0123456789;:").startswith("m")


def test_colours_over_lines() -> None:
    """A colour ends with its line and goes on in the next, until it is reset."""
    colours = Colours()
    assert [colours.line(text) for text in ("a", "\x1b[31mb", "c", "d\x1b[0m", "e")] == [
        "a",
        "\x1b[31mb\x1b[0m",
        "\x1b[31mc\x1b[0m",
        "\x1b[31md\x1b[0m\x1b[0m",
        "e",
    ]


def test_colours_that_never_end() -> None:
    """What is carried over stays small."""
    colours = Colours()
    for _ in range(1000):
        line = colours.line("\x1b[31m\x1b[42mx")
    assert len(line) < 200
