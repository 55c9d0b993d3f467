"""Every `${{ }}` of a spec: that it parses, and that what it names is there to be found.

Which contexts an expression may use depends on when it is evaluated: a job's texts when its Kubernetes Job is made,
its outputs when it has ended, the workflow's outputs in the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairlead.expressions import ANY, ExpressionError, ParsingError, parse_template, references
from fairlead.model.problem import Problem, closest, one_line, quote
from fairlead.model.spec import EnvReference
from fairlead.syntax.graph import needs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fairlead.expressions import Reference
    from fairlead.model.problem import Path
    from fairlead.model.spec import Job, WorkflowSpec

WORKFLOW_PROPERTIES = ("name", "namespace", "uid", "run", "generation", "labels", "annotations")
NEED_PROPERTIES = ("result", "outputs")

_LATER_CONTEXTS = ("secrets", "vars", "matrix", "strategy", "job", "runner", "github")
_LATER_FUNCTIONS = ("success", "failure", "always", "cancelled", "hashfiles")
_MOST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the expressions of one place may name. `names` has the context names that mean something there."""

    spec: WorkflowSpec
    names: tuple[str, ...]
    job: Job | None = None
    env: Mapping[str, object] | None = None


def check(spec: WorkflowSpec) -> Iterator[Problem]:
    """Find the expressions that don't parse, and those that name what isn't there."""
    overall = _Scope(spec, ("workflow", "inputs"))
    yield from _env(spec.env, overall, ("spec", "env"))
    for name in ("image", "shell", "working_directory"):
        text = getattr(spec.defaults, name)
        alias = str(type(spec.defaults).model_fields[name].alias)
        yield from _text(text, overall, ("spec", "defaults", alias))
    for output, text in spec.outputs.items():
        yield from _text(text, _Scope(spec, ("workflow", "inputs", "jobs")), ("spec", "outputs", output))
    for job_id, job in spec.jobs.items():
        yield from _job(spec, job, ("spec", "jobs", job_id))


def _job(spec: WorkflowSpec, job: Job, at: Path) -> Iterator[Problem]:
    outer = _Scope(spec, ("workflow", "inputs", "needs"), job)
    yield from _text(job.name, _Scope(spec, ("workflow", "inputs"), job), (*at, "name"))
    yield from _text(job.image, outer, (*at, "image"))
    yield from _env(job.env, outer, (*at, "env"))
    env = {**spec.env, **job.env}
    inner = _Scope(spec, ("workflow", "inputs", "needs", "env"), job, env)
    yield from _text(job.shell, inner, (*at, "shell"))
    yield from _text(job.working_directory, inner, (*at, "workingDirectory"))
    for index, command in enumerate(job.commands):
        yield from _text(command, inner, (*at, "commands", index))
    for index, step in enumerate(job.steps):
        here = (*at, "steps", index)
        scope = _Scope(spec, inner.names, job, {**env, **step.env})
        yield from _env(step.env, inner, (*here, "env"))
        yield from _text(step.name, scope, (*here, "name"))
        yield from _text(step.run, scope, (*here, "run"))
        yield from _text(step.shell, scope, (*here, "shell"))
        yield from _text(step.working_directory, scope, (*here, "workingDirectory"))
    ended = _Scope(spec, ("workflow", "inputs", "needs", "env", "steps"), job, env)
    for output, text in job.outputs.items():
        yield from _text(text, ended, (*at, "outputs", output))


def _env(env: Mapping[str, str | EnvReference], scope: _Scope, at: Path) -> Iterator[Problem]:
    for name, value in env.items():
        if isinstance(value, str):
            yield from _text(value, scope, (*at, name))


def _text(text: str | None, scope: _Scope, path: Path) -> Iterator[Problem]:
    if text is None or "${{" not in text:
        return
    try:
        template = parse_template(text)
    except ExpressionError as error:
        yield _unreadable(error, path)
        return
    try:
        known = (*scope.names, *_LATER_CONTEXTS, "steps", "needs", "jobs", "env")
        parse_template(text, known)
    except ExpressionError as error:
        yield _unreadable(error, path)
        return
    for reference in references(template):
        problem = _reference(reference, scope, path)
        if problem is not None:
            yield problem


