"""The three passes of the planner over the jobs, in the order of their needs.

    settle   what became of the attempts that exist
    stop     whether the run ends early: cancelled, timed out, failed fast, or pushed aside by its group
    proceed  which jobs may start, which end without it; then as many as there is room for are started

They go over all jobs, or over those that `plan.changes` has found, and over those that need what they change.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fairlead.expressions import ExpressionError
from fairlead.model.duration import format_duration
from fairlead.model.phase import JobPhase, Reason, Result
from fairlead.model.problem import quote
from fairlead.model.status import CombinationStatus, JobStatus
from fairlead.plan.actions import CreateJob
from fairlead.plan.admitting import admit_node, admit_run, push_aside, withdraw
from fairlead.plan.gate import Closed, Lineage, combinations, gate, holds, lineage_of
from fairlead.plan.nodes import check, contexts_of, cut_short, needs_of, settle, size_of_outputs
from fairlead.plan.order import in_order, in_turn
from fairlead.plan.packing import Bundle, bundled, packed
from fairlead.plan.run import Node, Stop, end, gather
from fairlead.plan.runs import CANCEL
from fairlead.plan.starting import make, start
from fairlead.plan.steps import flag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fairlead.model.ids import JobId
    from fairlead.model.workflow import JobPlan
    from fairlead.plan.actions import Making
    from fairlead.plan.run import Ready, Run

_RUN_TIMED_OUT: Final = 124
_UNDECIDED: Final = Lineage()


def decide(run: Run) -> bool:
    """Decide about the jobs that are touched; False where what came about concerns all of them, and not all are."""
    jobs = list(in_order(run))
    before = {job.id: run.states[job.id] for job in jobs}
    for job in jobs:
        _settle(run, job)
    run.busy = sum(run.picture.active.values())
    admission = admit_run(run)
    run.stop = _stop(run, jobs) or admission.stop
    if run.touched is not None and (run.stop is not None or not admission.admitted):
        return False
    for job in in_turn(run, before):
        _proceed(run, job, admitted=admission.admitted)
    if not _start_what_fits(run, before):
        return False
    for job_id in before:
        _note(run, run.workflow.jobs[job_id])
    return True


def _settle(run: Run, job: JobPlan) -> None:
    """Bring a job up to what is seen of its attempts, where it has passed its gate."""
    picture, recorded = run.picture, run.recorded(job)
    picture.restless.discard(job.id)
    picture.nodes.pop(job.id, None)
    picture.waiting.pop(job.id, None)
    picture.active.pop(job.id, None)
    run.states[job.id] = recorded
    if size := size_of_outputs(recorded):
        picture.outputs[job.id] = size
    else:
        picture.outputs.pop(job.id, None)
    if recorded.phase.ended or not _has_begun(run, job):
        return
    if all(run.states[need].phase.ended for need in reversed(job.needs)):
        _settle_nodes(run, job)
    else:
        # It was begun after needs whose ends got lost before they were recorded, and are yet to be decided once more.
        picture.active[job.id] = len(picture.attempts.get(job.id, ()))
        picture.restless.add(job.id)


def _settle_nodes(run: Run, job: JobPlan) -> None:
    asked = run.asked()
    if _expand(run, job):
        nodes = run.nodes[job.id]
        for node in nodes:
            settle(run, job, node)
        run.picture.active[job.id] = sum([node.active for node in nodes])
        run.states[job.id] = gather(nodes, run.recorded(job))
    if run.asked() != asked:
        run.picture.restless.add(job.id)


def _note(run: Run, job: JobPlan) -> None:
    """Take note of how a job stands now, and whether it has to be looked at again though nothing is seen to change."""
    picture, state, recorded = run.picture, run.states[job.id], run.recorded(job)
    if state is not recorded and state == recorded:
        state = run.states[job.id] = recorded
    nodes = picture.nodes.get(job.id, ())
    asks = job.concurrency is not None and nodes and not state.phase.ended
    if state is not recorded or asks or any(node.again is not None for node in nodes):
        picture.restless.add(job.id)
    picture.tally.put(job.id, state)
    picture.shown.put(job.id, state)


def _has_begun(run: Run, job: JobPlan) -> bool:
    """Whether a job has passed its gate."""
    recorded = run.recorded(job)
    if job.id in run.picture.attempts or recorded.attempt is not None:
        return True
    return bool(recorded.combinations) or recorded.admission is not None


def _expand(run: Run, job: JobPlan) -> bool:
    """Find the nodes of a job, with what is recorded of each; where there can be none, its end is recorded."""
    recorded = run.recorded(job)
    found = combinations(run, job, needs_of(run, job))
    if isinstance(found, Closed):
        run.states[job.id] = _closed(run, job, found)
        return False
    before = recorded.combinations
    run.nodes[job.id] = [
        Node(
            id=node_id,
            name=name,
            combination=combination,
            state=recorded if combination is None else (before[at] if at < len(before) else _fresh(name)),
        )
        for at, (node_id, name, combination) in enumerate(found.nodes)
    ]
    return True


def _stop(run: Run, jobs: Iterable[JobPlan]) -> Stop | None:
    """Tell whether, and why, the run ends early, as far as some jobs go."""
    if run.resource.annotations.get(CANCEL, "").strip() == str(run.current.run):
        return Stop(Reason.CANCELLED, "the run was cancelled")
    if run.workflow.timeout is not None and run.admission.admitted:
        # The time that it waited for its group or for room among the workflows isn't its own.
        asked = run.admission.status
        since = asked.admitted_at if asked is not None and asked.admitted_at is not None else run.current.started_at
        deadline = since + timedelta(seconds=run.workflow.timeout)
        if run.now >= deadline:
            said = f"the run timed out after {format_duration(run.workflow.timeout)}"
            return Stop(Reason.TIMED_OUT, said, JobPhase.FAILED, _RUN_TIMED_OUT)
        run.looks.append(deadline)
    if run.workflow.fail_fast:
        for job_id, state in ((job.id, run.states[job.id]) for job in jobs):
            new = state.kept_from is None
            if new and any(each.result is Result.FAILURE for each in (state, *state.combinations)):
                return Stop(Reason.FAIL_FAST, f"stopped because {quote(job_id)} failed")
    return None


def _proceed(run: Run, job: JobPlan, *, admitted: bool) -> None:
    """Take a job further, once its needs have ended."""
    states, lineages = run.states, run.picture.lineages
    # The last one is most often still to come.
    if not all(states[need].phase.ended for need in reversed(job.needs)):
        lineages[job.id] = _UNDECIDED
        if run.stop is not None:
            _stop_early(run, job)
        return
    lineage = lineages[job.id] = lineage_of(job, states, lineages)
    if states[job.id].phase.ended:
        return
    if job.id not in run.nodes and _has_begun(run, job):
        run.busy -= run.picture.active.pop(job.id, 0)
        _settle_nodes(run, job)
        run.busy += run.picture.active.get(job.id, 0)
        if states[job.id].phase.ended:
            return
    asked = run.asked()
    _go_on(run, job, lineage, admitted=admitted)
    if run.asked() != asked:
        run.picture.restless.add(job.id)


def _go_on(run: Run, job: JobPlan, lineage: Lineage, *, admitted: bool) -> None:
    if job.id not in run.nodes:
        closed = gate(run, job, lineage)
        if closed is not None:
            run.states[job.id] = _closed(run, job, closed)
            return
        if not admitted:
            # What never had its group, or its place, has nothing to clean up either.
            if run.stop is not None:
                run.states[job.id] = _closed(run, job, Closed(JobPhase.CANCELLED, run.stop.reason, run.stop.message))
            return
        if not _expand(run, job):
            return
    elif run.stop is not None and not _goes_on(run, job, lineage):
        for node in run.nodes[job.id]:
            _cut(run, node, run.stop)
    _fail_fast(run, job)
    _start_nodes(run, job)
    run.states[job.id] = gather(run.nodes[job.id], run.recorded(job))


def _goes_on(run: Run, job: JobPlan, lineage: Lineage) -> bool:
    """Whether a job that was started goes on though the run ends: its condition still holds."""
    try:
        return holds(run, job, lineage)
    except ExpressionError:
        return False


def _stop_early(run: Run, job: JobPlan) -> None:
    """End a job at once that waits for others, where nothing they do can make it start."""
    stop = run.stop
    if stop is not None and job.condition == "success()" and not run.states[job.id].phase.ended:
        run.states[job.id] = _closed(run, job, Closed(_phase_of(stop, started=False), stop.reason, stop.message))


def _phase_of(stop: Stop, *, started: bool) -> JobPhase:
    # What a timeout finds running has failed; what it finds waiting never ran.
    return stop.phase if started else JobPhase.CANCELLED


def _cut(run: Run, node: Node, stop: Stop) -> None:
    if not node.state.phase.ended:
        started = node.state.attempt is not None
        code = stop.exit_code if started else None
        cut_short(node, stop.reason, stop.message, _phase_of(stop, started=started), code, run.now)


def _fail_fast(run: Run, job: JobPlan) -> None:
    """End the other combinations once one has failed that may not."""
    if job.strategy is None:
        return
    nodes = run.nodes[job.id]
    failed = next((node for node in nodes if node.state.result is Result.FAILURE), None)
    if failed is None:
        return
    try:
        fast = flag(job.strategy.fail_fast, contexts_of(run, job, failed))
    except ExpressionError:
        fast = True
    if fast:
        stop = Stop(Reason.FAIL_FAST, f"stopped because {failed.name} failed")
        for node in nodes:
            _cut(run, node, stop)


def _start_nodes(run: Run, job: JobPlan) -> None:
    """Start what may start of a job's nodes, as far as the limits of the workflow and the job go."""
    nodes = run.nodes[job.id]
    most = job.strategy.max_parallel if job.strategy is not None else None
    active = sum(node.active for node in nodes)
    for node in nodes:
        push_aside(run, job, node)
        state = node.state
        wants = not state.phase.ended and (node.again is not None or (state.attempt is None and state.retry_at is None))
        if not wants:
            continue
        if job.check is not None:
            check(run, job, node)
            continue
        if run.workflow.suspend and run.stop is None:
            run.picture.restless.add(job.id)
            withdraw(node)
            _queue(node, Reason.SUSPENDED, "the workflow is suspended")
        elif (most is not None and active >= most) or (
            run.workflow.max_parallel is not None and run.busy >= run.workflow.max_parallel
        ):
            run.picture.restless.add(job.id)
            _queue(node, Reason.WAITING_FOR_ROOM, None)
        elif admit_node(run, job, node):
            before = run.busy
            run.picture.waiting.pop(job.id, None)
            start(run, job, node)
            active += run.busy - before


