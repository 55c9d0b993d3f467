from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from fairlead.engine.desk import Desk
from fairlead.engine.places import Places
from fairlead.plan.actions import Demand
from fairlead.plan.admission import Limits
from fairlead.plan.groups import identity
from fairlead.plan.neighbours import Admitted, Deadlocked, Waits
from tests.claims import NAMES, NAMESPACES, a_claim, claims_of_one, key_of
from tests.sharing import Want, allot, standings

if TYPE_CHECKING:
    from fairlead.model.ids import WorkflowKey
    from fairlead.plan.groups import ClaimId
    from fairlead.plan.neighbours import Claim, Standing

    Stands: TypeAlias = dict[ClaimId, Standing]

NO_LIMITS = Limits()
MOST = st.none() | st.integers(0, 4)


# The desk says what the rules say


@dataclass
class Both:
    """A desk, and what it was told, for the rules to judge."""

    limits: Limits
    recorded: dict[WorkflowKey, tuple[Claim, ...]] = field(default_factory=dict)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        """Open the desk."""
        self.desk = Desk(self.limits)

    def by_the_rules(self) -> Stands:
        """Judge all claims anew."""
        return standings([claim for claims in self.recorded.values() for claim in claims], self.limits)

    def by_the_desk(self) -> Stands:
        """Ask for each claim."""
        return {identity(claim): self.desk.standing(claim) for claims in self.recorded.values() for claim in claims}


def kind_of(standing: Standing | None) -> Standing | type[Deadlocked] | None:
    """Pass over which of several circles is told of."""
    return Deadlocked if isinstance(standing, Deadlocked) else standing


@given(data=st.data(), limits=st.builds(Limits, MOST, MOST))
def test_the_desk_says_what_the_rules_say(data: st.DataObject, limits: Limits) -> None:
    """Whatever was told in whatever order, each claim stands as the rules have it, and who has to look is told so."""
    both = Both(limits)
    for version in range(data.draw(st.integers(1, 10))):
        key = key_of(data.draw(st.sampled_from(NAMES)), data.draw(st.sampled_from(NAMESPACES)))
        before = both.by_the_rules()
        both.recorded[key] = data.draw(claims_of_one(key.name, key.namespace))
        woken = both.desk.update(key, both.recorded[key], version=version)
        after = both.by_the_rules()
        found = both.by_the_desk()
        assert {name: kind_of(each) for name, each in found.items()} == {
            name: kind_of(each) for name, each in after.items()
        }
        assert told_anew(both, key, before, after) <= woken


def told_anew(both: Both, key: WorkflowKey, before: Stands, after: Stands) -> set[WorkflowKey]:
    """Name the other workflows that have something to do because of a change."""
    return {
        claim.workflow
        for claims in both.recorded.values()
        for claim in claims
        if claim.workflow != key
        and type(before.get(identity(claim))) is not type(after[identity(claim)])
        and not isinstance(after[identity(claim)], Admitted if claim.admitted else Waits)
    }


WANTS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(NAMESPACES), st.integers(0, 3)), max_size=12)


@given(wants=WANTS, active=st.lists(st.sampled_from(NAMESPACES), max_size=6), most=MOST, each=MOST)
def test_places_are_given_as_the_rules_give_them(
    wants: list[tuple[int, str, int]], active: list[str], most: int | None, each: int | None
) -> None:
    """Kept up to date over changes of who wants how many, the places given are those that counting anew gives."""
    places, known, busy = Places[int](most, each), dict[int, Want[int]](), Counter[str]()
    found, expected = [], []
    for number, (key, namespace, count) in enumerate(wants):
        known[key] = Want(key, namespace, (number % 3, key), count)
        places.put(key, namespace, known[key].turn, count)
        if number < len(active):
            busy[active[number]] += 1
            places.take_up(active[number], 1)
        places.settle()
        found.append({key: places.given(key) for key in known if places.given(key)})
        expected.append(allot(list(known.values()), busy, most, each))
    assert found == expected


