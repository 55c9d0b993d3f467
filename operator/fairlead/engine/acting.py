"""What was decided, asked of a cluster: one call for each action."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from fairlead.engine.ports import Packs
from fairlead.plan import (
    CallWorkflow,
    CancelWorkflow,
    CreateJob,
    CreatePack,
    DeleteJob,
    DeletePod,
    DeleteWorkflow,
    EndPack,
    ReadEvents,
    ReadOutputs,
)

if TYPE_CHECKING:
    from fairlead.engine.ports import Cluster
    from fairlead.engine.records import WorkflowRecord
    from fairlead.plan import Action, Making


async def make(cluster: Cluster, record: WorkflowRecord, making: Making) -> None:
    """Have a cluster make what runs one attempt, or several. Raises as the cluster does."""
    match making:
        case CreateJob():
            await cluster.create_job(record, making)
        case CallWorkflow():
            await cluster.call_workflow(record, making)
        case CreatePack():
            await _packs(cluster).create_pack(record, making)
        case _:
            assert_never(making)


async def act(cluster: Cluster, record: WorkflowRecord, action: Action) -> None:
    """Have a cluster do what isn't a creation, which has been asked for by then. Raises as the cluster does."""
    match action:
        case CreateJob() | CallWorkflow() | CreatePack():
            pass
        case DeleteJob():
            await cluster.delete_job(record, action)
        case EndPack():
            await _packs(cluster).end_pack(record, action)
        case DeletePod():
            await _packs(cluster).delete_pod(record, action)
        case CancelWorkflow():
            await cluster.cancel_workflow(record, action)
        case ReadOutputs():
            await cluster.read_outputs(record, action)
        case ReadEvents():
            await cluster.read_events(record, action)
        case DeleteWorkflow():
            await cluster.delete_workflow(record)
        case _:
            assert_never(action)


def _packs(cluster: Cluster) -> Packs:
    assert isinstance(cluster, Packs)  # noqa: S101  whoever has packs made by policy has a cluster that can
    return cluster
