"""From a checked spec to the workflow that is planned: short forms expanded, defaults applied, jobs in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.model.problem import one_line
from fairlead.model.spec import DEFAULT_TIMEOUT
from fairlead.model.workflow import JobPlan, StepPlan, Workflow
from fairlead.syntax.graph import needs_of, order

if TYPE_CHECKING:
    from fairlead.model.ids import JobId
    from fairlead.model.spec import Defaults, Job, Step, WorkflowSpec

_MOST_LABEL = 80


def compile_workflow(spec: WorkflowSpec) -> Workflow:
    """Compile a spec in which no problem was found."""
    ids = order({job_id: needs_of(job) for job_id, job in spec.jobs.items()})
    return Workflow(
        jobs={job_id: _job(job_id, spec.jobs[job_id], spec) for job_id in ids},
        inputs=spec.inputs,
        outputs=spec.outputs,
        history_limit=spec.history_limit,
    )


def _job(job_id: JobId, job: Job, spec: WorkflowSpec) -> JobPlan:
    defaults = spec.defaults
    steps = [_step(step, job, defaults) for step in job.steps]
    steps += [_command(command, job, defaults) for command in job.commands]
    return JobPlan(
        id=job_id,
        label=job.name or job_id,
        needs=needs_of(job),
        image=job.image or defaults.image or "",
        env={**spec.env, **job.env},
        steps=tuple(steps),
        outputs=job.outputs,
        resources=job.resources,
        timeout=job.timeout or defaults.timeout or DEFAULT_TIMEOUT,
    )


def _step(step: Step, job: Job, defaults: Defaults) -> StepPlan:
    return StepPlan(
        label=step.name or _first_line(step.run),
        run=step.run,
        id=step.id,
        shell=step.shell or job.shell or defaults.shell,
        working_directory=step.working_directory or job.working_directory or defaults.working_directory,
        env=step.env,
    )


def _command(command: str, job: Job, defaults: Defaults) -> StepPlan:
    return StepPlan(
        label=_first_line(command),
        run=command,
        id=None,
        shell=job.shell or defaults.shell,
        working_directory=job.working_directory or defaults.working_directory,
        env={},
    )


def _first_line(script: str) -> str:
    return one_line(next(line for line in script.splitlines() if line.strip()), _MOST_LABEL)
