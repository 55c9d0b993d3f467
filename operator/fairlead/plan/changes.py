"""What has changed since the last plan, so that the next one needs to look at little else.

A plan follows from its arguments alone. Where most of them are the very same objects as the last time, so is most of
what follows: how the run stands is taken over, but for the jobs of which something is another object now, and for the
restless ones. Anything that isn't about single jobs (another spec, run or annotation, an end that is due, a run that
waits to be admitted) has all of them looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from fairlead.plan.compact import Shown
from fairlead.plan.observed import KubernetesJob
from fairlead.plan.run import Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fairlead.model.ids import JobId, NodeId
    from fairlead.model.status import JobStatus
    from fairlead.plan.observed import CalledWorkflow
    from fairlead.plan.run import Attempts, Run
    from fairlead.plan.runs import Current

Made: TypeAlias = "KubernetesJob | CalledWorkflow"


def look_at_all(run: Run) -> None:
    """Have all jobs looked at, whatever was known before."""
    run.touched = None
    run.picture = picture = Picture(shown=Shown(None if run.current.fresh else run.resource.status.compacted))
    picture.attempts, picture.strays = _sorted_out(run)
    picture.refused = _refused(run)
    if not run.over:
        for job in run.workflow.jobs.values():
            picture.states[job.id] = run.recorded(job)


def take_over(run: Run, last: Run) -> bool:
    """Take over how the run stood after the last plan, but for what has changed; False where that can't be told."""
    recorded = _changed(last.current.jobs, run.current.jobs)
    if recorded is None or not _goes_on(run, last):
        return False
    picture = run.picture = last.picture
    seen = [
        *_follow(run, last.observed.jobs, run.observed.jobs),
        *_follow(run, last.observed.calls, run.observed.calls),
    ]
    refused = _refused(run)
    whole = picture.restless | refused | picture.refused
    picture.refused = refused
    _touch(run, whole, [*picture.unsettled.items(), *recorded, *((node.job, (node.combination,)) for node in seen)])
    return True


def _touch(run: Run, whole: set[JobId], changed: Iterable[tuple[JobId, Iterable[int | None]]]) -> None:
    """Have jobs looked at: as a whole, but for matrices that can be looked at in part, while what they need stays."""
    parts: dict[JobId, set[int]] = {}
    for job_id, places in changed:
        matrix = run.picture.matrices.get(job_id)
        known = {place for place in places if place is not None and matrix is not None and place < len(matrix.nodes)}
        if matrix is None or len(known) < len(set(places)):
            whole.add(job_id)
        else:
            parts.setdefault(job_id, set()).update(known)
    run.touched = whole.union(parts)
    for job_id, places in parts.items():
        if job_id not in whole and run.touched.isdisjoint(run.workflow.jobs[job_id].needs):
            run.parts[job_id] = places


def _goes_on(run: Run, last: Run) -> bool:
    """Whether nothing has changed, and nothing happens, but to single jobs."""
    now, before = run.resource, last.resource
    same = (
        run.workflow is last.workflow
        and run.policy == last.policy
        and (run.current.run, run.current.digest, run.over) == (last.current.run, last.current.digest, last.over)
        and (now.key, now.uid, now.generation, now.callers)
        == (before.key, before.uid, before.generation, before.callers)
        and (now.labels, now.annotations) == (before.labels, before.annotations)
        and now.status.compacted == last.picture.shown.left_out
    )
    steady = last.stop is None and last.admission.admitted and not (last.record_first or last.held)
    return same and steady and not (run.current.fresh or last.current.fresh or run.workflow.suspend)


def _changed(
    before: Mapping[JobId, JobStatus], after: Mapping[JobId, JobStatus]
) -> list[tuple[JobId, set[int | None]]] | None:
    """Name the jobs of which something else is recorded now, with their combinations of which it is.

    None where they aren't the same jobs, in the same order.
    """
    if before is after:
        return []
    if len(before) != len(after):
        return None
    if list(before) != list(after):
        return None
    pairs = zip(after.items(), before.values(), strict=True)
    return [(job_id, _places(known, state)) for (job_id, state), known in pairs if state is not known]


def _places(before: JobStatus, after: JobStatus) -> set[int | None]:
    """Tell of which combinations something else is recorded; of None where it is of the job as a whole."""
    olds, news = before.combinations, after.combinations
    if len(olds) != len(news) or not news or after.phase.ended:
        return {None}
    return {place for place, (old, new) in enumerate(zip(olds, news, strict=True)) if old is not new}


def _refused(run: Run) -> frozenset[JobId]:
    return frozenset(node.job for node in run.observed.refusals)


def _follow(run: Run, before: Sequence[Made], after: Sequence[Made]) -> set[NodeId]:
    """Bring what exists up to date; name the nodes of which something is another object now."""
    if before is after:
        return set()
    pairs = [(old, new) for old, new in zip(before, after, strict=False) if old is not new]
    if len(after) < len(before) or any(_place(old) != _place(new) for old, new in pairs):
        # Something is gone, or stands elsewhere in the list.
        run.picture.attempts, run.picture.strays = _sorted_out(run)
        known, there = set(map(id, before)), set(map(id, after))
        changed = [
            *(each for each in before if id(each) not in there),
            *(each for each in after if id(each) not in known),
        ]
        return {each.node for each in changed}
    added = after[len(before) :]
    for old, new in pairs:
        _replace(run, old, new)
    for new in added:
        _put(run.picture.attempts, run.picture.strays, run.current, new)
    return {new.node for _, new in pairs} | {new.node for new in added}


def _sorted_out(run: Run) -> tuple[Attempts, dict[str, Made]]:
    """Tell what exists of the run, and of others."""
    attempts: Attempts = {}
    strays: dict[str, Made] = {}
    everything: tuple[Made, ...] = (*run.observed.jobs, *run.observed.calls)
    for each in everything:
        _put(attempts, strays, run.current, each)
    return attempts, strays


def _put(attempts: Attempts, strays: dict[str, Made], current: Current, each: Made) -> None:
    if each.run == current.run and each.digest == current.digest:
        node = each.node
        attempts.setdefault(node.job, {}).setdefault(node.combination, {})[each.attempt] = each
    else:
        strays[_known_as(each)] = each


def _replace(run: Run, old: Made, new: Made) -> None:
    picture = run.picture
    attempts = picture.attempts.get(new.node.job, {}).get(new.node.combination, {})
    # Where two claim to be the same attempt, the last one counts.
    if attempts.get(new.attempt) is old:
        attempts[new.attempt] = new
    if picture.strays.get(_known_as(new)) is old:
        picture.strays[_known_as(new)] = new


def _known_as(each: Made) -> str:
    return each.slot if isinstance(each, KubernetesJob) else each.name


def _place(each: Made) -> tuple[object, ...]:
    return _known_as(each), each.node, each.run, each.digest, each.attempt
