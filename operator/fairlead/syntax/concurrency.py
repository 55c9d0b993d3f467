"""Concurrency groups: that they have a name, and that no job would wait for its own run.

Names are computed when a run or a job starts. What shows only then is found then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.expressions import fold
from fairlead.model.problem import Problem, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairlead.model.problem import Path
    from fairlead.model.spec import Body, Concurrency

MOST_GROUP = 255
"""Characters of a group's name, as it is written and when it is filled in."""


def check(spec: Body) -> Iterator[Problem]:
    """Find groups without a name, and jobs in the group of their own workflow."""
    yield from _name(spec.concurrency, ("spec",))
    whole = _folded(spec.concurrency)
    for job_id, job in spec.jobs.items():
        at: Path = ("spec", "jobs", job_id)
        yield from _name(job.concurrency, at)
        if job.concurrency is not None and whole and _folded(job.concurrency) == whole:
            said = (
                f"would wait for itself: the workflow's own run holds the group {quote(job.concurrency.group.strip())} "
                "until its jobs have ended; give the job another group, or leave it out"
            )
            yield Problem((*at, "concurrency", "group"), said)


def _name(concurrency: Concurrency | None, at: Path) -> Iterator[Problem]:
    if concurrency is None:
        return
    here = (*at, "concurrency", "group")
    if not concurrency.group.strip():
        yield Problem(here, "is empty; give the group a name")
    elif len(concurrency.group) > MOST_GROUP:
        yield Problem(here, f"a name of {len(concurrency.group)} characters is too long; it may have {MOST_GROUP}")


def _folded(concurrency: Concurrency | None) -> str:
    return "" if concurrency is None else fold(concurrency.group.strip())
