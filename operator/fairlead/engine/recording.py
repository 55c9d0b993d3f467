"""Recording a status, whatever its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.engine.errors import TooLargeError
from fairlead.plan.summary import summarize_too_large

if TYPE_CHECKING:
    from datetime import datetime

    from fairlead.engine.ports import Cluster
    from fairlead.engine.records import WorkflowRecord
    from fairlead.model.status import WorkflowStatus


async def record_status(
    cluster: Cluster, record: WorkflowRecord, status: WorkflowStatus, now: datetime
) -> WorkflowStatus:
    """Write a status, or in place of one that is too large that the run has failed of it; give what was written.

    Raises as `Cluster.write_status` does.
    """
    try:
        await cluster.write_status(record, status)
    except TooLargeError as error:
        status = summarize_too_large(status, record.resource, now, error.message)
        await cluster.write_status(record, status)
    return status
