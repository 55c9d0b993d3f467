"""What a plan has to know of the other workflows: whether its run, or one of its jobs, may start now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from fairlead.model.ids import NodeId, RunNumber, Uid, WorkflowKey
    from fairlead.model.spec import QueueKind


@dataclass(frozen=True, slots=True)
class Caller:
    """A node that called the Workflow, or called one that did: it waits for its end."""

    uid: Uid
    run: RunNumber
    node: NodeId


@dataclass(frozen=True, slots=True)
class Claim:
    """A run (`node` is None), or one node of it, that wants to go or goes.

    `group` is its concurrency group, folded to one case; groups belong to a namespace. `counted`: whether the limits on
    workflows count it; called Workflows run under their caller's. `callers`: who waits for this one.
    """

    workflow: WorkflowKey
    uid: Uid
    run: RunNumber
    node: NodeId | None
    since: datetime
    admitted: bool
    group: str | None
    cancel_in_progress: bool
    queue: QueueKind
    priority: int = 0
    counted: bool = False
    callers: tuple[Caller, ...] = ()


@dataclass(frozen=True, slots=True)
class Admitted:
    """It may go, or go on."""


@dataclass(frozen=True, slots=True)
class Waits:
    """It has to wait; `message` says for whom."""

    message: str


@dataclass(frozen=True, slots=True)
class Yields:
    """It has to end for a newer one; `message` says for which."""

    message: str


@dataclass(frozen=True, slots=True)
class Deadlocked:
    """It would wait for itself, for ever."""

    message: str


Standing = Admitted | Waits | Yields | Deadlocked

JOBS_REACHED = "the limit on jobs is reached"
UNSTARTED_REACHED = "the cluster has yet to start earlier jobs"


@dataclass(frozen=True, slots=True)
class Room:
    """How many nodes may start; `full` says to the others what they wait for."""

    places: int
    full: str = JOBS_REACHED


class Neighbours(Protocol):
    """What the others leave room for, for one plan. The same question gets the same answer."""

    def standing(self, claim: Claim) -> Standing:
        """Tell how a claim of this workflow stands; what one plan lets go stands in the way of what it asks next."""

    def room(self, wanted: int, priority: int) -> Room:
        """Tell how many of so many nodes that wait may start now, for the limits on jobs; asked once in a plan."""

    @property
    def limited(self) -> bool:
        """Whether the number of workflows is limited, so that every run has to be admitted."""


class _Alone:
    """Nobody else is there, and nothing is limited."""

    limited = False

    def standing(self, claim: Claim) -> Standing:
        del claim
        return Admitted()

    def room(self, wanted: int, priority: int) -> Room:
        del priority
        return Room(wanted)


ALONE: Final[Neighbours] = _Alone()
