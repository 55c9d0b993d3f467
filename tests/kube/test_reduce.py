from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fairlead.engine.records import Call, JobRecord, PodRecord, WorkflowRecord
from fairlead.kube.reduce import job_record, pod_record, version_of, watched_job_record, workflow_record
from fairlead.model.ids import JobId, NodeId, RunNumber, Uid
from fairlead.model.report import Report, StepReport
from fairlead.model.status import WorkflowStatus
from fairlead.plan import CalledWorkflow, ContainerRunning, ContainerTerminated, ContainerWaiting, JobFailure, Pod
from fairlead.plan.neighbours import Caller
from fairlead.plan.observed import ServiceState
from tests.builders import KEY, NOW, UID, a_resource, a_run, at, attempt_at, called, name_of, queued
from tests.kube.documents import (
    call_document,
    condition,
    container,
    job_document,
    labels_of,
    pod_document,
    workflow_document,
)

# Workflows


def test_workflow() -> None:
    """A Workflow is kept with its spec and status as they are, and its status as it is read."""
    status = a_run().with_job("build", queued()).status()
    document = workflow_document({"jobs": {"a": 1}}, labels={"b": "c"}, annotations={"d": "e"}, generation=4)
    document["status"] = status.to_json() | {"future": 1}
    assert workflow_record(document) == WorkflowRecord(
        resource=a_resource(generation=4, status=status, labels={"b": "c"}, annotations={"d": "e"}),
        spec={"jobs": {"a": 1}},
        status=document["status"],
        version=7,
    )


CHAIN = json.dumps([{"uid": "far", "run": 7, "job": "outer"}, {"uid": UID, "run": 1, "job": "build"}])
NEAREST = Caller(UID, RunNumber(1), NodeId(JobId("build")))
CALLS: dict[str, tuple[dict[str, Any], tuple[Caller, ...], CalledWorkflow]] = {
    "by one that was called itself": (
        {"annotations": {"fairlead.dev/callers": CHAIN}},
        (Caller(Uid("far"), RunNumber(7), NodeId(JobId("outer"))), NEAREST),
        called("build"),
    ),
    "by a combination": (
        {
            "name": name_of("build", combination=2),
            "labels": {**labels_of(), "fairlead.dev/combination": "2", "fairlead.dev/retries": "3"},
        },
        (Caller(UID, RunNumber(1), NodeId(JobId("build"), 2)),),
        replace(called("build", combination=2), retries=3),
    ),
    "in a group": (
        {"annotations": {"fairlead.dev/concurrency-group": "g", "fairlead.dev/run-concurrency-group": "r"}},
        (NEAREST,),
        called("build", group="g", run_group="r"),
    ),
    "a chain of others": (
        {"annotations": {"fairlead.dev/callers": '[{"uid":"somebody","run":1,"job":"build"}]'}},
        (NEAREST,),
        called("build"),
    ),
    "no chain": ({"annotations": {"fairlead.dev/callers": "{"}}, (NEAREST,), called("build")),
    "being deleted": (
        {"deletionTimestamp": "2026-03-01T12:00:00Z"},
        (NEAREST,),
        called("build", deleting=True),
    ),
    "an earlier run was cancelled": ({"annotations": {"fairlead.dev/cancel": "1"}}, (NEAREST,), called("build")),
}


@pytest.mark.parametrize(("metadata", "callers", "seen"), CALLS.values(), ids=CALLS)
def test_called(metadata: dict[str, Any], callers: tuple[Caller, ...], seen: CalledWorkflow) -> None:
    """Of a called Workflow it is kept who called it, and how it looks from there."""
    record = workflow_record(call_document(**metadata))
    assert (record.resource.callers, record.call) == (callers, Call(UID, KEY, seen))


