"""One job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fairlead.convert.conversion import Outcome
from fairlead.convert.github.calls import call
from fairlead.convert.github.contexts import Contexts
from fairlead.convert.github.fields import concurrency, condition, flag, minutes, variables
from fairlead.convert.github.matrix import keys_of
from fairlead.convert.github.services import container, services
from fairlead.convert.github.setup import OTHERWISE, Machine
from fairlead.convert.github.steps import NOTHING, Steps

if TYPE_CHECKING:
    from fairlead.convert.github.calls import Templates
    from fairlead.convert.github.draft import Draft
    from fairlead.convert.part import Part
    from fairlead.model.problem import Path

_CALLS: Final = ("name", "needs", "if", "uses", "with", "secrets", "strategy", "concurrency", "permissions")
_KNOWN: Final = (
    *("name", "needs", "if", "runs-on", "container", "services", "strategy", "env", "defaults", "outputs", "steps"),
    *("timeout-minutes", "continue-on-error", "concurrency", "permissions", "environment"),
)


def convert_job(
    key: str, part: Part, draft: Draft, outer: dict[str, str], templates: Templates
) -> dict[str, Any] | None:
    """Convert a job; `outer` has the workflow's defaults."""
    if not isinstance(part.value, dict):
        part.refuse("a job is a map (KEY: VALUE)")
        return None
    at: Path = ("spec", "jobs", key)
    draft.origins.put(at, part.path)
    part.only(_CALLS if "uses" in part.value else _KNOWN)
    _note_rights(part, draft)
    strategy = part.get("strategy")
    matrix = strategy.get("matrix") if strategy and isinstance(strategy.value, dict) else None
    contexts = Contexts(draft, None if matrix is None else keys_of(matrix.value) or ())
    combinations = None if matrix is None else contexts.value(matrix.value, matrix.path)
    job = _shared(part, contexts)
    if "uses" in part.value:
        job |= call(part, contexts, templates)
        return {**job, **_strategy(strategy, contexts, combinations)}
    machine = Machine(draft, contexts, combinations)
    return _with_steps(part, job, machine, outer)


def _with_steps(part: Part, job: dict[str, Any], machine: Machine, outer: dict[str, str]) -> dict[str, Any]:
    contexts = machine.contexts
    runs_on, box = part.get("runs-on"), part.get("container")
    machine.runs_on(runs_on, part)
    env: dict[str, object] = {}
    if box is not None:
        image, env = container(box, contexts)
        if image is not None:
            machine.image, machine.own_container = image, True
    env = {**env, **variables(part.get("env"), contexts)}
    defaults = _defaults(part.get("defaults"), contexts)
    beside = part.get("services")
    found = services(beside, contexts, in_container=machine.own_container) if beside else {}
    converter = Steps(contexts, machine, {**contexts.draft.env, **env}, {**outer, **defaults})
    steps = _steps(part, converter, (*_at(part), "steps"))
    outputs = _outputs(part.get("outputs"), contexts)
    if found and beside and not machine.own_container and _names_localhost(part.value):
        said = "a service is reached by its name, or by NAME_HOST and NAME_PORT; as localhost in a cluster only"
        contexts.draft.notes.approximated(beside.path, said)
    if not machine.runs:
        name = ", ".join(runs_on.texts()) if runs_on and not isinstance(runs_on.value, dict) else "its machine"
        return _skipped(job, outputs, name)
    if machine.arch:
        job["nodeSelector"] = {"kubernetes.io/arch": machine.arch}
    job |= _strategy(part.get("strategy"), contexts, machine.matrix)
    job["image"] = machine.image
    for name, value in (*defaults.items(), ("env", env), ("services", found), ("steps", steps), ("outputs", outputs)):
        job |= {name: value} if value else {}
    return job


def _names_localhost(value: object) -> bool:
    match value:
        case str():
            return "localhost" in value or "127.0.0.1" in value
        case dict():
            return any(_names_localhost(each) for key, each in value.items() if key != "services")
        case list():
            return any(map(_names_localhost, value))
        case _:
            return False


def _at(part: Part) -> Path:
    return ("spec", "jobs", part.path[-1])


