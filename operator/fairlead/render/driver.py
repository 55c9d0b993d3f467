"""A job's steps as the text of one `sh -c`: the step driver (driver.sh) and its calls. See docs/driver.md."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

MAX_REPORT: Final = 4096
"""Bytes of a container's termination message (MaxContainerTerminationMessageLength in the kubelet)."""

_POD_REPORTS: Final = 12_288
"""Bytes of a Pod's, of which each container has the same part (MaxPodTerminationMessageLogLength)."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_SHELLS: Final = {
    None: '_f_auto "$1"',
    "bash": '_f_exec bash --noprofile --norc -eo pipefail "$1"',
    "sh": '_f_exec sh -e "$1"',
    "python": "if command -v python3 >/dev/null&&! command -v python >/dev/null;"
    'then _f_exec python3 "$1";else _f_exec python "$1";fi',
}


@dataclass(frozen=True, slots=True)
class Script:
    """A step as the driver runs it, all expressions already resolved.

    `shell` is None for bash where the image has it and else sh, or "bash", "sh", "python", or a command
    with `{0}` for the script's file. `working_directory` is relative to the workspace, or absolute. `env`
    has values; `env_from` the names of container variables that Kubernetes filled from Secrets: a step
    sees them only under the names it gives them.
    """

    label: str
    run: str
    id: str | None = None
    shell: str | None = None
    working_directory: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    env_from: Mapping[str, str] = field(default_factory=dict)


def report_room(containers: int) -> int:
    """Give the bytes that one container's report may have in a Pod of so many, init containers included."""
    return min(MAX_REPORT, _POD_REPORTS // containers)


def assemble(
    scripts: Sequence[Script],
    *,
    outputs: Collection[tuple[str, str | None]],
    timeout: int,
    room: int = MAX_REPORT,
) -> str:
    """Write the text for `/bin/sh -c`.

    `outputs` has the (step id, output) pairs that the report is to have, None for all of a step's. `timeout`
    is in seconds, for all steps together; `room` the bytes that the report may have. It is the caller's
    business that Kubernetes doesn't expand `$(NAME)` in the text. Raises ValueError for a name that can't
    be a variable's.
    """
    carriers = sorted({name for script in scripts for name in script.env_from.values()})
    parts = [_constant_part(), f"_f_begin {timeout} {room}"]
    for script in scripts:
        wanted = [name for step, name in outputs if step == script.id]
        parts += [_definition(script, carriers), _call(script, wanted)]
    parts.append("_f_finish")
    return "\n".join(parts)


@cache
def _constant_part() -> str:
    lines = (files(__package__) / "driver.sh").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for text in lines if (line := text.strip()) and not line.startswith("#"))


def _definition(script: Script, carriers: Iterable[str]) -> str:
    """Define what the step's process does last: take on its variables and become its shell."""
    values = [f"{_checked(name)}={_quote(value)}" for name, value in script.env.items()]
    values += [f'{_checked(name)}="${{{_checked(source)}-}}"' for name, source in script.env_from.items()]
    commands = [
        *(f"export {value}" for value in values),
        *(f"unset {name}" for name in carriers),
        _shell(script.shell),
    ]
    return f"_f_run(){{ {';'.join(commands)};}}"


def _call(script: Script, wanted: Collection[str | None]) -> str:
    label = "".join(character if character.isprintable() else " " for character in script.label)
    names = "*" if None in wanted else "\n".join(name for name in wanted if name is not None)
    folder = script.working_directory or ""
    arguments = (script.id or "", label, names, folder, script.run.removesuffix("\n"))
    return f"_f_step {' '.join(_quote(argument) for argument in arguments)}"


def _shell(shell: str | None) -> str:
    if shell in _SHELLS:
        return _SHELLS[shell]
    try:
        words = shlex.split(shell)
    except ValueError:
        words = []
    if not any("{0}" in word for word in words):
        reason = f'the shell "{shell}" is neither bash, sh, python nor a command with {{0}}'
        return f"_f_exit 127 {_quote(reason)}"
    return f"_f_exec {' '.join(_quote(word).replace('{0}', _FILE) for word in words)}"


_FILE: Final = """'"$1"'"""
"""The script's file, inside single quotes."""


def _checked(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a variable")
    return name


def _quote(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"
