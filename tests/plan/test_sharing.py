from __future__ import annotations

import pytest

from fairlead.plan.admission import Limits
from fairlead.plan.groups import identity
from fairlead.plan.neighbours import Admitted, Waits
from fairlead.plan.sharing import limit_reached
from tests.claims import a_claim
from tests.sharing import Want, allot, standings


def test_places_go_to_the_namespace_with_the_least_first() -> None:
    """Between namespaces the one with the least goes first, then the smaller turn; inside of one, the turn decides."""
    wants = [
        Want("a old", "a", (0, 1)),
        Want("a new", "a", (0, 2)),
        Want("b urgent", "b", (-5, 9)),
        Want("c", "c", (0, 0)),
    ]
    found = [allot(wants, {"b": 1}, most, None) for most in (1, 2, 3, 4, 5, None)]
    first = ["c", "a old", "b urgent", "a new"]
    assert [list(each) for each in found] == [[], first[:1], first[:2], first[:3], first[:4], first[:4]]


def test_places_are_given_one_by_one() -> None:
    """Who wants many gets what is left over after others have got theirs, up to what a namespace may have."""
    wants = [Want("many", "a", (0,), 9), Want("few", "b", (1,), 2), Want("none", "b", (2,), 0)]
    found = [allot(wants, {}, 6, None), allot(wants, {}, None, 3), allot(wants, {}, None, None)]
    assert found == [{"many": 4, "few": 2}, {"many": 3, "few": 2}, {"many": 9, "few": 2}]


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (0, "3 of 3 workflows run in this namespace; it goes next"),
        (1, "3 of 3 workflows run in this namespace; 1 other goes first"),
        (2, "3 of 3 workflows run in this namespace; 2 others go first"),
        (3, "3 of 3 workflows run in this namespace; 3 others go first"),
        (4, "3 of 3 workflows run in this namespace; more than 3 others go first"),
        (10, "3 of 3 workflows run in this namespace; more than 3 others go first"),
        (11, "3 of 3 workflows run in this namespace; more than 10 others go first"),
        (9999, "3 of 3 workflows run in this namespace; more than 1000 others go first"),
    ],
)
def test_how_many_go_first_is_told_in_steps(ahead: int, said: str) -> None:
    """The text changes seldom, however long the queue: it is written into every waiting status."""
    assert limit_reached(Limits(workflows_per_namespace=3), 3, ahead) == Waits(said)


def test_the_limit_that_is_reached_is_named() -> None:
    """Where it isn't the namespace that is full, it is the whole."""
    limits = Limits(workflows=20, workflows_per_namespace=3)
    assert [limit_reached(limits, 2, ahead) for ahead in (0, 2)] == [
        Waits("20 of 20 workflows run; it goes next in this namespace"),
        Waits("20 of 20 workflows run; 2 others go first in this namespace"),
    ]


def test_runs_wait_for_the_limits() -> None:
    """Of those that their groups let go, so many are admitted as there is room for; called ones aren't counted."""
    claims = [
        a_claim("runs", admitted=True, group=None),
        a_claim("first", since=1, group=None),
        a_claim("second", since=2, group=None),
        a_claim("grouped", since=0, group="G"),
        a_claim("called", since=9, group=None, counted=False),
        a_claim("holder", group="G", admitted=True, counted=False),
    ]
    full = Waits("2 of 2 workflows run; 1 other goes first in this namespace")
    assert list(standings(claims, Limits(workflows=2)).values()) == [
        Admitted(),
        Admitted(),
        full,
        Waits('waits for holder (run 1) in the concurrency group "g"'),
        Admitted(),
        Admitted(),
    ]


def test_who_waits_for_the_limits_keeps_nobody_from_its_group() -> None:
    """A job of a run that is under way goes before a run that the limits keep from starting: they wait for it."""
    claims = [
        a_claim("runs", admitted=True, group=None),
        a_claim("run", since=1),
        a_claim("runs", "deploy", since=2),
    ]
    found = [standings(claims, Limits(workflows=most))[identity(claims[2])] for most in (1, 2)]
    assert found == [Admitted(), Waits('waits for run (run 1) in the concurrency group "main"')]
