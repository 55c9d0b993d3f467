"""What a real cluster (Kubernetes 1.36, containerd 2) says of Pods with services, from the API to the verdict."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.kube.reduce import pod_record
from fairlead.model.ids import JobId
from fairlead.model.phase import Reason
from fairlead.plan.attempts import Ended, Going, Waiting, judge
from tests.builders import a_spec, attempt_at
from tests.kube.documents import pod_document

if TYPE_CHECKING:
    from fairlead.plan.attempts import Verdict

GRACE = timedelta(seconds=60)
SERVICES: dict[str, Any] = {
    "postgres": "postgres:15",
    "redis": {"image": "redis:7", "healthCheck": {"command": ["no-such-command"], "retries": 3, "timeout": "1s"}},
    "web": {"image": "busybox:1.35", "ports": [8080], "healthCheck": {"retries": 8}},
    "plain": "busybox:1.35",
}
JOB = a_spec().job("build", commands=["make"], services=SERVICES).workflow().jobs[JobId("build")]

INITIALIZING = {
    "name": "main",
    "ready": False,
    "restartCount": 0,
    "started": False,
    "state": {"waiting": {"reason": "PodInitializing"}},
}
UNINITIALIZED = (
    "Error: Database is uninitialized and superuser password is not specified.\n"
    "       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser.\n"
)
NO_COMMAND = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    'unable to start container process: exec: "no-such-command": executable file not found in $PATH: unknown'
)
NO_IMAGE = (
    'Back-off pulling image "nowhere.example/web:1": ErrImagePull: failed to pull and unpack image '
    '"nowhere.example/web:1": failed to resolve reference "nowhere.example/web:1": failed to do request: Head '
    '"https://nowhere.example/v2/web/manifests/1": dial tcp: lookup nowhere.example: no such host'
)


def at(seconds: int) -> datetime:
    """Give the moment of that second."""
    return datetime(2026, 11, 21, 7, 26, tzinfo=UTC) + timedelta(seconds=seconds)


def ended(code: int, start: int, end: int, message: str = "", reason: str = "") -> dict[str, Any]:
    """Give the state of a container that has ended."""
    times = {"startedAt": _written(at(start)), "finishedAt": _written(at(end))}
    said = {"message": message} if message else {}
    return {"terminated": {"exitCode": code, "reason": reason or ("Error" if code else "Completed"), **times, **said}}


def running(start: int) -> dict[str, Any]:
    """Give the state of a container that runs."""
    return {"running": {"startedAt": _written(at(start))}}


def service(name: str, state: dict[str, Any], last: dict[str, Any] | None = None, **fields: object) -> dict[str, Any]:
    """Give a service's status."""
    made = {"name": name, "ready": False, "restartCount": 0, "started": False, "image": "x", "imageID": ""}
    return {**made, "state": state, "lastState": last or {}, **fields}


