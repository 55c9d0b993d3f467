"""A step's expressions, filled in when its job's Kubernetes Job is made, or by the agent just before the step runs.

Late is what names something that only the running job knows. Both ways go through `fill_step`, so a step means the
same wherever it is filled in.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fairlead.expressions import (
    ANY,
    EvaluationError,
    Evaluator,
    calls,
    evaluate_template,
    interpolate,
    parse,
    parse_template,
    references,
    simplify,
    truthy,
)
from fairlead.model.by_reference import holds_reference
from fairlead.model.problem import quote
from fairlead.model.report import JobState
from fairlead.model.status_functions import STEP_CONDITION_FUNCTIONS, STEP_FUNCTIONS, status_functions
from fairlead.plan.actions import LateStep, StepRequest
from fairlead.plan.env import fill_env, readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fairlead.expressions import Function, Node, Reference, Template
    from fairlead.model.workflow import StepPlan
    from fairlead.plan.actions import EnvValue
    from fairlead.plan.alike import Alike
    from fairlead.plan.env import Sources

_SETS_VARIABLES = ("FAIRLEAD_ENV", "GITHUB_ENV")
DECIDED_LATER = ("steps", "env", "job.status", "success", "failure", "cancelled", "hashFiles")
"""What of a step's texts only the running job knows."""

_AFTER_SUCCESS = "success()"
"""The condition of a step that has none of its own."""

_KNOWN_OF_A_JOB = frozenset({"id", "name", "services"})


def fill_steps(
    steps: Iterable[StepPlan], contexts: Mapping[str, object], sources: Sources, alike: Alike
) -> tuple[StepRequest | LateStep, ...]:
    """Fill in all steps of a job that can be filled in before it runs. `contexts` has the job's `env`.

    Raises ExpressionError.
    """
    filled: list[StepRequest | LateStep] = []
    env_may_change = False
    for at, step in enumerate(steps):
        texts = (*_texts(step), f"${{{{ {step.condition} }}}}")
        fill = partial(_filled, at, step, contexts, sources, alike, env_may_change=env_may_change)
        filled.append(alike.once(("step", at), texts, fill))
        env_may_change = env_may_change or any(name in step.run for name in _SETS_VARIABLES)
    return tuple(filled)


def _filled(
    at: int,
    step: StepPlan,
    contexts: Mapping[str, object],
    sources: Sources,
    alike: Alike,
    *,
    env_may_change: bool,
) -> StepRequest | LateStep:
    late = partial(is_late, step, contexts, env_may_change=env_may_change)
    if not alike.condition(("late", at), step.condition, late):
        return fill_step(step, contexts, sources)
    carried = {name: value for name, value in step.env.items() if holds_reference(value)}
    values = fill_env(carried, contexts, STEP_FUNCTIONS, sources)
    return LateStep(step, {name: each for name, each in values.items() if not isinstance(each, str)})


def fill_step(
    step: StepPlan,
    contexts: Mapping[str, object],
    sources: Sources | None = None,
    *,
    states: Iterable[JobState] = tuple(JobState),
    hash_files: Function | None = None,
) -> StepRequest:
    """Fill in one step. `contexts` has what is known, with `env` as it is without the step's own.

    `states`: those of the job for which it is told whether the step runs. Without `sources` the variables that stay in
    the cluster are left out: they are carried there already. Raises ExpressionError.
    """
    functions = STEP_FUNCTIONS if hash_files is None else STEP_FUNCTIONS.extended(hash_files)
    env: Mapping[str, EnvValue]
    if sources is None:
        own = {name: value for name, value in step.env.items() if isinstance(value, str) and not holds_reference(value)}
        env = {name: interpolate(value, contexts, functions) for name, value in own.items()}
    else:
        env = fill_env(step.env, contexts, functions, sources)
    inner = {**contexts, "env": {**_mapping(contexts, "env"), **readable(env)}}

    def fill(text: str) -> str:
        return interpolate(text, inner, functions)

    return StepRequest(
        label=" ".join(fill(step.label).split()),
        run=fill(step.run),
        id=step.id,
        shell=None if step.shell is None else fill(step.shell),
        working_directory=None if step.working_directory is None else fill(step.working_directory),
        env=env,
        runs_in=frozenset(state for state in states if _holds(step.condition, state, inner, hash_files)),
        timeout=step.timeout,
        continue_on_error=flag(step.continue_on_error, inner),
    )


