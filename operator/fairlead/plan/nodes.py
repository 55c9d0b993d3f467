"""One node of a run: what became of its attempts, and whether another one has to follow."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from fairlead.expressions import (
    ExpressionError,
    Literal,
    Text,
    evaluate,
    parse_template,
    simplify,
    to_text,
    truthy,
    unparse,
)
from fairlead.model.duration import format_duration
from fairlead.model.ids import Attempt
from fairlead.model.phase import JobPhase, Reason, Result
from fairlead.model.problem import one_line
from fairlead.model.spec import RetryOn
from fairlead.model.status import NodeStatus, StepStatus
from fairlead.model.status_functions import STEP_FUNCTIONS
from fairlead.plan.actions import ReadEvents, ReadOutputs
from fairlead.plan.attempts import Ended, Going, Lost, Waiting, judge
from fairlead.plan.calls import judge_call
from fairlead.plan.contexts import resolve_outputs, with_combination, with_needs
from fairlead.plan.names import node_name
from fairlead.plan.observed import CalledWorkflow, ContainerTerminated, KubernetesJob
from fairlead.plan.podless import next_look
from fairlead.plan.run import Again, end
from fairlead.plan.steps import DECIDED_LATER, flag

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fairlead.expressions import Expression
    from fairlead.model.status import JobStatus
    from fairlead.model.workflow import JobPlan
    from fairlead.plan.attempts import Verdict
    from fairlead.plan.contexts import Contexts
    from fairlead.plan.run import Node, Run

_RETRY = re.compile(r"; retry [0-9]+ of [0-9]+( in [0-9a-z.]+)?$")
MOST_OUTPUTS = 512 * 1024
"""Bytes that the outputs of a run's jobs may take together: they stand in its status, which may have 1 MiB."""

MOST_WITH_STEPS = 2000
"""Jobs and combinations of a run that has all its steps in its status: half of what is told of a job is its steps."""

_NOT_AGAIN = frozenset({Reason.OUTPUTS_TOO_LARGE, Reason.EXPRESSION_FAILED, Reason.JOB_REFUSED, Reason.DEADLOCKED})


def needs_of(run: Run, job: JobPlan) -> Contexts:
    """Give what the expressions of a job can name once its needs have ended."""
    found = run.needed.get(job.id)
    if found is None:
        found = run.needed[job.id] = with_needs(run.base, job, run.states)
    return found


def contexts_of(run: Run, job: JobPlan, node: Node) -> Contexts:
    """Give what the expressions of a node can name."""
    contexts = needs_of(run, job)
    return with_combination(contexts, job, node.combination, node.id.combination or 0, len(run.nodes[job.id]))


def settle(run: Run, job: JobPlan, node: Node) -> None:
    """Bring a node's state up to what is seen of its attempts; note where another one has to follow."""
    attempts = run.picture.attempts.get(job.id, {}).get(node.id.combination, {})
    recorded = node.state
    latest = Attempt(max(recorded.attempt or 0, max(attempts, default=0)))
    if latest == 0 or recorded.phase.ended:
        return
    if recorded.retry_at is not None and latest == recorded.attempt:
        _wait_to_retry(run, job, node, recorded.retry_at)
        return
    attempt = attempts.get(latest)
    verdict = _judge(run, job, node, attempt)
    name = attempt.name if attempt is not None else _name_of(run, node, latest)
    retries = attempt.retries if attempt is not None else recorded.retries
    made = {"workflow" if job.uses else "kubernetes_job": name}
    seen = {"attempt": latest, "retries": retries, "retry_at": None, "reason": None, "message": None, **made}
    match verdict:
        case Waiting(message, until):
            run.looks += [until] if until else []
            _look_for_its_pod(run, node, attempt)
            reason = None
            if message is None and latest > 1:
                reason, message = _why_again(run, job, node, attempts.get(Attempt(latest - 1)))
            waiting = {"phase": JobPhase.QUEUED, "reason": reason, "message": message, "started_at": None}
            node.state = _changed(recorded, {**seen, **waiting})
        case Going(started_at):
            going = {"phase": JobPhase.RUNNING, "started_at": started_at or run.now}
            node.state = _changed(recorded, {**seen, **going})
        case Ended():
            node.state = recorded.model_copy(update=seen)
            _ended(run, job, node, verdict, attempt)
        case Lost(reason, message):
            node.state = recorded.model_copy(update=seen)
            _lost(run, job, node, verdict, attempt, name)
        case _:
            assert_never(verdict)


