"""What `${{ }}` finds, and the texts of a job that it is filled into.

A job's texts are filled in when its Kubernetes Job is made, its steps' then or by the agent (`plan.steps`); its outputs
when it has ended.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fairlead.expressions import (
    ANY,
    EvaluationError,
    counted_together,
    evaluate_template,
    interpolate,
    parse_template,
    references,
)
from fairlead.model.problem import quote
from fairlead.model.report import JobState
from fairlead.model.status_functions import STEP_FUNCTIONS
from fairlead.model.workflow import PodSettings
from fairlead.plan.actions import CallRequest, JobRequest, LateStep, ServiceRequest
from fairlead.plan.alike import Alike
from fairlead.plan.env import Sources, fill_env, fill_variable, readable
from fairlead.plan.steps import fill_steps, roots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.model.containers import Service
    from fairlead.model.ids import JobId, RunNumber, StepId
    from fairlead.model.report import Report
    from fairlead.model.status import JobStatus, NodeStatus
    from fairlead.model.workflow import JobPlan, Workflow
    from fairlead.plan.matrix import Combination
    from fairlead.plan.observed import Resource

Contexts = dict[str, object]
_NOTHING_ALIKE = Alike(None)

_GITHUB_FROM_ANNOTATIONS = {
    name: name.replace("_", "-")
    for name in ("ref", "ref_name", "sha", "repository", "actor", "event_name", "head_ref", "base_ref")
}
_ANNOTATIONS = "fairlead.dev/"
WORKSPACE = "/workspace"


def base_contexts(workflow: Workflow, resource: Resource, run: RunNumber) -> Contexts:
    """Give what every expression of a run can name: `workflow`, `inputs` and `github`."""
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
        "github": _github(resource, run),
    }


def _github(resource: Resource, run: RunNumber) -> Contexts:
    """Say in GitHub's words what is known; what a sync knows of the commit is in annotations (fairlead.dev/sha)."""
    told = {name: resource.annotations.get(_ANNOTATIONS + key, "") for name, key in _GITHUB_FROM_ANNOTATIONS.items()}
    return {
        **told,
        "workflow": resource.key.name,
        "run_id": resource.uid,
        "run_number": run,
        "run_attempt": 1,
        "workspace": WORKSPACE,
    }


def with_needs(base: Contexts, job: JobPlan, states: Mapping[JobId, JobStatus]) -> Contexts:
    """Add `needs`: the results and outputs of the jobs that this one names."""
    return {**base, "needs": {need: _result(states[need]) for need in job.needs}}


def with_combination(
    contexts: Contexts, job: JobPlan, combination: Combination | None, index: int, of: int
) -> Contexts:
    """Add `matrix` and `strategy` for one combination of a job, and `job` and `runner`."""
    strategy = job.strategy
    if strategy is not None and combination is not None:
        contexts = {
            **contexts,
            "matrix": combination.values,
            "strategy": {
                "fail-fast": strategy.fail_fast if isinstance(strategy.fail_fast, bool) else None,
                "job-index": index,
                "job-total": of,
                "max-parallel": strategy.max_parallel or of,
            },
        }
    github = contexts["github"]
    assert isinstance(github, dict)  # noqa: S101  as base_contexts makes it
    return {**contexts, "github": {**github, "job": job.id}}


@counted_together()
def workflow_outputs(workflow: Workflow, base: Contexts, states: Mapping[JobId, JobStatus]) -> dict[str, str]:
    """Evaluate the workflow's outputs in the end. Raises ExpressionError."""
    if not workflow.outputs:
        return {}
    contexts = {**base, "jobs": {job_id: _result(state) for job_id, state in states.items()}}
    return {name: interpolate(text, contexts) for name, text in workflow.outputs.items()}


@counted_together()
def resolve(job: JobPlan, contexts: Contexts, sources: Sources, alike: Alike | None = None) -> JobRequest:
    """Fill in a node's texts. `contexts` is of the node. Raises ExpressionError.

    `alike` has what other combinations of the job already have in common.
    """
    alike = alike or _NOTHING_ALIKE
    env = {
        name: alike.once(("env", name), value, partial(fill_variable, value, contexts, STEP_FUNCTIONS, sources))
        for name, value in job.env.items()
    }
    inner = {**_in_steps(job, contexts), "env": readable(env)}
    steps = fill_steps(job.steps, inner, sources, alike)
    late = [step for step in steps if isinstance(step, LateStep)]
    named = roots(late) if late else frozenset()
    services = [(each.image, *each.env.values(), *each.command, *each.args) for each in job.services.values()]
    pod = job.pod
    settings = (pod.service_account_name, pod.node_selector, pod.tolerations, pod.volumes, pod.volume_mounts)
    return JobRequest(
        image=alike.once("image", job.image, lambda: interpolate(job.image, contexts).strip()),
        steps=steps,
        env=env,
        timeout=job.timeout,
        wanted=alike.once("wanted", None, lambda: _wanted(job)),
        contexts={name: value for name, value in inner.items() if name in named},
        services=alike.once("services", services, lambda: _services(job, contexts, sources)),
        resources=job.resources,
        pod=alike.once("pod", (*settings, pod.template), lambda: _pod(pod, contexts)),
    )


