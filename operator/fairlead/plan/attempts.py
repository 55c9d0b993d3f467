"""How one attempt at a job stands, judged from its Kubernetes Job and its Pods.

The main container decides: what its driver reported is the outcome, long before the Job controller says so. Where
there is no report, two questions remain. Was the Pod taken away? Then the Job controller tells what follows: another
Pod, or the end of this Kubernetes Job, which is a loss to be made good and no failure. Or did the container die by
itself? Then the job failed.

Kubernetes Jobs and Pods are watched apart, and either watch may be late: where the Job controller says that it is over
and the Pod still seems to live, the Pod's end is on its way, and is waited for.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fairlead.model.duration import format_duration
from fairlead.model.phase import Reason
from fairlead.model.problem import one_line
from fairlead.plan.observed import ContainerRunning, ContainerTerminated, ContainerWaiting
from fairlead.plan.podless import podless_trouble
from fairlead.plan.troubles import (
    NOT_STARTED,
    OUT_OF_MEMORY,
    RUNTIME_WENT_AWAY,
    Patience,
    patience_ends,
    restarts_while_running,
    service_trouble,
    waiting_trouble,
    waits_for,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from fairlead.model.report import Report
    from fairlead.model.workflow import JobPlan
    from fairlead.plan.observed import KubernetesJob, Pod
    from fairlead.plan.troubles import Trouble

TIMED_OUT = 124
"""The exit code of a timeout, as the command of that name has it."""

_DEADLINE = "DeadlineExceeded"
_KILLED = 137
_STARVED = "ran out of memory; raise resources.limits.memory or use less"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not running yet, or not any more and about to be replaced. `until`: when patience ends."""

    message: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Going:
    """Its steps run."""

    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ended:
    """It is decided; `reason` is None for success. `outputs` are those of a called Workflow."""

    reason: Reason | None
    message: str | None
    exit_code: int | None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    report: Report | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The cluster took it away before it was decided."""

    reason: Reason
    message: str


Verdict = Waiting | Going | Ended | Lost


def judge(attempt: KubernetesJob, job: JobPlan, now: datetime, grace: timedelta) -> Verdict:
    """Tell how an attempt stands. `grace`: how long an image or a reference may be missing before it is an error."""
    for pod in reversed(attempt.pods):
        if isinstance(pod.container, ContainerTerminated):
            verdict = _terminated(pod.container, pod, job)
            if verdict is not None:
                return _with_services(verdict, pod.container, pod, job)
    left = [pod for pod in attempt.pods if not pod.taken and not isinstance(pod.container, ContainerTerminated)]
    if attempt.failure is not None and (not left or attempt.failure.reason == _DEADLINE):
        return _given_up(attempt, job)
    if attempt.complete and not job.outputs:
        return Ended(None, None, 0)
    if attempt.complete and not left:
        return Lost(Reason.POD_LOST, "its Pod is gone, and its outputs with it")
    if attempt.deleting:
        return Lost(Reason.JOB_DELETED, "its Kubernetes Job was deleted")
    if not left:
        if attempt.pods:
            return Waiting("its Pod was taken away; waiting for another")
        return _without_a_pod(attempt, now, grace)
    return _waiting_or_going(left[-1], job, now, grace)


def _terminated(container: ContainerTerminated, pod: Pod, job: JobPlan) -> Ended | Lost | None:
    """Give the outcome of a main container that has ended; None where the Job controller has to say what follows."""
    report, times = container.report, (container.started_at, container.finished_at)
    if report is not None and report.exit_code is not None:
        starved = container.reason == OUT_OF_MEMORY and report.exit_code == _KILLED
        return _reported(report, job, times, starved=starved)
    if pod.taken:
        return None
    match container.reason:
        case reason if reason == OUT_OF_MEMORY:
            return Ended(Reason.OUT_OF_MEMORY, _STARVED, container.exit_code, *times, report)
        case reason if reason in NOT_STARTED and RUNTIME_WENT_AWAY.search(container.message):
            return Lost(Reason.POD_LOST, "its container couldn't be started, as the node's container runtime went away")
        case reason if reason in NOT_STARTED:
            return Ended(Reason.START_FAILED, _start_trouble(container.message, job), container.exit_code)
        case _:
            said = f"its container ended with exit code {container.exit_code} before its steps did"
            return Ended(Reason.STEP_FAILED, said, container.exit_code, *times, report)


def _reported(report: Report, job: JobPlan, times: tuple[datetime | None, datetime | None], *, starved: bool) -> Ended:
    if report.timed_out:
        return Ended(Reason.TIMED_OUT, f"timed out after {format_duration(job.timeout)}", TIMED_OUT, *times, report)
    if report.exit_code == 0:
        return Ended(None, None, 0, *times, report)
    reason = Reason.OUT_OF_MEMORY if starved else Reason.STEP_FAILED
    said = _STARVED if starved else f"failed with exit code {report.exit_code}"
    at = report.failed_step
    if report.error is not None:
        return Ended(reason, report.error, report.exit_code, *times, report)
    if at is not None and at < len(job.steps):
        step = job.steps[at]
        if report.steps[at].timed_out:
            reason, said = Reason.TIMED_OUT, f"timed out after {format_duration(step.timeout or job.timeout)}"
        said = f'step "{step.label}" {said}'
    return Ended(reason, said, report.exit_code, *times, report)


def _given_up(attempt: KubernetesJob, job: JobPlan) -> Ended | Lost:
    assert attempt.failure is not None  # noqa: S101  the caller's condition, for the type checker
    if attempt.failure.reason == _DEADLINE:
        started = next((c.started_at for p in attempt.pods if isinstance(c := p.container, ContainerTerminated)), None)
        said = f"timed out after {format_duration(job.timeout)}"
        trouble = podless_trouble(attempt) if not attempt.pods else None
        return Ended(Reason.TIMED_OUT, f"{said}; {trouble.message}" if trouble else said, TIMED_OUT, started)
    return Lost(Reason.POD_LOST, "its Pod was deleted")


def _with_services(verdict: Ended | Lost, main: ContainerTerminated, pod: Pod, job: JobPlan) -> Ended | Lost:
    if isinstance(verdict, Lost) or verdict.reason is None:
        return verdict
    told = restarts_while_running(pod, main, job)
    return replace(verdict, message=f"{verdict.message}; {told}") if told else verdict


def _waiting_or_going(pod: Pod, job: JobPlan, now: datetime, grace: timedelta) -> Verdict:
    container = pod.container
    if isinstance(container, ContainerRunning):
        return Going(container.started_at)
    trouble = waiting_trouble(container) if isinstance(container, ContainerWaiting) else None
    trouble = trouble or service_trouble(pod, job, now)
    if trouble is not None:
        return _in_trouble(trouble, _last_progress(pod, now) + grace, now)
    if pod.trouble:
        return Waiting(f"can't be scheduled: {one_line(pod.trouble)}")
    service = waits_for(pod, job)
    return Waiting(f"waiting for {service}" if service else None, patience_ends(pod, job))


def _without_a_pod(attempt: KubernetesJob, now: datetime, grace: timedelta) -> Waiting | Ended:
    trouble = podless_trouble(attempt)
    if trouble is None:
        return Waiting()
    if attempt.taken_up_at is None:
        return Waiting(trouble.message)
    return _in_trouble(trouble, attempt.taken_up_at + grace, now)


def _in_trouble(trouble: Trouble, until: datetime, now: datetime) -> Waiting | Ended:
    """Wait as long as there is patience for it; `until`: when the grace is over."""
    if trouble.patience is Patience.ENDLESS:
        return Waiting(trouble.message)
    if trouble.patience is Patience.GRACE and now < until:
        return Waiting(trouble.message, until)
    return Ended(trouble.reason, trouble.message, None)


def _last_progress(pod: Pod, now: datetime) -> datetime:
    """Tell when the Pod last got on, as far as it says so: images are pulled only when their turn comes."""
    starts = [state.container.started_at for state in pod.services if isinstance(state.container, ContainerRunning)]
    return max((moment for moment in (pod.scheduled_at, *starts) if moment is not None), default=now)


def _start_trouble(message: str, job: JobPlan) -> str:
    if "/bin/sh" in message and ("no such file" in message or "not found" in message):
        return f"the image {job.image} has no /bin/sh, which the steps need; use an image with a shell"
    return f"the container couldn't start: {one_line(message)}"
