from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.model.ids import JobId
from fairlead.model.phase import Reason
from fairlead.model.report import Report, StepReport
from fairlead.plan import JobFailure
from fairlead.plan.attempts import Ended, Going, Lost, Verdict, Waiting, judge
from fairlead.plan.observed import ServiceState
from tests.builders import NOW, a_spec, at, attempt_at, ended, going, pod, reported, waiting

if TYPE_CHECKING:
    from fairlead.model.workflow import JobPlan
    from fairlead.plan import ContainerTerminated, KubernetesJob

GRACE = timedelta(seconds=60)
AWAY = "dial unix /run/containerd.sock: connect: connection refused"
OLD = {"scheduled_at": at(-600)}
PLAIN = a_spec().job("build", commands=["make", "make check"], timeout="10m").workflow().jobs[JobId("build")]
WITH_OUTPUTS = a_spec().job("build", outputs={"a": "b"}).workflow().jobs[JobId("build")]

DONE = reported(0, 0)
BROKEN = reported(0, 2)
CUT = reported(0, cut=True)
TIMED_OUT = reported(0, timed_out=True)
TOO_LARGE = reported(0, 0, error="the outputs are too large")
UNKNOWN_STEP = reported(0, 0, 0, 3)
OOM = reported(0, 137)
SILENT = "its container ended with exit code 137 before its steps did"
STARVED = "ran out of memory; raise resources.limits.memory or use less"


def over(reason: Reason | None, message: str | None, code: int | None, report: Report | None = None) -> Ended:
    """Give the verdict on a container that ran from NOW for ten seconds."""
    return Ended(reason, message, code, NOW, at(10), report)


