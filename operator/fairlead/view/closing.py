"""What is said of a run that is over: how it ended, what ran, what failed, and what it gave."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from rich.text import Text

from fairlead.model.phase import JobPhase, WorkflowPhase
from fairlead.model.problem import one_line
from fairlead.view.nodes import nodes, seconds
from fairlead.view.rows import MARKS, took

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fairlead.model.status import WorkflowStatus

_ENDS: Final = (JobPhase.SUCCEEDED, JobPhase.FAILED, JobPhase.CANCELLED, JobPhase.SKIPPED)
_MOST_VALUE: Final = 200


def closing(name: str, status: WorkflowStatus, now: datetime) -> list[Text]:
    """Give its lines: the result, the figures, the problems of a spec, the outputs."""
    phase = status.phase or WorkflowPhase.PENDING
    mark, colour = MARKS[phase]
    duration = took(seconds(status.started_at, status.finished_at, now)) if status.started_at else ""
    run = f" run {status.run}" if status.run and phase is not WorkflowPhase.INVALID else ""
    first = Text.assemble((f"{mark} ", colour), (f"{one_line(name)}{run}", "bold"), " ", (str(phase).lower(), colour))
    if duration:
        first.append(f" in {duration}" if status.finished_at else f" for {duration}")
    if status.message and not status.problems:
        first.append(f": {one_line(status.message, 1000)}")
    lines = [first]
    if figures := _figures(status):
        lines.append(Text(f"  {figures}", style="dim"))
    lines += [Text(f"  {one_line(problem, 1000)}") for problem in status.problems]
    return lines + outputs(status.outputs)


def outputs(values: Mapping[str, str]) -> list[Text]:
    """Give the lines of a workflow's outputs."""
    if not values:
        return []
    width = max(len(one_line(name)) for name in values)
    lines = [Text("  outputs", style="bold")]
    for name, value in values.items():
        lines.append(Text.assemble((f"    {one_line(name):<{width}}", "cyan"), f"  {one_line(value, _MOST_VALUE)}"))
    return lines


def _figures(status: WorkflowStatus) -> str:
    """Count the nodes by how they ended, those that ran first."""
    shown = list(nodes(status))
    if not shown:
        return ""
    kept = sum(each.kept for each in shown)
    counts = Counter(each.state.phase for each in shown if not each.kept)
    executed = sum(
        each.state.started_at is not None or each.state.attempt is not None for each in shown if not each.kept
    )
    parts = [f"executed {executed}"]
    parts += [f"{phase.lower()} {counts[phase]}" for phase in _ENDS if counts[phase]]
    parts += [f"kept {kept}"] if kept else []
    left = sum(count for phase, count in counts.items() if phase not in _ENDS)
    return ", ".join([*parts, f"not over {left}"] if left else parts)