def _look_for_its_pod(run: Run, node: Node, attempt: KubernetesJob | CalledWorkflow | None) -> None:
    """Have it looked up why an attempt has no Pod, once it has had none for a while."""
    due = next_look(attempt) if isinstance(attempt, KubernetesJob) else None
    if attempt is None or due is None:
        return
    if run.now >= due:
        run.actions.append(ReadEvents(attempt.name, node.id))
    else:
        run.looks.append(due)


def _name_of(run: Run, node: Node, attempt: Attempt) -> str:
    """Name the Kubernetes Job of an attempt that isn't there; that of a pack is known from its record alone."""
    recorded, current = node.state, run.current
    if recorded.attempt == attempt and recorded.kubernetes_job is not None:
        return recorded.kubernetes_job
    return node_name(run.resource, current.digest, current.run, node.id, attempt)


def _changed(state: NodeStatus, changes: Mapping[str, object]) -> NodeStatus:
    """Give a state with these fields; what stays as it is stays the same object, which is told at a glance."""
    if all(getattr(state, name) == value for name, value in changes.items()):
        return state
    return state.model_copy(update=changes)


def _judge(run: Run, job: JobPlan, node: Node, attempt: KubernetesJob | CalledWorkflow | None) -> Verdict:
    """Tell how an attempt stands; one that isn't there was deleted."""
    if attempt is None:
        what = "Workflow" if job.uses else "Kubernetes Job"
        return Lost(Reason.JOB_DELETED, f"its {what} was deleted")
    if isinstance(attempt, CalledWorkflow):
        return judge_call(attempt)
    verdict = judge(attempt, job, run.now, run.policy.grace)
    if isinstance(verdict, Ended) and verdict.reason is not None and any("${{" in step.label for step in job.steps):
        # Its message may name a step. What goes well, or goes on, is looked at far more often and names none.
        contexts = contexts_of(run, job, node)
        job = replace(job, steps=tuple(replace(step, label=_label(step.label, contexts)) for step in job.steps))
        verdict = judge(attempt, job, run.now, run.policy.grace)
    return verdict


def _why_again(
    run: Run, job: JobPlan, node: Node, previous: KubernetesJob | CalledWorkflow | None
) -> tuple[Reason | None, str | None]:
    """Tell why there is another attempt, from what is left of the one before it."""
    match _judge(run, job, node, previous):
        case Lost(reason, message):
            return reason, f"restarted: {message}"
        case Ended(reason=Reason(), message=message):
            return Reason.RETRYING, f"tried again: {message}"
        case _:
            return None, None


def _lost(
    run: Run, job: JobPlan, node: Node, verdict: Lost, seen: KubernetesJob | CalledWorkflow | None, name: str
) -> None:
    """Have it made again, as often as that is good for something; then it counts as a failure of its own kind."""
    unseen = name if seen is None else None
    lost = seen if isinstance(seen, KubernetesJob) and verdict.reason is Reason.POD_LOST else None
    state = node.state
    attempt = state.attempt or Attempt(1)
    restarts = attempt - 1 - state.retries
    if restarts < run.policy.restarts:
        said = f"restarted: {verdict.message}"
        node.again = Again(Attempt(attempt + 1), state.retries, verdict.reason, said, unseen, lost)
        return
    said = f"{verdict.message}, after {run.policy.restarts} restarts"
    if not _retried(run, job, node, RetryOn.INFRASTRUCTURE, said, run.now):
        fail(run, job, node, verdict.reason, said, run.now)


