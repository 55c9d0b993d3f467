"""What is said of the limits on workflows to those that wait for them.

Between namespaces the one goes first in which the least goes on; where that is equal, and inside of a namespace, the
higher priority, then the older. `engine.ledger` keeps that up to date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.plan.neighbours import Waits

if TYPE_CHECKING:
    from fairlead.plan.admission import Limits

SHOWN = (0, 1, 2, 3, 10, 100, 1000)
"""How many go first is told in steps, so that not every waiting status is written anew whenever one of them goes."""

_EXACT = 3


def limit_reached(limits: Limits, active: int, ahead: int) -> Waits:
    """Word which limit is reached, and how many go first. `active`: how many run in the namespace, or are about to."""
    most = limits.workflows_per_namespace
    if most is not None and active >= most:
        where, others = f"{most} of {most} workflows run in this namespace", ""
    else:
        where, others = f"{limits.workflows} of {limits.workflows} workflows run", " in this namespace"
    if ahead == 0:
        return Waits(f"{where}; it goes next{others}")
    count = str(ahead) if ahead <= _EXACT else f"more than {max(step for step in SHOWN if step < ahead)}"
    return Waits(f"{where}; {count} {'other goes' if ahead == 1 else 'others go'} first{others}")