def status(*services: dict[str, Any], phase: str = "Pending", main: dict[str, Any] | None = None) -> dict[str, Any]:
    """Give the status of a Pod that was scheduled in second 32."""
    return {
        "phase": phase,
        "conditions": [
            {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": _written(at(33))},
            {"type": "Initialized", "status": "False", "reason": "ContainersNotInitialized"},
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": _written(at(32))},
        ],
        "initContainerStatuses": list(services),
        "containerStatuses": [{**INITIALIZING, "state": main} if main else INITIALIZING],
    }


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


BACK_OFF = {
    "waiting": {"message": "back-off 20s restarting failed container=postgres pod=a_b(c)", "reason": "CrashLoopBackOff"}
}
NOT_YET = {"waiting": {"reason": "PodInitializing"}}
PULLING = {"waiting": {"message": NO_IMAGE, "reason": "ImagePullBackOff"}}
NEVER_RAN = {
    "terminated": {**ended(128, 0, 48, NO_COMMAND, "StartError")["terminated"], "startedAt": "1970-01-01T00:00:00Z"}
}

PODS: dict[str, tuple[dict[str, Any], Verdict]] = {
    "one after another": (
        status(service("postgres", running(33)), service("web", NOT_YET)),
        Waiting("waiting for service postgres", at(33 + 615)),
    ),
    "all well": (
        status(
            service("postgres", running(33), started=True, ready=True),
            service("web", running(36), started=True, ready=True),
            phase="Running",
            main=running(37),
        ),
        Going(at(37)),
    ),
    "a service crashes": (
        status(service("postgres", BACK_OFF, ended(1, 48, 48, UNINITIALIZED), restartCount=2)),
        Ended(
            Reason.SERVICE_FAILED,
            f"service postgres ended with exit code 1: {' '.join(UNINITIALIZED.split())}",
            None,
        ),
    ),
    "a service that heeds the signal never gets ready": (
        status(service("web", running(50), ended(0, 42, 50), restartCount=2)),
        Ended(
            Reason.SERVICE_FAILED,
            "service web never became healthy in 8s, checked by a connection to port 8080",
            None,
        ),
    ),
    "a service that is killed never gets ready": (
        status(service("web", running(52), ended(137, 43, 52, "starting up\n"), restartCount=2)),
        Ended(
            Reason.SERVICE_FAILED,
            "service web never became healthy in 9s, checked by a connection to port 8080: starting up",
            None,
        ),
    ),
    "the check's command isn't there": (
        status(service("redis", running(34))),
        Ended(
            Reason.SERVICE_FAILED,
            "service redis never became healthy in 26s; checked by no-such-command, which may be missing in its image",
            None,
        ),
    ),
    "the service's command isn't there": (
        status(
            service(
                "plain",
                {"waiting": {"message": NO_COMMAND, "reason": "RunContainerError"}},
                NEVER_RAN,
                restartCount=2,
            )
        ),
        Ended(Reason.SERVICE_FAILED, f"service plain couldn't start: {NO_COMMAND}", None),
    ),
    "no such image": (
        status(service("web", PULLING)),
        Waiting(f"service web: ImagePullBackOff: {NO_IMAGE}", at(92)),
    ),
    "an init container of the job's own fails": (
        status(service("prepare", ended(3, 33, 34, "no luck\n")), phase="Failed"),
        Ended(Reason.SERVICE_FAILED, "init container prepare ended with exit code 3: no luck", None),
    ),
}


@pytest.mark.parametrize(("found", "verdict"), PODS.values(), ids=PODS)
def test_verdict(found: dict[str, Any], verdict: Verdict) -> None:
    """What the kubelet says of a Pod's services becomes what people are told of their job."""
    record = pod_record(pod_document(found, sidecars=tuple(SERVICES)))
    assert record is not None
    assert judge(attempt_at("build", record.pod), JOB, at(60), GRACE) == verdict


def test_meanwhile() -> None:
    """A service that ended twice while the steps ran is told of once, when the job has failed."""
    found = status(
        service("plain", ended(7, 37, 40, "serving\n"), ended(7, 34, 37, "serving\n"), restartCount=1),
        phase="Failed",
        main=ended(1, 34, 40, "fairlead 2\ns 1 4 604\nend 1\n"),
    )
    record = pod_record(pod_document(found, sidecars=tuple(SERVICES)))
    assert record is not None
    verdict = judge(attempt_at("build", record.pod), JOB, at(60), GRACE)
    assert isinstance(verdict, Ended)
    assert verdict.message == 'step "make" failed with exit code 1; service plain ended with exit code 7 meanwhile'


def test_quick_end() -> None:
    """Services that are still there, or were just ended, don't hold up a job whose steps are done."""
    found = status(
        service("postgres", running(33), started=True, ready=True),
        service("web", ended(137, 34, 57)),
        phase="Running",
        main=ended(0, 37, 57, "fairlead 2\ns 0 2 3\nend 0\n"),
    )
    record = pod_record(pod_document(found, sidecars=tuple(SERVICES)))
    assert record is not None
    verdict = judge(attempt_at("build", record.pod), JOB, at(58), GRACE)
    assert isinstance(verdict, Ended)
    assert (verdict.reason, verdict.finished_at) == (None, at(57))
