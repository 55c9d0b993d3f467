"""Everything that is recorded of a Workflow, to be read by people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from fairlead.model.phase import WorkflowPhase
from fairlead.model.problem import one_line
from fairlead.model.status import format_time
from fairlead.view.closing import outputs
from fairlead.view.nodes import nodes, seconds
from fairlead.view.rows import MARKS, Row, header, job_rows, render, took
from fairlead.view.table import age

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from fairlead.engine.runs import Found
    from fairlead.model.status import RunRecord, WorkflowStatus
    from fairlead.view.nodes import Shown

_MOST_VALUE: Final = 200


def report(found: Found, now: datetime, *, width: int | None = None) -> list[Text]:
    """Give its lines: how it stands, each job with its steps and outputs, the workflow's outputs, earlier runs."""
    status = found.record.resource.status
    lines = [header(found.name, status, now), *_facts(status, now)]
    lines += [Text(f"  {one_line(problem, 1000)}", style="red") for problem in status.problems]
    if status.jobs:
        lines += [Text(), *render(_rows(status, found.record.spec, now), width=width)]
    if status.outputs:
        lines += [Text(), *outputs(status.outputs)]
    if status.history:
        lines += [Text(), *_history(status.history, now)]
    return lines


def _facts(status: WorkflowStatus, now: datetime) -> list[Text]:
    lines = []
    if status.message and not status.problems:
        lines.append(Text(f"  {one_line(status.message, 1000)}"))
    words = []
    if status.started_at is not None:
        words.append(f"started {format_time(status.started_at)}, {age(status.started_at, now)} ago")
    if status.finished_at is not None:
        words.append(f"finished {format_time(status.finished_at)}")
    if status.next_run_at is not None:
        words.append(f"next run at {format_time(status.next_run_at)}")
    if status.missed_runs:
        words.append(f"{status.missed_runs} times of the schedule were missed")
    if status.compacted:
        words.append(one_line(status.compacted))
    return [*lines, Text(f"  {'; '.join(words)}", style="dim")] if words else lines


def _rows(status: WorkflowStatus, spec: Mapping[str, Any], now: datetime) -> list[Row]:
    rows = list[Row]()
    for group in _by_job(status, spec):
        rows += job_rows(group, status, {}, now, all_steps=True)
        job = status.jobs[group[0].node.job]
        for depth, values in [(1, job.outputs), *((2, each.outputs) for each in job.combinations if not job.outputs)]:
            rows += [
                Row(depth, None, f"{one_line(name)} = {one_line(value, _MOST_VALUE)}", style="cyan")
                for name, value in values.items()
            ]
    return rows


def _by_job(status: WorkflowStatus, spec: Mapping[str, Any]) -> list[list[Shown]]:
    groups: dict[str, list[Shown]] = {}
    for shown in nodes(status, spec):
        groups.setdefault(shown.node.job, []).append(shown)
    return list(groups.values())


def _history(records: Sequence[RunRecord], now: datetime) -> list[Text]:
    lines = [Text("  earlier runs", style="bold")]
    for record in records:
        mark, colour = MARKS[record.phase or WorkflowPhase.PENDING]
        time = took(seconds(record.started_at, record.finished_at, now))
        line = Text.assemble((f"    {mark} ", colour), f"run {record.run}  ", (str(record.phase), colour))
        line.append(f"  {time}" if time else "")
        line.append(f"  {age(record.started_at, now)} ago" if record.started_at else "", style="dim")
        line.append(f"  {one_line(record.message)}" if record.message else "", style="dim")
        lines.append(line)
    return lines
