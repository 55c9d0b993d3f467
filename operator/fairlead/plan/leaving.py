"""Jobs that have ended as far as is decided, while something of them still works.

A job that is stopped ends in the record first, with the reason; then its Pods are asked to end, and take up to their
grace. GitHub Actions starts a job once those that it needs have really ended, and a job that cleans up after others
relies on it: so what `always()`, `failure()` or `cancelled()` lets start waits for their Pods to be gone, or over. It
doesn't wait for ever: a Pod on a node that was lost never says that it has ended.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fairlead.plan.admission import works
from fairlead.plan.observed import CalledWorkflow

if TYPE_CHECKING:
    from datetime import datetime

    from fairlead.model.workflow import JobPlan
    from fairlead.plan.observed import KubernetesJob
    from fairlead.plan.run import Run

_AT_MOST: Final = timedelta(seconds=330)
"""From a job's end: the longest grace that a Pod gets without asking for more, and what the cluster needs besides."""


def note_leaving(run: Run, job: JobPlan) -> None:
    """Take note of when a job that has ended counts as gone at the latest, while it, or one before it, still works."""
    leaving = run.picture.leaving
    until = _works_until(run, job) if run.states[job.id].phase.ended else None
    if until is not None and until > run.now:
        leaving[job.id] = until
        run.picture.restless.add(job.id)
    elif leaving:
        leaving.pop(job.id, None)


def needs_leave(run: Run, job: JobPlan) -> datetime | None:
    """Tell when the needs of a job, which have all ended, are gone at the latest; None where they are."""
    leaving = run.picture.leaving
    return max((leaving[need] for need in job.needs if need in leaving), default=None) if leaving else None


def _works_until(run: Run, job: JobPlan) -> datetime | None:
    moments = [_ended_at(run, job, each) + _AT_MOST for each in _at_work(run, job)]
    # What never began because of those before it is over no sooner than they are.
    if job.id not in run.picture.attempts and not all(run.states[need].phase.ended for need in job.needs):
        moments.append(run.now + _AT_MOST)
    before = needs_leave(run, job)
    return max(moments if before is None else [*moments, before], default=None)


def _ended_at(run: Run, job: JobPlan, attempt: KubernetesJob | CalledWorkflow) -> datetime:
    ended = run.states[job.id].finished_at
    if isinstance(attempt, CalledWorkflow):
        # It comes to its end by itself, for which its own jobs that clean up may take as long as they like.
        ended = attempt.status.finished_at if attempt.over else None
    return min(ended or run.now, run.now)


def _at_work(run: Run, job: JobPlan) -> list[KubernetesJob | CalledWorkflow]:
    """Give the attempts at a job that still work, also those of which there only are Pods."""
    found: list[KubernetesJob | CalledWorkflow] = []
    for attempts in run.picture.attempts.get(job.id, {}).values():
        found += [each for each in attempts.values() if _works(each)]
    if run.observed.remnants:
        current = (run.current.run, run.current.digest)
        remnants = [each for each in run.observed.remnants if each.node.job == job.id]
        found += [each for each in remnants if (each.run, each.digest) == current and works(each)]
    return found


def _works(attempt: KubernetesJob | CalledWorkflow) -> bool:
    if isinstance(attempt, CalledWorkflow):
        return attempt.works or not (attempt.deleting or attempt.over)
    return works(attempt)
