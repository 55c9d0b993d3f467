"""Why a container doesn't start, and what went wrong with the services beside it.

A service that ends or never gets ready before the steps start has failed, and the job with it: the kubelet goes on
starting it, but there is no reason why the next time should be different. One that ends later is started again, and is
only told of, should the job fail.

Where a startup probe runs out, the kubelet ends the container, and nothing in the Pod's status says so: the exit code
is that of the signal, or whatever the service makes of it. So what lived as long as its check gave it, or was killed,
counts as never ready, which is true in any case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from fairlead.model.duration import format_duration
from fairlead.model.phase import Reason
from fairlead.model.problem import one_line
from fairlead.model.services import check_of, longest_time, ports_of, shortest_time
from fairlead.plan.observed import ContainerRunning, ContainerTerminated, ContainerWaiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from fairlead.model.containers import HealthCheck
    from fairlead.model.workflow import JobPlan
    from fairlead.plan.observed import Pod, ServiceState

OUT_OF_MEMORY = "OOMKilled"
NOT_STARTED = frozenset({"StartError", "ContainerCannotRun"})

RUNTIME_WENT_AWAY = re.compile(
    r"context (canceled|deadline exceeded)|ttrpc: |transport is closing"
    r"|connection (refused|reset)|error reading from server"
)
"""What the kubelet tells of a container that couldn't be started as the node's container runtime ended meanwhile, in
containerd's and gRPC's words. What is wrong with the container itself reads otherwise."""

_PULL_TROUBLE = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable"}
)
_CONFIG_TROUBLE = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_NOBODY_KNOWS = frozenset({"Unknown", "ContainerStatusUnknown"})
"""The kubelet lost it, as when its node was started anew."""

_SIGNALLED = frozenset({137, 143})
_MOST_LOG = 300
_MOST_CHECK = 60
_PROBE_SLACK = timedelta(seconds=15)
"""What the kubelet may take beyond a check's own time to give a service up."""


class Patience(StrEnum):
    """How long a trouble is waited for."""

    NONE = "none"
    """It can't pass."""
    GRACE = "grace"
    """It may be over in a while: what is missing may be made, as a Secret or an image."""
    ENDLESS = "endless"
    """It isn't the job's: a quota empties itself, and a node comes back, or Kubernetes gives its Pods up."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a Pod's steps don't start, and for how long it is waited whether they do."""

    reason: Reason
    message: str
    patience: Patience = Patience.NONE


@dataclass(frozen=True, slots=True)
class _Check:
    """How a service is checked, and how to say so."""

    how: HealthCheck
    said: str


def waiting_trouble(container: ContainerWaiting) -> Trouble | None:
    """Tell what keeps a container from being made."""
    said = f"{container.reason}: {one_line(container.message)}" if container.message else container.reason
    match container.reason:
        case "InvalidImageName":
            return Trouble(Reason.IMAGE_PULL_FAILED, f"not an image's name: {one_line(container.message)}")
        case reason if reason in _PULL_TROUBLE:
            return Trouble(Reason.IMAGE_PULL_FAILED, said, _patience(container))
        case reason if reason in _CONFIG_TROUBLE:
            return Trouble(Reason.MISCONFIGURED, said, _patience(container))
        case _:
            return None


def _patience(container: ContainerWaiting) -> Patience:
    if container.reason in _PULL_TROUBLE and container.reason != "ImageInspectError":
        # A registry that refuses connections is the image's trouble; the runtime's socket is the node's.
        runtime_is_away = "dial unix" in container.message
    else:
        runtime_is_away = RUNTIME_WENT_AWAY.search(container.message) is not None
    return Patience.ENDLESS if runtime_is_away else Patience.GRACE


def service_trouble(pod: Pod, job: JobPlan, now: datetime) -> Trouble | None:
    """Tell what is wrong with a Pod's services, while its steps haven't started."""
    return next((found for state in pod.services if (found := _trouble(state, job, now))), None)


def waits_for(pod: Pod, job: JobPlan) -> str | None:
    """Name the service that has to be ready before anything else starts."""
    return next((_called(state, job) for state in pod.services if not _done(state)), None)


def patience_ends(pod: Pod, job: JobPlan) -> datetime | None:
    """Tell when the service that is checked now is given up here, should the kubelet never do it."""
    for state in pod.services:
        check = None if _done(state) else _check(state, job)
        if check is not None and isinstance(state.container, ContainerRunning) and state.container.started_at:
            return given_up_at(state.container.started_at, check.how)
    return None


