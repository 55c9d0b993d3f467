from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from fairlead.agent.hashing import hash_files

if TYPE_CHECKING:
    from pathlib import Path

_FILES = (
    "a.txt",
    "b.lock",
    ".hidden",
    "src/x.txt",
    "src/deep/y.txt",
    "src/deep/z.lock",
    "src/[1].txt",
    "docs/src/x.txt",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Give a workspace in which each file has its own path as content, beside a file that isn't in it."""
    (tmp_path / "outside.txt").write_text("secret")
    root = tmp_path / "work"
    for name in _FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "link").symlink_to(tmp_path)
    (root / "broken").symlink_to("nowhere")
    return root


def _digest(*names: str) -> str:
    return sha256(b"".join(sha256(name.encode()).digest() for name in sorted(names))).hexdigest() if names else ""


_ALL = _FILES


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["a.txt"], ["a.txt"]),
        (["./a.txt"], ["a.txt"]),
        (["nothing"], []),
        ([""], []),
        (["*.txt"], ["a.txt"]),
        (["**/*.txt"], ["a.txt", "src/x.txt", "src/deep/y.txt", "src/[1].txt", "docs/src/x.txt"]),
        (["**"], _ALL),
        (["src"], ["src/x.txt", "src/deep/y.txt", "src/deep/z.lock", "src/[1].txt"]),
        (["src/**"], ["src/x.txt", "src/deep/y.txt", "src/deep/z.lock", "src/[1].txt"]),
        (["src/*"], ["src/x.txt", "src/deep/y.txt", "src/deep/z.lock", "src/[1].txt"]),
        (["**/src/x.txt"], ["src/x.txt", "docs/src/x.txt"]),
        (["src/**/y.txt"], ["src/deep/y.txt"]),
        (["**/**/?.lock"], ["b.lock", "src/deep/z.lock"]),
        (["[ab].*"], ["a.txt", "b.lock"]),
        (["[!a].*"], ["b.lock"]),
        ([r"src/\[1].txt"], ["src/[1].txt"]),
        ([".*"], [".hidden"]),
        (["**/*.txt", "!src/**"], ["a.txt", "docs/src/x.txt"]),
        (["!src/**", "**/*.txt"], ["a.txt", "src/x.txt", "src/deep/y.txt", "src/[1].txt", "docs/src/x.txt"]),
        (["**/*.txt\n!src\nsrc/x.txt\n# src/deep"], ["a.txt", "src/x.txt", "docs/src/x.txt"]),
        (["b.lock", "a.txt", "b.lock"], ["a.txt", "b.lock"]),
        (["../outside.txt", "link/outside.txt", "/etc/passwd", "broken"], []),
        (["src/../a.txt"], ["a.txt"]),
    ],
)
def test_patterns(workspace: Path, patterns: list[str], found: list[str]) -> None:
    """Patterns choose files as GitHub's do; the digests go together in the order of the paths."""
    assert hash_files(workspace, patterns) == _digest(*found)


def test_an_absolute_pattern(workspace: Path) -> None:
    """It counts where it is in the workspace."""
    assert hash_files(workspace, [f"{workspace}/src/*.txt"]) == _digest("src/x.txt", "src/[1].txt")
