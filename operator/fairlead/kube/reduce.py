"""From API objects to the few facts that the engine keeps of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fairlead.engine.packs import PackState
from fairlead.engine.records import Call, JobRecord, PodRecord, WorkflowRecord
from fairlead.model.ids import Attempt, JobId, NodeId, RunNumber, SpecDigest, Uid, WorkflowKey
from fairlead.model.status import WorkflowStatus, is_sane
from fairlead.plan import (
    CalledWorkflow,
    ContainerRunning,
    ContainerTerminated,
    ContainerWaiting,
    JobFailure,
    KubernetesJob,
    Pod,
    Resource,
)
from fairlead.plan.names import node_name, pack_name
from fairlead.plan.neighbours import Caller
from fairlead.plan.observed import ServiceState
from fairlead.plan.packing import CHUNK
from fairlead.plan.runs import CANCEL
from fairlead.render.call import ANNOTATION_CALLERS, parse_callers
from fairlead.render.job import (
    ANNOTATION_GROUP,
    ANNOTATION_RUN_GROUP,
    LABEL_ATTEMPT,
    LABEL_COMBINATION,
    LABEL_JOB,
    LABEL_RETRIES,
    LABEL_RUN,
    LABEL_SPEC,
    LABEL_WORKFLOW,
    LABEL_WORKFLOW_UID,
    MAIN,
)
from fairlead.render.pack import ANNOTATION_COMBINATIONS, LABEL_INDEX, parse_combinations
from fairlead.render.report import parse_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fairlead.plan.observed import Container

Json = dict[str, Any]

_NO_STATUS = WorkflowStatus()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What the metadata of everything that is made for a node says."""

    owner: Uid
    workflow: WorkflowKey
    node: NodeId
    attempt: Attempt
    run: RunNumber
    digest: SpecDigest
    retries: int
    group: str | None
    run_group: str | None

    def is_called(self, name: str, combinations: Sequence[int] = ()) -> bool:
        """Whether that is the name of what is made for it; with `combinations` of a pack of these."""
        resource = Resource(self.workflow, self.owner, 1, _NO_STATUS)
        if combinations:
            chunks = {each // CHUNK for each in combinations}
            first = self.attempt == 1 and self.node.combination is None and len(chunks) == 1
            return first and pack_name(resource, self.digest, self.run, self.node.job, chunks.pop()) == name
        return node_name(resource, self.digest, self.run, self.node, self.attempt) == name

    def job(self, name: str) -> KubernetesJob:
        """Give the Kubernetes Job of it, as far as that is known."""
        return KubernetesJob(
            name=name,
            node=self.node,
            attempt=self.attempt,
            run=self.run,
            digest=self.digest,
            retries=self.retries,
            group=self.group,
            run_group=self.run_group,
        )


def workflow_record(document: Mapping[str, Any]) -> WorkflowRecord:
    """Read a Workflow; its spec stays as it is. Nobody counts as its caller who doesn't own it."""
    metadata = document["metadata"]
    status = document.get("status") or {}
    read = WorkflowStatus.from_json(status)
    annotations: Mapping[str, str] = dict(metadata.get("annotations") or {})
    attempt = _attempt(metadata)
    return WorkflowRecord(
        resource=Resource(
            key=WorkflowKey(metadata["namespace"], metadata["name"]),
            uid=Uid(metadata["uid"]),
            generation=int(metadata.get("generation", 1)),
            status=read,
            labels=dict(metadata.get("labels") or {}),
            annotations=annotations,
            callers=_callers(attempt, annotations) if attempt is not None else (),
            created_at=_time(metadata.get("creationTimestamp")),
        ),
        spec=document.get("spec") or {},
        status=status,
        version=version_of(document),
        call=_call(attempt, metadata, read) if attempt is not None else None,
    )


def with_status(record: WorkflowRecord, document: Json, version: int) -> WorkflowRecord:
    """Give a Workflow as it is once this status was written on condition of the recorded version.

    It is read back from what was sent, so that it is what a restarted operator would find.
    """
    status = WorkflowStatus.from_json(document, record.recorded)
    call = record.call
    return replace(
        record,
        resource=replace(record.resource, status=status),
        status=document,
        version=version,
        call=call and replace(call, workflow=replace(call.workflow, status=status)),
    )


def _call(attempt: _Attempt, metadata: Json, status: WorkflowStatus) -> Call:
    cancel = (metadata.get("annotations") or {}).get(CANCEL, "").strip()
    called = CalledWorkflow(
        name=metadata["name"],
        node=attempt.node,
        attempt=attempt.attempt,
        run=attempt.run,
        digest=attempt.digest,
        status=status,
        retries=attempt.retries,
        group=attempt.group,
        run_group=attempt.run_group,
        deleting="deletionTimestamp" in metadata,
        cancelling=status.run is not None and cancel == str(status.run),
    )
    return Call(attempt.owner, attempt.workflow, called)


def _callers(attempt: _Attempt, annotations: Mapping[str, str]) -> tuple[Caller, ...]:
    """Give the chain of callers; of one that doesn't fit the owner nothing is believed but the owner."""
    nearest = Caller(attempt.owner, attempt.run, attempt.node)
    chain = parse_callers(annotations.get(ANNOTATION_CALLERS, ""))
    return chain if chain is not None and chain[-1] == nearest else (nearest,)


def job_record(document: Json) -> JobRecord | None:
    """Read a Kubernetes Job; None where it isn't one of ours, whatever its labels claim."""
    metadata = document["metadata"]
    attempt = _attempt(metadata)
    if attempt is None:
        return None
    pack = _pack(document)
    job = replace(
        attempt.job(metadata["name"]),
        complete=_condition(document, "Complete", "SuccessCriteriaMet") is not None,
        failure=_failure(document),
        deleting="deletionTimestamp" in metadata or (pack is not None and _is_ended(document)),
        taken_up_at=_time((document.get("status") or {}).get("startTime")),
    )
    return JobRecord(attempt.owner, attempt.workflow, job, version_of(document), _started(document), pack)


def _pack(document: Json) -> PackState | None:
    """Read which combinations an Indexed Job is made of, and which are over; None where it isn't a pack."""
    combinations = _combinations(document["metadata"])
    if not combinations:
        return None
    status = document.get("status") or {}
    return PackState(
        combinations,
        _indexes(status.get("completedIndexes"), len(combinations)),
        _indexes(status.get("failedIndexes"), len(combinations)),
    )


def _is_ended(document: Json) -> bool:
    """Whether a pack was ended by us: it has no deadline of its own."""
    return "activeDeadlineSeconds" in (document.get("spec") or {})


def _combinations(metadata: Json) -> tuple[int, ...]:
    try:
        return parse_combinations((metadata.get("annotations") or {}).get(ANNOTATION_COMBINATIONS) or "")
    except ValueError:
        return ()


def _indexes(text: str | None, count: int) -> frozenset[int]:
    try:
        return frozenset(parse_combinations(text or "", count))
    except ValueError:
        return frozenset()


def _started(document: Json) -> bool:
    """Whether the Job controller has taken a Job up: begun with it, or said why not; other controllers count as one.

    It sets startTime with its first status, also where a quota keeps it from making Pods; a suspended one gets a
    condition instead.
    """
    status = document.get("status") or {}
    return "startTime" in status or bool(status.get("conditions")) or "managedBy" in (document.get("spec") or {})


def watched_job_record(document: Json) -> JobRecord | None:
    """Read a Kubernetes Job that a watch or a list tells of; None also where it isn't called as we call it.

    Whoever may make Jobs can write labels and owners, but not make a second one of the same name.
    """
    attempt = _attempt(document["metadata"])
    metadata = document["metadata"]
    called = attempt is not None and attempt.is_called(metadata["name"], _combinations(metadata))
    return job_record(document) if called else None


def _attempt(metadata: Json) -> _Attempt | None:
    """Read whose it is and which attempt at which node; None where a label is missing, or claims another's owner."""
    found = _labelled(metadata)
    owners = [reference.get("uid") for reference in metadata.get("ownerReferences") or ()]
    return found if found is not None and found.owner in owners else None


def _labelled(metadata: Json) -> _Attempt | None:
    """Read what the labels say, whoever owns it."""
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    combination = labels.get(LABEL_COMBINATION)
    try:
        return _Attempt(
            owner=Uid(labels[LABEL_WORKFLOW_UID]),
            workflow=WorkflowKey(metadata["namespace"], labels[LABEL_WORKFLOW]),
            node=NodeId(JobId(labels[LABEL_JOB]), None if combination is None else int(combination)),
            attempt=Attempt(int(labels[LABEL_ATTEMPT])),
            run=RunNumber(int(labels[LABEL_RUN])),
            digest=SpecDigest(labels[LABEL_SPEC]),
            retries=int(labels[LABEL_RETRIES]),
            group=annotations.get(ANNOTATION_GROUP),
            run_group=annotations.get(ANNOTATION_RUN_GROUP),
        )
    except (KeyError, ValueError):
        return None


def pod_record(document: Json) -> PodRecord | None:
    """Read a Pod; None where it isn't of a Kubernetes Job of ours."""
    metadata, status = document["metadata"], document.get("status") or {}
    labels = metadata.get("labels") or {}
    owners = [each for each in metadata.get("ownerReferences") or () if each.get("kind") == "Job"]
    if not owners or LABEL_WORKFLOW not in labels or LABEL_WORKFLOW_UID not in labels:
        return None
    scheduled = _condition(document, "PodScheduled")
    unscheduled = _condition(document, "PodScheduled", truth="False")
    services = _services(document)
    taken = "deletionTimestamp" in metadata or _condition(document, "DisruptionTarget") is not None
    attempt, job, index = _labelled(metadata), owners[0]["name"], None
    combinations, place = _combinations(metadata), str(labels.get(LABEL_INDEX, ""))
    ours = attempt is not None and attempt.is_called(job, combinations)
    if attempt is not None and ours and place.isdecimal() and int(place) < len(combinations):
        index = int(place)
        attempt = replace(attempt, node=NodeId(attempt.node.job, combinations[index]))
    container, over = _container(status), status.get("phase") in ("Succeeded", "Failed")
    overdue = index is not None and status.get("phase") == "Failed" and status.get("reason") == "DeadlineExceeded"
    return PodRecord(
        owner=Uid(labels[LABEL_WORKFLOW_UID]),
        workflow=WorkflowKey(metadata["namespace"], labels[LABEL_WORKFLOW]),
        job_name=owners[0]["name"],
        created_at=_time(metadata.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC),
        pod=Pod(
            name=metadata["name"],
            container=container,
            taken=taken or overdue or status.get("reason") == "Evicted" or _turned_away(status, services),
            scheduled_at=_time(scheduled.get("lastTransitionTime")) if scheduled else None,
            trouble=unscheduled.get("message") or unscheduled.get("reason") if unscheduled else None,
            services=services,
            lingers=index is not None and isinstance(container, ContainerTerminated) and not over,
        ),
        version=version_of(document),
        of=replace(attempt.job(job), index=index) if attempt is not None and ours else None,
        index=index,
        overdue=overdue,
    )


def version_of(document: Mapping[str, Any]) -> int:
    """Give the resourceVersion as the number that it is; 0 where it isn't one."""
    text = str(document["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdecimal() else 0


def _container(status: Json) -> Container | None:
    found = [each for each in status.get("containerStatuses") or () if each.get("name") == MAIN]
    state = _state(found[0].get("state") or {}) if found else None
    return replace(state, report=parse_report(state.message)) if isinstance(state, ContainerTerminated) else state


def _services(document: Json) -> tuple[ServiceState, ...]:
    stays = {
        each.get("name")
        for each in (document.get("spec") or {}).get("initContainers") or ()
        if each.get("restartPolicy") == "Always"
    }
    return tuple(
        ServiceState(
            name=each["name"],
            container=_state(each.get("state") or {}),
            started=each.get("started") is True,
            restarts=int(each.get("restartCount", 0)),
            last=last if isinstance(last := _state(each.get("lastState") or {}), ContainerTerminated) else None,
            stays=each["name"] in stays,
        )
        for each in (document.get("status") or {}).get("initContainerStatuses") or ()
    )


def _state(state: Json) -> Container | None:
    match state:
        case {"terminated": dict() as ended}:
            return ContainerTerminated(
                exit_code=int(ended.get("exitCode", 1)),
                reason=ended.get("reason") or "",
                message=ended.get("message") or "",
                started_at=_time(ended.get("startedAt")),
                finished_at=_time(ended.get("finishedAt")),
            )
        case {"running": dict() as running}:
            return ContainerRunning(_time(running.get("startedAt")))
        case {"waiting": dict() as waiting}:
            return ContainerWaiting(waiting.get("reason") or "", waiting.get("message") or "")
        case _:
            return None


def _turned_away(status: Json, services: Iterable[ServiceState]) -> bool:
    # The kubelet didn't take it in, for want of room on the node, or lost it: nothing in it failed by itself.
    if status.get("phase") != "Failed" or isinstance(_container(status), ContainerTerminated):
        return False
    first = (each.container for each in services if not each.stays)
    return not any(isinstance(each, ContainerTerminated) and each.exit_code != 0 for each in first)


def _failure(document: Json) -> JobFailure | None:
    found = _condition(document, "Failed", "FailureTarget")
    return JobFailure(found.get("reason") or "", found.get("message") or "") if found else None


def _condition(document: Json, *types: str, truth: str = "True") -> Json | None:
    for each in (document.get("status") or {}).get("conditions") or ():
        if each.get("type") in types and each.get("status") == truth:
            found: Json = each
            return found
    return None


def failed_create(events: Json) -> str | None:
    """Give what the latest of some Events says; None where there is none."""
    latest = max(events.get("items") or (), key=_told_at, default=None)
    message = latest.get("message") if latest is not None else None
    return message if isinstance(message, str) and message else None


def _told_at(event: Json) -> tuple[str, int]:
    told = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or ""
    return told, version_of(event)


def _time(text: str | None) -> datetime | None:
    """Read a moment; one with which nobody could reckon counts as none."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment is not None and is_sane(moment) else None
