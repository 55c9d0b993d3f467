"""A run in a pipe: a line for everything that happens, and what jobs write with their names before it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fairlead.model.phase import JobPhase, Result, WorkflowPhase
from fairlead.model.problem import one_line
from fairlead.view.closing import closing
from fairlead.view.logtext import LogText, Look
from fairlead.view.nodes import nodes, seconds
from fairlead.view.rows import took

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import TextIO

    from fairlead.engine.runs import Found
    from fairlead.model.ids import NodeId, RunNumber
    from fairlead.view.nodes import Shown
    from fairlead.view.view import Source

_WORDS = {
    JobPhase.SUCCEEDED: "succeeded",
    JobPhase.FAILED: "failed",
    JobPhase.CANCELLED: "cancelled",
    JobPhase.SKIPPED: "skipped",
}


class PlainView:
    """Writes lines. A node's end is told when all of its log has been."""

    def __init__(self, out: TextIO, clock: Callable[[], datetime]) -> None:
        self._out = out
        self._clock = clock
        self._told: dict[tuple[RunNumber | None, NodeId], tuple[JobPhase, str | None, int]] = {}
        self._open: dict[Source, LogText] = {}
        self._ended: deque[Shown] = deque()
        self._run: RunNumber | None = None
        self._message: str | None = None

    def wants(self, shown: Shown, *, was_over: bool) -> bool:  # noqa: ARG002  every log is shown
        """Read all that hadn't ended before anybody looked."""
        return not was_over

    def waits(self, name: str) -> None:
        """Say so."""
        self._say(name, "waiting for an operator to look at it")

    def changed(self, found: Found) -> None:
        """Tell what is different."""
        status = found.record.resource.status
        if status.run != self._run and status.phase is not WorkflowPhase.INVALID:
            if self._run is not None:
                self._say(found.name, f"run {self._run} was superseded")
            self._run, self._message = status.run, None
            self._say(found.name, f"run {status.run} started" if status.run else "accepted", status.started_at)
        waits = status.message if status.phase in (WorkflowPhase.PENDING, WorkflowPhase.QUEUED) else None
        if waits and waits != self._message and not status.jobs:
            self._say(found.name, waits)
        self._message = waits
        for shown in nodes(status, found.record.spec):
            self._compare(shown)
        self._out.flush()

    def opened(self, source: Source) -> None:
        """Begin its lines."""
        look = Look(prefix=f"{source.title} | ")
        self._open[source] = LogText(self._out.write, look, source.labels)

    def wrote(self, source: Source, piece: bytes) -> None:
        """Write its lines."""
        self._open[source].feed(piece)
        self._out.flush()

    def closed(self, source: Source, lost: str | None = None) -> None:
        """Write the last of its lines, then that its node has ended."""
        self._open.pop(source).end()
        if lost:
            self._out.write(f"{source.title} | ({one_line(lost)})\n")
        self._tell_ends()
        self._out.flush()

    def note(self, text: str) -> None:
        """Write it."""
        self._out.write(f"{text}\n")
        self._out.flush()

    def tick(self) -> None:
        """Do nothing: what is written stays."""

    def end(self, found: Found) -> None:
        """Sum it up."""
        self._open.clear()
        self._tell_ends()
        for line in closing(found.name, found.record.resource.status, self._clock()):
            self._out.write(f"{line.plain}\n")
        self._out.flush()

    def stop(self) -> None:
        """Do nothing: what is written stays."""

    def _compare(self, shown: Shown) -> None:
        state, key = shown.state, (self._run, shown.node)
        before = self._told.get(key)
        now = (state.phase, state.message, state.attempt or 0)
        if before == now:
            return
        self._told[key] = now
        if shown.kept:
            self._say(shown.title, f"kept from run {shown.run}")
            return
        began = state.started_at is not None and (before is None or before[0] is not JobPhase.RUNNING)
        new_attempt = before is not None and before[0] is JobPhase.RUNNING and before[2] != now[2]
        if (began or new_attempt) and (state.phase is JobPhase.RUNNING or state.phase.ended):
            attempt = f", attempt {state.attempt}" if (state.attempt or 1) > 1 else ""
            self._say(shown.title, f"started{attempt}", state.started_at)
        if state.phase.ended:
            self._ended.append(shown)
            self._tell_ends()
        elif state.message and (before is None or state.message != before[1]):
            self._say(shown.title, state.message)

    def _tell_ends(self) -> None:
        """Tell of them in their order, as far as their logs are written."""
        reading = {source.node for source in self._open}
        while self._ended and self._ended[0].node not in reading:
            self._tell_end(self._ended.popleft())

    def _tell_end(self, shown: Shown) -> None:
        state = shown.state
        words = [_WORDS[state.phase]]
        if state.started_at is not None and state.finished_at is not None:
            words.append(f"after {took(seconds(state.started_at, state.finished_at, state.finished_at))}")
        if state.phase is JobPhase.FAILED and state.result is Result.SUCCESS:
            words.append("(allowed)")
        said = " ".join(words)
        self._say(shown.title, f"{said}: {state.message}" if state.message else said, state.finished_at)

    def _say(self, title: str, text: str, moment: datetime | None = None) -> None:
        time = (moment or self._clock()).astimezone().strftime("%H:%M:%S")
        self._out.write(f"{time} {one_line(title)}  {one_line(text, 1000)}\n")
