"""A job's steps as the text of one `sh -c`: the step driver (driver.sh and others) and its calls; docs/driver.md."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from fairlead.model.report import JobState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

MAX_REPORT: Final = 4096
"""Bytes of a container's termination message (MaxContainerTerminationMessageLength in the kubelet)."""

_POD_REPORTS: Final = 12_288
"""Bytes of a Pod's, of which each container has the same part (MaxPodTerminationMessageLogLength)."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_ADD_MASK: Final = "add-mask"
"""What a script that hides values in its log has in its text."""

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
    sees them only under the names it gives them. The step runs when the job's state is in `runs_in`; in none, it is
    skipped for certain. `timeout` is in seconds.
    """

    label: str
    run: str
    id: str | None = None
    shell: str | None = None
    working_directory: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    env_from: Mapping[str, str] = field(default_factory=dict)
    runs_in: frozenset[str] = frozenset({JobState.SUCCESS})
    continue_on_error: bool = False
    timeout: int | None = None

    @property
    def shown(self) -> str:
        """The label as the log has it."""
        return "".join(character if character.isprintable() else " " for character in self.label)


@dataclass(frozen=True, slots=True)
class Late:
    """A step that the agent defines when its turn has come. `index`: its place among the job's steps, from 0.

    `sources` are the container variables that it may ask for, like the values of `Script.env_from`.
    """

    index: int
    sources: Collection[str] = ()


def report_room(containers: int) -> int:
    """Give the bytes that one container's report may have in a Pod of so many, init containers included."""
    return min(MAX_REPORT, _POD_REPORTS // containers)


def assemble(
    scripts: Sequence[Script | Late],
    *,
    outputs: Collection[tuple[str, str | None]],
    timeout: int,
    room: int = MAX_REPORT,
    masks: Sequence[str] = (),
    steps: Sequence[str] | None = None,
) -> str:
    """Write the text for `/bin/sh -c`.

    `outputs` has the (step id, output) pairs that the report is to have, None for all of a step's. `timeout`
    is in seconds, for all steps together; `room` the bytes that the report may have; `masks` the container's variables
    whose values the log must not show; `steps` has the steps, where they are written already. It is the caller's
    business that Kubernetes doesn't expand `$(NAME)` in the text. Raises ValueError for a name that can't be a
    variable's.
    """
    masked = bool(masks) or any(_ADD_MASK in script.run for script in scripts if isinstance(script, Script))
    late = any(isinstance(script, Late) for script in scripts)
    sources = carriers(scripts)
    parts = ["driver.sh", "files.sh", *(["masks.sh"] if masked else []), *(["late.sh"] if late else [])]
    lines = [*(_constant_part(part) for part in parts), f"_f_begin {timeout} {room}"]
    if masked:
        lines.append(" ".join(["_f_mask", *(_checked(name) for name in masks)]))
    if steps is None:
        steps = [
            f"_f_late {script.index}"
            if isinstance(script, Late)
            else step_text(script, outputs=outputs, carriers=sources)
            for script in scripts
        ]
    return "\n".join([*lines, *steps, "_f_finish"])


def carriers(scripts: Iterable[Script | Late]) -> list[str]:
    """Name the container variables that only single steps may see, and so each of the others must not."""
    names: set[str] = set()
    for script in scripts:
        names.update(script.sources if isinstance(script, Late) else script.env_from.values())
    return sorted(names)


def step_text(script: Script, *, outputs: Collection[tuple[str, str | None]], carriers: Iterable[str]) -> str:
    """Write the definition of one step and its call. `outputs` is as in `assemble`, `carriers` all of the job's."""
    if not script.runs_in:
        return "_f_skip"
    wanted = [name for step, name in outputs if step == script.id]
    return f"{_definition(script, carriers)}\n{_call(script, wanted)}"


def refusal_text(label: str, reason: str, *, continue_on_error: bool) -> str:
    """Write what stands in the place of a step that can't be run: it fails with `reason`, a line."""
    script = Script(label, "", runs_in=frozenset(JobState), continue_on_error=continue_on_error)
    return f"_f_run(){{ _f_refuse 1 {_quote(reason)};}}\n{_call(script, ())}"


@cache
def _constant_part(name: str) -> str:
    lines = (files(__package__) / name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for text in lines if (line := text.strip()) and not line.startswith("#"))


def export_text(name: str, value: str) -> str:
    """Write what gives a variable to all steps. Raises ValueError for a name that can't be a variable's."""
    return f"export {_checked(name)}={_quote(value)}"


def quote_text(text: str) -> str:
    """Write a text so that the shell takes it as it is."""
    return _quote(text)


def _definition(script: Script, carriers: Iterable[str]) -> str:
    """Define what the step's process does last: take on its variables and become its shell."""
    values = [f"{_checked(name)}={_quote(value)}" for name, value in script.env.items()]
    # One that is optional and missing isn't set at all.
    carried = [
        f'[ -z "${{{_checked(source)}+x}}" ]||export {_checked(name)}="${source}"'
        for name, source in script.env_from.items()
    ]
    commands = [
        *(f"export {value}" for value in values),
        *carried,
        *(f"unset {_checked(name)}" for name in carriers),
        _shell(script.shell),
    ]
    return f"_f_run(){{ {';'.join(commands)};}}"


def _call(script: Script, wanted: Collection[str | None]) -> str:
    names = "*" if None in wanted else "\n".join(name for name in wanted if name is not None)
    folder = script.working_directory or ""
    arguments = [script.id or "", script.shown, names, folder, script.run.removesuffix("\n")]
    how = [
        " ".join(state for state in JobState if state in script.runs_in),
        "1" if script.continue_on_error else "",
        "" if script.timeout is None else str(script.timeout),
    ]
    if how != [JobState.SUCCESS, "", ""]:
        arguments += how
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
        return f"_f_refuse 127 {_quote(reason)}"
    return f"_f_exec {' '.join(_quote(word).replace('{0}', _FILE) for word in words)}"


_FILE: Final = """'"$1"'"""
"""The script's file, inside single quotes."""


def _checked(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a variable")
    return name


def _quote(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"