def test_called_and_cancelled() -> None:
    """A caller sees what is recorded of whom it called, and that its run was asked to end."""
    status = a_run(run=2).status()
    document = call_document(annotations={"fairlead.dev/cancel": " 2 "}) | {"status": status.to_json()}
    assert workflow_record(document).call == Call(UID, KEY, called("build", status, cancelling=True))


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {}},
        {"labels": {name: value for name, value in labels_of().items() if name != "fairlead.dev/run"}},
        {"labels": {**labels_of(), "fairlead.dev/attempt": "first"}},
        {"ownerReferences": []},
        {"ownerReferences": [{"kind": "Workflow", "name": "ci", "uid": "another"}]},
    ],
)
def test_not_called(metadata: dict[str, Any]) -> None:
    """Labels and annotations claim nothing that the owner doesn't bear out."""
    record = workflow_record(call_document(**metadata))
    assert (record.resource.callers, record.call) == ((), None)


@pytest.mark.parametrize("missing", [{}, {"spec": None, "status": None}, {"status": {"phase": "?"}}])
def test_poor_workflow(missing: dict[str, Any]) -> None:
    """A Workflow without spec, or with a status that nobody understands, is still one."""
    document = {"metadata": workflow_document()["metadata"], **missing}
    record = workflow_record(document)
    assert (record.resource, record.spec) == (a_resource(status=WorkflowStatus()), {})


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("", 0), ("abc", 0), (None, 0), ("-1", 0)])
def test_version(text: str | None, number: int) -> None:
    """A version is a number; anything else is older than all."""
    assert version_of({"metadata": {"resourceVersion": text}}) == number


# Jobs


def a_job(*, started: bool = False, **fields: Any) -> JobRecord:  # noqa: ANN401  any of the Job's own
    """Give what is kept of the Job of `job_document`."""
    return JobRecord(UID, KEY, replace(attempt_at("build"), **fields), 8, started=started)


GAVE_UP = condition("Failed", reason="BackoffLimitExceeded", message="Job has reached the specified backoff limit")
JOBS = {
    "new": (job_document(), a_job()),
    "suspended": (job_document(conditions=(condition("Suspended"),)), a_job(started=True)),
    "complete": (job_document(conditions=(condition("Complete"),)), a_job(started=True, complete=True)),
    "about to be complete": (
        job_document(conditions=(condition("SuccessCriteriaMet"),)),
        a_job(started=True, complete=True),
    ),
    "not complete": (job_document(conditions=(condition("Complete", "False"),)), a_job(started=True)),
    "given up": (
        job_document(conditions=(GAVE_UP,)),
        a_job(started=True, failure=JobFailure("BackoffLimitExceeded", "Job has reached the specified backoff limit")),
    ),
    "about to be given up": (
        job_document(conditions=(condition("FailureTarget", reason="DeadlineExceeded"),)),
        a_job(started=True, failure=JobFailure("DeadlineExceeded")),
    ),
    "being deleted": (job_document(deletionTimestamp="2026-03-01T12:00:00Z"), a_job(deleting=True)),
    "a combination": (
        job_document(
            name=name_of("build", combination=12),
            labels={**labels_of(), "fairlead.dev/combination": "12", "fairlead.dev/retries": "2"},
        ),
        a_job(name=name_of("build", combination=12), node=NodeId(JobId("build"), 12), retries=2),
    ),
    "of a group": (
        job_document(
            annotations={
                "fairlead.dev/concurrency-group": "team/deploy",
                "fairlead.dev/run-concurrency-group": "team/ci",
            }
        ),
        a_job(group="team/deploy", run_group="team/ci"),
    ),
}


@pytest.mark.parametrize(("document", "record"), JOBS.values(), ids=JOBS)
def test_job(document: dict[str, Any], record: JobRecord) -> None:
    """Of a Job its identity is kept, and whether it is over."""
    assert job_record(document) == record


def test_job_that_is_taken_up() -> None:
    """The Job controller sets a start time with its first status; what another controller looks after isn't its own."""
    document, another = job_document(), job_document() | {"spec": {"managedBy": "kueue.x-k8s.io/multikueue"}}
    begun = document | {"status": {"startTime": "2026-03-01T12:00:02Z", "ready": 0}}
    records = [job_record(each) for each in (document, begun, another)]
    assert [record and record.started for record in records] == [False, True, True]
    assert [record and record.job.taken_up_at for record in records[:2]] == [None, at(2)]