TABLE: dict[str, tuple[KubernetesJob, Verdict]] = {
    # Nothing has happened yet
    "no Pod yet": (attempt_at("build"), Waiting()),
    "a Pod without a container": (attempt_at("build", pod()), Waiting()),
    "starting": (attempt_at("build", pod(waiting())), Waiting()),
    "no room": (
        attempt_at("build", pod(trouble="0/3 nodes are available:\n\x1b[31m 3 Insufficient cpu.")),
        Waiting("can't be scheduled: 0/3 nodes are available: [31m 3 Insufficient cpu."),
    ),
    "running": (attempt_at("build", pod(going(5))), Going(at(5))),
    # The driver has reported
    "success": (attempt_at("build", pod(ended(DONE))), over(None, None, 0, DONE)),
    "success, and the Job says so": (attempt_at("build", pod(ended(DONE)), complete=True), over(None, None, 0, DONE)),
    "success, and then the Pod was taken": (
        attempt_at("build", pod(ended(DONE), taken=True), failure="BackoffLimitExceeded"),
        over(None, None, 0, DONE),
    ),
    "success, and then the Job was deleted": (
        attempt_at("build", pod(ended(DONE)), deleting=True),
        over(None, None, 0, DONE),
    ),
    "a step failed": (
        attempt_at("build", pod(ended(BROKEN))),
        over(Reason.STEP_FAILED, 'step "make check" failed with exit code 2', 2, BROKEN),
    ),
    "a step failed that nobody knows": (
        attempt_at("build", pod(ended(UNKNOWN_STEP))),
        over(Reason.STEP_FAILED, "failed with exit code 3", 3, UNKNOWN_STEP),
    ),
    "the driver failed": (
        attempt_at("build", pod(ended(TOO_LARGE))),
        over(Reason.STEP_FAILED, "the outputs are too large", 1, TOO_LARGE),
    ),
    "timed out": (
        attempt_at("build", pod(ended(TIMED_OUT))),
        over(Reason.TIMED_OUT, "timed out after 10m", 124, TIMED_OUT),
    ),
    "a step ran out of memory": (
        attempt_at("build", pod(ended(OOM, reason="OOMKilled"))),
        over(Reason.OUT_OF_MEMORY, f'step "make check" {STARVED}', 137, OOM),
    ),
    "a step was killed for something else": (
        attempt_at("build", pod(ended(OOM))),
        over(Reason.STEP_FAILED, 'step "make check" failed with exit code 137', 137, OOM),
    ),
    # The container ended without a word
    "out of memory": (
        attempt_at("build", pod(ended(exit_code=137, reason="OOMKilled"))),
        over(Reason.OUT_OF_MEMORY, STARVED, 137),
    ),
    "killed": (attempt_at("build", pod(ended(exit_code=137))), over(Reason.STEP_FAILED, SILENT, 137)),
    "killed between two steps": (
        attempt_at("build", pod(ended(CUT, exit_code=137))),
        over(Reason.STEP_FAILED, SILENT, 137, CUT),
    ),
    "no shell": (
        attempt_at(
            "build",
            pod(ended(exit_code=128, reason="StartError", message='exec: "/bin/sh": stat /bin/sh: no such file')),
        ),
        Ended(
            Reason.START_FAILED,
            "the image busybox has no /bin/sh, which the steps need; use an image with a shell",
            128,
        ),
    ),
    "another error at the start": (
        attempt_at("build", pod(ended(exit_code=128, reason="ContainerCannotRun", message="no\nspace"))),
        Ended(Reason.START_FAILED, "the container couldn't start: no space", 128),
    ),
    "the container runtime died at the start": (
        attempt_at(
            "build",
            pod(
                ended(
                    exit_code=128,
                    reason="StartError",
                    message="failed to create containerd task: failed to create shim task: context canceled: unknown",
                )
            ),
        ),
        Lost(Reason.POD_LOST, "its container couldn't be started, as the node's container runtime went away"),
    ),
    # The Pod was taken away
    "killed by the eviction": (
        attempt_at("build", pod(ended(exit_code=137), taken=True)),
        Waiting("its Pod was taken away; waiting for another"),
    ),
    "evicted while it ran": (
        attempt_at("build", pod(going(), taken=True)),
        Waiting("its Pod was taken away; waiting for another"),
    ),
    "the next Pod runs": (
        attempt_at("build", pod(ended(exit_code=137), taken=True), pod(going(20))),
        Going(at(20)),
    ),
    "the next Pod has ended": (
        attempt_at("build", pod(ended(exit_code=137), taken=True), pod(ended(DONE))),
        over(None, None, 0, DONE),
    ),
    "the first Pod had ended before it was taken": (
        attempt_at("build", pod(ended(DONE), taken=True), pod(going(20))),
        over(None, None, 0, DONE),
    ),
    # The Job controller has given up
    "lost": (
        attempt_at("build", pod(ended(exit_code=137), taken=True), failure="BackoffLimitExceeded"),
        Lost(Reason.POD_LOST, "its Pod was deleted"),
    ),
    "lost without a trace": (
        attempt_at("build", failure="BackoffLimitExceeded"),
        Lost(Reason.POD_LOST, "its Pod was deleted"),
    ),
    "given up, and the Pod's end is on its way": (
        attempt_at("build", pod(going(5)), failure="BackoffLimitExceeded"),
        Going(at(5)),
    ),
    "too late, by the Job's own deadline": (
        attempt_at("build", pod(going(5)), failure="DeadlineExceeded"),
        Ended(Reason.TIMED_OUT, "timed out after 10m", 124),
    ),
    "too late, and killed": (
        attempt_at("build", pod(ended(exit_code=137), taken=True), failure="DeadlineExceeded"),
        Ended(Reason.TIMED_OUT, "timed out after 10m", 124, NOW),
    ),
    # The Job is complete
    "complete, and its Pod is gone": (attempt_at("build", complete=True), Ended(None, None, 0)),
    # The Job is being deleted
    "deleted": (
        attempt_at("build", pod(going(), taken=True), deleting=True),
        Lost(Reason.JOB_DELETED, "its Kubernetes Job was deleted"),
    ),
    # Images and references
    "not an image": (
        attempt_at("build", pod(waiting("InvalidImageName", "couldn't parse\nimage"))),
        Ended(Reason.IMAGE_PULL_FAILED, "not an image's name: couldn't parse image", None),
    ),
    "no such image, so far": (
        attempt_at("build", pod(waiting("ImagePullBackOff", 'Back-off pulling image "a"'), scheduled_at=at(-59))),
        Waiting('ImagePullBackOff: Back-off pulling image "a"', at(1)),
    ),
    "no such image": (
        attempt_at("build", pod(waiting("ErrImagePull"), scheduled_at=at(-60))),
        Ended(Reason.IMAGE_PULL_FAILED, "ErrImagePull", None),
    ),
    "no such Secret, so far": (
        attempt_at("build", pod(waiting("CreateContainerConfigError", 'secret "a" not found'))),
        Waiting('CreateContainerConfigError: secret "a" not found', at(60)),
    ),
    "no such Secret": (
        attempt_at("build", pod(waiting("CreateContainerError", "a"), scheduled_at=at(-61))),
        Ended(Reason.MISCONFIGURED, "CreateContainerError: a", None),
    ),
    "the container runtime is away": (
        attempt_at("build", pod(waiting("CreateContainerError", f"error reading from server: {AWAY}"), **OLD)),
        Waiting(f"CreateContainerError: error reading from server: {AWAY}"),
    ),
    "the container runtime is away before the image was looked for": (
        attempt_at("build", pod(waiting("ImageInspectError", f"code = Unavailable: {AWAY}"), **OLD)),
        Waiting(f"ImageInspectError: code = Unavailable: {AWAY}"),
    ),
    "the registry is away": (
        attempt_at("build", pod(waiting("ErrImagePull", "dial tcp 192.0.2.1:443: connection refused"), **OLD)),
        Ended(Reason.IMAGE_PULL_FAILED, "ErrImagePull: dial tcp 192.0.2.1:443: connection refused", None),
    ),
}


