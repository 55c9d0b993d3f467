"""A run as rows: what stands where, in which colour. Pure; how many rows there is room for is an argument."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.text import Text

from fairlead.model.duration import format_duration
from fairlead.model.phase import JobPhase, Result, WorkflowPhase
from fairlead.model.problem import one_line
from fairlead.view.nodes import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from fairlead.model.ids import NodeId
    from fairlead.model.status import NodeStatus, WorkflowStatus
    from fairlead.view.nodes import Shown

MARKS: Final[Mapping[str, tuple[str, str]]] = {
    JobPhase.PENDING: ("·", "dim"),
    JobPhase.QUEUED: ("○", "yellow"),
    JobPhase.RUNNING: ("●", "cyan"),
    JobPhase.SUCCEEDED: ("✓", "green"),
    JobPhase.FAILED: ("✗", "red"),
    JobPhase.CANCELLED: ("■", "magenta"),
    JobPhase.SKIPPED: ("-", "dim"),
    WorkflowPhase.PARTIAL: ("✓", "yellow"),
    WorkflowPhase.INVALID: ("✗", "red"),
}
"""A sign and a colour for each phase."""

_OF_STEP: Final[Mapping[Result | None, JobPhase]] = {
    Result.SUCCESS: JobPhase.SUCCEEDED,
    Result.FAILURE: JobPhase.FAILED,
    Result.CANCELLED: JobPhase.CANCELLED,
    Result.SKIPPED: JobPhase.SKIPPED,
    None: JobPhase.PENDING,
}
_SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_WIDEST: Final = 44
_EXACT: Final = 10
"""Seconds under which tenths are worth showing."""


class Weight(IntEnum):
    """What is left out first where there isn't room for all: the highest."""

    NEEDED = 0
    TAIL = 1
    DETAIL = 2
    QUIET = 3


@dataclass(frozen=True, slots=True)
class Row:
    """A line: how deep, a phase's sign, a title, how long it took, and what there is to say."""

    depth: int
    phase: str | None
    title: str
    time: str = ""
    note: str = ""
    weight: Weight = Weight.NEEDED
    style: str = ""


@dataclass(frozen=True, slots=True)
class StepTrack:
    """A step of a node that works."""

    label: str
    started_at: datetime
    finished_at: datetime | None = None
    failed: bool = False


@dataclass(slots=True)
class Track:
    """What the log of a node that works tells: its steps, and the last lines."""

    steps: list[StepTrack] = field(default_factory=list)
    tail: tuple[str, ...] = ()


def took(value: float | None, *, tenths: bool = False) -> str:
    """Write seconds shortly; with `tenths` of them where they are few."""
    if value is None:
        return ""
    return f"{value:.1f}s" if tenths and value < _EXACT else format_duration(value)


def node_row(shown: Shown, now: datetime, *, depth: int = 0, weight: Weight | None = None) -> Row:
    """Give the row of a job or a combination."""
    state = shown.state
    duration = seconds(state.started_at, state.finished_at, now) if state.started_at else None
    note = one_line(state.message or "")
    if state.attempt is not None and state.attempt > 1:
        note = f"attempt {state.attempt}{', ' if note else ''}{note}"
    if shown.kept:
        note = f"kept from run {shown.run}"
    elif state.workflow and not note:
        note = f"calls the Workflow {one_line(state.workflow)}"
    if state.phase is JobPhase.FAILED and state.result is Result.SUCCESS:
        note = f"{note} (allowed)" if note else "(allowed)"
    return Row(depth, state.phase, shown.title, took(duration), note, _weight(state) if weight is None else weight)


def _weight(state: NodeStatus) -> Weight:
    return Weight.NEEDED if state.phase in (JobPhase.RUNNING, JobPhase.FAILED) else Weight.QUIET


def step_rows(shown: Shown, track: Track | None, now: datetime, *, depth: int, all_steps: bool) -> list[Row]:
    """Give the rows of a node's steps: as they are recorded, or as far as its log tells."""
    state, rows = shown.state, list[Row]()
    for step in state.steps:
        if all_steps or step.result is Result.FAILURE or step.outcome is Result.FAILURE:
            allowed = step.outcome is Result.FAILURE and step.result is not Result.FAILURE
            failed = step.exit_code not in (None, 0) and Result.FAILURE in (step.result, step.outcome)
            note = (f"exit code {step.exit_code}" if failed else "") + (" (allowed)" if allowed else "")
            phase = JobPhase.FAILED if allowed else _OF_STEP[step.result]
            duration = took(seconds(step.started_at, step.finished_at, now) if step.started_at else None, tenths=True)
            rows.append(Row(depth, phase, one_line(step.name), duration, note, Weight.DETAIL))
    if not state.steps and track is not None and not state.phase.ended:
        for each in track.steps:
            ended = JobPhase.FAILED if each.failed else JobPhase.SUCCEEDED
            phase = ended if each.finished_at else JobPhase.RUNNING
            duration = took(seconds(each.started_at, each.finished_at, now), tenths=True)
            rows.append(Row(depth, phase, each.label, duration, weight=Weight.DETAIL))
    return rows


