"""The limits on jobs: how many Kubernetes Jobs there may be, and who may make the next."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from fairlead.engine.places import Places

if TYPE_CHECKING:
    from collections.abc import Collection

    from fairlead.model.ids import WorkflowKey
    from fairlead.plan.admission import Limits

_NONE: frozenset[str] = frozenset()


class Rooms:
    """What each workflow has and wants. Methods give the workflows that may start more than before."""

    def __init__(self, limits: Limits) -> None:
        self._limited = limits.on_jobs
        self._places: Places[WorkflowKey] = Places(limits.jobs, limits.jobs_per_namespace)
        self._working: dict[WorkflowKey, frozenset[str]] = {}
        self._starting: dict[WorkflowKey, frozenset[str]] = {}
        self._arrivals: dict[WorkflowKey, int] = {}
        self._arrival = count()
        self._better_off: set[WorkflowKey] = set()

    def update(self, key: WorkflowKey, working: Collection[str]) -> set[WorkflowKey]:
        """Take note of the Kubernetes Jobs of a workflow that aren't over, by name."""
        return self._count(key, frozenset(working), self._starting.get(key, _NONE))

    def starting(self, key: WorkflowKey, names: Collection[str]) -> set[WorkflowKey]:
        """Count Kubernetes Jobs that are about to be made, instead of those that were about to be made before."""
        return self._count(key, self._working.get(key, _NONE), frozenset(names))

    def started(self, key: WorkflowKey, names: Collection[str]) -> set[WorkflowKey]:
        """Stop counting them as such: they are there now, or could not be made."""
        return self._count(key, self._working.get(key, _NONE), self._starting.get(key, _NONE) - frozenset(names))

    def forget(self, key: WorkflowKey, working: Collection[str]) -> set[WorkflowKey]:
        """Take note that a workflow is gone, but for what of it still works."""
        return self.demand(key, 0, 0) | self._count(key, frozenset(working), _NONE)

    def demand(self, key: WorkflowKey, waiting: int, priority: int) -> set[WorkflowKey]:
        """Take note of how many nodes of a workflow wait for room; who waits longer goes first."""
        if not self._limited:
            return set()
        if waiting:
            arrival = self._arrivals.setdefault(key, next(self._arrival))
            self._places.put(key, key.namespace, (-priority, arrival), waiting)
        else:
            self._arrivals.pop(key, None)
            self._places.drop(key)
        return self._settle()

    def room(self, key: WorkflowKey, wanted: int, priority: int) -> int:
        """Tell how many of so many nodes may start now; that it wants them counts from now on."""
        if not self._limited:
            return wanted
        # What may have been made already keeps its room until it is asked for again.
        kept = min(wanted, len(self._starting.get(key, _NONE) - self._working.get(key, _NONE)))
        self._better_off |= self.demand(key, wanted - kept, priority)
        return kept + self._places.given(key)

    def _count(self, key: WorkflowKey, working: frozenset[str], starting: frozenset[str]) -> set[WorkflowKey]:
        if not self._limited:
            return set()
        before = len(self._working.get(key, _NONE) | self._starting.get(key, _NONE))
        for known, names in ((self._working, working), (self._starting, starting)):
            if names:
                known[key] = names
            else:
                known.pop(key, None)
        self._places.take_up(key.namespace, len(working | starting) - before)
        return self._settle()

    def _settle(self) -> set[WorkflowKey]:
        # What a question brought about is told with the next change, since a question tells nobody.
        more, _ = self._places.settle()
        told, self._better_off = self._better_off | more, set()
        return told
