from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fairlead.model.ids import JobId
from fairlead.model.phase import Reason
from fairlead.plan import JobFailure
from fairlead.plan.attempts import Ended, Going, Lost, Verdict, Waiting, judge
from tests.builders import NOW, a_spec, at, attempt_at, ended, going, pod, reported, waiting

if TYPE_CHECKING:
    from fairlead.model.report import Report
    from fairlead.model.workflow import JobPlan
    from fairlead.plan import KubernetesJob

GRACE = timedelta(seconds=60)
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
