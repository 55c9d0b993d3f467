from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fairlead.model.ids import RunNumber
from fairlead.model.spec import QueueKind
from fairlead.plan.admission import Limits
from fairlead.plan.groups import find_circle, standing
from fairlead.plan.neighbours import Admitted, Deadlocked, Waits, Yields
from tests.claims import a_caller, a_claim
from tests.sharing import standings

if TYPE_CHECKING:
    from fairlead.plan.neighbours import Claim, Standing

GROUP = 'in the concurrency group "main"'
HOLDER = a_claim("holder", admitted=True)


def newer(**fields: Any) -> Claim:  # noqa: ANN401  any of the claim's own
    """Give a claim that came last."""
    return a_claim("newer", since=100, **fields)


CASES: dict[str, tuple[Claim, list[Claim], Standing]] = {
    "alone": (a_claim("w"), [], Admitted()),
    "without a group": (a_claim("w", group=None), [HOLDER], Admitted()),
    "behind one that runs": (a_claim("w"), [HOLDER], Waits(f"waits for holder (run 1) {GROUP}")),
    "behind a job": (
        a_claim("w"),
        [a_claim("holder", "deploy[2]", admitted=True)],
        Waits(f'waits for holder (run 1, job "deploy[2]") {GROUP}'),
    ),
    "behind others that wait": (
        a_claim("w", since=5),
        [HOLDER, a_claim("first", since=1), a_claim("second", since=2), a_claim("later", since=9)],
        Waits(f"waits for second (run 1) {GROUP}"),
    ),
    "first in a free group": (a_claim("w", since=1), [a_claim("later", since=2)], Admitted()),
    "of the same moment, by name": (a_claim("b"), [a_claim("a"), a_claim("c")], Waits(f"waits for a (run 1) {GROUP}")),
    "a higher priority goes first": (a_claim("w", since=2, priority=1), [a_claim("older", since=1)], Admitted()),
    "a lower priority lets others go first": (
        a_claim("w", since=1, priority=-1),
        [a_claim("later", since=2)],
        Waits(f"waits for later (run 1) {GROUP}"),
    ),
    "an earlier run of its own": (
        a_claim("w", run=RunNumber(2)),
        [a_claim("w", admitted=True)],
        Waits(f"waits for w (run 1) {GROUP}"),
    ),
    "runs, and a newer one waits": (HOLDER, [newer()], Admitted()),
    "runs, and a newer one replaces those that wait": (HOLDER, [newer(queue=QueueKind.LATEST)], Admitted()),
    "runs, and a newer one wants it gone": (
        HOLDER,
        [newer(cancel_in_progress=True)],
        Yields(f"superseded by newer (run 1) {GROUP}"),
    ),
    "runs, and an older one wants it gone": (
        a_claim("w", since=5, admitted=True),
        [a_claim("older", cancel_in_progress=True, priority=9)],
        Admitted(),
    ),
    "waits, and a newer one takes its place": (
        a_claim("w"),
        [HOLDER, newer(queue=QueueKind.LATEST)],
        Yields(f"superseded by newer (run 1) {GROUP}"),
    ),
    "waits, and a newer one wants the one that runs gone": (
        a_claim("w"),
        [HOLDER, newer(cancel_in_progress=True)],
        Yields(f"superseded by newer (run 1) {GROUP}"),
    ),
    "its own settings say nothing about newer ones": (
        a_claim("w", queue=QueueKind.LATEST, cancel_in_progress=True),
        [HOLDER, newer()],
        Waits(f"waits for holder (run 1) {GROUP}"),
    ),
    "the newest is named": (
        a_claim("w"),
        [a_claim("new", since=50, queue=QueueKind.LATEST), newer(cancel_in_progress=True)],
        Yields(f"superseded by newer (run 1) {GROUP}"),
    ),
    "those that make way don't go first": (newer(queue=QueueKind.LATEST), [a_claim("older")], Admitted()),
    "one that may go already": (
        a_claim("w", since=9, admitted=True),
        [a_claim("older", since=1, priority=9)],
        Admitted(),
    ),
    "its own run holds it": (
        a_claim("holder", "deploy", since=1),
        [HOLDER],
        Deadlocked('would wait for itself: its own run holds the concurrency group "main"; give the job another group'),
    ),
    "it can't end its own run": (
        HOLDER,
        [a_claim("holder", "deploy", since=1, cancel_in_progress=True)],
        Admitted(),
    ),
    "its caller's run holds it": (
        a_claim("called", since=1, callers=(a_caller("holder", "deploy"),)),
        [HOLDER],
        Deadlocked(
            "would wait for itself: holder (run 1), which called it, "
            'holds the concurrency group "main"; give it another group'
        ),
    ),
    "its caller's job holds it": (
        a_claim("called", since=1, callers=(a_caller("holder", "deploy"),)),
        [a_claim("holder", "deploy", admitted=True)],
        Deadlocked(
            'would wait for itself: holder (run 1, job "deploy"), which called it, '
            'holds the concurrency group "main"; give it another group'
        ),
    ),
    "another job of its caller's holds it": (
        a_claim("called", since=1, callers=(a_caller("holder", "deploy"),)),
        [a_claim("holder", "other", admitted=True)],
        Waits(f'waits for holder (run 1, job "other") {GROUP}'),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_how_one_stands_in_its_group(case: str) -> None:
    """One at a time; the newer one's settings say what becomes of those before it; priority only orders who waits."""
    own, others, expected = CASES[case]
    assert standing(own, [own, *others]) == expected


def two_in_a_circle() -> list[Claim]:
    """Give two runs, each with a job that waits for the other's group."""
    return [
        a_claim("w1", admitted=True, group="A"),
        a_claim("w1", "x", since=1, group="B"),
        a_claim("w2", admitted=True, group="B"),
        a_claim("w2", "x", since=2, group="A"),
    ]


def test_the_newest_of_a_circle_is_told() -> None:
    """Where two wait for each other, the newer one is told of the circle, with names; the other goes on waiting."""
    found = list(standings(two_in_a_circle(), Limits()).values())
    said = (
        'would wait for itself: it waits for w1 (run 1) in the concurrency group "a", '
        'that for w2 (run 1) in the concurrency group "b", and that for this'
    )
    assert found == [
        Admitted(),
        Waits('waits for w2 (run 1) in the concurrency group "b"'),
        Admitted(),
        Deadlocked(said),
    ]


def test_who_makes_way_has_to_end() -> None:
    """Where a run of a circle has to make way, what goes on of it nevertheless ends instead of the newest."""
    _, first, _, second = claims = two_in_a_circle()
    cancelling = a_claim("w3", since=0.5, group="B", cancel_in_progress=True)
    found = [find_circle(each, [*claims, cancelling]) for each in (first, second)]
    assert found == [None, [claims[0], claims[2]]]
