"""What `${{ }}` finds, and the texts that it is filled into.

A job's texts are filled in when its Kubernetes Job is made; its outputs when it has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.expressions import ANY, interpolate, parse_template, references
from fairlead.plan.actions import JobRequest, StepRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.model.ids import JobId, RunNumber, StepId
    from fairlead.model.report import Report
    from fairlead.model.spec import EnvReference
    from fairlead.model.status import JobStatus
    from fairlead.model.workflow import JobPlan, StepPlan, Workflow
    from fairlead.plan.observed import Resource

Contexts = dict[str, object]


def base_contexts(workflow: Workflow, resource: Resource, run: RunNumber) -> Contexts:
    """Give what every expression of a run can name: `workflow` and `inputs`."""
    return {
        "workflow": {
            "name": resource.key.name,
            "namespace": resource.key.namespace,
            "uid": resource.uid,
            "run": run,
            "generation": resource.generation,
            "labels": resource.labels,
            "annotations": resource.annotations,
        },
        "inputs": workflow.inputs,
    }


def with_needs(base: Contexts, job: JobPlan, states: Mapping[JobId, JobStatus]) -> Contexts:
    """Add `needs`: the results and outputs of the jobs that this one names."""
    return {**base, "needs": {need: _result(states[need]) for need in job.needs}}


def workflow_outputs(workflow: Workflow, base: Contexts, states: Mapping[JobId, JobStatus]) -> dict[str, str]:
    """Evaluate the workflow's outputs in the end. Raises ExpressionError."""
    if not workflow.outputs:
        return {}
    contexts = {**base, "jobs": {job_id: _result(state) for job_id, state in states.items()}}
    return {name: interpolate(text, contexts) for name, text in workflow.outputs.items()}


def resolve(job: JobPlan, contexts: Contexts) -> JobRequest:
    """Fill in a job's texts. Raises ExpressionError."""
    env = _env(job.env, contexts)
    inner = {**contexts, "env": _readable(env)}
    return JobRequest(
        image=interpolate(job.image, contexts).strip(),
        steps=tuple(_step(step, env, inner) for step in job.steps),
        env=env,
        wanted=_wanted(job),
        resources=job.resources,
        timeout=job.timeout,
    )


def resolve_outputs(job: JobPlan, contexts: Contexts, report: Report) -> dict[str, str]:
    """Evaluate a job's outputs from what its steps reported. Raises ExpressionError."""
    if not job.outputs:
        return {}
    steps = {step.id: {"outputs": report.outputs.get(step.id, {})} for step in job.steps if step.id}
    ended = {**contexts, "env": _readable(_env(job.env, contexts)), "steps": steps}
    return {name: interpolate(text, ended) for name, text in job.outputs.items()}


def _step(step: StepPlan, env: Mapping[str, str | EnvReference], contexts: Contexts) -> StepRequest:
    own = _env(step.env, contexts)
    inner = {**contexts, "env": _readable({**env, **own})}
    return StepRequest(
        label=" ".join(interpolate(step.label, inner).split()),
        run=interpolate(step.run, inner),
        id=step.id,
        shell=None if step.shell is None else interpolate(step.shell, inner),
        working_directory=None if step.working_directory is None else interpolate(step.working_directory, inner),
        env=own,
    )


def _env(env: Mapping[str, str | EnvReference], contexts: Contexts) -> dict[str, str | EnvReference]:
    return {name: interpolate(value, contexts) if isinstance(value, str) else value for name, value in env.items()}


def _readable(env: Mapping[str, str | EnvReference]) -> dict[str, str]:
    return {name: value for name, value in env.items() if isinstance(value, str)}


def _wanted(job: JobPlan) -> tuple[tuple[StepId, str | None], ...]:
    """Find the step outputs that the job's outputs name; None for all of a step's where that can't be told."""
    ids = {step.id.casefold(): step.id for step in job.steps if step.id}
    found: dict[tuple[StepId, str | None], None] = {}
    for text in job.outputs.values():
        for reference in references(parse_template(text)):
            match list(reference.path):
                case [context, step, _, name, *_] if context.casefold() == "steps" and ANY not in (name, step):
                    found[ids[step.casefold()], name] = None
                case [context, step, *_] if context.casefold() == "steps" and step != ANY:
                    found[ids[step.casefold()], None] = None
                case [context, *_] if context.casefold() == "steps":
                    found |= {(step_id, None): None for step_id in ids.values()}
                case _:
                    pass
    return tuple(found)


def _result(state: JobStatus) -> Contexts:
    return {"result": str(state.result or ""), "outputs": state.outputs}