OWNED_BY_ANOTHER = [{"kind": "Workflow", "name": "ci", "uid": "another"}]


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": None},
        {"labels": {}},
        {"labels": {name: value for name, value in labels_of().items() if name != "fairlead.dev/job"}},
        {"labels": {**labels_of(), "fairlead.dev/attempt": "first"}},
        {"labels": {**labels_of(), "fairlead.dev/run": ""}},
        {"labels": {**labels_of(), "fairlead.dev/combination": "x"}},
        {"labels": {name: value for name, value in labels_of().items() if name != "fairlead.dev/spec"}},
        {"ownerReferences": None},
        {"ownerReferences": OWNED_BY_ANOTHER},
    ],
)
def test_not_ours(metadata: dict[str, Any]) -> None:
    """What lacks a label, or isn't owned by the Workflow that its labels name, is none of ours."""
    assert job_record(job_document(**metadata)) is None


# Pods

SCHEDULED = condition("PodScheduled")
FULL = "0/1 nodes are available: 1 Insufficient cpu."
TERMINATED = {"exitCode": 1, "startedAt": "2026-03-01T12:00:01Z", "finishedAt": "2026-03-01T12:00:11Z"}
REPORT = "fairlead 2\ns 0 0 150\ns 1 150 200\no v version=1.2\nend 1\n"


def a_pod(**fields: Any) -> PodRecord:  # noqa: ANN401  any of the Pod's own
    """Give what is kept of the Pod of `pod_document`."""
    made = Pod(**{"name": f"{name_of('build')}-abcde", **fields})
    return PodRecord(UID, KEY, name_of("build"), NOW, made, 9, of=attempt_at("build"))