def _ended(run: Run, job: JobPlan, node: Node, verdict: Ended, attempt: KubernetesJob | CalledWorkflow | None) -> None:
    report = verdict.report
    in_log = report is not None and report.log is not None
    if in_log and attempt is not None and not isinstance(attempt, CalledWorkflow):
        # What didn't fit into the report is at the end of the log, and has to be read first.
        run.actions.append(ReadOutputs(_reporting_pod(attempt), node.id))
        running = {"phase": JobPhase.RUNNING, "started_at": verdict.started_at, "message": "reading its outputs"}
        node.state = node.state.model_copy(update=running)
        return
    finished = verdict.finished_at or run.now
    contexts = contexts_of(run, job, node)
    reason, message = verdict.reason, verdict.message
    outputs: dict[str, str] = dict(verdict.outputs)
    if reason is None and report is not None and report.outputs_lost:
        reason, message = Reason.OUTPUTS_LOST, report.error
    elif report is not None and not job.uses:
        try:
            outputs = resolve_outputs(job, contexts, report, run.sources)
        except ExpressionError as error:
            if reason is None:
                reason, message = Reason.EXPRESSION_FAILED, f"outputs: {one_line(str(error))}"
    size, room = size_of(outputs), MOST_OUTPUTS - _size_of_others(run)
    if size > room:
        said = (
            f"its outputs take {size} bytes, and {room} of the {MOST_OUTPUTS} are left that a run's may take together"
        )
        reason, message, outputs = reason or Reason.OUTPUTS_TOO_LARGE, message or said, {}
    kind = RetryOn.TIMEOUT if reason is Reason.TIMED_OUT else RetryOn.FAILURE
    failed = reason is not None and reason not in _NOT_AGAIN and not verdict.cancelled
    if failed and _retried(run, job, node, kind, message or "", finished):
        return
    run.outputs = _size_of_others(run) + size_of(outputs)
    node.state = node.state.model_copy(
        update={
            "started_at": verdict.started_at or node.state.started_at,
            "exit_code": verdict.exit_code,
            "outputs": outputs,
            "steps": () if reason is None and _is_large(run) else _steps(run, job, contexts, verdict),
        }
    )
    if reason is None:
        node.state = end(node.state, JobPhase.SUCCEEDED, None, now=finished)
    elif verdict.cancelled:
        node.state = end(node.state, JobPhase.CANCELLED, reason, message, now=finished)
    else:
        fail(run, job, node, reason, message, finished)


def size_of_outputs(state: JobStatus) -> int:
    """Count the bytes of the outputs that are recorded of a job."""
    if not state.combinations:
        return size_of(state.outputs) if state.outputs else 0
    return sum(size_of(one.outputs) for one in (state, *state.combinations) if one.outputs)


def size_of(outputs: Mapping[str, str]) -> int:
    """Count the bytes of outputs."""
    return sum(len(name) + len(value.encode()) for name, value in outputs.items())


def _size_of_others(run: Run) -> int:
    """Count the bytes of the outputs that the run has recorded, or is about to."""
    if run.outputs is None:
        run.outputs = sum(run.picture.outputs.values())
    return run.outputs


def _reporting_pod(attempt: KubernetesJob) -> str:
    """Name the Pod whose report the verdict rests on: the newest one that has any."""
    ended = [pod for pod in attempt.pods if isinstance(pod.container, ContainerTerminated) and pod.container.report]
    return ended[-1].name


def _retried(run: Run, job: JobPlan, node: Node, kind: RetryOn, message: str, ended: datetime) -> bool:
    """Have it tried again after a while, if its retries allow it."""
    retry, used = job.retry, node.state.retries
    if kind not in retry.on or used >= retry.limit:
        return False
    try:
        pause = min(retry.delay * retry.multiplier**used, retry.max_delay)
    except OverflowError:
        pause = retry.max_delay
    # The container's end is told by its node's clock, which may be ahead of ours.
    at = min(ended, run.now) + timedelta(seconds=pause)
    said = f"{message}; retry {used + 1} of {retry.limit}"
    if at > run.now:
        said += f" in {format_duration(pause)}"
    node.state = node.state.model_copy(
        update={
            "phase": JobPhase.QUEUED,
            "reason": Reason.RETRYING,
            "message": said,
            "retries": used + 1,
            "retry_at": at,
            "started_at": None,
        }
    )
    _wait_to_retry(run, job, node, at)
    return True