@pytest.mark.parametrize(("attempt", "verdict"), TABLE.values(), ids=TABLE)
def test_judge(attempt: KubernetesJob, verdict: Verdict) -> None:
    """What is observed of an attempt decides how it stands."""
    assert judge(attempt, PLAIN, NOW, GRACE) == verdict


@pytest.mark.parametrize(
    ("job", "attempt", "verdict"),
    [
        (
            WITH_OUTPUTS,
            attempt_at("build", complete=True),
            Lost(Reason.POD_LOST, "its Pod is gone, and its outputs with it"),
        ),
        (WITH_OUTPUTS, attempt_at("build", pod(going()), complete=True), Going(NOW)),
        (PLAIN, attempt_at("build", pod(going()), complete=True), Ended(None, None, 0)),
    ],
    ids=["outputs are lost", "outputs are on their way", "no outputs to wait for"],
)
def test_complete(job: JobPlan, attempt: KubernetesJob, verdict: Verdict) -> None:
    """A complete Job is a success without its Pod, too, unless outputs are wanted of it."""
    assert judge(attempt, job, NOW, GRACE) == verdict


@pytest.mark.parametrize("reason", ["BackoffLimitExceeded", "PodFailurePolicy", ""])
def test_failures(reason: str) -> None:
    """Whatever the Job controller calls it: without a container that ended by itself, the attempt was lost."""
    attempt = attempt_at("build", failure=reason)
    assert (attempt.failure, judge(attempt, PLAIN, NOW, GRACE)) == (
        JobFailure(reason),
        Lost(Reason.POD_LOST, "its Pod was deleted"),
    )


# Services

SERVED = (
    a_spec()
    .job(
        "build",
        commands=["make", "make check"],
        services={
            "postgres": "postgres:15",
            "web": {"image": "mine", "ports": [80], "healthCheck": {"http": "/up", "retries": 8, "timeout": 1}},
            "plain": "mine",
        },
    )
    .workflow()
    .jobs[JobId("build")]
)
NOT_YET = waiting("PodInitializing")
CRASHED = ended(exit_code=1, message="Error: no password\n       set one\n")
GIVEN_UP = "never became healthy in 10s, checked by GET /up on port 80"


def ready(name: str = "postgres", **fields: Any) -> ServiceState:  # noqa: ANN401  any of the service's own
    """Give a service that what follows needn't wait for."""
    return ServiceState(name, **{"container": going(), "started": True, **fields})


def failed(message: str, reason: Reason = Reason.SERVICE_FAILED) -> Ended:
    """Give the verdict on an attempt whose steps never ran."""
    return Ended(reason, message, None)


def before(*services: ServiceState, **fields: Any) -> KubernetesJob:  # noqa: ANN401  any of the Pod's own
    """Give an attempt whose steps haven't started."""
    return attempt_at("build", pod(NOT_YET, services=services, **fields))


def after(main: ContainerTerminated, *services: ServiceState) -> KubernetesJob:
    """Give an attempt whose main container has ended."""
    return attempt_at("build", pod(main, services=services))


