"""What works on and isn't wanted any more: attempts of an earlier run, and those that the status has gone past.

Nothing is ended before the recorded status says why, so whoever dies between the two calls finds the reason again.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from fairlead.plan.actions import CancelWorkflow, DeleteJob, DeletePod, EndPack
from fairlead.plan.observed import ContainerTerminated, KubernetesJob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fairlead.model.ids import Attempt, JobId
    from fairlead.model.status import JobStatus, NodeStatus
    from fairlead.plan.actions import Ending
    from fairlead.plan.observed import CalledWorkflow, Observed
    from fairlead.plan.run import Run


def sweep(run: Run) -> tuple[Ending, ...]:
    """End what works on for an earlier run or a decided job, once the status has recorded that it is over."""
    status, current, picture = run.resource.status, run.current, run.picture
    if (status.run, status.spec_digest) != (current.run, current.digest):
        return ()
    for job_id in picture.attempts if run.touched is None else run.touched:
        if job_id in run.parts and not _works_past(run, job_id):
            continue
        unwanted = tuple(_endings_of(run, job_id))
        if unwanted:
            picture.unwanted[job_id] = unwanted
            picture.restless.add(job_id)
        else:
            picture.unwanted.pop(job_id, None)
    found = [*chain.from_iterable(picture.unwanted.values()), *_endings(picture.strays.values())]
    return tuple(sorted(found, key=_what))


def end_all(observed: Observed) -> tuple[Ending, ...]:
    """End everything that works, where no run goes on."""
    return tuple(sorted(_endings((*observed.jobs, *observed.calls)), key=_what))


def _what(ending: Ending) -> tuple[bool, str]:
    return isinstance(ending, CancelWorkflow), ending.name


def _endings_of(run: Run, job_id: JobId) -> Iterator[Ending]:
    """End the attempts at a job that the recorded status has gone past."""
    job = run.current.jobs.get(job_id)
    if job is None:
        # Of a run whose status was too large no job is recorded.
        made = run.picture.attempts.get(job_id, {}) if run.over else {}
        return _endings(attempt for attempts in made.values() for attempt in attempts.values())
    past: list[KubernetesJob | CalledWorkflow] = []
    wanted: list[KubernetesJob | CalledWorkflow] = []
    for combination, attempts in run.picture.attempts.get(job_id, {}).items():
        for number, attempt in attempts.items():
            (past if _is_past(job, combination, number) else wanted).append(attempt)
    return _endings(past, wanted)


def _works_past(run: Run, job_id: JobId) -> bool:
    """Whether, of the combinations that are looked at, an attempt may work that the recorded status has gone past."""
    job, attempts = run.current.jobs[job_id], run.picture.attempts.get(job_id, {})
    return any(
        _is_past(job, place, number) and not (isinstance(attempt, KubernetesJob) and is_over(attempt))
        for place in run.parts[job_id]
        for number, attempt in attempts.get(place, {}).items()
    )


def _is_past(job: JobStatus, combination: int | None, number: Attempt) -> bool:
    if job.phase.ended:
        return True
    known: NodeStatus = job
    if combination is not None and job.combinations:
        if combination >= len(job.combinations):
            return True
        known = job.combinations[combination]
    waits_to_retry = known.retry_at is not None and number == known.attempt
    return known.phase.ended or waits_to_retry or number < (known.attempt or 0)


def _endings(
    attempts: Iterable[KubernetesJob | CalledWorkflow], wanted: Iterable[KubernetesJob | CalledWorkflow] = ()
) -> Iterator[Ending]:
    packs: dict[str, list[KubernetesJob]] = {}
    for each in attempts:
        if isinstance(each, KubernetesJob):
            if each.index is not None:
                packs.setdefault(each.name, []).append(each)
            elif not is_over(each):
                yield DeleteJob(each.name)
        elif each.status.run is not None and not (each.status.ended or each.deleting or each.cancelling):
            yield CancelWorkflow(each.name, each.status.run)
    kept: dict[str, list[KubernetesJob]] = {name: [] for name in packs}
    for each in wanted if packs else ():
        if isinstance(each, KubernetesJob) and each.name in kept:
            kept[each.name].append(each)
    for name, members in packs.items():
        yield from _pack_endings(name, members, kept[name])


def _pack_endings(name: str, members: list[KubernetesJob], kept: list[KubernetesJob]) -> Iterator[Ending]:
    """End members of a pack, and leave the Pods that have ended, whose logs may be wanted.

    All together where nothing else of it works. That ends all Pods that aren't over as a whole, so while there is one
    whose main container has ended, and which says so a moment later, those that run are ended one by one.
    """
    left = [each for each in members if not is_over(each)]
    if not left:
        return
    everybody = [*members, *kept]
    if not any(each.pods for each in everybody):
        yield DeleteJob(name)
    elif all(map(is_over, kept)) and not any(pod.lingers for each in everybody for pod in each.pods):
        yield EndPack(name)
    else:
        for pod in (each.pods[-1] for each in left if each.pods):
            if not (pod.taken or isinstance(pod.container, ContainerTerminated)):
                yield DeletePod(pod.name)


def is_over(attempt: KubernetesJob) -> bool:
    """Whether a Kubernetes Job ends by itself, or has; its log may still be wanted.

    Its Pod says so a second or two before the Job controller does. One that waits for its image or a service is not:
    Kubernetes goes on trying, though it was given up here.
    """
    if attempt.deleting or attempt.complete or attempt.failure is not None:
        return True
    last = attempt.pods[-1] if attempt.pods else None
    return last is not None and isinstance(last.container, ContainerTerminated) and not last.taken
