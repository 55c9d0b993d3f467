"""What an expression may name at one place of a spec, and what is wrong with one that names something else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fairlead.expressions import (
    ANY,
    BUILTINS,
    ExpressionError,
    Functions,
    Index,
    Literal,
    Name,
    calls,
    parse,
    parse_template,
    references,
)
from fairlead.model.by_reference import BY_REFERENCE, holds_reference, names_reference
from fairlead.model.problem import Problem, closest, one_line, quote
from fairlead.model.status_functions import STATUS_FUNCTIONS
from fairlead.syntax.conditions import bare
from fairlead.syntax.graph import needs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fairlead.expressions import Node, Reference, Template
    from fairlead.model.problem import Path
    from fairlead.model.spec import Body, Job

CONTEXTS = (
    "workflow",
    "inputs",
    "github",
    "env",
    "vars",
    "secrets",
    "matrix",
    "strategy",
    "needs",
    "jobs",
    "steps",
    "job",
    "runner",
)
_PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "workflow": ("name", "namespace", "uid", "run", "generation", "labels", "annotations"),
    "strategy": ("fail-fast", "job-index", "job-total", "max-parallel"),
    "job": ("id", "name", "status", "services"),
    "runner": ("os", "name", "temp", "workspace"),
}
_NEED = ("result", "outputs", "combinations")
_STEP = ("outputs", "outcome", "conclusion")
_MOST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Scope:
    """What the expressions of one place may use.

    `names`: the contexts that mean something there. `env`: the variables that are known; `open_env` where a step before
    may have added others. `step_ids`, `later_ids`: the ids of the steps before, and of those that haven't run yet.
    `references`: whether `${{ secrets.NAME }}` and `${{ vars.NAME }}` may stand there by themselves.
    """

    body: Body
    names: tuple[str, ...]
    job: Job | None = None
    functions: Functions = field(default_factory=lambda: BUILTINS)
    env: Mapping[str, object] = field(default_factory=dict)
    open_env: bool = False
    step_ids: tuple[str, ...] = ()
    later_ids: tuple[str, ...] = ()
    inputs: Iterable[str] = field(default=())
    references: bool = False

    def but(self, **changes: object) -> Scope:
        """Give the same with some changes."""
        return replace(self, **changes)  # type: ignore[arg-type]


def check_text(text: object, scope: Scope, path: Path) -> Iterator[Problem]:
    """Check the `${{ }}` in a text; anything but a text with one is fine."""
    if not isinstance(text, str) or "${{" not in text:
        return
    try:
        template = parse_template(text, CONTEXTS, scope.functions)
    except ExpressionError as error:
        yield _unreadable(error, scope, path)
        return
    yield from _references(template, scope, path)


def check_condition(text: object, scope: Scope, path: Path) -> Iterator[Problem]:
    """Check an expression that stands with or without `${{ }}`."""
    if not isinstance(text, str):
        return
    try:
        node = parse(bare(text), CONTEXTS, scope.functions)
    except ExpressionError as error:
        yield _unreadable(error, scope, path)
        return
    except ValueError as error:
        yield Problem(path, str(error))
        return
    yield from _references(node, scope, path)


def _unreadable(error: ExpressionError, scope: Scope, path: Path) -> Problem:
    message = str(error)
    named = message.split("'")[1] if "Unrecognized" in message and "'" in message else ""
    if named.casefold() in STATUS_FUNCTIONS | {"hashfiles"} and named.casefold() not in map(str.lower, scope.functions):
        where = "a step's texts" if named.casefold() == "hashfiles" else "an if"
        return Problem(path, f"the function {named}() works only in {where}")
    return Problem(path, f"bad expression: {one_line(message)}")


def _references(subject: Node | Template, scope: Scope, path: Path) -> Iterator[Problem]:
    found = references(subject)
    for reference in found:
        problem = _reference(reference, scope, path)
        if problem is not None:
            yield problem
            return
    if names_reference(subject):
        yield from _alone(subject, path)


def _alone(subject: Node | Template, path: Path) -> Iterator[Problem]:
    """Find secrets that would have to be read to be used: their values never leave the cluster's hands."""
    for expression in getattr(subject, "expressions", ()):
        inside = references(expression.node)
        if names_reference(expression.node) and not is_reference(expression.node):
            said = "a secret or variable of the cluster is never read, so nothing can be computed from it"
            yield Problem(path, f"{said}; write ${{{{ {'.'.join(inside[0].path)} }}}} by itself")


def is_reference(node: Node) -> bool:
    """Whether an expression is nothing but `secrets.NAME` or `vars.NAME`."""
    found = references(node)
    return len(found) == 1 and not calls(node) and _is_path(node) and len(found[0].path) == 2  # noqa: PLR2004  two steps


def _is_path(node: Node) -> bool:
    return isinstance(node, Index) and isinstance(node.target, Name) and isinstance(node.key, Literal)