def tail_rows(track: Track | None, depth: int) -> list[Row]:
    """Give the last lines of a log."""
    return [Row(depth, None, line, weight=Weight.TAIL, style="tail") for line in (track.tail if track else ())]


def job_rows(
    shown: Iterable[Shown],
    status: WorkflowStatus,
    tracks: Mapping[NodeId, Track],
    now: datetime,
    *,
    all_steps: bool = False,
) -> list[Row]:
    """Give the rows of all jobs, each with its combinations, steps, and the end of its log where it failed."""
    rows, at = list[Row](), ""
    for each in shown:
        job = status.jobs[each.node.job]
        depth = 0
        if each.node.combination is not None:
            depth = 1
            if each.node.job != at:
                start = min((one.started_at for one in job.combinations if one.started_at), default=None)
                last = max((one.finished_at for one in job.combinations if one.finished_at), default=None)
                time = took(seconds(start, last if job.phase.ended else None, now))
                note = one_line(job.summary or job.message or "")
                rows.append(Row(0, job.phase, one_line(each.node.job), time, note, _weight(job)))
        at = each.node.job
        rows.append(node_row(each, now, depth=depth))
        track = tracks.get(each.node)
        steps_too = all_steps or each.state.phase in (JobPhase.RUNNING, JobPhase.FAILED)
        if steps_too:
            whole = all_steps or each.state.phase is JobPhase.RUNNING
            rows += step_rows(each, track, now, depth=depth + 1, all_steps=whole)
        if each.state.phase is JobPhase.FAILED:
            rows += tail_rows(track, depth + 1)
    return rows


def fitted(rows: Sequence[Row], room: int) -> list[Row]:
    """Leave out what matters least until there is room; what was left out is counted."""
    kept = list(rows)
    for weight in reversed(Weight):
        if len(kept) <= room:
            return kept
        over = len(kept) - room + 1
        # The newest of a log's lines tell the most, and of what is quiet what comes next.
        dropped = [at for at, row in enumerate(kept) if row.weight is weight][:over]
        if not dropped:
            continue
        gone = set(dropped)
        counts = Counter(kept[at].phase for at in dropped if kept[at].weight is Weight.QUIET)
        kept = [row for at, row in enumerate(kept) if at not in gone]
        if counts:
            said = ", ".join(f"{count} {str(phase).lower()}" for phase, count in counts.items())
            kept.append(Row(0, None, f"… and {said}", style="dim"))
    return kept if len(kept) <= room else [*kept[: max(0, room - 1)], Row(0, None, "…", style="dim")]


def render(rows: Sequence[Row], *, width: int | None = None, tick: int = 0) -> list[Text]:
    """Write rows as lines, their columns aligned. `width`: the terminal's, at which they are cut."""
    titled = [row for row in rows if row.phase is not None]
    column = min(_WIDEST, max((2 * row.depth + cell_len(row.title) for row in titled), default=0))
    times = max((len(row.time) for row in titled), default=0)
    lines = []
    for row in rows:
        line = _line(row, column, times, tick)
        if width is not None:
            line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return lines


def _line(row: Row, column: int, times: int, tick: int) -> Text:
    indent = "  " * row.depth
    if row.phase is None:
        if row.style == "tail":
            return Text.assemble((f"{indent}│ ", "red"), Text.from_ansi(row.title))
        return Text(f"{indent}{row.title}", style=row.style)
    mark, colour = MARKS[row.phase]
    if row.phase == JobPhase.RUNNING and tick:
        mark = _SPINNER[tick % len(_SPINNER)]
    title_style = "dim" if row.phase in (JobPhase.PENDING, JobPhase.SKIPPED) else ""
    gap = " " * max(0, column - 2 * row.depth - cell_len(row.title))
    line = Text.assemble((f"{indent}{mark} ", colour), (row.title, title_style))
    if row.time or row.note:
        line.append(gap)
        line.append(f"  {row.time:>{times}}", style="dim" if row.phase != JobPhase.RUNNING else colour)
    if row.note:
        line.append(f"  {row.note}", style="red" if row.phase == JobPhase.FAILED else "dim")
    line.rstrip()
    return line


def header(name: str, status: WorkflowStatus, now: datetime, *, tick: int = 0) -> Text:
    """Say in a line which run of what it is, how far it is, and for how long it has been going on."""
    phase = status.phase or WorkflowPhase.PENDING
    mark, colour = MARKS[phase]
    if phase is WorkflowPhase.RUNNING and tick:
        mark = _SPINNER[tick % len(_SPINNER)]
    duration = took(seconds(status.started_at, status.finished_at, now))
    line = Text.assemble((f"{mark} ", colour), (one_line(name), "bold"))
    words = [(f"run {status.run}" if status.run else "", "dim"), (str(phase), colour), (status.progress or "", "")]
    for text, style in (*words, (duration, "dim")):
        if text:
            line.append(f"  {text}", style=style)
    return line
