"""The decision: what each job of the run is now, and what has to be done so that the run goes on.

Jobs are looked at in the order of their needs. What has ended in the recorded status stays; everything else follows
from the attempts that exist. An attempt is deleted only when the recorded status says why: whoever dies between the
two calls finds the reason again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from fairlead.expressions import ExpressionError
from fairlead.model.ids import Attempt, JobId, RunNumber
from fairlead.model.phase import RESULTS, JobPhase, Reason
from fairlead.model.problem import InvalidWorkflowError, one_line, quote
from fairlead.model.status import JobStatus, StepStatus
from fairlead.plan.actions import CreateJob, Decision, DeleteJob
from fairlead.plan.attempts import Ended, Going, Lost, Verdict, Waiting, judge
from fairlead.plan.contexts import base_contexts, resolve, resolve_outputs, with_needs, workflow_outputs
from fairlead.plan.names import job_name
from fairlead.plan.observed import ContainerTerminated
from fairlead.plan.summary import Current, begin, summarize, summarize_invalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fairlead.model.workflow import JobPlan, Workflow
    from fairlead.plan.actions import Action
    from fairlead.plan.contexts import Contexts
    from fairlead.plan.observed import KubernetesJob, Observed, Resource

CANCEL = "fairlead.dev/cancel"
"""The annotation that asks for a run's end; its value is the run's number, so that it can't hit a later one."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What whoever runs the operator may decide.

    `grace`: how long an image or a Secret may be missing before it is an error. `restarts`: how often a job is made
    again after the cluster lost it.
    """

    grace: timedelta = timedelta(seconds=60)
    restarts: int = 5


@dataclass(slots=True)
class _Run:
    """A run while it is being planned: what was read, and what was decided so far."""

    workflow: Workflow
    resource: Resource
    observed: Observed
    now: datetime
    policy: Policy
    current: Current
    cancelled: bool
    base: Contexts
    attempts: dict[JobId, dict[Attempt, KubernetesJob]]
    states: dict[JobId, JobStatus] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=list)


def plan(
    workflow: Workflow | InvalidWorkflowError,
    resource: Resource,
    observed: Observed,
    now: datetime,
    policy: Policy | None = None,
) -> Decision:
    """Decide what to do for one Workflow.

    A generation that the recorded status doesn't know starts the next run, whatever the last one was doing.
    """
    current = begin(resource, now, invalid=isinstance(workflow, InvalidWorkflowError))
    if isinstance(workflow, InvalidWorkflowError):
        return _invalid(workflow, current, resource, observed, now)
    run = _Run(
        workflow=workflow,
        resource=resource,
        observed=observed,
        now=now,
        policy=policy or Policy(),
        current=current,
        cancelled=resource.annotations.get(CANCEL, "").strip() == str(current.run),
        base=base_contexts(workflow, resource, current.run),
        attempts=_by_job(observed, resource, current.run),
    )
    superfluous: set[str] = set()
    for job in workflow.jobs.values():
        recorded = current.jobs.get(job.id)
        if recorded is not None and recorded.phase.ended:
            run.states[job.id] = recorded
            superfluous |= _still_going(run, job)
        elif run.cancelled:
            run.states[job.id] = _end(recorded or JobStatus(), JobPhase.CANCELLED, Reason.CANCELLED, now=now)
        else:
            run.states[job.id] = _advance(run, job, recorded or JobStatus())
    if resource.status.over(resource.generation):
        status = resource.status
    else:
        outputs, trouble = _outputs(run)
        status = summarize(
            workflow,
            current,
            resource,
            run.states,
            outputs,
            trouble,
            now,
            cancelled=run.cancelled,
            note=_misdirected_cancel(resource, current.run),
        )
    actions = (*run.actions, *_sweep(resource, observed, current, superfluous))
    return Decision(actions, status, min(run.looks, default=None))


def _misdirected_cancel(resource: Resource, run: RunNumber) -> str | None:
    """Say so when somebody tries to cancel without naming a run; a number that has passed is an old request."""
    asked = resource.annotations.get(CANCEL, "").strip()
    if not asked or asked.isdecimal():
        return None
    return f"{CANCEL} is {quote(asked)}, which names no run; to cancel this one, set it to {run}"


def _invalid(
    error: InvalidWorkflowError, current: Current, resource: Resource, observed: Observed, now: datetime
) -> Decision:
    if resource.status.over(resource.generation):
        # An operator that has become stricter doesn't take back what already ran.
        return Decision((), resource.status)
    everything = {each.name for each in observed.jobs}
    return Decision(_sweep(resource, observed, current, everything), summarize_invalid(error, current, resource, now))


def _by_job(observed: Observed, resource: Resource, run: RunNumber) -> dict[JobId, dict[Attempt, KubernetesJob]]:
    found: dict[JobId, dict[Attempt, KubernetesJob]] = {}
    for each in observed.jobs:
        if each.run == run and each.generation == resource.generation:
            found.setdefault(each.job, {})[each.attempt] = each
    return found


def _advance(run: _Run, job: JobPlan, recorded: JobStatus) -> JobStatus:
    """Tell where a job is that hasn't ended."""
    attempts = run.attempts.get(job.id, {})
    latest = Attempt(max(recorded.attempt or 0, max(attempts, default=0)))
    if latest == 0:
        return _gate(run, job)
    attempt = attempts.get(latest)
    verdict = _judge(run, job, attempt)
    name = attempt.name if attempt is not None else recorded.kubernetes_job
    state = recorded.model_copy(update={"attempt": latest, "kubernetes_job": name, "reason": None, "message": None})
    match verdict:
        case Waiting(message, until):
            run.looks += [until] if until else []
            reason = None
            if message is None and latest > 1:
                reason, message = _why_again(run, job, attempts.get(Attempt(latest - 1)))
            waiting = {"phase": JobPhase.QUEUED, "reason": reason, "message": message, "started_at": None}
            return state.model_copy(update=waiting)
        case Going(started_at):
            return state.model_copy(update={"phase": JobPhase.RUNNING, "started_at": started_at or run.now})
        case Ended():
            return _ended(run, job, state, verdict)
        case Lost(reason, message) if latest > run.policy.restarts:
            said = f"{message}, after {run.policy.restarts} restarts"
            return _end(state, JobPhase.FAILED, reason, said, now=run.now)
        case Lost(reason, message):
            unseen = name if attempt is None else None
            return _start(run, job, Attempt(latest + 1), reason, f"restarted: {message}", unseen)
        case _:
            assert_never(verdict)


