"""From a checked spec to the workflow that is planned: short forms expanded, defaults applied, jobs in order."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from fairlead.expressions import ExpressionError, parse_template
from fairlead.model.ids import JobId, SpecDigest
from fairlead.model.problem import one_line
from fairlead.model.spec import DEFAULT_TIMEOUT, STEERING, Retry
from fairlead.model.status_functions import STEP_FUNCTIONS
from fairlead.model.workflow import JobPlan, PodSettings, StepPlan, StrategyPlan, Workflow
from fairlead.syntax.conditions import bare, job_condition, step_condition
from fairlead.syntax.graph import needs_of, order

if TYPE_CHECKING:
    from fairlead.model.spec import Defaults, Job, Step, Strategy, WorkflowSpec

CALL = JobId("call")
"""The job of a Workflow that has none of its own but `uses` a template."""

_MOST_LABEL = 80
_DIGITS = 12


def compile_workflow(spec: WorkflowSpec) -> Workflow:
    """Compile a spec in which no problem was found."""
    ids = order({job_id: needs_of(job) for job_id, job in spec.jobs.items()})
    jobs = {job_id: _job(job_id, spec.jobs[job_id], spec) for job_id in ids}
    outputs = spec.outputs
    if spec.uses is not None:
        jobs = {CALL: JobPlan(id=CALL, label=spec.uses, uses=spec.uses, with_=spec.with_)}
    return Workflow(
        jobs=jobs,
        digest=digest_of(spec),
        inputs=spec.inputs,
        outputs=outputs,
        env=spec.env,
        secrets_from=spec.secrets_from,
        vars_from=spec.vars_from,
        concurrency=spec.concurrency,
        timeout=spec.timeout,
        max_parallel=spec.max_parallel,
        fail_fast=spec.fail_fast,
        priority=spec.priority,
        suspend=spec.suspend,
        ttl_after_finished=spec.ttl_after_finished,
        history_limit=spec.history_limit,
        schedules=spec.schedules,
    )


def digest_of(spec: WorkflowSpec) -> SpecDigest:
    """Tell a spec from others that run something else; what only steers its runs doesn't count."""
    document = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=set(STEERING))
    # The order of jobs and variables is a part of what they mean.
    return SpecDigest(sha256(json.dumps(document).encode()).hexdigest()[:_DIGITS])


def _job(job_id: JobId, job: Job, spec: WorkflowSpec) -> JobPlan:
    defaults = spec.defaults
    steps = [_step(step, job, defaults) for step in job.steps]
    steps += [_command(command, job, defaults) for command in job.commands]
    return JobPlan(
        id=job_id,
        label=job.name or job_id,
        needs=needs_of(job),
        condition=job_condition(job),
        enabled=job.enabled,
        check=bare(job.check) if job.check is not None else None,
        uses=job.uses,
        with_=job.with_,
        image=job.image or defaults.image or "",
        env={**spec.env, **job.env},
        steps=tuple(steps),
        outputs=job.outputs,
        strategy=_strategy(job.strategy) if job.strategy else None,
        services=job.services,
        resources=job.resources,
        timeout=job.timeout or defaults.timeout or DEFAULT_TIMEOUT,
        retry=job.retry or defaults.retry or Retry(),
        continue_on_error=defaults.continue_on_error if job.continue_on_error is None else job.continue_on_error,
        concurrency=job.concurrency,
        pod=PodSettings(
            service_account_name=job.service_account_name,
            node_selector=job.node_selector,
            tolerations=job.tolerations,
            volumes=job.volumes,
            volume_mounts=job.volume_mounts,
            template=job.pod_template,
        ),
    )


def _strategy(strategy: Strategy) -> StrategyPlan:
    return StrategyPlan(strategy.matrix, strategy.fail_fast, strategy.max_parallel)


def _step(step: Step, job: Job, defaults: Defaults) -> StepPlan:
    return StepPlan(
        label=step.name or _first_line(step.run),
        run=step.run,
        id=step.id,
        shell=step.shell or job.shell or defaults.shell,
        working_directory=step.working_directory or job.working_directory or defaults.working_directory,
        env=step.env,
        condition=step_condition(step),
        timeout=step.timeout,
        continue_on_error=step.continue_on_error,
    )


def _command(command: str, job: Job, defaults: Defaults) -> StepPlan:
    return StepPlan(
        label=_first_line(command),
        run=command,
        shell=job.shell or defaults.shell,
        working_directory=job.working_directory or defaults.working_directory,
    )


def _first_line(script: str) -> str:
    line = one_line(next(line for line in script.splitlines() if line.strip()), _MOST_LABEL)
    try:
        parse_template(line, functions=STEP_FUNCTIONS)
    except ExpressionError:
        # Cut in the middle, or it goes on in the next line: nothing could fill that in.
        return line.partition("${{")[0].rstrip() + "…"
    return line