def test_who_gets_more_places_is_told() -> None:
    """Whoever may take more than before is named, and so is whoever may take less."""
    places = Places[str](2, None)
    told = []
    places.put("old", "a", (1,), 3)
    told.append(places.settle())
    places.put("new", "b", (2,), 3)
    told.append(places.settle())
    places.take_up("b", 1)
    told.append(places.settle())
    places.drop("old")
    told.append(places.settle())
    assert told == [({"old"}, set()), ({"new"}, {"old"}), (set(), {"new"}), ({"new"}, set())]


# What is on its way counts


def test_an_admission_counts_before_it_is_written() -> None:
    """What is reserved keeps others waiting until a later version of its record is seen, and no longer."""
    desk, first, second = Desk(NO_LIMITS), a_claim("first"), a_claim("second", since=1)
    going = replace(first, admitted=True)
    found = [desk.standing(second)]
    desk.reserve(first.workflow, [going], version=7)
    found.append(desk.standing(second))
    desk.update(first.workflow, [first], version=7)
    found.append(desk.standing(second))
    desk.update(first.workflow, [], version=8)
    found.append(desk.standing(second))
    waits = Waits('waits for first (run 1) in the concurrency group "main"')
    assert found == [Admitted(), waits, waits, Admitted()]


def test_an_admission_that_was_not_written() -> None:
    """What certainly wasn't written keeps nobody waiting, and stands as what is recorded says."""
    desk, first, second = Desk(NO_LIMITS), a_claim("first"), a_claim("second", since=1)
    desk.update(first.workflow, [first], version=7)
    desk.reserve(first.workflow, [replace(first, admitted=True)], version=7)
    desk.update(second.workflow, [replace(second, admitted=True)], version=9)
    woken = desk.release(first.workflow)
    waits = Waits('waits for second (run 1) in the concurrency group "main"')
    assert (desk.standing(first), first.workflow in woken) == (waits, True)


def test_what_may_have_been_written_counts() -> None:
    """A second try over the same version doesn't take back what the first one reserved: it may have got through."""
    desk, first, other = Desk(NO_LIMITS), a_claim("w", "x"), a_claim("w", "y", group="OTHER")
    desk.reserve(first.workflow, [replace(first, admitted=True)], version=7)
    desk.reserve(first.workflow, [replace(other, admitted=True)], version=7)
    kept = [type(desk.standing(a_claim("late", since=9, group=group))) for group in ("MAIN", "OTHER")]
    desk.update(first.workflow, [], version=8)
    free = [type(desk.standing(a_claim("late", since=9, group=group))) for group in ("MAIN", "OTHER")]
    assert (kept, free) == ([Waits, Waits], [Admitted, Admitted])


def test_one_plan_lets_one_go() -> None:
    """Two nodes of one plan that nobody has recorded yet aren't both let go into a group."""
    desk = Desk(NO_LIMITS)
    seat = desk.neighbours(key_of("w"))
    found = [seat.standing(a_claim("w", node)) for node in ("x", "y", "x")]
    waits = Waits('waits for w (run 1, job "x") in the concurrency group "main"')
    assert found == [Admitted(), waits, Admitted()]


def test_what_is_recorded_counts_for_all() -> None:
    """A claim stands as it is recorded, since the others see it so; what has changed meanwhile has to be recorded."""
    desk, urgent, other = Desk(NO_LIMITS), a_claim("w", since=5), a_claim("other")
    desk.update(urgent.workflow, [urgent], version=1)
    desk.update(other.workflow, [other], version=2)
    assert isinstance(desk.standing(replace(urgent, priority=9)), Waits)


def test_what_is_left_of_a_deleted_workflow_holds_its_group() -> None:
    """A workflow that is gone keeps its group as long as Jobs of it work; then the next is told to look."""
    desk, gone, waiting = Desk(NO_LIMITS), a_claim("gone", admitted=True), a_claim("waiting", since=1)
    desk.update(gone.workflow, [gone], version=1)
    desk.update(waiting.workflow, [waiting], version=2)
    kept = desk.forget(gone.workflow, [gone], {"job"}), type(desk.standing(waiting))
    assert (kept, desk.forget(gone.workflow), desk.standing(waiting)) == (
        (set(), Waits),
        {waiting.workflow},
        Admitted(),
    )