def given_up_at(started: datetime, check: HealthCheck) -> datetime:
    """Tell when the kubelet has certainly given up a service that started then."""
    return started + timedelta(seconds=longest_time(check)) + _PROBE_SLACK


def restarts_while_running(pod: Pod, main: ContainerTerminated, job: JobPlan) -> str | None:
    """Tell of the services that ended before the main container did, which may be why it failed."""
    said = [f"{_called(state, job)} {_went(end)} meanwhile" for state in pod.services for end in _ends(state, main)]
    return "; ".join(said) or None


def _ends(state: ServiceState, main: ContainerTerminated) -> Iterator[ContainerTerminated]:
    if not state.stays:
        return
    for end in (state.container, state.last):
        # Times are whole seconds: what ended in the same second as the main container was asked to.
        if isinstance(end, ContainerTerminated) and _before(end.finished_at, main.finished_at):
            if not _before(end.finished_at, main.started_at):
                yield end
            return


def _before(moment: datetime | None, other: datetime | None) -> bool:
    return moment is not None and other is not None and moment < other


def _done(state: ServiceState) -> bool:
    if state.stays:
        return state.started
    return isinstance(state.container, ContainerTerminated) and state.container.exit_code == 0


def _trouble(state: ServiceState, job: JobPlan, now: datetime) -> Trouble | None:
    if _done(state):
        return None
    name = _called(state, job)
    end = state.container if isinstance(state.container, ContainerTerminated) else state.last
    if end is not None and end.reason not in _NOBODY_KNOWS:
        return Trouble(Reason.SERVICE_FAILED, f"{name} {_why(end, _check(state, job))}{_last_lines(end)}")
    match state.container:
        case ContainerWaiting():
            found = waiting_trouble(state.container)
            return found and replace(found, message=f"{name}: {found.message}")
        case ContainerRunning(started_at=started) if started is not None:
            return _never_checked(name, started, _check(state, job), now)
        case _:
            return None


def _never_checked(name: str, started: datetime, check: _Check | None, now: datetime) -> Trouble | None:
    # A command that the image doesn't have is tried for ever: the kubelet doesn't count it as a check that failed.
    if check is None or now < given_up_at(started, check.how):
        return None
    lasted = format_duration((now - started).total_seconds())
    said = f"{name} never became healthy in {lasted}; checked by {check.said}, which may be missing in its image"
    return Trouble(Reason.SERVICE_FAILED, said)


def _called(state: ServiceState, job: JobPlan) -> str:
    if state.name in job.services:
        return f"service {state.name}"
    return f"sidecar {state.name}" if state.stays else f"init container {state.name}"


def _check(state: ServiceState, job: JobPlan) -> _Check | None:
    service = job.services.get(state.name)
    if service is None:
        return None
    check = check_of(service.image, service.ports, service.health_check)
    if check is None:
        return None
    if check.command:
        *shell, text = check.command
        said = text.removeprefix("exec ") if shell == ["sh", "-c"] else " ".join(check.command)
        return _Check(check, one_line(said, _MOST_CHECK))
    port = ports_of(service.image, service.ports)[0]
    if check.http is not None:
        return _Check(check, f"GET {one_line(check.http, _MOST_CHECK)} on port {port}")
    return _Check(check, f"a connection to port {port}")


def _why(end: ContainerTerminated, check: _Check | None) -> str:
    # What never ran is told to have started in 1970.
    if check is None or end.reason == OUT_OF_MEMORY or end.reason in NOT_STARTED:
        return _went(end)
    lived = (end.finished_at - end.started_at).total_seconds() if end.started_at and end.finished_at else 0
    if end.exit_code in _SIGNALLED or lived >= shortest_time(check.how) > 0:
        return f"never became healthy in {format_duration(lived)}, checked by {check.said}"
    return _went(end)


def _went(end: ContainerTerminated) -> str:
    if end.reason == OUT_OF_MEMORY:
        return "ran out of memory"
    if end.reason in NOT_STARTED:
        return "couldn't start"
    return f"ended with exit code {end.exit_code}"


def _last_lines(end: ContainerTerminated) -> str:
    text = one_line(end.message, len(end.message) + 1)
    if not text:
        return ""
    return f": {text}" if len(text) <= _MOST_LOG else f": …{text[1 - _MOST_LOG :]}"
