"""A run on a terminal: a tree that is drawn anew ten times a second, and at its end stays."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from fairlead.model.ids import RunNumber
from fairlead.model.phase import JobPhase, Result
from fairlead.model.problem import one_line
from fairlead.view.closing import closing
from fairlead.view.folding import Began, Ended, Folder, Lines, Remarked, Wrote
from fairlead.view.harmless import harmless
from fairlead.view.nodes import nodes
from fairlead.view.rows import StepTrack, Track, fitted, header, job_rows, render

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rich.console import Console

    from fairlead.engine.runs import Found
    from fairlead.model.ids import NodeId
    from fairlead.view.folding import Event
    from fairlead.view.nodes import Shown
    from fairlead.view.view import Source

_TAIL: Final = 10
"""Lines of a log that are shown of what fails."""

_MARGIN: Final = 4
"""Lines of the terminal that aren't for jobs: header, note, and the cursor's."""

_MOST_AT_END: Final = 200


class _Reader:
    """Follows one log for its steps and its last lines."""

    def __init__(self, source: Source, clock: Callable[[], datetime]) -> None:
        self._lines = Lines()
        self._folder = Folder(source.labels)
        self._clock = clock
        self._began_at = source.began_at
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self.track = Track()

    def feed(self, piece: bytes) -> None:
        for line in self._lines.feed(piece):
            self._take(line)

    def end(self) -> None:
        for line in self._lines.end():
            self._take(line)

    def _take(self, line: str) -> None:
        for event in self._folder.feed(line):
            self._see(event)
        self.track.tail = tuple(self._tail)

    def _see(self, event: Event) -> None:
        match event:
            case Began(label=label):
                self._tail.clear()
                first = self._began_at if not self.track.steps else None
                self.track.steps.append(StepTrack(one_line(label), first or self._clock()))
            case Ended() if self.track.steps:
                self.track.steps[-1] = replace(self.track.steps[-1], finished_at=self._clock())
            case Wrote(text=text):
                self._tail.append(harmless(text, colours=True))
            case Remarked(text=text, warning=warning):
                self._tail.append(one_line(text, 1000))
                if self.track.steps and not warning:
                    self.track.steps[-1] = replace(self.track.steps[-1], failed=True)
            case _:
                pass


class LiveView:
    """Draws the tree. Only what works is read, and what fails."""

    def __init__(self, console: Console, clock: Callable[[], datetime]) -> None:
        self._console = console
        self._clock = clock
        self._live: Live | None = None
        self._found: Found | None = None
        self._readers: dict[NodeId, tuple[Source, _Reader]] = {}
        self._run = RunNumber(0)
        self._note = ""
        self._ticks = 0

    def wants(self, shown: Shown, *, was_over: bool) -> bool:  # noqa: ARG002  the end of what failed is shown in any case
        """Read what works, and what failed before it was seen to work."""
        return shown.state.phase is JobPhase.RUNNING or shown.state.result is Result.FAILURE

    def waits(self, name: str) -> None:
        """Say so below the tree."""
        self._note = f"waiting for an operator to look at {one_line(name)}"

    def changed(self, found: Found) -> None:
        """Draw it at the next tick."""
        run = found.record.resource.status.run or RunNumber(0)
        if self._found is None or run != self._run:
            self._note = f"run {self._run} was superseded by run {run}" if self._run and run > self._run else ""
            self._readers = {node: each for node, each in self._readers.items() if each[0].run == run}
        self._run, self._found = run, found

    def opened(self, source: Source) -> None:
        """Begin a track; a new attempt takes the place of the one before."""
        self._readers[source.node] = source, _Reader(source, self._clock)

    def wrote(self, source: Source, piece: bytes) -> None:
        """Take note of steps and last lines."""
        if (known := self._readers.get(source.node)) and known[0] == source:
            known[1].feed(piece)

    def closed(self, source: Source, lost: str | None = None) -> None:
        """Take note of the last line."""
        if (known := self._readers.get(source.node)) and known[0] == source:
            known[1].end()
            if lost and not known[1].track.tail:
                known[1].track.tail = (one_line(lost),)

    def note(self, text: str) -> None:
        """Say it below the tree."""
        self._note = text

    def tick(self) -> None:
        """Draw."""
        self._ticks += 1
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")
            self._live.start()
        self._live.update(Group(*self._drawn(self._console.height, self._ticks)), refresh=True)

    def end(self, found: Found) -> None:
        """Leave the tree as it ended, and sum it up."""
        self.changed(found)
        self.stop()
        status = found.record.resource.status
        lines = self._tree(_MOST_AT_END, 0)
        for line in [*lines, *([Text()] if lines else []), *closing(found.name, status, self._clock())]:
            self._console.print(line, soft_wrap=True, highlight=False)

    def stop(self) -> None:
        """Take the drawn tree away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _drawn(self, height: int, tick: int) -> list[Text]:
        note = [Text(self._note, style="yellow")] if self._note else []
        if self._found is None:
            return note
        status = self._found.record.resource.status
        first = header(self._found.name, status, self._clock(), tick=tick)
        if status.message and not status.ended:
            first.append(f"  {one_line(status.message)}", style="dim")
        first.truncate(self._console.width, overflow="ellipsis")
        return [first, *self._tree(max(3, height - _MARGIN), tick), *note]

    def _tree(self, room: int, tick: int) -> list[Text]:
        if self._found is None:
            return []
        status = self._found.record.resource.status
        tracks = {node: reader.track for node, (_, reader) in self._readers.items()}
        rows = job_rows(nodes(status, self._found.record.spec), status, tracks, self._clock())
        return render(fitted(rows, room), width=self._console.width, tick=tick)
