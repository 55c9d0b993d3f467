from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairlead.model.ids import RunNumber
from fairlead.model.phase import Reason, WorkflowPhase
from fairlead.model.status import WorkflowStatus
from fairlead.plan.announcements import Announcement, announce
from tests.builders import DIGEST, a_record_of, a_run, failed, pending, queued, running, skipped, succeeded

if TYPE_CHECKING:
    from tests.builders import RunBuilder

NOTHING = WorkflowStatus()
RUNNING = a_run().with_job("build", running()).with_job("test", pending()).but(message="running: build")


def done(phase: WorkflowPhase) -> RunBuilder:
    """Give a run that ended."""
    return a_run(phase).with_job("build", succeeded()).but(message="what happened")


def warning(reason: str, message: str, identity: str) -> Announcement:
    """Give a warning."""
    return Announcement(reason, message, warning=True, identity=identity)


def note(reason: str, message: str, identity: str) -> Announcement:
    """Give what is no reason to worry."""
    return Announcement(reason, message, warning=False, identity=identity)


LOST = {"reason": Reason.POD_LOST, "message": "restarted: its Pod was deleted"}
STUCK = queued(message="ImagePullBackOff: a")
WAITING = queued().model_copy(
    update={"attempt": None, "reason": Reason.WAITING_FOR_ROOM, "message": "the limit on jobs is reached"}
)
REFUSED = pending().model_copy(update={"message": "can't be started yet: quota"})

