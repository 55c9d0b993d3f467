"""A run for machines: its last status as a document, or GitHub's workflow commands."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from fairlead.model.phase import JobPhase, Result
from fairlead.model.problem import one_line
from fairlead.view.closing import closing
from fairlead.view.logtext import LogText, Look, neutral
from fairlead.view.nodes import nodes, seconds
from fairlead.view.rows import took

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import TextIO

    from fairlead.engine.runs import Found
    from fairlead.model.ids import NodeId
    from fairlead.view.nodes import Shown
    from fairlead.view.view import Source

_MOST_KEPT: Final = 8 * 2**20
"""Characters of a log that are held back until its job has ended."""


def document_of(found: Found) -> dict[str, Any]:
    """Give a Workflow's status with its name and namespace."""
    key = found.record.resource.key
    return {"name": key.name, "namespace": key.namespace, **found.record.resource.status.to_json()}


class SilentView:
    """Writes nothing."""

    def wants(self, shown: Shown, *, was_over: bool) -> bool:  # noqa: ARG002  the view's signature
        """Read no logs."""
        return False

    def waits(self, name: str) -> None:
        """Do nothing."""

    def changed(self, found: Found) -> None:
        """Do nothing."""

    def opened(self, source: Source) -> None:
        """Do nothing."""

    def wrote(self, source: Source, piece: bytes) -> None:
        """Do nothing."""

    def closed(self, source: Source, lost: str | None = None) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def tick(self) -> None:
        """Do nothing."""

    def end(self, found: Found) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


class DocumentView(SilentView):
    """Writes nothing but the last status."""

    def __init__(self, out: TextIO, dump: Callable[[object], str]) -> None:
        self._out = out
        self._dump = dump

    def end(self, found: Found) -> None:
        """Write the document."""
        self._out.write(self._dump(document_of(found)))
        self._out.flush()


class _Kept:
    """The lines of one log, the last ones where they are too many."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines: deque[str] = deque()
        self.text = LogText(self.keep, Look(colours=True, neutral=True), source.labels)
        self._size = 0

    def keep(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)
        self._size += len(line)
        if self._size > _MOST_KEPT:
            while self._size > _MOST_KEPT // 2:
                self._size -= len(self.lines.popleft())
            self.lines.appendleft("(the beginning of this log was left out)\n")


class GitHubView(SilentView):
    """Writes a group for each job when it has ended, and an error for each that failed.

    Nothing that a job wrote reaches GitHub's runner as a command.
    """

    def __init__(self, out: TextIO, clock: Callable[[], datetime]) -> None:
        self._out = out
        self._clock = clock
        self._texts: dict[NodeId, _Kept] = {}
        self._reading: set[NodeId] = set()
        self._ended: dict[NodeId, Shown] = {}
        self._told: set[tuple[int | None, NodeId]] = set()
        self._run: int | None = None

    def wants(self, shown: Shown, *, was_over: bool) -> bool:  # noqa: ARG002  every log is shown
        """Read all that hadn't ended before anybody looked."""
        return not was_over

    def changed(self, found: Found) -> None:
        """Write the groups of what has ended."""
        self._run = found.record.resource.status.run
        for shown in nodes(found.record.resource.status, found.record.spec):
            key = (self._run, shown.node)
            if shown.state.phase.ended and not shown.kept and key not in self._told:
                self._told.add(key)
                self._ended[shown.node] = shown
                self._write_out(shown.node)

    def opened(self, source: Source) -> None:
        """Begin to keep its lines."""
        self._texts[source.node] = _Kept(source)
        self._reading.add(source.node)

    def wrote(self, source: Source, piece: bytes) -> None:
        """Keep its lines."""
        if (kept := self._texts.get(source.node)) is not None and kept.source == source:
            kept.text.feed(piece)

    def closed(self, source: Source, lost: str | None = None) -> None:
        """Write its group if its job has ended."""
        if (kept := self._texts.get(source.node)) is not None and kept.source == source:
            kept.text.end()
            if lost:
                kept.keep(f"({one_line(lost)})\n")
            self._reading.discard(source.node)
            self._write_out(source.node)

    def note(self, text: str) -> None:
        """Write a notice."""
        self._out.write(f"::notice::{data(text)}\n")
        self._out.flush()

    def end(self, found: Found) -> None:
        """Write what is left, and the summary."""
        self._reading.clear()
        for node in list(self._ended):
            self._write_out(node)
        lines = closing(found.name, found.record.resource.status, self._clock())
        self._out.write("".join(f"{neutral(line.plain)}\n" for line in lines))
        for problem in found.record.resource.status.problems:
            self._out.write(f"::error title={label(found.name)}::{data(problem)}\n")
        self._out.flush()

    def _write_out(self, node: NodeId) -> None:
        if node in self._reading or (shown := self._ended.pop(node, None)) is None:
            return
        state = shown.state
        kept = self._texts.pop(node, None)
        time = took(seconds(state.started_at, state.finished_at, self._clock())) if state.started_at else ""
        words = " ".join(filter(None, [state.phase.lower(), f"after {time}" if time else ""]))
        if kept is None:
            self._out.write(
                neutral(f"{shown.title} {words}{': ' if state.message else ''}{one_line(state.message or '')}\n")
            )
        else:
            self._out.write(f"::group::{data(shown.title)} {words}\n")
            self._out.writelines(kept.lines)
            self._out.write("::endgroup::\n")
        if state.phase is JobPhase.FAILED:
            kind = "error" if state.result is Result.FAILURE else "warning"
            self._out.write(f"::{kind} title={label(shown.title)}::{data(state.message or 'failed')}\n")
        self._out.flush()


def data(text: str) -> str:
    """Escape a command's data as the runner reads it back."""
    return one_line(text, 1000).replace("%", "%25").replace("##[", "## [")


def label(text: str) -> str:
    """Escape a command's property."""
    return data(text).replace(":", "%3A").replace(",", "%2C")
