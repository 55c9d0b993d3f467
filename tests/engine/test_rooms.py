from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from fairlead.engine.rooms import Rooms
from fairlead.plan.admission import Limits
from fairlead.plan.neighbours import JOBS_REACHED, UNSTARTED_REACHED, Room
from tests.claims import NAMESPACES, key_of

if TYPE_CHECKING:
    from fairlead.model.ids import WorkflowKey

ONE, TWO, THREE = key_of("one", "a"), key_of("two", "a"), key_of("three", "b")


def test_no_more_jobs_than_the_cluster_takes_up() -> None:
    """While so many Jobs are unstarted nobody makes another one; each one that is taken up lets the next one go."""
    rooms = Rooms(Limits(unstarted=2))
    found = [rooms.room(ONE, 5, 0)]
    rooms.demand(ONE, 3, 0)
    rooms.starting(ONE, {"j1", "j2"})
    rooms.unstarted(ONE, {"j1", "j2"})
    rooms.started(ONE, {"j1", "j2"})
    found.append(rooms.room(TWO, 1, 0))
    rooms.demand(TWO, 1, 0)
    woken = [rooms.update(ONE, {"j1", "j2"}, {"j2"}), rooms.update(ONE, {"j1", "j2"}, ())]
    found += [rooms.room(ONE, 3, 0), rooms.room(TWO, 1, 0)]
    assert (found, woken, rooms.unstarted_jobs()) == (
        [
            Room(2, UNSTARTED_REACHED),
            Room(0, UNSTARTED_REACHED),
            Room(2, UNSTARTED_REACHED),
            Room(0, UNSTARTED_REACHED),
        ],
        [{ONE}, {ONE}],
        0,
    )


def test_the_quiet_namespace_goes_next() -> None:
    """The next Job is of the namespace that has the fewest unstarted ones, however long another one waits."""
    rooms = Rooms(Limits(unstarted=3))
    rooms.room(ONE, 100, 0)
    rooms.demand(ONE, 97, 0)
    rooms.unstarted(ONE, {"j1", "j2", "j3"})
    rooms.room(THREE, 1, 0)
    rooms.demand(THREE, 1, 0)
    assert (rooms.unstarted(ONE, {"j2", "j3"}), rooms.room(THREE, 1, 0)) == ({THREE}, Room(1))


def test_a_place_needs_both_limits() -> None:
    """Who may not have another job keeps no place among the unstarted ones from others."""
    rooms = Rooms(Limits(jobs_per_namespace=1, unstarted=1))
    rooms.update(ONE, {"running"}, ())
    found = [rooms.room(TWO, 1, 0)]
    rooms.demand(TWO, 1, 0)
    found.append(rooms.room(THREE, 1, 0))
    assert found == [Room(0, JOBS_REACHED), Room(1)]


@dataclass
class Flood:
    """Workflows that look only when they are woken, and a cluster that takes their Jobs up one after another."""

    rooms: Rooms
    wants: dict[WorkflowKey, int]
    made: dict[WorkflowKey, list[str]] = field(default_factory=dict)
    unstarted: deque[tuple[WorkflowKey, str]] = field(default_factory=deque)
    working: dict[WorkflowKey, set[str]] = field(default_factory=dict)
    awake: list[WorkflowKey] = field(default_factory=list)

    def look(self, key: WorkflowKey) -> None:
        """Make as many Jobs as there is room for, as the engine does."""
        waiting = self.wants[key] - len(self.made.setdefault(key, []))
        places = self.rooms.room(key, waiting, 0).places if waiting else 0
        names = [f"{key.name}-{len(self.made[key]) + index}" for index in range(places)]
        self.wake(self.rooms.demand(key, waiting - places, 0))
        self.wake(self.rooms.starting(key, names))
        self.made[key] += names
        self.unstarted += [(key, name) for name in names]
        self.working.setdefault(key, set()).update(names)
        self.tell(key)
        self.wake(self.rooms.started(key, names))

    def tell(self, key: WorkflowKey) -> None:
        """File how it is."""
        unstarted = [name for owner, name in self.unstarted if owner == key]
        self.wake(self.rooms.update(key, self.working.get(key, set()), unstarted))

    def wake(self, keys: set[WorkflowKey]) -> None:
        """Have workflows look again."""
        self.awake += [key for key in sorted(keys) if key not in self.awake]


@given(
    data=st.data(),
    limits=st.builds(
        Limits,
        jobs=st.none() | st.integers(1, 4),
        jobs_per_namespace=st.none() | st.integers(1, 3),
        unstarted=st.integers(1, 3),
    ),
    wants=st.dictionaries(st.builds(key_of, st.sampled_from("uvwxyz"), st.sampled_from(NAMESPACES)), st.integers(0, 4)),
)
def test_nobody_is_forgotten(data: st.DataObject, limits: Limits, wants: dict[WorkflowKey, int]) -> None:
    """Whatever happens in whatever order, no limit is passed, and all Jobs are made by whoever waits to be woken."""
    flood = Flood(Rooms(limits), wants, awake=list(wants))
    most_unstarted, most_working = 0, 0
    while flood.awake or flood.unstarted or any(flood.working.values()):
        busy = sorted((key, name) for key, names in flood.working.items() for name in names)
        taken_up = [each for each in busy if each not in flood.unstarted]
        ways = [name for name, there in (("look", flood.awake), ("start", flood.unstarted), ("end", taken_up)) if there]
        match data.draw(st.sampled_from(ways)):
            case "look":
                flood.look(flood.awake.pop(data.draw(st.integers(0, len(flood.awake) - 1))))
            case "start":
                flood.tell(flood.unstarted.popleft()[0])
            case _:
                key, name = data.draw(st.sampled_from(taken_up))
                flood.working[key].remove(name)
                flood.tell(key)
        most_unstarted = max(most_unstarted, len(flood.unstarted))
        most_working = max(most_working, sum(map(len, flood.working.values())))
    assert {key: len(names) for key, names in flood.made.items()} == wants
    assert most_unstarted <= (limits.unstarted or 0)
    assert limits.jobs is None or most_working <= limits.jobs