def flag(value: bool | str, contexts: Mapping[str, object]) -> bool:  # noqa: FBT001  the value of a field
    """Decide a field that is true, false or an expression. Raises ExpressionError where it is neither."""
    if isinstance(value, bool):
        return value
    found = evaluate_template(value, contexts, STEP_FUNCTIONS)
    match found:
        case None | "":
            return False
        case bool():
            return found
        case str() if found.strip().lower() in ("true", "false"):
            return found.strip().lower() == "true"
        case _:
            raise EvaluationError(f"{quote(value)} gives {quote(str(found), 60)}, which is neither true nor false")


def is_late(step: StepPlan, contexts: Mapping[str, object], *, env_may_change: bool = False) -> bool:
    """Whether something of a step is known only once the steps before it have run."""
    known = _mapping(contexts, "env")
    own = {name.casefold() for name, value in step.env.items() if isinstance(value, str)}

    def changes(reference: Reference, *, in_condition: bool) -> bool:
        name, *rest = (part.casefold() for part in reference.path)
        match name:
            case "steps":
                return True
            case "job":
                return not (rest and rest[0] in _KNOWN_OF_A_JOB) and not (in_condition and rest[:1] == ["status"])
            case "env":
                return _env_changes(rest, known, own, env_may_change=env_may_change)
            case _:
                return False

    condition = parse(step.condition, functions=STEP_CONDITION_FUNCTIONS)
    condition = simplify(condition, contexts, STEP_CONDITION_FUNCTIONS, unknown=DECIDED_LATER, source=step.condition)
    if "hashfiles" in calls(condition) or any(changes(each, in_condition=True) for each in references(condition)):
        return True
    return any(
        "hashfiles" in calls(template) or any(changes(each, in_condition=False) for each in references(template))
        for template in _templates(_texts(step))
    )


def roots(steps: Iterable[LateStep]) -> frozenset[str]:
    """Give the contexts that late steps name, in lower case."""
    found = {"env"}
    for late in steps:
        step = late.plan
        subjects: list[Node | Template] = [
            parse(step.condition, functions=STEP_CONDITION_FUNCTIONS),
            *_templates(_texts(step)),
        ]
        found |= {each.path[0].casefold() for subject in subjects for each in references(subject)}
    return frozenset(found)


def _env_changes(rest: list[str], known: Mapping[str, object], own: set[str], *, env_may_change: bool) -> bool:
    if not rest or rest[0] == ANY:
        return True
    if rest[0] in own:
        return False
    return env_may_change or rest[0] not in {name.casefold() for name in known}


def _holds(condition: str, state: JobState, contexts: Mapping[str, object], hash_files: Function | None) -> bool:
    if condition == _AFTER_SUCCESS:
        return state is JobState.SUCCESS
    functions = status_functions(
        success=state is JobState.SUCCESS, failure=state is JobState.FAILURE, cancelled=state is JobState.CANCELLED
    )
    if hash_files is not None:
        functions = functions.extended(hash_files)
    job = {**_mapping(contexts, "job"), "status": str(state)}
    # A part that isn't reached may name what only the running job knows.
    parsed = parse(condition, functions=functions)
    return truthy(Evaluator({**contexts, "job": job}, functions, condition).result(parsed))


def _texts(step: StepPlan) -> tuple[object, ...]:
    return step.label, step.run, step.shell, step.working_directory, step.continue_on_error, *step.env.values()


def _templates(texts: Iterable[object]) -> Iterator[Template]:
    for text in texts:
        if isinstance(text, str) and "${{" in text:
            yield parse_template(text, functions=STEP_FUNCTIONS)


def _mapping(contexts: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = contexts.get(name)
    return found if isinstance(found, dict) else {}