# Who has to look again


def test_only_those_look_again_that_have_something_to_do() -> None:
    """Of a thousand in a queue, the end of the one that runs wakes the next, and its admission the one after it."""
    desk = Desk(NO_LIMITS)
    claims = [a_claim(f"w{number}", since=number, admitted=not number) for number in range(1000)]
    for claim in claims:
        desk.update(claim.workflow, [claim], version=1)
    ended = desk.update(claims[0].workflow, [], version=2)
    admitted = desk.reserve(claims[1].workflow, [replace(claims[1], admitted=True)], version=1)
    assert (ended, admitted) == ({key_of("w1")}, {key_of("w2")})


def test_those_that_make_way_look_again() -> None:
    """A newer one with cancelInProgress wakes the one that runs and those that wait."""
    desk = Desk(NO_LIMITS)
    for claim in (a_claim("runs", admitted=True), a_claim("waits", since=1)):
        desk.update(claim.workflow, [claim], version=1)
    newer = a_claim("newer", since=2, cancel_in_progress=True)
    woken = desk.update(newer.workflow, [newer], version=2)
    assert woken - {newer.workflow} == {key_of("runs"), key_of("waits")}


# The limits on jobs


def test_room_is_shared() -> None:
    """Room goes first to the namespace that has the least, then to who waits longest; who gets some is told so."""
    desk, one, two = Desk(Limits(jobs=3)), key_of("w1", "a"), key_of("w2", "b")
    rooms = [desk.room(one, 5, 0).places]
    desk.starting(one, {"j1", "j2", "j3"})
    desk.demand(one, Demand(2))
    rooms.append(desk.room(two, 5, 0).places)
    desk.demand(two, Demand(5))
    desk.update(one, [], version=1, working={"j1", "j2", "j3"})
    desk.started(one, {"j1", "j2", "j3"})
    woken = desk.update(one, [], version=1, working={"j3"})
    rooms.append(desk.room(two, 5, 0).places)
    assert (rooms, woken) == ([3, 0, 1], {one, two})


def test_a_job_that_is_being_made_takes_up_room() -> None:
    """What may be made any moment is counted, once, until it is certain that it wasn't."""
    desk, one, two = Desk(Limits(jobs=2)), key_of("w1"), key_of("w2")
    desk.starting(one, {"j1", "j2"})
    desk.update(one, [], version=1, working={"j1"})
    rooms = [desk.room(two, 1, 0).places]
    desk.demand(two, Demand(1))
    woken = desk.started(one, {"j2"})
    rooms.append(desk.room(two, 1, 0).places)
    assert (rooms, woken) == ([0, 1], {two})


def test_what_nobody_answered_for_keeps_its_room() -> None:
    """A Job that may have been made keeps its room for the next try, and leaves it to others when there is none."""
    desk, one, two = Desk(Limits(jobs=1)), key_of("w1"), key_of("w2")
    desk.room(one, 1, 0)
    desk.starting(one, {"j1"})
    desk.demand(one, Demand())
    rooms = [desk.room(two, 1, 0).places, desk.room(one, 1, 0).places]
    desk.starting(one, ())
    desk.demand(one, Demand())
    assert [*rooms, desk.room(two, 1, 0).places] == [0, 1, 1]


def test_a_workflow_that_is_gone_wants_no_room() -> None:
    """What a deleted workflow wanted, or was about to make, leaves room for others."""
    desk, gone, other = Desk(Limits(jobs=1)), key_of("gone"), key_of("other")
    desk.starting(gone, {"j1"})
    desk.demand(gone, Demand(3))
    rooms = [desk.room(other, 1, 0).places]
    desk.demand(other, Demand(1))
    woken = desk.forget(gone)
    rooms.append(desk.room(other, 1, 0).places)
    assert (rooms, woken) == ([0, 1], {other})


def test_without_limits_there_is_room() -> None:
    """Where jobs aren't limited, as many may start as want to."""
    desk = Desk(Limits(workflows=1))
    assert (desk.room(key_of("w"), 5000, 0).places, desk.demand(key_of("w"), Demand())) == (5000, set())
