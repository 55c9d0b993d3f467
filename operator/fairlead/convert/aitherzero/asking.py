"""Conditions of jobs and steps: as expressions where they can be, and otherwise asked by a step of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fairlead.convert.aitherzero.calls import ask_text
from fairlead.convert.aitherzero.conditions import ConditionError, Operand, Type, convert_condition
from fairlead.convert.aitherzero.literals import plain
from fairlead.convert.aitherzero.playbook import label
from fairlead.convert.rewriting import rewrite
from fairlead.expressions import ExpressionError, parse, unparse
from fairlead.model.problem import one_line
from fairlead.model.status_functions import STEP_CONDITION_FUNCTIONS
from fairlead.syntax.conditions import bare
from fairlead.syntax.scopes import CONTEXTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from fairlead.convert.aitherzero.playbook import Playbook
    from fairlead.convert.part import Part
    from fairlead.expressions import Node

_NAME: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_BRACED: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_GITHUB: Final = {
    "github_actor": "actor",
    "github_base_ref": "base_ref",
    "github_event_name": "event_name",
    "github_head_ref": "head_ref",
    "github_ref": "ref",
    "github_ref_name": "ref_name",
    "github_repository": "repository",
    "github_run_id": "run_id",
    "github_run_number": "run_number",
    "github_sha": "sha",
    "github_workflow": "workflow",
}
ASKED: Final = "steps.condition.outputs.holds == 'true'"
"""The condition of steps behind one that asks the job's."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition: an expression, or what has to be asked in PowerShell."""

    expression: str | None = None
    powershell: str | None = None


def read_condition(part: Part, resolve: Callable[[tuple[str, ...]], Operand]) -> Condition | None:
    """Read the condition of a job, a stage or a step. None for what is refused, and for an empty text."""
    if isinstance(part.value, bool):
        return Condition("true" if part.value else "false")
    text = part.text()
    if text is None or not text.strip():
        return None
    try:
        expression = _expression(text, resolve)
    except (ExpressionError, ValueError, ConditionError) as error:
        if "${{" in text:
            part.refuse(f"this expression can't be read: {one_line(str(error))}")
            return None
    else:
        if expression is not None:
            return Condition(expression)
    try:
        converted = convert_condition(text, resolve)
    except ConditionError as error:
        part.notes.approximated(
            part.path,
            f"no expression can say this condition ({one_line(str(error), 120)}); it is asked in the container, as "
            "PowerShell, and where it doesn't hold the job or step succeeds without doing anything",
        )
        return Condition(powershell=_BRACED.sub(r"$\1", text))
    for sentence in converted.approximated:
        part.notes.approximated(part.path, sentence)
    if converted.text != text.strip():
        part.notes.mapped(part.path, f"the condition is, as an expression: {converted.text}")
    return Condition(converted.text)


def _expression(text: str, resolve: Callable[[tuple[str, ...]], Operand]) -> str | None:
    """Read what is an expression already; None, or any of the errors, for PowerShell."""
    inner = bare(text)
    if "${{" not in text and "$" in inner:
        return None
    node = parse(inner, (*CONTEXTS, "variables"), STEP_CONDITION_FUNCTIONS)
    changed = rewrite(node, lambda path: _renamed(path, resolve))
    return inner if changed == node else unparse(changed)


def _renamed(path: tuple[str, ...], resolve: Callable[[tuple[str, ...]], Operand]) -> Node | None:
    if len(path) > 1 and path[0] in ("env", "jobs", "variables"):
        first = "variable" if path[0] == "variables" else path[0]
        return parse(resolve((first, *path[1:])).text)
    return None


def condition_step(playbook: Playbook, condition: str) -> dict[str, object]:
    """Give the first step of a job, which asks the job's condition."""
    env: dict[str, str] = {}
    text = ask_text(condition, seen_variables(playbook, condition, env))
    step: dict[str, object] = {"id": "condition", "name": label(f"Condition: {condition}"), "run": plain(text)}
    return step | ({"env": env} if env else {})


def seen_variables(playbook: Playbook, condition: str, env: dict[str, str]) -> dict[str, str]:
    """Give the playbook's variables that a condition in PowerShell names, as source."""
    found: dict[str, str] = {}
    for match in _NAME.finditer(condition):
        name = match[1] or match[2]
        source = playbook.variables.source(name, env)
        if source is not None:
            found[name] = source
    return found


def resolve(playbook: Playbook, path: tuple[str, ...]) -> Operand:
    """Give what a name is in the condition of a stage or of a sequence's script. Raises ConditionError."""
    match path:
        case ("variable", name):
            return playbook.variables.operand(name)
        case ("env", name):
            return environment(playbook, name, known=False)
        case ("github" | "inputs", *_):
            return Operand(".".join(path), Type.VALUE)
        case _:
            raise ConditionError(f"{'.'.join(path)} is known only to PowerShell")


def environment(playbook: Playbook, name: str, *, known: bool) -> Operand:
    """Give what `$env:NAME` is: of a step's variables if `known`, of GitHub's, or of where the playbook was started.

    The last becomes an input, empty where nothing is given, and a variable of the same name for all scripts.
    """
    github = _GITHUB.get(name.casefold())
    if known:
        return Operand(f"env.{name}", Type.TEXT)
    if github is not None:
        playbook.once((), "what GitHub's variables tell comes from annotations here, such as fairlead.dev/ref")
        return Operand(f"github.{github}", Type.TEXT)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name, re.ASCII):
        raise ConditionError(f"no variable can be called {name} here")
    if name not in playbook.env:
        playbook.inputs.setdefault(name, "")
        playbook.env[name] = f"${{{{ inputs.{name} }}}}"
        said = f"$env:{name} is set nowhere in the playbook; it is an input here, empty where nothing is given"
        playbook.once((), said)
    elif name not in playbook.inputs:
        value = playbook.env[name]
        if "${{" in str(value) or not isinstance(value, str):
            raise ConditionError(f"$env:{name} is computed, and not known before a job runs")
        playbook.inputs[name] = value
        playbook.env[name] = f"${{{{ inputs.{name} }}}}"
    return Operand(f"inputs.{name}", Type.TEXT)
