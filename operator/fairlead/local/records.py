"""What is recorded of a workflow that is run again, or whose run was cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fairlead.kube.reduce import workflow_record
from fairlead.local.cluster import annotated
from fairlead.model.phase import JobPhase, Reason, Result, WorkflowPhase
from fairlead.model.status import WorkflowStatus, format_time
from fairlead.plan.runs import RERUN
from fairlead.render.job import LABEL_RUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from fairlead.local.state import Json, State
    from fairlead.model.status import NodeStatus

CUT_OFF: Final = "the process that ran it ended"


def apply(state: State, document: Mapping[str, Any], now: datetime) -> Json:
    """Record a Workflow that is to be run now: its next run, where there is one of its name.

    A run that nobody carries on any more is recorded as cancelled, because its jobs saw another workspace. Raises
    RefusedError for a name that can't be one.
    """
    created = {"creationTimestamp": format_time(now), **document["metadata"]}
    name = created.get("name")
    known = state.read(name) if name else None
    if known is None:
        return state.create({**document, "metadata": created})

    def change(old: Json) -> Json:
        status = cut_off(WorkflowStatus.from_json(old.get("status") or {}), now)
        metadata = {key: value for key, value in old["metadata"].items() if key not in ("labels", "annotations")}
        for key in ("labels", "annotations"):
            if created.get(key):
                metadata[key] = created[key]
        metadata["generation"] += old["spec"] != document["spec"]
        fresh = {**old, **document, "metadata": metadata, "status": status.to_json()}
        return annotated(fresh, {RERUN: str(status.run)}) if status.run else fresh

    return state.change(known["metadata"]["name"], change)


def cut_off_record(document: Json, now: datetime) -> Json:
    """Give a Workflow whose run was ended from outside, as `cut_off` tells."""
    status = WorkflowStatus.from_json(document.get("status") or {})
    return {**document, "status": cut_off(status, now).to_json()}


def cut_off(status: WorkflowStatus, now: datetime) -> WorkflowStatus:
    """Give the status of a run that was ended from outside with all that it ran; one that was over stays as it is."""
    if status.run is None or status.ended:
        return status
    jobs = {
        job: _ended(state, now).model_copy(
            update={"combinations": tuple(_ended(each, now) for each in state.combinations)}
        )
        for job, state in status.jobs.items()
    }
    ended = {"phase": WorkflowPhase.CANCELLED, "message": CUT_OFF, "finished_at": now, "jobs": jobs}
    return status.model_copy(update=ended)


def prune(state: State, name: str) -> None:
    """Delete what is left of runs that the history has forgotten, and Workflows that they had called."""
    document = state.read(name)
    if document is None:
        return
    record = workflow_record(document)
    status = record.resource.status
    kept = {str(each) for each in (status.run, *(each.run for each in status.history))}
    for job in state.jobs(name):
        if job["metadata"]["labels"].get(LABEL_RUN) not in kept:
            state.remove_job(name, job["metadata"]["name"])
    for called in _called(state, record.resource.uid):
        if called["metadata"]["labels"].get(LABEL_RUN) not in kept:
            remove(state, called["metadata"]["name"])


def remove(state: State, name: str) -> None:
    """Delete a Workflow's record with those of the Workflows that it had called."""
    document = state.read(name)
    if document is not None:
        for called in list(_called(state, document["metadata"]["uid"])):
            remove(state, called["metadata"]["name"])
        state.remove(name)


def _called(state: State, uid: str) -> Iterator[Json]:
    for name in state.names():
        document = state.read(name)
        owners = document["metadata"].get("ownerReferences", []) if document else []
        if document is not None and any(owner.get("uid") == uid for owner in owners):
            yield document


def _ended(state: NodeStatus, now: datetime) -> Any:  # noqa: ANN401  the same kind that it was
    if state.phase.ended:
        return state
    update = {
        "phase": JobPhase.CANCELLED,
        "result": Result.CANCELLED,
        "reason": Reason.CANCELLED,
        "message": CUT_OFF,
        "finished_at": now,
    }
    return state.model_copy(update=update)
