from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.syntax.source import read_documents
from fairlead.syntax.writing import to_yaml


@pytest.mark.parametrize(
    "word", ["n", "Y", "on", "1e5", "0o17", "0x1F", "1_000", "12:30", "1.10", "~", "null", "", "-", "a:"]
)
def test_words(word: str) -> None:
    """A text is a text to Kubernetes, too, as a key and as a value."""
    (document,) = read_documents(to_yaml({word: word}))
    assert document.value == {word: word}


def test_scripts() -> None:
    """Texts of several lines are written as people write scripts."""
    assert to_yaml({"run": "make\nmake test\n"}, {"a": [1]}) == "run: |\n  make\n  make test\n---\na:\n  - 1\n"


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\n\r\t\x85\u2028 #:-'\""), max_size=40))
def test_any_text(text: str) -> None:
    """Any text comes back as it was."""
    (document,) = read_documents(to_yaml({"a": [text]}))
    assert document.value == {"a": [text]}
