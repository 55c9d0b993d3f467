"""Runs for tests, in memory: what is put is seen by who follows, logs end when they are said to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fairlead.engine.records import WorkflowRecord
from fairlead.engine.runs import Found, Log, NotFoundError
from tests.builders import a_resource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from fairlead.model.status import WorkflowStatus
    from fairlead.view.nodes import Shown
    from fairlead.view.view import Source


def found_of(status: WorkflowStatus, spec: Mapping[str, Any] | None = None, *, version: int = 1) -> Found:
    """Give the Workflow `ci` with a status, as it is found."""
    resource = a_resource(status=status)
    return Found(WorkflowRecord(resource, spec or {}, status.to_json(), version))


class RecordedRuns:
    """Implements `engine.runs.Runs` for one Workflow. `written` has what each Kubernetes Job writes, by its name."""

    where = "a test"

    def __init__(self) -> None:
        self.written: dict[str, list[bytes]] = {}
        self.endless: set[str] = set()
        self.read_names: list[str] = []
        self.annotated: list[Mapping[str, str]] = []
        self._found: Found | None = None
        self._changed = asyncio.Event()

    def put(self, status: WorkflowStatus, spec: Mapping[str, Any] | None = None) -> None:
        """Record a status."""
        version = self._found.record.version + 1 if self._found else 1
        self._found = found_of(status, spec, version=version)
        self._tell()

    def remove(self) -> None:
        """Delete it."""
        self._found = None
        self._tell()

    async def list(self) -> Sequence[Found]:
        """Give it."""
        return [self._found] if self._found else []

    async def get(self, name: str) -> Found:
        """Give it."""
        if self._found is None:
            raise NotFoundError(f"there is no {name}")
        return self._found

    async def follow(self, name: str) -> AsyncIterator[Found]:
        """Give it, and each version that is there when somebody looks."""
        seen = 0
        await self.get(name)
        while self._found is not None:
            changed = self._changed
            if self._found.record.version > seen:
                seen = self._found.record.version
                yield self._found
            await changed.wait()

    async def logs(self, found: Found) -> Sequence[Log]:
        """Give none."""
        del found
        return []

    async def read(self, found: Found, log: Log, *, follow: bool = False) -> AsyncIterator[bytes]:
        """Give what is written."""
        del found, follow
        self.read_names.append(log.job_name)
        if log.job_name not in self.written:
            raise NotFoundError("the log is gone")
        for piece in self.written[log.job_name]:
            yield piece
        if log.job_name in self.endless:
            await asyncio.Event().wait()

    async def annotate(self, name: str, annotations: Mapping[str, str]) -> Found:
        """Take note."""
        self.annotated.append(annotations)
        return await self.get(name)

    async def apply(self, resource: Mapping[str, Any]) -> Found:
        """Do nothing of the kind."""
        raise NotImplementedError(resource)

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Notes:
    """A view that notes what it hears, in order. `wanted` are the titles whose logs it wants; None: all."""

    def __init__(self, wanted: set[str] | None = None) -> None:
        self.heard: list[str] = []
        self.wanted = wanted

    def wants(self, shown: Shown, *, was_over: bool) -> bool:
        """Want what was named, and hasn't been over before."""
        return not was_over and (self.wanted is None or shown.title in self.wanted)

    def waits(self, name: str) -> None:
        """Note it."""
        self.heard.append(f"waits {name}")

    def changed(self, found: Found) -> None:
        """Note it."""
        status = found.record.resource.status
        self.heard.append(f"changed to run {status.run} {status.phase}")

    def opened(self, source: Source) -> None:
        """Note it."""
        self.heard.append(f"opened {source.title}")

    def wrote(self, source: Source, piece: bytes) -> None:
        """Note it."""
        self.heard.append(f"{source.title} wrote {piece.decode()}")

    def closed(self, source: Source, lost: str | None = None) -> None:
        """Note it."""
        self.heard.append(f"closed {source.title}" + (f": {lost}" if lost else ""))

    def note(self, text: str) -> None:
        """Note it."""
        self.heard.append(text)

    def tick(self) -> None:
        """Let it pass."""

    def end(self, found: Found) -> None:
        """Note it."""
        self.heard.append(f"end {found.record.resource.status.phase}")

    def stop(self) -> None:
        """Note it."""
        self.heard.append("stop")
