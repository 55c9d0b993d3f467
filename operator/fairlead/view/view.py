"""What shows a run while it goes on. `follow` calls it; it asks nothing of the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from fairlead.engine.runs import Found
    from fairlead.model.ids import Attempt, NodeId, RunNumber
    from fairlead.view.nodes import Shown


@dataclass(frozen=True, slots=True)
class Source:
    """Whose log it is: one attempt at a node of a run, which began then.

    `labels` are those of its steps, where they are known.
    """

    run: RunNumber
    node: NodeId
    attempt: Attempt
    title: str
    labels: tuple[str, ...] = ()
    began_at: datetime | None = None


class View(Protocol):
    """Each status comes whole. A log is `opened` before the status is shown that tells of its node's start or end."""

    def wants(self, shown: Shown, *, was_over: bool) -> bool:
        """Say whether a node's log is to be read; `was_over` where it had ended before anybody looked."""

    def waits(self, name: str) -> None:
        """Hear that nobody has looked at the Workflow yet."""

    def changed(self, found: Found) -> None:
        """Hear how it stands."""

    def opened(self, source: Source) -> None:
        """Hear that a log is read."""

    def wrote(self, source: Source, piece: bytes) -> None:
        """Hear what stands in a log."""

    def closed(self, source: Source, lost: str | None = None) -> None:
        """Hear that a log is read to its end, or why it can't be."""

    def note(self, text: str) -> None:
        """Hear what the user should know."""

    def tick(self) -> None:
        """Hear that a tenth of a second has passed."""

    def end(self, found: Found) -> None:
        """Hear that it is over; comes last, once."""

    def stop(self) -> None:
        """Leave the terminal as it was: nobody follows any more. May come without an `end`, and twice."""
