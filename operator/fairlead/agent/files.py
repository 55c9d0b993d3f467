"""The files that a step writes, read as the driver reads them. docs/driver.md has the format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VARIABLE: Final = re.compile(r"(?!FAIRLEAD_|GITHUB_|_f_)[A-Za-z_][A-Za-z0-9_]*")


def outputs(path: Path) -> dict[str, str]:
    """Give a step's outputs. Bytes that aren't UTF-8 are kept as surrogates (PEP 383)."""
    return dict(_records(path))


def environment(path: Path) -> dict[str, str]:
    """Give the variables that a step set for the later ones, up to the first that it may not set."""
    found: dict[str, str] = {}
    for name, value in _records(path):
        if not _VARIABLE.fullmatch(name):
            break
        found[name] = value
    return found


def _records(path: Path) -> Iterator[tuple[str, str]]:
    """Read up to the first line that is no record; with a NUL byte, nothing. That is what the driver does."""
    try:
        content = path.read_bytes()
    except OSError:
        return
    if b"\0" in content:
        return
    lines = iter(content.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n"))
    for line in lines:
        name, equals, value = line.partition("=")
        before, marker, delimiter = (line if not equals else name).partition("<<")
        if marker:
            name, delimiter = before, line[len(before) + 2 :]
            block = _block(lines, delimiter) if delimiter and name else None
            if block is None:
                return
            value = block
        elif not line:
            continue
        elif not equals or not name:
            return
        yield name, value


def _block(lines: Iterator[str], delimiter: str) -> str | None:
    found: list[str] = []
    for line in lines:
        if line == delimiter:
            return "\n".join(found)
        found.append(line)
    return None
