"""From API objects to the few facts that the engine keeps of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fairlead.engine.store import JobRecord, PodRecord, WorkflowRecord
from fairlead.model.ids import Attempt, JobId, RunNumber, Uid, WorkflowKey
from fairlead.model.status import WorkflowStatus
from fairlead.plan import (
    ContainerRunning,
    ContainerTerminated,
    ContainerWaiting,
    JobFailure,
    KubernetesJob,
    Pod,
    Resource,
)
from fairlead.render.job import (
    LABEL_ATTEMPT,
    LABEL_GENERATION,
    LABEL_JOB,
    LABEL_RUN,
    LABEL_WORKFLOW,
    LABEL_WORKFLOW_UID,
    MAIN,
)
from fairlead.render.report import parse_report

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]


def workflow_record(document: Mapping[str, Any]) -> WorkflowRecord:
    """Read a Workflow; its spec stays as it is."""
    metadata = document["metadata"]
    status = document.get("status") or {}
    return WorkflowRecord(
        resource=Resource(
            key=WorkflowKey(metadata["namespace"], metadata["name"]),
            uid=Uid(metadata["uid"]),
            generation=int(metadata.get("generation", 1)),
            status=WorkflowStatus.from_json(status),
            labels=dict(metadata.get("labels") or {}),
            annotations=dict(metadata.get("annotations") or {}),
        ),
        spec=document.get("spec") or {},
        status=status,
        version=version_of(document),
    )


def job_record(document: Json) -> JobRecord | None:
    """Read a Kubernetes Job; None where it isn't one of ours, whatever its labels claim."""
    metadata = document["metadata"]
    labels = metadata.get("labels") or {}
    try:
        job = KubernetesJob(
            name=metadata["name"],
            job=JobId(labels[LABEL_JOB]),
            attempt=Attempt(int(labels[LABEL_ATTEMPT])),
            run=RunNumber(int(labels[LABEL_RUN])),
            generation=int(labels[LABEL_GENERATION]),
            complete=_condition(document, "Complete", "SuccessCriteriaMet") is not None,
            failure=_failure(document),
            deleting="deletionTimestamp" in metadata,
        )
        owner = Uid(labels[LABEL_WORKFLOW_UID])
        key = WorkflowKey(metadata["namespace"], labels[LABEL_WORKFLOW])
    except (KeyError, ValueError):
        return None
    if all(reference.get("uid") != owner for reference in metadata.get("ownerReferences") or ()):
        return None
    return JobRecord(owner, key, job, version_of(document))


def pod_record(document: Json) -> PodRecord | None:
    """Read a Pod; None where it isn't of a Kubernetes Job of ours."""
    metadata, status = document["metadata"], document.get("status") or {}
    labels = metadata.get("labels") or {}
    owners = [each for each in metadata.get("ownerReferences") or () if each.get("kind") == "Job"]
    if not owners or LABEL_WORKFLOW not in labels or LABEL_WORKFLOW_UID not in labels:
        return None
    scheduled = _condition(document, "PodScheduled")
    unscheduled = _condition(document, "PodScheduled", truth="False")
    taken = "deletionTimestamp" in metadata or _condition(document, "DisruptionTarget") is not None
    return PodRecord(
        owner=Uid(labels[LABEL_WORKFLOW_UID]),
        workflow=WorkflowKey(metadata["namespace"], labels[LABEL_WORKFLOW]),
        job_name=owners[0]["name"],
        created_at=_time(metadata.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC),
        pod=Pod(
            name=metadata["name"],
            container=_container(status),
            taken=taken or status.get("reason") == "Evicted" or _turned_away(status),
            scheduled_at=_time(scheduled.get("lastTransitionTime")) if scheduled else None,
            trouble=unscheduled.get("message") or unscheduled.get("reason") if unscheduled else None,
        ),
        version=version_of(document),
    )


def version_of(document: Mapping[str, Any]) -> int:
    """Give the resourceVersion as the number that it is; 0 where it isn't one."""
    text = str(document["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdecimal() else 0


def _container(status: Json) -> ContainerWaiting | ContainerRunning | ContainerTerminated | None:
    found = [each for each in status.get("containerStatuses") or () if each.get("name") == MAIN]
    if not found:
        return None
    match found[0].get("state") or {}:
        case {"terminated": dict() as ended}:
            message = ended.get("message") or ""
            return ContainerTerminated(
                exit_code=int(ended.get("exitCode", 1)),
                reason=ended.get("reason") or "",
                message=message,
                started_at=_time(ended.get("startedAt")),
                finished_at=_time(ended.get("finishedAt")),
                report=parse_report(message),
            )
        case {"running": dict() as running}:
            return ContainerRunning(_time(running.get("startedAt")))
        case {"waiting": dict() as waiting}:
            return ContainerWaiting(waiting.get("reason") or "", waiting.get("message") or "")
        case _:
            return None


def _turned_away(status: Json) -> bool:
    # The kubelet didn't take it in, for want of room on the node, or lost it: its containers never ended.
    return status.get("phase") == "Failed" and not isinstance(_container(status), ContainerTerminated)


def _failure(document: Json) -> JobFailure | None:
    found = _condition(document, "Failed", "FailureTarget")
    return JobFailure(found.get("reason") or "", found.get("message") or "") if found else None


def _condition(document: Json, *types: str, truth: str = "True") -> Json | None:
    for each in (document.get("status") or {}).get("conditions") or ():
        if each.get("type") in types and each.get("status") == truth:
            found: Json = each
            return found
    return None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
