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
from fairlead.plan.admitting import admit_node, admit_run, push_aside, withdraw
from fairlead.plan.gate import Closed, Lineage, combinations, gate, holds, lineage_of
from fairlead.plan.leaving import needs_leave, note_leaving
from fairlead.plan.line import queue, start_what_fits
from fairlead.plan.nodes import check, contexts_of, cut_short, needs_of, settle, size_of_outputs
from fairlead.plan.order import in_order, in_turn
from fairlead.plan.parts import forget, keep, note_part, recall_part, settle_part
from fairlead.plan.run import Node, Stop, end, gather
from fairlead.plan.runs import CANCEL
from fairlead.plan.starting import start
from fairlead.plan.steps import flag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fairlead.model.workflow import JobPlan
    from fairlead.plan.run import Run

_RUN_TIMED_OUT: Final = 124
_UNDECIDED: Final = Lineage()


def decide(run: Run) -> bool:
    """Decide about the jobs that are touched; False where what came about concerns all of them, and not all are."""
    jobs = list(in_order(run))
    before = {job.id: run.states[job.id] for job in jobs}
    for job in jobs:
        _recall(run, job)
    for job in jobs:
        _settle(run, job)
    run.busy = sum(run.picture.active.values())
    admission = admit_run(run)
    run.stop = _stop(run, jobs) or admission.stop
    if run.touched is not None and (run.stop is not None or not admission.admitted):
        return False
    for job in in_turn(run, before):
        _proceed(run, job, admitted=admission.admitted)
        note_leaving(run, job)
    if not start_what_fits(run, before):
        return False
    for job_id in before:
        if job_id in run.parts:
            note_part(run, run.workflow.jobs[job_id])
        else:
            _note(run, run.workflow.jobs[job_id])
    return True


def _recall(run: Run, job: JobPlan) -> None:
    """Begin with what is recorded of a job."""
    if job.id in run.parts:
        recall_part(run, job)
        return
    picture, recorded = run.picture, run.recorded(job)
    forget(run, job.id)
    picture.restless.discard(job.id)
    picture.nodes.pop(job.id, None)
    picture.waiting.pop(job.id, None)
    picture.active.pop(job.id, None)
    run.states[job.id] = recorded
    if size := size_of_outputs(recorded):
        picture.outputs[job.id] = size
    else:
        picture.outputs.pop(job.id, None)


def _settle(run: Run, job: JobPlan) -> None:
    """Bring a job up to what is seen of its attempts, where it has passed its gate."""
    if job.id in run.parts:
        if settle_part(run, job):
            return
        del run.parts[job.id]
        _recall(run, job)
    picture, recorded = run.picture, run.recorded(job)
    if recorded.phase.ended or not _has_begun(run, job):
        return
    if all(run.states[need].phase.ended for need in reversed(job.needs)):
        _settle_nodes(run, job)
    else:
        # It was begun after needs whose ends got lost before they were recorded, and are yet to be decided once more.
        picture.active[job.id] = len(picture.attempts.get(job.id, ()))
        picture.restless.add(job.id)


def _settle_nodes(run: Run, job: JobPlan) -> None:
    if not _expand(run, job):
        return
    nodes, asking = run.nodes[job.id], set()
    for place, node in enumerate(nodes):
        asked = run.asked()
        settle(run, job, node)
        if run.asked() != asked:
            asking.add(place)
    run.asking[job.id] = asking
    run.picture.active[job.id] = sum([node.active for node in nodes])
    run.states[job.id] = gather(nodes, run.recorded(job))


def _note(run: Run, job: JobPlan) -> None:
    """Take note of how a job stands now, and whether it has to be looked at again though nothing is seen to change."""
    asking = run.asking.get(job.id, ())
    if job.id not in run.picture.restless and keep(run, job, asking):
        return
    picture, state, recorded = run.picture, run.states[job.id], run.recorded(job)
    if state is not recorded and state == recorded:
        state = run.states[job.id] = recorded
    nodes = picture.nodes.get(job.id, ())
    asks = job.concurrency is not None and nodes and not state.phase.ended
    if asking or state is not recorded or asks or any(node.again is not None for node in nodes):
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
        # Those that are looked at in part have no failure.
        for job_id, state in ((job.id, run.states[job.id]) for job in jobs if job.id not in run.parts):
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
    if states[job.id].phase.ended or job.id in run.parts:
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
        gone_at = needs_leave(run, job)
        if gone_at is not None:
            run.looks.append(gone_at)
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
            queue(node, Reason.SUSPENDED, "the workflow is suspended")
        elif (most is not None and active >= most) or (
            run.workflow.max_parallel is not None and run.busy >= run.workflow.max_parallel
        ):
            run.picture.restless.add(job.id)
            queue(node, Reason.WAITING_FOR_ROOM, None)
        elif admit_node(run, job, node):
            before = run.busy
            run.picture.waiting.pop(job.id, None)
            start(run, job, node)
            active += run.busy - before


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