def _reference(reference: Reference, scope: Scope, path: Path) -> Problem | None:
    name, *rest = reference.path
    shown = quote(".".join(reference.path), _MOST_SHOWN)
    context = name.casefold()
    if context not in scope.names and not (context in BY_REFERENCE and scope.references):
        return Problem(path, f"{shown}: {_out_of_place(context, scope)}")
    if context in BY_REFERENCE and (not rest or rest[0] == ANY):
        return Problem(path, f"{shown}: name one, as {context}.NAME")
    return None if not rest or rest[0] == ANY else _property_of(context, shown, rest, scope, path)


def _property_of(context: str, shown: str, rest: list[str], scope: Scope, path: Path) -> Problem | None:
    match context:
        case "workflow" | "strategy" | "job" | "runner":
            return _known(shown, path, f"{context} has no", rest[0], _PROPERTIES[context])
        case "inputs":
            return _known(shown, path, "no input", rest[0], scope.inputs)
        case "env":
            return _variable(shown, path, rest[0], scope)
        case "matrix":
            return _matrix(shown, path, rest[0], scope)
        case "steps":
            return _step(shown, path, rest, scope)
        case "needs":
            return _need(shown, path, rest, scope)
        case "jobs":
            return _known(shown, path, "no job", rest[0], scope.body.jobs) or _outputs(shown, path, rest, scope)
        case _:
            return None


def _out_of_place(context: str, scope: Scope) -> str:
    if context in BY_REFERENCE:
        return f"{context} can be used only in the values of env, as ${{{{ {context}.NAME }}}}"
    if context in ("matrix", "strategy") and scope.job is not None and scope.job.strategy is None:
        return "this job has no strategy.matrix"
    return f"{context} means nothing here; known here: {', '.join(scope.names)}"


def _matrix(shown: str, path: Path, key: str, scope: Scope) -> Problem | None:
    strategy = scope.job.strategy if scope.job else None
    if strategy is None:
        return Problem(path, f"{shown}: this job has no strategy.matrix")
    matrix = strategy.matrix
    if not isinstance(matrix, Mapping):
        return None
    included = matrix.get("include", [])
    if isinstance(included, str) or not isinstance(included, list):
        return None
    keys = {each for each in matrix if each not in ("include", "exclude")}
    keys |= {key for entry in included if isinstance(entry, Mapping) for key in entry}
    if any(isinstance(entry, str) for entry in included):
        return None
    return _known(shown, path, "the matrix has no", key, keys)


def _step(shown: str, path: Path, rest: list[str], scope: Scope) -> Problem | None:
    if rest[0].casefold() in {each.casefold() for each in scope.later_ids}:
        return Problem(path, f"{shown}: the step {quote(rest[0])} hasn't run yet there")
    problem = _known(shown, path, "no step with the id", rest[0], scope.step_ids)
    return problem or _property(shown, path, rest[1:], _STEP)


def _need(shown: str, path: Path, rest: list[str], scope: Scope) -> Problem | None:
    needs = needs_of(scope.job) if scope.job else ()
    folded = {need.casefold() for need in needs}
    if rest[0].casefold() not in folded and rest[0].casefold() in {job_id.casefold() for job_id in scope.body.jobs}:
        return Problem(path, f"{shown}: {quote(rest[0])} is not among this job's needs; add it there")
    return _known(shown, path, "no need", rest[0], needs) or _outputs(shown, path, rest, scope)


def _outputs(shown: str, path: Path, rest: list[str], scope: Scope) -> Problem | None:
    job_id, *below = rest
    problem = _property(shown, path, below, _NEED)
    if problem or len(below) < 2 or below[0].casefold() != "outputs" or below[1] == ANY:  # noqa: PLR2004  outputs.NAME
        return problem
    job = next((job for each, job in scope.body.jobs.items() if each.casefold() == job_id.casefold()), None)
    if job is None or job.uses is not None:
        return None
    return _known(shown, path, f"the job {quote(job_id)} has no output", below[1], job.outputs)


def _property(shown: str, path: Path, rest: list[str], known: tuple[str, ...]) -> Problem | None:
    return _known(shown, path, "no property", rest[0], known) if rest and rest[0] != ANY else None


def _known(shown: str, path: Path, said: str, name: str, known: Iterable[str]) -> Problem | None:
    known = list(known)
    if name.casefold() in {each.casefold() for each in known}:
        return None
    return Problem(path, f"{shown}: {said} {quote(name)}", closest(name, known))


def _variable(shown: str, path: Path, name: str, scope: Scope) -> Problem | None:
    value = next((each for known, each in scope.env.items() if known.casefold() == name.casefold()), None)
    if holds_reference(value):
        return Problem(path, f"{shown} stays in the cluster, so no expression reads it; use ${name} in the script")
    return None if scope.open_env else _known(shown, path, "no variable", name, scope.env)
