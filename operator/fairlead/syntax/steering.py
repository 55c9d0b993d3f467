"""What steers a Workflow's runs: its schedules, and how long it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.model.problem import Path, Problem
from fairlead.model.schedules import check_cron, check_timezone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairlead.model.spec import WorkflowSpec


def check(spec: WorkflowSpec) -> Iterator[Problem]:
    """Find times that never come, and a schedule that would be deleted after its first run."""
    for index, schedule in enumerate(spec.schedules):
        at: Path = ("spec", "schedules", index)
        if (wrong := check_cron(schedule.cron)) is not None:
            yield Problem((*at, "cron"), wrong)
        if (wrong := check_timezone(schedule.timezone)) is not None:
            yield Problem((*at, "timezone"), wrong)
    if spec.schedules and spec.ttl_after_finished is not None:
        said = "a workflow with schedules runs again, so it isn't deleted after a run; leave one of the two out"
        yield Problem(("spec", "ttlAfterFinished"), said)