def _start_what_fits(run: Run, before: dict[JobId, JobStatus]) -> bool:
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
            _queue(ready.node, Reason.WAITING_FOR_ROOM, room.full)
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
    """Give who wants to start, in the order of the jobs; what was refused comes last, so that it keeps no room."""
    waiting = run.picture.waiting.values()
    if not waiting or run.order is None:
        return sorted(bundles, key=_refused)
    places = run.order.places
    line = sorted(
        (*(each for each in bundles if not _refused(each)), *(Bundle((each,)) for each in waiting)),
        key=lambda each: places[each.ready[0].job.id],
    )
    return [*line, *filter(_refused, bundles)]


def _refused(bundle: Bundle) -> bool:
    return any(ready.refusal is not None for ready in bundle.ready)


def _wait_for_room(run: Run, ready: Ready) -> None:
    """Let it be, until there is room, where nothing else can make a difference to it."""
    job = ready.job
    limited = run.workflow.max_parallel is not None or job.strategy is not None or job.concurrency is not None
    if limited or ready.refusal is not None or ready.node.again is not None:
        run.picture.restless.add(job.id)
    else:
        run.picture.waiting[job.id] = ready


def _queue(node: Node, reason: Reason, message: str | None) -> None:
    """Let a node wait; one that has to be started again says why, rather than what it waits for now."""
    again = node.again
    if again is None:
        waiting: dict[str, object] = {"phase": JobPhase.QUEUED, "reason": reason, "message": message}
    elif node.state.retry_at is None:
        waiting = {"phase": JobPhase.QUEUED, "reason": again.reason, "message": again.message, "started_at": None}
    else:
        return
    node.state = node.state.model_copy(update=waiting)


def _fresh(name: str) -> CombinationStatus:
    return CombinationStatus(name=name)


def _closed(run: Run, job: JobPlan, closed: Closed) -> JobStatus:
    """Record the end of a job that wasn't started."""
    result = None
    if closed.phase is JobPhase.FAILED and job.continue_on_error is True:
        result = Result.SUCCESS
    recorded = run.recorded(job)
    state = end(recorded, closed.phase, closed.reason, closed.message, now=run.now, result=result)
    assert isinstance(state, JobStatus)  # noqa: S101  a copy of one
    return state
