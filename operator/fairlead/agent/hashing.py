"""`hashFiles()`, as GitHub Actions has it (actions/runner's hashFiles and @actions/glob).

Patterns are relative to the workspace; `*`, `?` and `[…]` stay within a name, `**` is any number of folders, a folder
stands for all in it, names that begin with a dot are like any other, `!` takes out again what earlier patterns brought
in, `#` begins a comment. Nothing outside the workspace counts, and links to folders are not followed.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_IN_CLASS = re.compile(r"[\[\]\\^&|~]")
_SPECIAL = re.compile(r"[*?\[\\]")


class _Pattern(NamedTuple):
    excludes: bool
    folder: str
    """The part in front that has no wildcard: the search begins there."""
    expression: re.Pattern[str]


def hash_files(workspace: Path, patterns: Sequence[str]) -> str:
    """Give the SHA-256, in hexadecimal, of the matching files' digests in the order of their paths; '' without any.

    A pattern may have several lines. Raises OSError for a file that can't be read.
    """
    lines = (line.strip() for pattern in patterns for line in pattern.split("\n"))
    parsed = [_parse(line, workspace) for line in lines if line and not line.startswith("#")]
    whole = hashlib.sha256()
    found = sorted(path for path in _candidates(workspace, parsed) if _matches(path, parsed))
    for path in found:
        with (workspace / path).open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest() if found else ""


def _parse(line: str, workspace: Path) -> _Pattern:
    excludes = False
    while line.startswith("!"):
        excludes, line = not excludes, line[1:].strip()
    if line.startswith("/"):
        outside = os.path.relpath("/", workspace)
        line = line.removeprefix(f"{workspace}/") if line.startswith(f"{workspace}/") else f"{outside}{line}"
    parts = [part for part in os.path.normpath(line).split("/") if part not in ("", ".")]
    folder: list[str] = []
    for part in parts[:-1]:
        if _SPECIAL.search(part):
            break
        folder.append(part)
    return _Pattern(excludes, "/".join(folder), re.compile(_expression(parts), re.DOTALL))


def _expression(parts: list[str]) -> str:
    """Turn a pattern into an expression for whole paths. A folder stands for all in it."""
    deep, end = r"(?:.+/)?", r"(?:/.*)?"
    if not parts:
        return ".*"
    if parts[-1] == "**":
        parts, end = parts[:-1], "/.*" if parts[:-1] else ".*"
    text = "".join(deep if part == "**" else f"{_translate(part)}/" for part in parts)
    while deep * 2 in text:
        text = text.replace(deep * 2, deep)
    return text.removesuffix("/") + end


def _translate(part: str) -> str:
    """Turn one name of a pattern into an expression."""
    text, at = "", 0
    while at < len(part):
        character = part[at]
        at += 1
        if character == "*":
            text = text.removesuffix("[^/]*") + "[^/]*"
        elif character == "?":
            text += "[^/]"
        elif character == "[" and (end := part.find("]", at + 1)) > 0:
            chosen = part[at:end]
            negated = chosen[0] in "!^"
            escaped = _IN_CLASS.sub(r"\\\g<0>", chosen[negated:])
            text += f"[{'^' if negated else ''}{escaped}]"
            at = end + 1
        else:
            if character == "\\" and at < len(part):
                character = part[at]
                at += 1
            text += re.escape(character)
    return text


def _candidates(workspace: Path, patterns: Sequence[_Pattern]) -> set[str]:
    """Walk the folders in which the patterns begin; one that leads out of the workspace leads nowhere."""
    folders = {pattern.folder for pattern in patterns if not pattern.excludes}
    return {path for folder in folders if ".." not in folder.split("/") for path in _walk(workspace, folder)}


def _walk(workspace: Path, folder: str) -> Iterator[str]:
    if (workspace / folder).resolve() != workspace.resolve() / folder:
        return
    for at, _, names in os.walk(workspace / folder):
        for name in names:
            path = os.path.join(at, name)  # noqa: PTH118  a Path for each of many files would cost more than the rest
            try:
                regular = stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116  as above
            except OSError:
                continue
            if regular:
                yield os.path.relpath(path, workspace)


def _matches(path: str, patterns: Sequence[_Pattern]) -> bool:
    matches = False
    for pattern in patterns:
        if matches is pattern.excludes and pattern.expression.fullmatch(path):
            matches = not matches
    return matches