TABLE: dict[str, tuple[WorkflowStatus, WorkflowStatus, tuple[Announcement, ...]]] = {
    "it starts": (NOTHING, RUNNING.status(), ()),
    "nothing changes": (RUNNING.status(), RUNNING.status(), ()),
    "a job ends well": (RUNNING.status(), RUNNING.with_job("build", succeeded()).status(), ()),
    "a job fails": (
        RUNNING.status(),
        RUNNING.with_job("build", failed("boom")).with_job("test", skipped()).status(),
        (warning("JobFailed", 'job "build": boom', f"{DIGEST}/1/build/failed"),),
    ),
    "a job had failed before": (
        RUNNING.with_job("build", failed("boom")).status(),
        RUNNING.with_job("build", failed("boom")).with_job("test", skipped()).status(),
        (),
    ),
    "a job is restarted": (
        RUNNING.status(),
        RUNNING.with_job("build", queued(2, **LOST)).status(),
        (warning("JobRestarted", 'job "build": restarted: its Pod was deleted', f"{DIGEST}/1/build/2"),),
    ),
    "a job was restarted before": (
        RUNNING.with_job("build", queued(2, **LOST)).status(),
        RUNNING.with_job("build", running(2)).status(),
        (),
    ),
    "a job waits for its image": (
        RUNNING.with_job("build", queued()).status(),
        RUNNING.with_job("build", STUCK).status(),
        (warning("JobWaiting", 'job "build": ImagePullBackOff: a', f"{DIGEST}/1/build/1/waiting"),),
    ),
    "a job still waits, in other words": (
        RUNNING.with_job("build", queued(message="ErrImagePull: a")).status(),
        RUNNING.with_job("build", STUCK).status(),
        (),
    ),
    "a job is refused": (
        NOTHING,
        RUNNING.with_job("build", REFUSED).status(),
        (warning("JobWaiting", 'job "build": can\'t be started yet: quota', f"{DIGEST}/1/build/None/waiting"),),
    ),
    "a job waits for its turn": (
        NOTHING,
        RUNNING.with_job("build", WAITING).status(),
        (),
    ),
    "all is suspended": (
        NOTHING,
        RUNNING.with_job("build", queued(reason=Reason.SUSPENDED, message="the workflow is suspended")).status(),
        (),
    ),
    "a job is stuck after it has waited for its turn": (
        RUNNING.with_job("build", WAITING).status(),
        RUNNING.with_job("build", STUCK).status(),
        (warning("JobWaiting", 'job "build": ImagePullBackOff: a', f"{DIGEST}/1/build/1/waiting"),),
    ),
    "it succeeds": (
        RUNNING.status(),
        done(WorkflowPhase.SUCCEEDED).status(),
        (),
    ),
    "it succeeds in part": (
        RUNNING.status(),
        done(WorkflowPhase.PARTIAL).status(),
        (note("PartlySucceeded", "run 1: what happened", f"{DIGEST}/1/Partial"),),
    ),
    "it fails": (
        RUNNING.status(),
        done(WorkflowPhase.FAILED).status(),
        (warning("Failed", "run 1: what happened", f"{DIGEST}/1/Failed"),),
    ),
    "it is cancelled": (
        RUNNING.status(),
        done(WorkflowPhase.CANCELLED).status(),
        (note("Cancelled", "run 1: what happened", f"{DIGEST}/1/Cancelled"),),
    ),
    "it had ended before": (done(WorkflowPhase.FAILED).status(), done(WorkflowPhase.FAILED).status(), ()),
    "it is invalid": (
        NOTHING,
        WorkflowStatus(observed_generation=1, phase=WorkflowPhase.INVALID, message="spec.jobs: is missing"),
        (warning("Invalid", "spec.jobs: is missing", "1/None/Invalid"),),
    ),
    "it is superseded": (
        RUNNING.status(),
        a_run(run=2, generation=2)
        .with_job("build", queued())
        .but(history=(a_record_of(1, WorkflowPhase.CANCELLED, "superseded by generation 2"),))
        .status(),
        (note("Superseded", "run 1 was superseded by generation 2", f"{DIGEST}/2/superseded"),),
    ),
    "the next run after an end": (
        done(WorkflowPhase.SUCCEEDED).status(),
        a_run(run=2, generation=2).with_job("build", queued()).but(history=(a_record_of(1),)).status(),
        (),
    ),
    "times of the schedule were missed": (
        done(WorkflowPhase.SUCCEEDED).status(),
        a_run(run=2).with_job("build", queued()).but(history=(a_record_of(1),), missed_runs=3).status(),
        (warning("MissedRuns", "3 times of the schedule passed without a run", f"{DIGEST}/2/missed/3"),),
    ),
    "that was told before": (
        a_run(run=2).with_job("build", queued()).but(missed_runs=3).status(),
        a_run(run=2).with_job("build", running()).but(missed_runs=3).status(),
        (),
    ),
    "a rerun keeps what had failed": (
        done(WorkflowPhase.FAILED).status(),
        a_run(run=2)
        .with_job("build", failed("boom", kept_from=RunNumber(1)))
        .with_job("test", queued())
        .but(history=(a_record_of(1),))
        .status(),
        (),
    ),
    "only how it is steered is edited": (RUNNING.status(), RUNNING.but(observed_generation=2).status(), ()),
    "a mistake is followed by another": (
        WorkflowStatus(observed_generation=1, phase=WorkflowPhase.INVALID, message="spec.jobs: is missing"),
        WorkflowStatus(observed_generation=2, phase=WorkflowPhase.INVALID, message="spec.job: unknown field"),
        (warning("Invalid", "spec.job: unknown field", "2/None/Invalid"),),
    ),
    "the next run ends the same way at once": (
        done(WorkflowPhase.FAILED).status(),
        a_run(WorkflowPhase.FAILED, run=2, generation=2)
        .with_job("build", failed("boom"))
        .but(history=(a_record_of(1),), message="what happened")
        .status(),
        (
            warning("JobFailed", 'job "build": boom', f"{DIGEST}/2/build/failed"),
            warning("Failed", "run 2: what happened", f"{DIGEST}/2/Failed"),
        ),
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), TABLE.values(), ids=TABLE)
def test_announce(before: WorkflowStatus, after: WorkflowStatus, expected: tuple[Announcement, ...]) -> None:
    """People are told of what ended, and of what went wrong, once."""
    assert announce(before, after) == expected


def test_many_jobs_at_once() -> None:
    """Of thousands that fail at once some are told of, and how many more there are."""
    run = RUNNING
    for number in range(1000):
        run = run.with_job(f"j{number}", failed("boom"))
    told = announce(RUNNING.status(), run.status())
    assert told[:2] == (
        warning("JobFailed", 'job "j0": boom', f"{DIGEST}/1/j0/failed"),
        warning("JobFailed", 'job "j1": boom', f"{DIGEST}/1/j1/failed"),
    )
    assert told[10:] == (
        warning(
            "MoreJobs",
            "990 more jobs failed, were restarted, or wait: see the status",
            f"{DIGEST}/1/j10/failed/more",
        ),
    )
