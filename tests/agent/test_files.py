from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairlead.agent.files import environment, outputs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", {}),
        (b"a=1\n", {"a": "1"}),
        (b"a=1", {"a": "1"}),
        (b"a=\n\n\nb=2\n", {"a": "", "b": "2"}),
        (b"a=b=c\r\n", {"a": "b=c\r"}),
        (b"a=1<<EOF\n", {"a": "1<<EOF"}),
        (b"a<<EOF\nEOF\n", {"a": ""}),
        (b"a<<EOF\n\n\nEOF\nb=3\n", {"a": "\n", "b": "3"}),
        (b"a<<x=y\n1\nx=y\n", {"a": "1"}),
        (b"a<<[x*=]\n\\\n[x*=]", {"a": "\\"}),
        (b"a=1\nb=2\na=3\n", {"b": "2", "a": "3"}),
        (b"a=1\nhello\nb=2\n", {"a": "1"}),
        (b"a=1\n=x\nb=2\n", {"a": "1"}),
        (b"a=1\nb<<\n\nc=2\n", {"a": "1"}),
        (b"a=1\n<<E\nE\nc=2\n", {"a": "1"}),
        (b"a=1\nb<<E\nx\n", {"a": "1"}),
        (b"a=1\nb=2\x003\n", {}),
        (b"a=\xe4\n", {"a": "\udce4"}),
        ("a=ä\u2028\n".encode(), {"a": "ä\u2028"}),
    ],
)
def test_outputs(tmp_path: Path, content: bytes, expected: dict[str, str]) -> None:
    """The agent reads a step's file as the driver does."""
    (tmp_path / "file").write_bytes(content)

    assert outputs(tmp_path / "file") == expected


def test_variables(tmp_path: Path) -> None:
    """Those up to the first that a step may not set."""
    (tmp_path / "file").write_text("A=1\nFAIRLEAD_OUTPUT=x\nB=2\n")

    assert environment(tmp_path / "file") == {"A": "1"}


def test_no_file(tmp_path: Path) -> None:
    """What isn't there, or isn't a file, is empty."""
    assert outputs(tmp_path / "none") == outputs(tmp_path) == {}
