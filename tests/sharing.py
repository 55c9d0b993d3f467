"""The limits, said plainly over all claims at once: what the engine keeps up to date has to come to the same.

Between namespaces the one goes first in which the least goes on; where that is equal, and inside of a namespace, the
higher priority, then the older.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from fairlead.plan.groups import deadlock_message, find_circle, identity, standing, superseded_by, turn
from fairlead.plan.neighbours import Admitted, Deadlocked, Waits
from fairlead.plan.sharing import limit_reached

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fairlead.plan.admission import Limits
    from fairlead.plan.groups import ClaimId
    from fairlead.plan.neighbours import Claim, Standing

K = TypeVar("K")

_Members: TypeAlias = "dict[tuple[str, str | None], list[Claim]]"


@dataclass(frozen=True, slots=True)
class Want(Generic[K]):
    """Somebody who wants so many places. `turn` orders those of a namespace, the smaller first."""

    key: K
    namespace: str
    turn: tuple[Any, ...]
    places: int = 1


def allot(
    wants: Iterable[Want[K]], active: Mapping[str, int], most: int | None, most_per_namespace: int | None
) -> dict[K, int]:
    """Give out the places that are left, one after another. `active`: how many are taken, by namespace."""
    queues: dict[str, list[Want[K]]] = {}
    for want in sorted(wants, key=lambda each: each.turn):
        if want.places:
            queues.setdefault(want.namespace, []).extend([want] * want.places)
    taken, given = Counter(active), Counter[K]()
    while most is None or taken.total() < most:
        open_to = [name for name in queues if most_per_namespace is None or taken[name] < most_per_namespace]
        if not open_to:
            break
        name = min(open_to, key=lambda each: (taken[each], queues[each][0].turn))
        given[queues[name].pop(0).key] += 1
        taken[name] += 1
        if not queues[name]:
            del queues[name]
    return dict(given)


def standings(claims: Sequence[Claim], limits: Limits) -> dict[ClaimId, Standing]:
    """Tell how every claim stands, in its group and with the limits on workflows.

    A run that waits for the limits doesn't keep a job of a run that is under way from their group: that run keeps its
    place in the limits while it waits.
    """
    members: _Members = {}
    for each in claims:
        members.setdefault((each.workflow.namespace, each.group), []).append(each)
    found = {identity(each): _in_group(each, claims, members) for each in claims}
    if not limits.on_workflows:
        return found
    waiting = [each for each in claims if each.counted and not each.admitted]
    # Those on which only the limits decide.
    candidates = [each for each in waiting if isinstance(found[identity(each)], Admitted)]
    active = Counter(each.workflow.namespace for each in claims if each.counted and each.admitted)
    wants = [Want(identity(each), each.workflow.namespace, turn(each)) for each in candidates]
    given = allot(wants, active, limits.workflows, limits.workflows_per_namespace)
    full = active + Counter(want.namespace for want in wants if want.key in given)
    for each in candidates:
        if identity(each) not in given:
            namespace = each.workflow.namespace
            ahead = sum(want.namespace == namespace and want.turn < turn(each) for want in wants)
            found[identity(each)] = limit_reached(limits, full[namespace], ahead)
            _let_past(each, members, found)
    return found


def _in_group(own: Claim, claims: Sequence[Claim], members: _Members) -> Standing:
    """Tell how a claim stands but for the limits."""
    namespace = own.workflow.namespace
    stands = standing(own, members[namespace, own.group])
    if isinstance(stands, Waits):
        circle = find_circle(own, (each for each in claims if each.workflow.namespace == namespace))
        if circle is not None:
            return Deadlocked(deadlock_message(own, circle))
    return stands


def _let_past(own: Claim, members: _Members, found: dict[ClaimId, Standing]) -> None:
    """Let the first of its group go that the limits don't count, instead of one that has to wait for them."""
    group = members[own.workflow.namespace, own.group] if own.group is not None else []
    others = [each for each in group if not (each.admitted or each.counted) and superseded_by(each, group) is None]
    if others:
        found[identity(min(others, key=turn))] = Admitted()
