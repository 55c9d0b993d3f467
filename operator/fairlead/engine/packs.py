"""Packs, as the engine sees them: what it asks of a cluster for them, and each attempt of one as if it were alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from fairlead.engine.ports import Packs
from fairlead.plan import CallWorkflow, CreateJob, CreatePack, DeleteJob, DeletePod, EndPack, JobFailure

if TYPE_CHECKING:
    from fairlead.engine.ports import Cluster
    from fairlead.engine.store import WorkflowRecord
    from fairlead.plan import KubernetesJob, Making, Removal


@dataclass(frozen=True, slots=True)
class PackState:
    """Which combination each completion index of an Indexed Job stands for, and which indexes are over."""

    combinations: tuple[int, ...]
    complete: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()

    def attempt(self, whole: KubernetesJob, index: int | None) -> KubernetesJob | None:
        """Give one attempt of what is told of the `whole` Job; None where there is none of that index."""
        if index is None or index >= len(self.combinations):
            return None
        complete = whole.complete or index in self.complete
        failure = whole.failure or (JobFailure("FailedIndexes") if index in self.failed else None)
        return replace(
            whole,
            node=whole.node._replace(combination=self.combinations[index]),
            complete=complete,
            failure=None if complete else failure,
            index=index,
        )


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


async def remove(cluster: Cluster, record: WorkflowRecord, removal: Removal) -> None:
    """Have a cluster end what isn't wanted any more. Raises as the cluster does."""
    match removal:
        case DeleteJob():
            await cluster.delete_job(record, removal)
        case EndPack():
            await _packs(cluster).end_pack(record, removal)
        case DeletePod():
            await _packs(cluster).delete_pod(record, removal)
        case _:
            assert_never(removal)


def _packs(cluster: Cluster) -> Packs:
    assert isinstance(cluster, Packs)  # noqa: S101  whoever has packs made by policy has a cluster that can
    return cluster
