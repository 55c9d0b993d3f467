"""Listens to the engine: a log line for each change that matters, and the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import structlog

from fairlead.model.phase import JobPhase
from fairlead.plan import DeleteJob, DeletePod, EndPack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.engine.shards import LeaseId
    from fairlead.model.ids import JobId, NodeId, WorkflowKey
    from fairlead.model.status import JobStatus, NodeStatus, WorkflowStatus
    from fairlead.plan import Creation, Removal
    from fairlead.telemetry.metrics import Metrics


class TelemetryObserver:
    """Implements `engine.ports.Observer`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._log = structlog.get_logger("fairlead.engine")

    def changed(self, key: WorkflowKey, before: WorkflowStatus, after: WorkflowStatus) -> None:
        """Log what moved, and count what ended."""
        log = self._log.bind(workflow=str(key), run=after.run)
        same_run = before.run == after.run and before.spec_digest == after.spec_digest
        changed = after.changes_from(before) if same_run else after.jobs
        known_jobs = {job_id: before.jobs[job_id] for job_id in changed if same_run and job_id in before.jobs}
        known_nodes = dict(_nodes(known_jobs))
        for name_of_node, state in _nodes(changed):
            known = known_nodes.get(name_of_node)
            if state is known:
                continue
            if known is None or known.phase is not state.phase or known.attempt != state.attempt:
                if state.phase is JobPhase.PENDING:
                    continue
                said = {
                    "attempt": state.attempt,
                    "reason": state.reason,
                    "message": state.message,
                    "exit_code": state.exit_code,
                }
                shown = {name: value for name, value in said.items() if value is not None}
                log.info("job moved", job=name_of_node, phase=str(state.phase), **shown)
                if state.phase is JobPhase.FAILED:
                    self._metrics.job_failed(key.name, key.namespace, str(state.reason or "Failed"))
        if not same_run or before.phase is not after.phase:
            log.info("workflow moved", phase=str(after.phase), message=after.message)
            if after.phase is not None and after.phase.ended and after.started_at and after.finished_at:
                seconds = (after.finished_at - after.started_at).total_seconds()
                self._metrics.run_ended(key.name, key.namespace, after.phase, max(seconds, 0.0))

    def waited(self, key: WorkflowKey, seconds: float) -> None:
        """Measure how long a look was waited for."""
        del key
        self._metrics.look_waited(seconds)

    def created(self, key: WorkflowKey, create: Creation, seconds: float) -> None:
        """Log and count what was started."""
        self._log.info(
            "job created",
            workflow=str(key),
            run=create.run,
            job=str(create.node),
            attempt=create.attempt,
            name=create.name,
        )
        self._metrics.job_created(seconds)

    def deleted(self, key: WorkflowKey, delete: Removal) -> None:
        """Log the end of a Kubernetes Job, or of a Pod of one."""
        match delete:
            case DeleteJob():
                event = "job deleted"
            case EndPack():
                event = "rest of a job ended"
            case DeletePod():
                event = "pod deleted"
            case _:
                assert_never(delete)
        self._log.info(event, workflow=str(key), name=delete.name)

    def refused(self, key: WorkflowKey, node: NodeId, message: str) -> None:
        """Log what the cluster said no to."""
        self._log.warning("job refused by the cluster", workflow=str(key), job=str(node), message=message)

    def failed(self, key: WorkflowKey, error: Exception, retry_in: float) -> None:
        """Log and count a look that failed; what nobody foresaw comes with its traceback."""
        self._metrics.look_failed(type(error).__name__)
        foreseen = type(error).__module__.startswith("fairlead.")
        log = self._log.bind(workflow=str(key), error=str(error), retry_in=round(retry_in, 1))
        if foreseen:
            log.warning("look failed")
        else:
            log.error("look failed unexpectedly", exc_info=error)

    def lease_moved(self, lease_id: LeaseId, what: str) -> None:
        """Log and count what became of a Lease."""
        self._metrics.lease_moved(what)
        self._log.info(f"lease {what}", shard=lease_id.shard, shards=lease_id.shards)

    def lease_trouble(self, error: Exception) -> None:
        """Log that Leases can't be read or written."""
        self._log.warning("trouble with leases", error=str(error))


def _nodes(jobs: Mapping[JobId, JobStatus]) -> Iterator[tuple[str, NodeStatus]]:
    """Give the nodes that are recorded; a kept job is news of an earlier run."""
    for job_id, state in jobs.items():
        if state.kept_from is None:
            for at, node in enumerate(state.combinations):
                yield f"{job_id}[{at}]", node
            if not state.combinations:
                yield job_id, state
