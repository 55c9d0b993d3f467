"""The line: what is ready to start, in the order in which there will be room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.model.phase import JobPhase, Reason
from fairlead.plan.actions import CreateJob
from fairlead.plan.packing import Bundle, bundled, packed
from fairlead.plan.run import gather
from fairlead.plan.starting import make

if TYPE_CHECKING:
    from fairlead.model.ids import JobId
    from fairlead.model.status import JobStatus
    from fairlead.plan.actions import Making
    from fairlead.plan.run import Node, Ready, Run


def start_what_fits(run: Run, before: dict[JobId, JobStatus]) -> bool:
    """Start as many nodes as the limits of the cluster leave room for; the others wait.

    `before` gets the jobs that needn't wait any longer. False where those that wait have to be told of another limit.
    """
    picture = run.picture
    bundles = bundled(run, run.ready)
    wanted = len(bundles) + len(picture.waiting)
    if not wanted or run.held:
        return True
    room = run.observed.neighbours.room(wanted, run.workflow.priority)
    if picture.waiting and picture.full != room.full:
        return False
    picture.full = room.full
    touched = {ready.job.id for ready in run.ready}
    line, places = iter(_in_line(run, bundles) if room.places else bundles), room.places
    run.waiting = wanted
    while places > 0 and (bundle := next(line, None)) is not None:
        for ready in bundle.ready:
            if picture.waiting.pop(ready.job.id, None) is not None:
                before.setdefault(ready.job.id, run.states[ready.job.id])
                touched.add(ready.job.id)
            picture.restless.add(ready.job.id)
        run.waiting -= 1
        made = _made(run, bundle)
        run.actions += made
        places -= len(made)
    for ready in (ready for bundle in line for ready in bundle.ready):
        if ready.job.id in touched:
            queue(ready.node, Reason.WAITING_FOR_ROOM, room.full)
            _wait_for_room(run, ready)
    for job_id in touched:
        run.states[job_id] = gather(run.nodes[job_id], run.recorded(run.workflow.jobs[job_id]))
    return True


def _made(run: Run, bundle: Bundle) -> list[Making]:
    creations = [creation for ready in bundle.ready if (creation := make(run, ready)) is not None]
    if bundle.chunk is None:
        return [*creations]
    return packed(run, bundle, [creation for creation in creations if isinstance(creation, CreateJob)])


def _in_line(run: Run, bundles: list[Bundle]) -> list[Bundle]:
    """Give who wants to start, in the order of the jobs.

    What was refused comes last, so that it keeps no room; what may have been made nevertheless has its room already.
    """
    waiting = run.picture.waiting.values()
    if not waiting or run.order is None:
        return sorted(bundles, key=_rank)
    places = run.order.places
    line = sorted(
        (*(each for each in bundles if not _rank(each)), *(Bundle((each,)) for each in waiting)),
        key=lambda each: places[each.ready[0].job.id],
    )
    return sorted([*line, *filter(_rank, bundles)], key=_rank)


def _rank(bundle: Bundle) -> int:
    refusals = [ready.refusal for ready in bundle.ready if ready.refusal is not None]
    if any(refusal.unheard for refusal in refusals):
        return -1
    return 1 if refusals else 0


def _wait_for_room(run: Run, ready: Ready) -> None:
    """Let it be, until there is room, where nothing else can make a difference to it."""
    job = ready.job
    limited = run.workflow.max_parallel is not None or job.strategy is not None or job.concurrency is not None
    if limited or ready.refusal is not None or ready.node.again is not None:
        run.picture.restless.add(job.id)
    else:
        run.picture.waiting[job.id] = ready


def queue(node: Node, reason: Reason, message: str | None) -> None:
    """Let a node wait; one that has to be started again says why, rather than what it waits for now."""
    again = node.again
    if again is None:
        waiting: dict[str, object] = {"phase": JobPhase.QUEUED, "reason": reason, "message": message}
    elif node.state.retry_at is None:
        waiting = {"phase": JobPhase.QUEUED, "reason": again.reason, "message": again.message, "started_at": None}
    else:
        return
    node.state = node.state.model_copy(update=waiting)