def _wait_to_retry(run: Run, job: JobPlan, node: Node, at: datetime) -> None:
    # One that is further away than any pause was reckoned by a clock that has been set back since.
    if run.now < at <= run.now + timedelta(seconds=job.retry.max_delay):
        run.looks.append(at)
        return
    state = node.state
    said = f"tried again: {_RETRY.sub('', state.message or 'failed')}"
    node.again = Again(Attempt((state.attempt or 0) + 1), state.retries, Reason.RETRYING, said)


def fail(run: Run, job: JobPlan, node: Node, reason: Reason, message: str | None, now: datetime) -> None:
    """End a node as failed; where it may fail, its result is a success all the same."""
    result = None
    try:
        if flag(job.continue_on_error, contexts_of(run, job, node)):
            result = Result.SUCCESS
    except ExpressionError as error:
        message = f"{message}; continueOnError: {one_line(str(error))}"
    node.state = end(node.state, JobPhase.FAILED, reason, message, now=now, result=result)


def check(run: Run, job: JobPlan, node: Node) -> None:
    """Decide a job that needs no Pod."""
    contexts = contexts_of(run, job, node)
    node.state = node.state.model_copy(update={"started_at": run.now})
    try:
        passed = truthy(evaluate(job.check or "", contexts))
        outputs = resolve_outputs(job, contexts, None, run.sources)
    except ExpressionError as error:
        fail(run, job, node, Reason.EXPRESSION_FAILED, f"check: {one_line(str(error))}", run.now)
        return
    node.state = node.state.model_copy(update={"outputs": outputs})
    if passed:
        node.state = end(node.state, JobPhase.SUCCEEDED, None, now=run.now)
    else:
        fail(run, job, node, Reason.CHECK_FAILED, f"its check does not hold: {one_line(job.check or '')}", run.now)


def _is_large(run: Run) -> bool:
    jobs = run.current.jobs
    count = len(jobs)
    if count <= MOST_WITH_STEPS:
        count += sum(len(each.combinations) for each in jobs.values())
    return count > MOST_WITH_STEPS


def _steps(run: Run, job: JobPlan, contexts: Contexts, verdict: Ended) -> tuple[StepStatus, ...]:
    if verdict.report is None:
        return ()
    base = verdict.started_at or run.now
    return tuple(
        StepStatus(
            name=_label(step.label, contexts),
            id=step.id,
            result=report.conclusion,
            outcome=report.outcome if report.outcome is not report.conclusion else None,
            exit_code=report.exit_code,
            started_at=base + timedelta(seconds=report.started) if report.exit_code is not None else None,
            finished_at=base + timedelta(seconds=report.finished) if report.exit_code is not None else None,
        )
        for step, report in zip(job.steps, verdict.report.steps, strict=False)
    )


def _label(label: str, contexts: Contexts) -> str:
    """Name a step as its log does; what only the running job knows stays as it was written."""
    try:
        parts = (_label_part(part, contexts) for part in parse_template(label, functions=STEP_FUNCTIONS).parts)
        return " ".join("".join(parts).split())
    except ExpressionError:
        return label


def _label_part(part: Text | Expression, contexts: Contexts) -> str:
    if isinstance(part, Text):
        return part.text
    known = simplify(part.node, contexts, STEP_FUNCTIONS, unknown=(*DECIDED_LATER, "job", "runner"))
    return to_text(known.value) if isinstance(known, Literal) else f"${{{{ {unparse(part.node)} }}}}"


def cut_short(node: Node, reason: Reason, message: str, phase: JobPhase, exit_code: int | None, now: datetime) -> None:
    """End a node before its time."""
    state: NodeStatus = node.state
    if exit_code is not None:
        state = state.model_copy(update={"exit_code": exit_code})
    node.state = end(state, phase, reason, message, now=now)
    node.again = None
