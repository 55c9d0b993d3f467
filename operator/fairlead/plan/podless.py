"""Kubernetes Jobs that were begun and have no Pod: when their Events are looked at, and what these mean.

The Job controller tells only in Events why it can't make a Pod, and tries again for as long as the Job lives. Nobody
watches Events: there are too many of them. So one is looked at that stays without a Pod, and the less often the longer
it stays so.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fairlead.model.phase import Reason
from fairlead.model.problem import one_line
from fairlead.plan.troubles import Patience, Trouble

if TYPE_CHECKING:
    from datetime import datetime

    from fairlead.plan.observed import KubernetesJob

_FIRST: Final = timedelta(seconds=10)
"""How long a Pod may take to be made, and to be seen, before the Events are looked at."""

_LONGEST: Final = timedelta(minutes=1)
_MOST_DOUBLINGS: Final = 10

_SAID_FIRST: Final = re.compile(r'^Error creating: (?:[Pp]ods? "[^"]*" is (?:forbidden|invalid): )?')
"""The Pod's name in it is another one at each try."""

_DECIDED: Final = re.compile(r" is (forbidden|invalid): |denied the request")
"""How admission and validation refuse a Pod; what else is told is trouble of the API server's own."""

_MAY_PASS: Final = re.compile(r"(exceeded|failed) quota|failed calling webhook|is being terminated")
_MOST_TEXT: Final = 600
"""What violates a Pod Security Standard is told in a list."""


def next_look(job: KubernetesJob) -> datetime | None:
    """Tell when the Events of a Job are to be looked at; None where there is no reason to.

    In a pack the Pods are made in the order of their indexes, so the first one that has none speaks for all.
    """
    if job.pods or job.taken_up_at is None or job.index not in (None, 0):
        return None
    known = job.podless
    if known is None:
        return job.taken_up_at + _FIRST
    return known.looked_at + min(_FIRST * (1 << min(known.looks, _MOST_DOUBLINGS)), _LONGEST)


def podless_trouble(job: KubernetesJob) -> Trouble | None:
    """Tell what keeps the Pod of a Job from being made, as far as that is known.

    What is refused for what it is, as by a Pod Security Standard or for want of a ServiceAccount, is a mistake of who
    wrote it, or may be set right soon. Quotas empty themselves, like nodes that are full: those are waited for.
    """
    said = job.podless.message if job.podless is not None else None
    if said is None:
        return None
    wrong = _DECIDED.search(said) is not None and _MAY_PASS.search(said) is None
    message = f"its Pod can't be made: {one_line(_SAID_FIRST.sub('', said), _MOST_TEXT)}"
    return Trouble(Reason.MISCONFIGURED, message, Patience.GRACE if wrong else Patience.ENDLESS)