def running(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any of the status's own
    """Give the status of a Pod on a node."""
    return {"phase": "Running", "conditions": [SCHEDULED], "containerStatuses": list(containers), **fields}


PODS = {
    "new": (pod_document(), a_pod()),
    "without a status": (pod_document({}), a_pod()),
    "no room": (
        pod_document({"conditions": [condition("PodScheduled", "False", reason="Unschedulable", message=FULL)]}),
        a_pod(trouble=FULL),
    ),
    "no room, without a word": (
        pod_document({"conditions": [condition("PodScheduled", "False", reason="SchedulingGated")]}),
        a_pod(trouble="SchedulingGated"),
    ),
    "starting": (
        pod_document(running(container({"waiting": {"reason": "ContainerCreating"}}), phase="Pending")),
        a_pod(container=ContainerWaiting("ContainerCreating"), scheduled_at=at(5)),
    ),
    "no image": (
        pod_document(running(container({"waiting": {"reason": "ErrImagePull", "message": "not found"}}))),
        a_pod(container=ContainerWaiting("ErrImagePull", "not found"), scheduled_at=at(5)),
    ),
    "running": (
        pod_document(running(container({"running": {"startedAt": "2026-03-01T12:00:07Z"}}))),
        a_pod(container=ContainerRunning(at(7)), scheduled_at=at(5)),
    ),
    "its state isn't known": (
        pod_document(running(container({}))),
        a_pod(scheduled_at=at(5)),
    ),
    "a container beside the main one has ended": (
        pod_document(running(container({"terminated": TERMINATED}, "istio"), container({"running": {}}))),
        a_pod(container=ContainerRunning(None), scheduled_at=at(5)),
    ),
    "ended with a report": (
        pod_document(running(container({"terminated": {**TERMINATED, "reason": "Error", "message": REPORT}}))),
        a_pod(
            container=ContainerTerminated(
                exit_code=1,
                reason="Error",
                message=REPORT,
                started_at=at(1),
                finished_at=at(11),
                report=Report((StepReport(0, 0, 1.5), StepReport(1, 1.5, 2)), {"v": {"version": "1.2"}}, 1),
            ),
            scheduled_at=at(5),
        ),
    ),
    "ended without a report": (
        pod_document(running(container({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}))),
        a_pod(container=ContainerTerminated(137, "OOMKilled"), scheduled_at=at(5)),
    ),
    "being deleted": (
        pod_document(running(container({"running": {}})), deletionTimestamp="2026-03-01T12:00:00Z"),
        a_pod(container=ContainerRunning(None), scheduled_at=at(5), taken=True),
    ),
    "preempted": (
        pod_document(
            running(container({"running": {}}), conditions=[SCHEDULED, condition("DisruptionTarget", reason="a")])
        ),
        a_pod(container=ContainerRunning(None), scheduled_at=at(5), taken=True),
    ),
    "evicted": (
        pod_document({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}),
        a_pod(taken=True),
    ),
    "turned away by the node": (
        pod_document({"phase": "Failed", "reason": "OutOfcpu", "conditions": [SCHEDULED]}),
        a_pod(taken=True, scheduled_at=at(5)),
    ),
    "with services": (
        pod_document(
            {
                "initContainerStatuses": [
                    container({"terminated": {"exitCode": 0, "reason": "Completed"}}, "prepare"),
                    {
                        **container({"running": {"startedAt": "2026-03-01T12:00:07Z"}}, "postgres"),
                        "started": True,
                        "restartCount": 2,
                        "lastState": {"terminated": {**TERMINATED, "reason": "Error", "message": REPORT}},
                    },
                    {**container({"waiting": {"reason": "PodInitializing"}}, "redis"), "lastState": {}},
                    container({}, "odd"),
                ],
            },
            sidecars=("postgres", "redis"),
        ),
        a_pod(
            services=(
                ServiceState("prepare", ContainerTerminated(0, "Completed"), stays=False),
                ServiceState(
                    "postgres",
                    ContainerRunning(at(7)),
                    started=True,
                    restarts=2,
                    last=ContainerTerminated(1, "Error", REPORT, at(1), at(11)),
                ),
                ServiceState("redis", ContainerWaiting("PodInitializing")),
                ServiceState("odd", stays=False),
            )
        ),
    ),
    "an init container has failed": (
        pod_document(
            {
                "phase": "Failed",
                "conditions": [SCHEDULED],
                "initContainerStatuses": [container({"terminated": {"exitCode": 3}}, "prepare")],
            }
        ),
        a_pod(services=(ServiceState("prepare", ContainerTerminated(3), stays=False),), scheduled_at=at(5)),
    ),
    "turned away after its init containers": (
        pod_document(
            {
                "phase": "Failed",
                "conditions": [SCHEDULED],
                "initContainerStatuses": [
                    container({"terminated": {"exitCode": 0}}, "prepare"),
                    container({"terminated": {"exitCode": 137}}, "redis"),
                ],
            },
            sidecars=["redis"],
        ),
        a_pod(
            taken=True,
            services=(
                ServiceState("prepare", ContainerTerminated(0), stays=False),
                ServiceState("redis", ContainerTerminated(137)),
            ),
            scheduled_at=at(5),
        ),
    ),
}


@pytest.mark.parametrize(("document", "record"), PODS.values(), ids=PODS)
def test_pod(document: dict[str, Any], record: PodRecord) -> None:
    """Of a Pod it is kept how its main container stands, and whether it was taken away."""
    assert pod_record(document) == record


@pytest.mark.parametrize(
    "metadata",
    [
        {"ownerReferences": None},
        {"ownerReferences": [{"kind": "ReplicaSet", "name": "a", "uid": "b"}]},
        {"labels": {"fairlead.dev/workflow": "ci"}},
        {"labels": None},
    ],
)
def test_not_our_pod(metadata: dict[str, Any]) -> None:
    """A Pod that is no Job's, or has lost its labels, is none of ours."""
    assert pod_record(pod_document(**metadata)) is None


def test_identity() -> None:
    """Records know their owner by its uid, so that a namesake isn't mistaken for it."""
    record = job_record(job_document(uid="other"))
    assert record is not None
    assert (record.owner, record.job.run) == (Uid("other"), RunNumber(1))


def test_what_is_called_otherwise() -> None:
    """A Job with all of our marks, but not our name, isn't ours where a watch tells of it."""
    ours, forged = job_document(), job_document(name="forged")
    assert (watched_job_record(ours), watched_job_record(forged)) == (job_record(ours), None)
