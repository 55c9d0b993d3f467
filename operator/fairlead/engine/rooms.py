"""The limits on jobs: how many Kubernetes Jobs there may be, how many unstarted, and who may make the next."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from fairlead.engine.places import Places
from fairlead.plan.neighbours import JOBS_REACHED, UNSTARTED_REACHED, Room

if TYPE_CHECKING:
    from collections.abc import Collection

    from fairlead.model.ids import WorkflowKey
    from fairlead.plan.admission import Limits

_NONE: frozenset[str] = frozenset()
_Turn: TypeAlias = "tuple[int, int]"


class _Limit:
    """One limit: places, and the Kubernetes Jobs that take them, by name: those that count, and those being made."""

    def __init__(self, most: int | None, most_per_namespace: int | None = None) -> None:
        self.limited = most is not None or most_per_namespace is not None
        self._places: Places[WorkflowKey] = Places(most, most_per_namespace)
        self._counted: dict[WorkflowKey, frozenset[str]] = {}
        self._starting: dict[WorkflowKey, frozenset[str]] = {}

    def count(self, key: WorkflowKey, counted: frozenset[str]) -> None:
        self._change(key, counted, self._starting.get(key, _NONE))

    def starting(self, key: WorkflowKey, names: frozenset[str]) -> None:
        self._change(key, self._counted.get(key, _NONE), names)

    def started(self, key: WorkflowKey, names: frozenset[str]) -> None:
        self._change(key, self._counted.get(key, _NONE), self._starting.get(key, _NONE) - names)

    def kept(self, key: WorkflowKey) -> int:
        """Tell how many may have been made already: they keep their room until it is asked for again."""
        return len(self._starting.get(key, _NONE) - self._counted.get(key, _NONE))

    def want(self, key: WorkflowKey, turn: _Turn, wanted: int) -> None:
        self._places.put(key, key.namespace, turn, wanted)

    def drop(self, key: WorkflowKey) -> None:
        self._places.drop(key)

    def given(self, key: WorkflowKey) -> int:
        return self._places.given(key)

    def settle(self) -> tuple[set[WorkflowKey], set[WorkflowKey]]:
        return self._places.settle()

    def taken(self) -> int:
        return sum(len(names) for names in self._counted.values())

    def _change(self, key: WorkflowKey, counted: frozenset[str], starting: frozenset[str]) -> None:
        if not self.limited:
            return
        before = len(self._counted.get(key, _NONE) | self._starting.get(key, _NONE))
        for known, names in ((self._counted, counted), (self._starting, starting)):
            if names:
                known[key] = names
            else:
                known.pop(key, None)
        self._places.take_up(key.namespace, len(counted | starting) - before)


class Rooms:
    """What each workflow has and wants. Methods give the workflows that may start more than before.

    Nodes get a place among the jobs first, and with it they ask for one among the unstarted: nobody keeps one of the
    latter without having one of the former.
    """

    def __init__(self, limits: Limits) -> None:
        self._jobs = _Limit(limits.jobs, limits.jobs_per_namespace)
        self._unstarted = _Limit(limits.unstarted)
        self._limited = limits.on_starts
        self._arrivals: dict[WorkflowKey, int] = {}
        self._turns: dict[WorkflowKey, _Turn] = {}
        self._waiting: dict[WorkflowKey, int] = {}
        self._arrival = count()
        self._better_off: set[WorkflowKey] = set()

    def update(self, key: WorkflowKey, working: Collection[str], unstarted: Collection[str] = ()) -> set[WorkflowKey]:
        """Take note of the Kubernetes Jobs of a workflow that aren't over, and of those that are unstarted, by name."""
        self._jobs.count(key, frozenset(working))
        self._unstarted.count(key, frozenset(unstarted))
        return self._settle()

    def unstarted(self, key: WorkflowKey, names: Collection[str]) -> set[WorkflowKey]:
        """Take note of the unstarted ones alone."""
        self._unstarted.count(key, frozenset(names))
        return self._settle()

    def starting(self, key: WorkflowKey, names: Collection[str]) -> set[WorkflowKey]:
        """Count Kubernetes Jobs that are about to be made, instead of those that were about to be made before."""
        for limit in (self._jobs, self._unstarted):
            limit.starting(key, frozenset(names))
        return self._settle()

    def started(self, key: WorkflowKey, names: Collection[str]) -> set[WorkflowKey]:
        """Stop counting them as such: they are there now, or could not be made."""
        for limit in (self._jobs, self._unstarted):
            limit.started(key, frozenset(names))
        return self._settle()

    def forget(self, key: WorkflowKey, working: Collection[str]) -> set[WorkflowKey]:
        """Take note that a workflow is gone, but for what of it still works."""
        return self.demand(key, 0, 0) | self.starting(key, ()) | self.update(key, working)

    def demand(self, key: WorkflowKey, waiting: int, priority: int) -> set[WorkflowKey]:
        """Take note of how many nodes of a workflow wait for room; who waits longer goes first."""
        if not self._limited:
            return set()
        if waiting:
            self._waiting[key] = waiting
            turn = self._turn(key, priority)
            (self._jobs if self._jobs.limited else self._unstarted).want(key, turn, waiting)
        else:
            for memory in (self._arrivals, self._turns, self._waiting):
                memory.pop(key, None)
            for limit in (self._jobs, self._unstarted):
                limit.drop(key)
        return self._settle()

    def room(self, key: WorkflowKey, wanted: int, priority: int) -> Room:
        """Tell how many of so many nodes may start now; that it wants them counts from now on."""
        turn, places, full = self._turn(key, priority), wanted, JOBS_REACHED
        for limit, reached in ((self._jobs, JOBS_REACHED), (self._unstarted, UNSTARTED_REACHED)):
            if limit.limited:
                kept = min(places, limit.kept(key))
                limit.want(key, turn, places - kept)
                self._better_off |= self._settle()
                given = kept + limit.given(key)
                places, full = given, reached if given < places else full
        # Who asks is told here.
        self._better_off.discard(key)
        return Room(places, full)

    def unstarted_jobs(self) -> int:
        """Count the Kubernetes Jobs that are unstarted; 0 where they aren't limited."""
        return self._unstarted.taken()

    def waiting(self) -> int:
        """Count the nodes that wait for room."""
        return sum(self._waiting.values())

    def _turn(self, key: WorkflowKey, priority: int) -> _Turn:
        turn = self._turns[key] = (-priority, self._arrivals.setdefault(key, next(self._arrival)))
        return turn

    def _settle(self) -> set[WorkflowKey]:
        # What a question brought about is told with the next change, since a question tells nobody.
        more, less = self._jobs.settle() if self._jobs.limited else (set(), set())
        if self._unstarted.limited:
            for key in more | less:
                if key in self._turns:
                    self._unstarted.want(key, self._turns[key], self._jobs.given(key))
            more, _ = self._unstarted.settle()
        told, self._better_off = self._better_off | more, set()
        return told
