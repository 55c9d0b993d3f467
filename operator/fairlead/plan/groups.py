"""Concurrency groups: one at a time, and who waits, goes next, or makes way.

GitHub's rules are `queue: latest`: one runs, one waits, and a newer one takes the place of the one that waits. Here the
others may wait as well (`queue: all`). Where the members of a group differ, the newer one's own settings say what
becomes of those before it: with `queue: latest` it replaces those that wait; with `cancelInProgress` all of them end,
those that wait, too, since they would only start to be cancelled. Newer is what began to wait later, by its recorded
time, then by its name. Nobody makes way for an older one, whatever its priority: that only orders those that wait.

A claim can wait for itself: a job for the group that its own run holds, a called Workflow for its caller's, or several
in a circle. The newest of a circle is told so, and ends; then the others can go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from fairlead.model.problem import quote
from fairlead.model.spec import QueueKind
from fairlead.plan.neighbours import Admitted, Deadlocked, Waits, Yields

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from fairlead.model.ids import NodeId, RunNumber, Uid, WorkflowKey
    from fairlead.plan.neighbours import Claim, Standing

ClaimId: TypeAlias = "tuple[WorkflowKey, Uid, RunNumber, NodeId | None]"
"""What makes a claim the same, however it stands."""

Age: TypeAlias = "tuple[datetime, WorkflowKey, Uid, RunNumber, tuple[str, int]]"
"""The greater, the newer."""

Turn: TypeAlias = "tuple[int, Age]"
"""The smaller, the earlier it goes."""


def identity(claim: Claim) -> ClaimId:
    """Tell which claim it is."""
    return claim.workflow, claim.uid, claim.run, claim.node


def age(claim: Claim) -> Age:
    """Order claims by when they began to wait."""
    node = claim.node
    place = ("", -1) if node is None else (node.job, -1 if node.combination is None else node.combination)
    return claim.since, claim.workflow, claim.uid, claim.run, place


def turn(claim: Claim) -> Turn:
    """Order those that wait: the higher priority first, then the older."""
    return -claim.priority, age(claim)


def describe(claim: Claim) -> str:
    """Name a claim, as people know it."""
    job = "" if claim.node is None else f', job "{claim.node}"'
    return f"{claim.workflow.name} (run {claim.run}{job})"


def described_group(group: str) -> str:
    """Name a group; case doesn't matter, so it is shown in lower case."""
    return f"the concurrency group {quote(group.lower())}"


def waits_for(ahead: Claim, group: str) -> Waits:
    """Word for whom one waits: the one right before it in the queue, so that the text holds as the queue moves."""
    return Waits(f"waits for {describe(ahead)} in {described_group(group)}")


def yields_to(newer: Claim, group: str) -> Yields:
    """Word for whom one makes way."""
    return Yields(f"superseded by {describe(newer)} in {described_group(group)}")


def lasts_until(holder: Claim, claim: Claim) -> bool:
    """Whether a holder can't be over before a claim is: its own node's, or of a Workflow that it called."""
    if (holder.uid, holder.run) == (claim.uid, claim.run):
        return holder.node is None and claim.node is not None
    return any(
        (caller.uid, caller.run) == (holder.uid, holder.run) and holder.node in (None, caller.node)
        for caller in claim.callers
    )


def supersedes(newer: Claim, own: Claim) -> bool:
    """Whether a claim of the same group has another one end."""
    if age(newer) <= age(own):
        return False
    if own.admitted:
        # What its own run brought forth can't end it: that has to wait for itself, and is told so.
        return newer.cancel_in_progress and not lasts_until(own, newer)
    return newer.cancel_in_progress or newer.queue is QueueKind.LATEST


def superseded_by(own: Claim, others: Iterable[Claim]) -> Claim | None:
    """Find for whom a claim has to make way, of those of its group: the newest."""
    return max((each for each in others if supersedes(each, own)), key=age, default=None)


def standing(own: Claim, others: Iterable[Claim]) -> Standing:
    """Tell how a claim stands among the others of its group, as far as that group goes."""
    group = own.group
    if group is None:
        return Admitted()
    rest = [each for each in others if identity(each) != identity(own)]
    newer = superseded_by(own, rest)
    if newer is not None:
        return yields_to(newer, group)
    if own.admitted:
        return Admitted()
    holders = [each for each in rest if each.admitted]
    everybody = [*rest, own]
    circle = next((each for each in holders if lasts_until(each, own)), None)
    if circle is not None:
        return Deadlocked(deadlock_message(own, [circle]))
    # One that is about to end doesn't go first.
    before = [each for each in rest if not each.admitted and turn(each) < turn(own)]
    before = [each for each in before if not superseded_by(each, everybody)]
    if before:
        return waits_for(max(before, key=turn), group)
    return waits_for(max(holders, key=age), group) if holders else Admitted()


def find_circle(own: Claim, everybody: Iterable[Claim]) -> list[Claim] | None:
    """Find what a waiting claim waits for, in turn, up to itself, if it is the one that has to end for that.

    Gives the holders: `own` waits for the first, which ends only after another claim, which waits for the second, and
    so on; the last ends only after `own`. Claims are those of all groups of the namespace.

    The newest of a circle has to end, unless a holder in it makes way anyway: then what goes on of that one's run.
    """
    claims = [each for each in everybody if identity(each) != identity(own)]
    members: dict[str | None, list[Claim]] = {}
    for each in (*claims, own):
        members.setdefault(each.group, []).append(each)
    holders = {group: [each for each in found if each.admitted] for group, found in members.items() if group}
    makes_way = {
        identity(each) for each in claims if each.group and superseded_by(each, members[each.group]) is not None
    }
    waiting = [each for each in claims if each.group and not each.admitted and identity(each) not in makes_way]
    older = [
        each
        for each in waiting
        if age(each) < age(own) and not any(lasts_until(holder, each) for holder in holders[each.group or ""])
    ]
    staying = {group: [each for each in found if identity(each) not in makes_way] for group, found in holders.items()}
    return _walk(own, staying, older) or _walk(own, holders, waiting, makes_way)


def _walk(
    own: Claim, holders: Mapping[str, list[Claim]], waiting: Iterable[Claim], ends: Collection[ClaimId] | None = None
) -> list[Claim] | None:
    """Go from claim to holder to claim, back to where it began; `ends`: which holders may be the last, if not any."""
    seen: set[ClaimId] = set()
    paths: list[tuple[Claim, list[Claim]]] = [(own, [])]
    while paths:
        at, path = paths.pop()
        for holder in holders[at.group or ""]:
            if identity(holder) in seen:
                continue
            seen.add(identity(holder))
            if lasts_until(holder, own) and (ends is None or identity(holder) in ends):
                return [*path, holder]
            paths += [(each, [*path, holder]) for each in waiting if lasts_until(holder, each)]
    return None


def deadlock_message(own: Claim, circle: Sequence[Claim]) -> str:
    """Word a circle, as `find_circle` gives it."""
    first, *others = circle
    if not others:
        group = described_group(first.group or "")
        if (first.uid, first.run) == (own.uid, own.run):
            return f"would wait for itself: its own run holds {group}; give the job another group"
        return f"would wait for itself: {describe(first)}, which called it, holds {group}; give it another group"
    chain = f"it waits for {describe(first)} in {described_group(first.group or '')}"
    for each in others:
        chain += f", that for {describe(each)} in {described_group(each.group or '')}"
    return f"would wait for itself: {chain}, and that for this"
