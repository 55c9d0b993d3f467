"""Images: of GitHub's machines by their labels, and of languages by their versions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NOBLE: Final = "buildpack-deps:noble"
_JAMMY: Final = "buildpack-deps:jammy"

LABELS: Final[Mapping[str, str]] = {
    "ubuntu-latest": _NOBLE,
    "ubuntu-24.04": _NOBLE,
    "ubuntu-24.04-arm": _NOBLE,
    "ubuntu-22.04": _JAMMY,
    "ubuntu-22.04-arm": _JAMMY,
    "ubuntu-20.04": "buildpack-deps:focal",
    "ubuntu-slim": _NOBLE,
}
"""What stands for a label where the user says nothing: Ubuntu with git, curl, make and compilers, but far less than
GitHub's machines have."""

OTHER_SYSTEMS: Final = re.compile(r"windows|macos|mac-|osx", re.IGNORECASE)

_NUMBERS: Final = re.compile(r"v?(\d+(?:\.\d+){0,2}?)(?:\.[x*])*", re.ASCII)
_AT_LEAST: Final = re.compile(r"(?:>=|\^|~)\s*v?(\d+)(?:\.\d+)*(?:\.[x*])?", re.ASCII)
_NEARLY: Final = re.compile(r"~\s*v?(\d+\.\d+)(?:\.\d+)?", re.ASCII)
_PYPY: Final = re.compile(r"pypy-?(\d+\.\d+)(?:-v?[\w.]+)?", re.ASCII)
_PRE: Final = re.compile(r"(\d+\.\d+)(?:-dev|\.0-(?:alpha|beta|rc)[\w.-]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Language:
    """What a setup action stands for.

    `version`, `file` are its inputs that say which version; `pattern` is the image with `{}` for it, `newest` that of
    the newest one, `check` a command that tells the version. `words` has versions that have names. `harmless` are
    inputs without a meaning in an image of one version; `cached` those that only make it faster.
    """

    name: str
    version: str
    file: str
    pattern: str
    newest: str
    check: str
    words: Mapping[str, str]
    harmless: tuple[str, ...] = ()
    cached: tuple[str, ...] = ("cache", "cache-dependency-path")
    own: Callable[[str], str | None] = lambda _: None


def _python(version: str) -> str | None:
    found = _PYPY.fullmatch(version)
    if found:
        return f"pypy:{found[1]}"
    pre = _PRE.fullmatch(version)
    return f"python:{pre[1]}-rc" if pre else None


LANGUAGES: Final[Mapping[str, Language]] = {
    "actions/setup-python": Language(
        "Python",
        "python-version",
        "python-version-file",
        "python:{}",
        "python:3",
        "python --version",
        {"3.x": "python:3", "3": "python:3"},
        ("architecture", "check-latest", "token", "update-environment", "allow-prereleases"),
        own=_python,
    ),
    "actions/setup-node": Language(
        "Node.js",
        "node-version",
        "node-version-file",
        "node:{}",
        "node:lts",
        "node --version",
        {"lts/*": "node:lts", "lts": "node:lts", "latest": "node:current", "node": "node:current"}
        | {"current": "node:current", "lts/jod": "node:22", "lts/iron": "node:20", "lts/hydrogen": "node:18"},
        ("architecture", "check-latest", "token", "package-manager-cache"),
    ),
    "actions/setup-go": Language(
        "Go",
        "go-version",
        "go-version-file",
        "golang:{}",
        "golang:1",
        "go version",
        {"stable": "golang:1"},
        ("architecture", "check-latest", "token"),
    ),
    "actions/setup-java": Language(
        "Java",
        "java-version",
        "java-version-file",
        "maven:3-eclipse-temurin-{}",
        "maven:3-eclipse-temurin-21",
        "java -version",
        {},
        ("architecture", "check-latest", "token", "distribution", "java-package", "overwrite-settings"),
    ),
}
"""The setup actions that choose an image. All of these images have git and a compiler, or at least git."""


def image_of(language: Language, version: str) -> str | None:
    """Give the image of a version as the action takes it; None where there is none for it."""
    version = version.strip()
    found = language.words.get(version.lower()) or language.own(version)
    if found:
        return found
    numbers = _NUMBERS.fullmatch(version)
    if numbers:
        number = numbers[1].split(".")[0] if language.name == "Java" else numbers[1]
        return language.pattern.format(number)
    nearly = _NEARLY.fullmatch(version)
    if nearly and language.name != "Java":
        return language.pattern.format(nearly[1])
    return language.newest if _AT_LEAST.fullmatch(version) else None


def is_exact(language: Language, version: str) -> bool:
    """Whether an image of this version is what was asked for, and no guess at a range."""
    return bool(_NUMBERS.fullmatch(version.strip())) or version.strip().lower() in language.words


def chosen(images: Mapping[str, str], expression: str) -> str:
    """Write an image that depends on a text, `expression` being what gives that text, without `${{ }}`."""
    if len(set(images.values())) == 1:
        return next(iter(images.values()))
    prefixes = {image.removesuffix(value) for value, image in images.items() if image.endswith(value)}
    if len(prefixes) == 1 and all(image == next(iter(prefixes)) + value for value, image in images.items()):
        return f"{next(iter(prefixes))}${{{{ {expression} }}}}"
    table = json.dumps(images, ensure_ascii=False).replace("'", "''")
    return f"${{{{ fromJSON('{table}')[format('{{0}}', {expression})] }}}}"