SERVICES: dict[str, tuple[KubernetesJob, Verdict]] = {
    # They start one after another
    "not reported yet": (before(), Waiting()),
    "the first one starts": (
        before(ServiceState("postgres", NOT_YET), ServiceState("web", NOT_YET)),
        Waiting("waiting for service postgres"),
    ),
    "the first one isn't ready": (
        before(ServiceState("postgres", going(-1)), ServiceState("web", NOT_YET)),
        Waiting("waiting for service postgres", at(-1 + 600 + 15)),
    ),
    "the second one isn't ready": (
        before(ready(), ServiceState("web", going(-1))),
        Waiting("waiting for service web", at(-1 + 8 + 15)),
    ),
    "all are ready": (before(ready(), ready("web"), ready("plain")), Waiting()),
    "the steps run": (attempt_at("build", pod(going(), services=(ServiceState("web", CRASHED),))), Going(NOW)),
    "an init container runs": (
        before(ServiceState("prepare", going(), stays=False)),
        Waiting("waiting for init container prepare"),
    ),
    "an init container is done": (
        before(ServiceState("prepare", ended(exit_code=0), stays=False), ServiceState("agent", NOT_YET)),
        Waiting("waiting for sidecar agent"),
    ),
    # They can't start
    "no image, so far": (
        before(ServiceState("web", waiting("ErrImagePull", "no\nroute")), scheduled_at=at(-50)),
        Waiting("service web: ErrImagePull: no route", at(10)),
    ),
    "no image": (
        before(ServiceState("web", waiting("ImagePullBackOff", "no route")), scheduled_at=at(-60)),
        failed("service web: ImagePullBackOff: no route", Reason.IMAGE_PULL_FAILED),
    ),
    "no image of the second one, whose turn came late": (
        before(
            ready(container=going(-10)), ServiceState("web", waiting("ErrImagePull", "no route")), scheduled_at=at(-300)
        ),
        Waiting("service web: ErrImagePull: no route", at(50)),
    ),
    "not an image": (
        before(ServiceState("web", waiting("InvalidImageName", "bad"))),
        failed("service web: not an image's name: bad", Reason.IMAGE_PULL_FAILED),
    ),
    "no such Secret": (
        before(ServiceState("web", waiting("CreateContainerConfigError", "no secret")), scheduled_at=at(-60)),
        failed("service web: CreateContainerConfigError: no secret", Reason.MISCONFIGURED),
    ),
    "no such command": (
        before(
            ServiceState(
                "web",
                waiting("RunContainerError", "no such file"),
                restarts=1,
                last=replace(ended(exit_code=128, reason="StartError", message="no such file"), started_at=at(-1e9)),
            )
        ),
        failed("service web couldn't start: no such file"),
    ),
    # They end before the steps start
    "it ended": (
        before(ServiceState("postgres", CRASHED)),
        failed("service postgres ended with exit code 1: Error: no password set one"),
    ),
    "it ended, and is to be started again": (
        before(ServiceState("postgres", waiting("CrashLoopBackOff"), restarts=1, last=CRASHED)),
        failed("service postgres ended with exit code 1: Error: no password set one"),
    ),
    "it ended, and runs again": (
        before(ServiceState("postgres", going(11), restarts=1, last=CRASHED)),
        failed("service postgres ended with exit code 1: Error: no password set one"),
    ),
    "it ended, and has got ready since": (
        before(ready(restarts=1, last=CRASHED), ready("web"), ready("plain")),
        Waiting(),
    ),
    "it ended as if all were well": (
        before(ServiceState("plain", ended(exit_code=0))),
        failed("service plain ended with exit code 0"),
    ),
    "it has much to say": (
        before(ServiceState("plain", ended(exit_code=1, message="\x1b[31mword\n" * 100 + "the end"))),
        failed("service plain ended with exit code 1: …" + (" [31mword" * 100 + " the end")[-299:]),
    ),
    "it ran out of memory": (
        before(ServiceState("web", ended(exit_code=137, reason="OOMKilled"))),
        failed("service web ran out of memory"),
    ),
    "the kubelet lost it": (
        before(ServiceState("plain", going(20), restarts=1, last=ended(exit_code=255, reason="Unknown"))),
        Waiting("waiting for service plain"),
    ),
    "an init container failed": (
        before(ServiceState("prepare", ended(exit_code=3, message="no luck\n"), stays=False)),
        failed("init container prepare ended with exit code 3: no luck"),
    ),
    "an init container failed, and the Job controller says so": (
        attempt_at(
            "build",
            pod(NOT_YET, services=(ServiceState("prepare", ended(exit_code=3), stays=False),)),
            failure="BackoffLimitExceeded",
        ),
        failed("init container prepare ended with exit code 3"),
    ),
    # They never get ready
    "given up, and went quietly": (
        before(ServiceState("web", going(11), restarts=1, last=ended(exit_code=0))),
        failed(f"service web {GIVEN_UP}"),
    ),
    "given up, and killed": (
        before(ServiceState("web", going(11), restarts=1, last=ended(exit_code=137, message="starting up\n"))),
        failed(f"service web {GIVEN_UP}: starting up"),
    ),
    "given up, by its image's check": (
        before(ServiceState("postgres", ended(exit_code=143))),
        failed(
            "service postgres never became healthy in 10s, "
            'checked by pg_isready -q -h 127.0.0.1 -p 5432 -U "${POSTGRES_USER:-pos…'
        ),
    ),
    "ended long before it was given up": (
        before(ServiceState("web", replace(ended(exit_code=2), finished_at=at(6)))),
        failed("service web ended with exit code 2"),
    ),
    "never checked, so far": (
        before(ready(), ServiceState("web", going(-22))),
        Waiting("waiting for service web", at(1)),
    ),
    "never checked": (
        before(ready(), ServiceState("web", going(-23))),
        failed(
            "service web never became healthy in 23s; checked by GET /up on port 80, which may be missing in its image"
        ),
    ),
    # They end while the steps run
    "the job failed after a service was started again": (
        after(ended(BROKEN), ready(restarts=1, last=replace(CRASHED, finished_at=at(9))), ready("web")),
        over(
            Reason.STEP_FAILED,
            'step "make check" failed with exit code 2; service postgres ended with exit code 1 meanwhile',
            2,
            BROKEN,
        ),
    ),
    "the job failed when a service ended": (
        after(
            ended(BROKEN),
            ServiceState("postgres", replace(ended(exit_code=137, reason="OOMKilled"), finished_at=at(9))),
        ),
        over(
            Reason.STEP_FAILED,
            'step "make check" failed with exit code 2; service postgres ran out of memory meanwhile',
            2,
            BROKEN,
        ),
    ),
    "the job timed out after two services ended": (
        after(
            ended(TIMED_OUT),
            ready(restarts=1, last=replace(CRASHED, finished_at=at(9))),
            ready("web", restarts=1, last=replace(CRASHED, finished_at=NOW)),
        ),
        over(
            Reason.TIMED_OUT,
            "timed out after 6h; service postgres ended with exit code 1 meanwhile; "
            "service web ended with exit code 1 meanwhile",
            124,
            TIMED_OUT,
        ),
    ),
    "the job failed, and its services ended with it": (
        after(ended(BROKEN), ServiceState("postgres", ended(exit_code=143)), ServiceState("web", ended(exit_code=0))),
        over(Reason.STEP_FAILED, 'step "make check" failed with exit code 2', 2, BROKEN),
    ),
    "the job failed after a service needed two starts": (
        after(ended(BROKEN), ready(restarts=1, last=replace(CRASHED, finished_at=at(-1)))),
        over(Reason.STEP_FAILED, 'step "make check" failed with exit code 2', 2, BROKEN),
    ),
    "the job succeeded in spite of it": (
        after(ended(DONE), ready(restarts=1, last=replace(CRASHED, finished_at=at(9)))),
        over(None, None, 0, DONE),
    ),
}


@pytest.mark.parametrize(("attempt", "verdict"), SERVICES.values(), ids=SERVICES)
def test_services(attempt: KubernetesJob, verdict: Verdict) -> None:
    """Trouble with a service is told apart from a failure of the job, and told of where it may be the cause."""
    assert judge(attempt, SERVED, NOW, GRACE) == verdict


def test_a_steps_own_timeout() -> None:
    """It is a timeout of its job, told by the step's name and time, and so may be tried again as one."""
    job = a_spec().job("build", steps=[{"run": "make", "timeout": "5s"}]).workflow().jobs[JobId("build")]
    report = Report((StepReport(124, 0, 5, timed_out=True),), {}, 124)

    verdict = judge(attempt_at("build", pod(ended(report))), job, at(20), GRACE)

    assert isinstance(verdict, Ended)
    assert (verdict.reason, verdict.message) == (Reason.TIMED_OUT, 'step "make" timed out after 5s')
