"""Listens to the engine: a log line for each change that matters, and the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from fairlead.model.phase import JobPhase

if TYPE_CHECKING:
    from fairlead.model.ids import JobId, WorkflowKey
    from fairlead.model.status import WorkflowStatus
    from fairlead.plan import CreateJob, DeleteJob
    from fairlead.telemetry.metrics import Metrics


class TelemetryObserver:
    """Implements `engine.ports.Observer`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._log = structlog.get_logger("fairlead.engine")

    def changed(self, key: WorkflowKey, before: WorkflowStatus, after: WorkflowStatus) -> None:
        """Log what moved, and count what ended."""
        log = self._log.bind(workflow=str(key), run=after.run)
        same_run = before.run == after.run and before.observed_generation == after.observed_generation
        for job_id, state in after.jobs.items():
            known = before.jobs.get(job_id) if same_run else None
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
                log.info("job moved", job=job_id, phase=str(state.phase), **shown)
                if state.phase is JobPhase.FAILED:
                    self._metrics.job_failed(key.name, str(state.reason or "Failed"))
        if not same_run or before.phase is not after.phase:
            log.info("workflow moved", phase=str(after.phase), message=after.message)
            if after.phase is not None and after.phase.ended and after.started_at and after.finished_at:
                seconds = (after.finished_at - after.started_at).total_seconds()
                self._metrics.run_ended(key.name, key.namespace, after.phase, max(seconds, 0.0))

    def created(self, key: WorkflowKey, create: CreateJob) -> None:
        """Log and count a Kubernetes Job."""
        self._log.info(
            "job created",
            workflow=str(key),
            run=create.run,
            job=create.job,
            attempt=create.attempt,
            name=create.name,
        )
        self._metrics.job_created()

    def deleted(self, key: WorkflowKey, delete: DeleteJob) -> None:
        """Log the end of a Kubernetes Job."""
        self._log.info("job deleted", workflow=str(key), name=delete.name)

    def refused(self, key: WorkflowKey, job: JobId, message: str) -> None:
        """Log what the cluster said no to."""
        self._log.warning("job refused by the cluster", workflow=str(key), job=job, message=message)

    def failed(self, key: WorkflowKey, error: Exception, retry_in: float) -> None:
        """Log and count a look that failed; what nobody foresaw comes with its traceback."""
        self._metrics.look_failed(type(error).__name__)
        foreseen = type(error).__module__.startswith("fairlead.")
        log = self._log.bind(workflow=str(key), error=str(error), retry_in=round(retry_in, 1))
        if foreseen:
            log.warning("look failed")
        else:
            log.error("look failed unexpectedly", exc_info=error)