def _unreadable(error: ExpressionError, path: Path) -> Problem:
    message = str(error)
    named = message.split("'")[1] if "Unrecognized" in message and "'" in message else ""
    if isinstance(error, ParsingError) and named.lower() in _LATER_FUNCTIONS:
        return Problem(path, f"the function {named}() is not supported yet here")
    return Problem(path, f"bad expression: {one_line(message)}")


def _reference(reference: Reference, scope: _Scope, path: Path) -> Problem | None:
    name, *rest = reference.path
    shown = quote(".".join(reference.path), _MOST_SHOWN)
    context = name.casefold()
    if context in _LATER_CONTEXTS:
        return Problem(path, f"{shown}: the context {context} is not supported yet")
    if context == "steps" and "steps" not in scope.names and scope.job is not None:
        said = "steps in a step's own texts is not supported yet; let the earlier step write to $FAIRLEAD_ENV"
        return Problem(path, f"{shown}: {said}")
    if context not in scope.names:
        return Problem(path, f"{shown}: {context} means nothing here; known here: {', '.join(scope.names)}")
    if not rest or rest[0] == ANY:
        return None
    match context:
        case "workflow":
            return _known(shown, path, "workflow has no", rest[0], WORKFLOW_PROPERTIES)
        case "inputs":
            return _known(shown, path, "no input", rest[0], scope.spec.inputs)
        case "env":
            return _variable(shown, path, rest[0], scope.env or {})
        case "steps":
            ids = [step.id for step in scope.job.steps if step.id] if scope.job else []
            return _known(shown, path, "no step with the id", rest[0], ids) or _property(
                shown, path, rest[1:], ("outputs",)
            )
        case "needs":
            return _need(shown, path, rest, scope)
        case _:
            return _known(shown, path, "no job", rest[0], scope.spec.jobs) or _outputs(shown, path, rest, scope.spec)


def _need(shown: str, path: Path, rest: list[str], scope: _Scope) -> Problem | None:
    needs = needs_of(scope.job) if scope.job else ()
    folded = {need.casefold() for need in needs}
    if rest[0].casefold() not in folded and rest[0].casefold() in {job_id.casefold() for job_id in scope.spec.jobs}:
        return Problem(path, f"{shown}: {quote(rest[0])} is not among this job's needs; add it there")
    return _known(shown, path, "no need", rest[0], needs) or _outputs(shown, path, rest, scope.spec)


def _outputs(shown: str, path: Path, rest: list[str], spec: WorkflowSpec) -> Problem | None:
    job_id, *below = rest
    problem = _property(shown, path, below, NEED_PROPERTIES)
    if problem or len(below) < 2 or below[0].casefold() != "outputs" or below[1] == ANY:  # noqa: PLR2004  outputs.NAME
        return problem
    job = next((job for each, job in spec.jobs.items() if each.casefold() == job_id.casefold()), None)
    return _known(shown, path, f"the job {quote(job_id)} has no output", below[1], job.outputs) if job else None


def _property(shown: str, path: Path, rest: list[str], known: tuple[str, ...]) -> Problem | None:
    return _known(shown, path, "no property", rest[0], known) if rest and rest[0] != ANY else None


def _known(shown: str, path: Path, said: str, name: str, known: Iterable[str]) -> Problem | None:
    known = list(known)
    if name.casefold() in {each.casefold() for each in known}:
        return None
    return Problem(path, f"{shown}: {said} {quote(name)}", closest(name, known))


def _variable(shown: str, path: Path, name: str, env: Mapping[str, object]) -> Problem | None:
    value = next((each for known, each in env.items() if known.casefold() == name.casefold()), None)
    if isinstance(value, EnvReference):
        return Problem(path, f"{shown} stays in the cluster, so no expression reads it; use ${name} in the script")
    return _known(shown, path, "no variable", name, env)
