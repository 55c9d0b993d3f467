"""Every `${{ }}` of a spec: that it parses, and that what it names is there to be found.

Which contexts an expression may use depends on when it is evaluated: a job's texts when its Kubernetes Job is made, its
steps' when they run, its outputs when it has ended, the workflow's outputs in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.model.status_functions import CONDITION_FUNCTIONS, STEP_CONDITION_FUNCTIONS, STEP_FUNCTIONS
from fairlead.syntax.scopes import Scope, check_condition, check_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.problem import Path, Problem
    from fairlead.model.spec import Body, Concurrency, Job, Step

_ALWAYS = ("workflow", "inputs", "github")
_JOB = (*_ALWAYS, "needs")
_COMBINATION = (*_JOB, "matrix", "strategy")
_STEP = (*_COMBINATION, "env", "steps", "job", "runner")


def check(spec: Body) -> Iterator[Problem]:
    """Find the expressions that don't parse, and those that name what isn't there."""
    overall = Scope(spec, _ALWAYS, inputs=tuple(getattr(spec, "inputs", ())))
    yield from _env(spec.env, overall, ("spec", "env"))
    for name in ("image", "shell", "working_directory"):
        alias = str(type(spec.defaults).model_fields[name].alias)
        yield from check_text(getattr(spec.defaults, name), overall, ("spec", "defaults", alias))
    yield from _concurrency(spec.concurrency, overall, ("spec", "concurrency"))
    for output, text in spec.outputs.items():
        yield from check_text(text, overall.but(names=(*_ALWAYS, "jobs")), ("spec", "outputs", output))
    for name, value in getattr(spec, "with_", {}).items():
        yield from check_text(value, overall, ("spec", "with", name))
    for job_id, job in spec.jobs.items():
        yield from _job(job, overall.but(job=job), ("spec", "jobs", job_id))


def _job(job: Job, overall: Scope, at: Path) -> Iterator[Problem]:
    early = overall.but(names=_JOB)
    scope = overall.but(names=_COMBINATION if job.strategy else _JOB)
    for field, text in (("if", job.if_), ("unless", job.unless)):
        yield from check_condition(text, early.but(functions=CONDITION_FUNCTIONS), (*at, field))
    yield from check_text(job.enabled, overall, (*at, "enabled"))
    yield from check_condition(job.check, scope, (*at, "check"))
    yield from _strategy(job, early, (*at, "strategy"))
    for field, value in (
        ("name", job.name),
        ("image", job.image),
        ("continueOnError", job.continue_on_error),
        ("uses", job.uses),
    ):
        yield from check_text(value, scope, (*at, field))
    for name, given in job.with_.items():
        yield from check_text(given, scope, (*at, "with", name))
    yield from _concurrency(job.concurrency, scope, (*at, "concurrency"))
    yield from _env(job.env, scope, (*at, "env"))
    yield from _services(job, scope, (*at, "services"))
    for field, document in (
        ("serviceAccountName", job.service_account_name),
        ("nodeSelector", job.node_selector),
        ("tolerations", job.tolerations),
        ("volumes", job.volumes),
        ("volumeMounts", job.volume_mounts),
        ("podTemplate", job.pod_template),
    ):
        yield from _deep(document, scope, (*at, field))
    yield from _steps(job, overall, at)


def _strategy(job: Job, scope: Scope, at: Path) -> Iterator[Problem]:
    if job.strategy is None:
        return
    yield from _deep(job.strategy.matrix, scope, (*at, "matrix"))
    yield from check_text(job.strategy.fail_fast, scope, (*at, "failFast"))


def _deep(value: object, scope: Scope, at: Path) -> Iterator[Problem]:
    match value:
        case str():
            yield from check_text(value, scope, at)
        case dict():
            for key, each in value.items():
                yield from _deep(each, scope, (*at, key))
        case list() | tuple():
            for index, each in enumerate(value):
                yield from _deep(each, scope, (*at, index))
        case _:
            pass


def _services(job: Job, scope: Scope, at: Path) -> Iterator[Problem]:
    for name, service in job.services.items():
        yield from check_text(service.image, scope, (*at, name, "image"))
        yield from _env(service.env, scope, (*at, name, "env"))
        for field, texts in (("command", service.command), ("args", service.args)):
            for index, text in enumerate(texts):
                yield from check_text(text, scope, (*at, name, field, index))


def _concurrency(concurrency: Concurrency | None, scope: Scope, at: Path) -> Iterator[Problem]:
    if concurrency is not None:
        yield from check_text(concurrency.group, scope, (*at, "group"))
        yield from check_text(concurrency.cancel_in_progress, scope, (*at, "cancelInProgress"))


def _steps(job: Job, overall: Scope, at: Path) -> Iterator[Problem]:
    env = {**overall.body.env, **job.env}
    names = _STEP if job.strategy else tuple(name for name in _STEP if name not in ("matrix", "strategy"))
    inner = overall.but(names=names, functions=STEP_FUNCTIONS, env=env)
    ids = tuple(step.id for step in job.steps if step.id)
    for field, text in (("shell", job.shell), ("workingDirectory", job.working_directory)):
        yield from check_text(text, inner.but(later_ids=ids), (*at, field))
    for index, command in enumerate(job.commands):
        yield from check_text(command, inner.but(open_env=index > 0), (*at, "commands", index))
    before: tuple[str, ...] = ()
    for index, step in enumerate(job.steps):
        known = {**env, **step.env}
        scope = inner.but(env=known, open_env=index > 0, step_ids=before, later_ids=ids[len(before) :])
        yield from _step(step, scope, (*at, "steps", index))
        before = (*before, step.id) if step.id else before
    ended = inner.but(open_env=True, step_ids=ids)
    for output, text in job.outputs.items():
        allowed = ended if job.steps or job.commands else overall.but(names=_COMBINATION if job.strategy else _JOB)
        yield from check_text(text, allowed, (*at, "outputs", output))


def _step(step: Step, scope: Scope, at: Path) -> Iterator[Problem]:
    yield from check_condition(step.if_, scope.but(functions=STEP_CONDITION_FUNCTIONS), (*at, "if"))
    yield from _env(step.env, scope, (*at, "env"))
    for field, text in (
        ("name", step.name),
        ("run", step.run),
        ("shell", step.shell),
        ("workingDirectory", step.working_directory),
        ("continueOnError", step.continue_on_error),
    ):
        yield from check_text(text, scope, (*at, field))


def _env(env: Mapping[str, object], scope: Scope, at: Path) -> Iterator[Problem]:
    for name, value in env.items():
        yield from check_text(value, scope.but(references=True), (*at, name))