def _judge(run: _Run, job: JobPlan, attempt: KubernetesJob | None) -> Verdict:
    """Tell how an attempt stands; one that isn't there was deleted."""
    if attempt is None:
        return Lost(Reason.JOB_DELETED, "its Kubernetes Job was deleted")
    return judge(attempt, job, run.now, run.policy.grace)


def _why_again(run: _Run, job: JobPlan, previous: KubernetesJob | None) -> tuple[Reason | None, str | None]:
    """Tell why there is another attempt, from what is left of the one before it."""
    match _judge(run, job, previous):
        case Lost(reason, message):
            return reason, f"restarted: {message}"
        case _:
            return None, None


def _gate(run: _Run, job: JobPlan) -> JobStatus:
    """Start a job whose needs have succeeded; skip it when one hasn't."""
    needs = {need: run.states[need] for need in job.needs}
    if not all(state.phase.ended for state in needs.values()):
        return JobStatus()
    for need, state in needs.items():
        if state.phase is not JobPhase.SUCCEEDED:
            said = f"needs {quote(need)}, which {_VERBS[state.phase]}"
            return _end(JobStatus(), JobPhase.SKIPPED, Reason.NEED_NOT_MET, said, now=run.now)
    return _start(run, job, Attempt(1))


_VERBS: Mapping[JobPhase, str] = {
    JobPhase.FAILED: "failed",
    JobPhase.CANCELLED: "was cancelled",
    JobPhase.SKIPPED: "was skipped",
}


def _start(
    run: _Run,
    job: JobPlan,
    attempt: Attempt,
    reason: Reason | None = None,
    message: str | None = None,
    instead_of: str | None = None,
) -> JobStatus:
    """Ask for a Kubernetes Job, unless the cluster has refused it for good."""
    refusal = run.observed.refusals.get(job.id)
    if refusal is not None and refusal.final:
        return _end(JobStatus(), JobPhase.FAILED, Reason.JOB_REFUSED, one_line(refusal.message), now=run.now)
    try:
        request = resolve(job, with_needs(run.base, job, run.states))
    except ExpressionError as error:
        return _end(JobStatus(), JobPhase.FAILED, Reason.EXPRESSION_FAILED, one_line(str(error)), now=run.now)
    if not request.image:
        said = f"its image, {quote(job.image)}, is empty when filled in"
        return _end(JobStatus(), JobPhase.FAILED, Reason.EXPRESSION_FAILED, said, now=run.now)
    name = job_name(run.resource, run.current.run, job.id, attempt)
    run.actions.append(CreateJob(name, job.id, run.current.run, attempt, request, instead_of))
    if refusal is not None:
        waiting = JobPhase.PENDING if attempt == 1 else JobPhase.QUEUED
        said = f"can't be started yet: {one_line(refusal.message)}"
        before = Attempt(attempt - 1)
        earlier = job_name(run.resource, run.current.run, job.id, before) if before else None
        return JobStatus(phase=waiting, attempt=before or None, kubernetes_job=earlier, message=said)
    return JobStatus(phase=JobPhase.QUEUED, attempt=attempt, kubernetes_job=name, reason=reason, message=message)