@counted_together()
def resolve_call(job: JobPlan, contexts: Contexts, *, depth: int, priority: int) -> CallRequest:
    """Fill in what a job gives to its template. Raises ExpressionError."""
    inputs: dict[str, str | int | float | bool] = {}
    for name, value in job.with_.items():
        found = evaluate_template(value, contexts) if isinstance(value, str) else value
        if not isinstance(found, str | int | float | bool | None):
            said = "which an input can't hold; write it as JSON text by toJSON"
            raise EvaluationError(f"with.{name}: {quote(str(value), 60)} gives a list or a map, {said}")
        inputs[name] = "" if found is None else found
    return CallRequest(interpolate(job.uses or "", contexts).strip(), inputs, depth, priority)


@counted_together()
def resolve_outputs(job: JobPlan, contexts: Contexts, report: Report | None, sources: Sources) -> dict[str, str]:
    """Evaluate a node's outputs from what its steps reported. Raises ExpressionError."""
    if not job.outputs:
        return {}
    ended: Contexts = contexts
    if report is not None:
        steps = {
            step.id: {
                "outputs": report.outputs.get(step.id, {}),
                "outcome": str(told.outcome),
                "conclusion": str(told.conclusion),
            }
            for step, told in zip(job.steps, report.steps, strict=False)
            if step.id
        }
        inner = _in_steps(job, contexts)
        status = JobState.SUCCESS if report.exit_code == 0 else JobState.FAILURE
        ended = {
            **inner,
            "job": {**_dict(inner["job"]), "status": str(status)},
            "env": readable(fill_env(job.env, contexts, STEP_FUNCTIONS, sources)),
            "steps": steps,
        }
    return {name: interpolate(text, ended) for name, text in job.outputs.items()}


def fill_deep(value: Any, contexts: Mapping[str, object]) -> Any:  # noqa: ANN401  a JSON document
    """Fill in the texts of a document; one that is nothing but an expression becomes its value. As `interpolate`."""
    match value:
        case str() if "${{" in value:
            return evaluate_template(value, contexts)
        case dict():
            return {key: fill_deep(each, contexts) for key, each in value.items()}
        case list() | tuple():
            return [fill_deep(each, contexts) for each in value]
        case _:
            return value


def _pod(settings: PodSettings, contexts: Contexts) -> PodSettings:
    account = settings.service_account_name
    return PodSettings(
        service_account_name=None if account is None else interpolate(account, contexts),
        node_selector={name: interpolate(text, contexts) for name, text in settings.node_selector.items()},
        tolerations=tuple(fill_deep(settings.tolerations, contexts)),
        volumes=tuple(fill_deep(settings.volumes, contexts)),
        volume_mounts=tuple(fill_deep(settings.volume_mounts, contexts)),
        template=fill_deep(settings.template, contexts),
    )


def _in_steps(job: JobPlan, contexts: Contexts) -> Contexts:
    """Add `job` and `runner`, which only steps have."""
    services = {
        name: {"host": name, "ports": {str(port): str(port) for port in each.ports}}
        for name, each in job.services.items()
    }
    return {
        **contexts,
        "job": {"id": job.id, "name": job.label, "services": services},
        "runner": {"os": "Linux", "name": "fairlead", "temp": "/tmp", "workspace": WORKSPACE},  # noqa: S108  the Pod's own
    }


def _services(job: JobPlan, contexts: Contexts, sources: Sources) -> dict[str, ServiceRequest]:
    return {name: _service(service, contexts, sources) for name, service in job.services.items()}


def _service(service: Service, contexts: Contexts, sources: Sources) -> ServiceRequest:
    return ServiceRequest(
        image=interpolate(service.image, contexts).strip(),
        env=fill_env(service.env, contexts, STEP_FUNCTIONS, sources),
        ports=service.ports,
        command=tuple(interpolate(text, contexts) for text in service.command),
        args=tuple(interpolate(text, contexts) for text in service.args),
        health_check=service.health_check,
        resources=service.resources,
    )


def _wanted(job: JobPlan) -> tuple[tuple[StepId, str | None], ...]:
    """Find the step outputs that the job's outputs name; None for all of a step's where that can't be told."""
    ids = {step.id.casefold(): step.id for step in job.steps if step.id}
    found: dict[tuple[StepId, str | None], None] = {}
    for text in job.outputs.values():
        for reference in references(parse_template(text, functions=STEP_FUNCTIONS)):
            match [part.casefold() if at < 3 else part for at, part in enumerate(reference.path)]:  # noqa: PLR2004
                case ["steps", step, "outcome" | "conclusion", *_] if step in ids:
                    pass
                case ["steps", step, _, name, *_] if ANY not in (step, name):
                    found[ids[step], name] = None
                case ["steps", step, *_] if step != ANY:
                    found[ids[step], None] = None
                case ["steps", *_]:
                    found |= {(step_id, None): None for step_id in ids.values()}
                case _:
                    pass
    return tuple(found)


def _result(state: JobStatus) -> Contexts:
    found: Contexts = {"result": str(state.result or ""), "outputs": state.outputs}
    if state.summary is not None:
        found["combinations"] = [_combination(each) for each in state.combinations]
    return found


def _combination(state: NodeStatus) -> Contexts:
    return {"name": getattr(state, "name", ""), "result": str(state.result or ""), "outputs": state.outputs}


def _dict(value: object) -> Contexts:
    assert isinstance(value, dict)  # noqa: S101  what _in_steps made
    return value
