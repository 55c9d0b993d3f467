"""Where runs can be looked at and asked for something: on a cluster, or recorded on this machine.

What `list`, `status`, `logs`, `watch`, `cancel` and `rerun` need of the world; none of it decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from fairlead.engine.records import WorkflowRecord
    from fairlead.model.ids import Attempt, NodeId, RunNumber


@dataclass(frozen=True, slots=True)
class Found:
    """A Workflow with its state, and since when there is one."""

    record: WorkflowRecord
    created_at: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is asked for by."""
        return self.record.resource.key.name


@dataclass(frozen=True, slots=True, order=True)
class Log:
    """What one attempt at a node has written, or one of its services; `job_name` is the Kubernetes Job's."""

    node: NodeId
    attempt: Attempt
    run: RunNumber
    job_name: str
    service: str | None = None


class NotFoundError(Exception):
    """There is no such Workflow, or no such log (any more). Words its own message."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class Runs(Protocol):
    """Each method may raise `engine.errors.UnavailableError` and `RefusedError`, with words for a user."""

    @property
    def where(self) -> str:
        """Say what is talked to, for a line that begins with `on`: `this machine`, `cluster kind, namespace ci`."""

    async def list(self) -> Sequence[Found]:
        """Give all Workflows, the newest first."""

    async def get(self, name: str) -> Found:
        """Give one. Raises NotFoundError."""

    def follow(self, name: str) -> AsyncIterator[Found]:
        """Give it at once, and whenever it has changed, until it is gone. Raises NotFoundError where it never was."""

    async def logs(self, found: Found) -> Sequence[Log]:
        """Name the logs that there are, those of the newest run last, and of one run in the order of its nodes."""

    def read(self, found: Found, log: Log, *, follow: bool = False) -> AsyncIterator[bytes]:
        """Give what was written so far, in pieces; with `follow` what is written from then on, too, until its end.

        Waits with `follow` until it begins. Raises NotFoundError where it is gone.
        """

    async def annotate(self, name: str, annotations: Mapping[str, str]) -> Found:
        """Ask for something: `fairlead.dev/cancel`, `fairlead.dev/rerun`. Raises NotFoundError."""

    async def apply(self, resource: Mapping[str, Any]) -> Found:
        """Make a Workflow, or give one of its name this spec; without a name, but a generateName, make one."""