def _ended(run: _Run, job: JobPlan, state: JobStatus, verdict: Ended) -> JobStatus:
    contexts = with_needs(run.base, job, run.states)
    phase, reason, message = JobPhase.SUCCEEDED, verdict.reason, verdict.message
    outputs: dict[str, str] = {}
    if verdict.reason is not None:
        phase = JobPhase.FAILED
    if verdict.report is not None:
        try:
            outputs = resolve_outputs(job, contexts, verdict.report)
        except ExpressionError as error:
            if phase is JobPhase.SUCCEEDED:
                phase, reason, message = JobPhase.FAILED, Reason.EXPRESSION_FAILED, f"outputs: {one_line(str(error))}"
    done = state.model_copy(
        update={
            "started_at": verdict.started_at or state.started_at,
            "exit_code": verdict.exit_code,
            "outputs": outputs,
            "steps": _steps(run, job, contexts, verdict),
        }
    )
    return _end(done, phase, reason, message, now=verdict.finished_at or run.now)


def _steps(run: _Run, job: JobPlan, contexts: Contexts, verdict: Ended) -> tuple[StepStatus, ...]:
    if verdict.report is None:
        return ()
    try:
        labels = [step.label for step in resolve(job, contexts).steps]
    except ExpressionError:
        labels = [step.label for step in job.steps]
    base = verdict.started_at or run.now
    return tuple(
        StepStatus(
            name=label,
            id=step.id,
            exit_code=report.exit_code,
            started_at=base + timedelta(seconds=report.started),
            finished_at=base + timedelta(seconds=report.finished),
        )
        for label, step, report in zip(labels, job.steps, verdict.report.steps, strict=False)
    )


def _end(
    state: JobStatus, phase: JobPhase, reason: Reason | None, message: str | None = None, *, now: datetime
) -> JobStatus:
    return state.model_copy(
        update={
            "phase": phase,
            "result": RESULTS[phase],
            "reason": reason,
            "message": message,
            "finished_at": now,
        }
    )


def _outputs(run: _Run) -> tuple[dict[str, str], str | None]:
    """Give the workflow's outputs once all jobs have ended, or what is wrong with them."""
    if not all(state.phase.ended for state in run.states.values()):
        return {}, None
    try:
        return workflow_outputs(run.workflow, run.base, run.states), None
    except ExpressionError as error:
        return {}, f"outputs: {one_line(str(error))}"


def _still_going(run: _Run, job: JobPlan) -> set[str]:
    """Find the attempts at a job that work on though its outcome is recorded; `_sweep` leaves those that are over."""
    # What was given up for its image or its configuration is not ended for Kubernetes, which goes on trying.
    gave_up = run.states[job.id].reason in (Reason.IMAGE_PULL_FAILED, Reason.MISCONFIGURED)
    return {
        attempt.name
        for attempt in run.attempts.get(job.id, {}).values()
        if gave_up or isinstance(judge(attempt, job, run.now, run.policy.grace), Waiting | Going)
    }


def _sweep(resource: Resource, observed: Observed, current: Current, superfluous: set[str]) -> tuple[DeleteJob, ...]:
    """Delete what works on for an earlier run or a decided job, once the status has recorded that it is over."""
    recorded = resource.status.observed_generation == resource.generation
    return tuple(
        DeleteJob(each.name)
        for each in observed.jobs
        if recorded
        and not _is_over(each)
        and (each.name in superfluous or each.run != current.run or each.generation != resource.generation)
    )


def _is_over(attempt: KubernetesJob) -> bool:
    """Whether a Kubernetes Job ends by itself, or has; its log may still be wanted.

    Its Pod says so a second or two before the Job controller does.
    """
    if attempt.deleting or attempt.complete or attempt.failure is not None:
        return True
    last = attempt.pods[-1] if attempt.pods else None
    return last is not None and isinstance(last.container, ContainerTerminated) and not last.taken