def _shared(part: Part, contexts: Contexts) -> dict[str, Any]:
    """Convert what jobs with steps and those that call have alike."""
    job: dict[str, Any] = {}
    name, needs, limit = part.get("name"), part.get("needs"), part.get("timeout-minutes")
    if name is not None:
        job["name"] = " ".join(contexts.text(name.text() or "", name.path).split())
    if needs is not None:
        job["needs"] = needs.texts()
    for key, field, convert in (("if", "if", condition), ("continue-on-error", "continueOnError", flag)):
        each = part.get(key)
        found = None if each is None else convert(each, contexts)
        if found is not None:
            job[field] = found
    timeout = None if limit is None else minutes(limit, contexts)
    if timeout is not None:
        job["timeout"] = timeout
    group = part.get("concurrency")
    found_group = None if group is None else concurrency(group, contexts)
    return job if found_group is None else {**job, "concurrency": found_group}


def _note_rights(part: Part, draft: Draft) -> None:
    rights, environment = part.get("permissions"), part.get("environment")
    if rights is not None:
        said = "permissions are of GitHub's token, which a job here doesn't have"
        draft.once(Outcome.LEFT_OUT, rights.path, said)
    if environment is not None:
        said = "environment: nobody is asked for approval here, and its secrets have to be in the one Secret of the run"
        draft.notes.approximated(environment.path, said)


def _strategy(part: Part | None, contexts: Contexts, matrix: Any) -> dict[str, Any]:  # noqa: ANN401  a JSON document
    if part is None or not isinstance(part.value, dict):
        if part is not None:
            part.refuse('"strategy" is a map (KEY: VALUE)')
        return {}
    part.only(("matrix", "fail-fast", "max-parallel"))
    if matrix is None:
        return {}
    found: dict[str, Any] = {}
    fast, most = part.get("fail-fast"), part.get("max-parallel")
    if fast is not None:
        found["failFast"] = flag(fast, contexts)
    if most is not None:
        if isinstance(most.value, str):
            contexts.draft.unsupported(most, "max-parallel can't be computed here; write a number")
        else:
            found["maxParallel"] = most.value
    return {"strategy": {**found, "matrix": matrix}}


def _defaults(part: Part | None, contexts: Contexts) -> dict[str, str]:
    if part is None:
        return {}
    part.only(("run",))
    return run_defaults(part.get("run"), contexts)


def run_defaults(part: Part | None, contexts: Contexts) -> dict[str, str]:
    """Convert `defaults.run`."""
    if part is None:
        return {}
    part.only(("shell", "working-directory"))
    found: dict[str, str] = {}
    shell, where = part.get("shell"), part.get("working-directory")
    if shell is not None:
        found["shell"] = contexts.text(shell.text() or "", shell.path)
    if where is not None:
        found["workingDirectory"] = contexts.text(where.text() or "", where.path)
    return found


def _steps(part: Part, converter: Steps, at: Path) -> list[dict[str, Any]]:
    given = part.get("steps")
    if given is None:
        part.refuse('"steps" are missing')
        return [NOTHING]
    if not isinstance(given.value, list):
        given.refuse('"steps" is a list')
        return [NOTHING]
    steps: list[dict[str, Any]] = []
    for each in given.elements():
        step = converter.step(each)
        if step is not None:
            here = (*at, len(steps))
            converter.contexts.draft.origins.put(here, each.path)
            steps.append(step)
    return steps


def _outputs(part: Part | None, contexts: Contexts) -> dict[str, str]:
    if part is None:
        return {}
    return {name: contexts.text(each.text() or "", each.path) for name, each in part.members().items()}


def _skipped(job: dict[str, Any], outputs: dict[str, str], machine: str) -> dict[str, Any]:
    """Make the job that says that there is nothing for it to run on."""
    kept = {key: value for key, value in job.items() if key in ("needs", "if")}
    shown = "".join(each for each in machine if each.isalnum() or each in "-_., ")
    steps = [{"run": f"echo 'skipped: runs-on: {shown}'"}]
    return {**kept, "image": OTHERWISE, "steps": steps, "outputs": dict.fromkeys(outputs, "")}
