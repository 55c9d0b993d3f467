"""The decision: what each job of the run is now, and what has to be done so that the run goes on.

Three passes over the jobs, in the order of their needs:

    settle   what became of the attempts that exist
    stop     whether the run ends early: cancelled, timed out, failed fast, or pushed aside by its group
    proceed  which jobs may start, which end without it; then as many as there is room for are started

What has ended in the recorded status stays; everything else follows from the attempts that exist. An attempt is deleted
only when the recorded status says why: whoever dies between the two calls finds the reason again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fairlead.expressions import ExpressionError
from fairlead.model.duration import format_duration
from fairlead.model.ids import JobId
from fairlead.model.phase import JobPhase, Reason, Result
from fairlead.model.problem import InvalidWorkflowError, one_line, quote
from fairlead.model.status import CombinationStatus, JobStatus
from fairlead.plan.actions import Decision, DeleteWorkflow, Demand
from fairlead.plan.admitting import admit_node, admit_run, push_aside, withdraw
from fairlead.plan.contexts import base_contexts, workflow_outputs
from fairlead.plan.env import Sources
from fairlead.plan.gate import Closed, Lineage, combinations, gate, holds, lineage_of
from fairlead.plan.nodes import check, contexts_of, cut_short, needs_of, settle, start
from fairlead.plan.run import Node, Policy, Run, Stop, end, gather
from fairlead.plan.runs import CANCEL, begin, misdirected
from fairlead.plan.steps import flag
from fairlead.plan.summary import summarize, summarize_idle, summarize_invalid
from fairlead.plan.sweep import end_all, superfluous, sweep

if TYPE_CHECKING:
    from datetime import datetime

    from fairlead.model.ids import Attempt, NodeId
    from fairlead.model.status import WorkflowStatus
    from fairlead.model.workflow import JobPlan, Workflow
    from fairlead.plan.actions import Action
    from fairlead.plan.observed import CalledWorkflow, KubernetesJob, Observed, Resource
    from fairlead.plan.runs import Current

_RUN_TIMED_OUT = 124


def plan(
    workflow: Workflow | InvalidWorkflowError,
    resource: Resource,
    observed: Observed,
    now: datetime,
    policy: Policy | None = None,
) -> Decision:
    """Decide what to do for one Workflow.

    A spec that the recorded status doesn't know starts the next run, whatever the last one was doing.
    """
    if isinstance(workflow, InvalidWorkflowError):
        return _invalid(workflow, resource, observed, now)
    current = begin(workflow, resource, now)
    looks = [current.next_run_at] if current.next_run_at is not None and current.next_run_at > now else []
    if current.idle:
        status = summarize_idle(current, resource, now)
        known = resource.status.phase is status.phase and resource.status.spec_digest == status.spec_digest
        return Decision(end_all(observed) if known else (), status, min(looks, default=None))
    policy = policy or Policy()
    run = _run(workflow, resource, observed, now, policy, current)
    if resource.status.ended and not current.fresh:
        return _conclude(run, looks)
    run = _decide(run)
    if run.record_first and (run.ready or run.actions):
        # Others rely on what is admitted here, so it has to be written before anything starts.
        run = _run(workflow, resource, observed, now, policy, current)
        run.held = True
        run = _decide(run)
    return _conclude(run, looks)


def _run(
    workflow: Workflow, resource: Resource, observed: Observed, now: datetime, policy: Policy, current: Current
) -> Run:
    run = Run(
        workflow=workflow,
        resource=resource,
        observed=observed,
        now=now,
        policy=policy,
        current=current,
        base=base_contexts(workflow, resource, current.run),
        sources=Sources(workflow.secrets_from, workflow.vars_from),
        attempts=_by_node(observed, current),
    )
    for job in workflow.jobs.values():
        run.states[job.id] = run.recorded(job)
    return run


def _by_node(observed: Observed, current: Current) -> dict[NodeId, dict[Attempt, KubernetesJob | CalledWorkflow]]:
    found: dict[NodeId, dict[Attempt, KubernetesJob | CalledWorkflow]] = {}
    everything: tuple[KubernetesJob | CalledWorkflow, ...] = (*observed.jobs, *observed.calls)
    for each in everything:
        if each.run == current.run and each.digest == current.digest:
            found.setdefault(each.node, {})[each.attempt] = each
    return found


def _decide(run: Run) -> Run:
    begun = _begun(run)
    for job in run.workflow.jobs.values():
        if not run.states[job.id].phase.ended and job.id in begun and _expand(run, job):
            for node in run.nodes[job.id]:
                settle(run, job, node)
            run.states[job.id] = gather(run.nodes[job.id], run.recorded(job))
    run.busy = sum(node.active for nodes in run.nodes.values() for node in nodes)
    admission = admit_run(run)
    run.stop = _stop(run) or admission.stop
    lineages: dict[JobId, Lineage] = {}
    for job in run.workflow.jobs.values():
        if not all(run.states[need].phase.ended for need in job.needs):
            lineages[job.id] = Lineage()
            if run.stop is not None:
                _stop_early(run, job)
            continue
        lineages[job.id] = lineage_of(job, run.states, lineages)
        if not run.states[job.id].phase.ended:
            _proceed(run, job, lineages[job.id], admitted=admission.admitted)
    _start_what_fits(run)
    return run


def _begun(run: Run) -> set[JobId]:
    """Find the jobs that have passed their gate."""
    observed = {node.job for node in run.attempts}
    return observed | {
        job_id
        for job_id, state in run.current.jobs.items()
        if state.attempt is not None or state.combinations or state.admission is not None
    }


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


def _stop(run: Run) -> Stop | None:
    """Tell whether, and why, the run ends early."""
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
        for job_id, state in run.states.items():
            new = state.kept_from is None
            if new and any(each.result is Result.FAILURE for each in (state, *state.combinations)):
                return Stop(Reason.FAIL_FAST, f"stopped because {quote(job_id)} failed")
    return None


def _proceed(run: Run, job: JobPlan, lineage: Lineage, *, admitted: bool) -> None:
    """Take a job further whose needs have ended."""
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
            withdraw(node)
            _queue(node, Reason.SUSPENDED, "the workflow is suspended")
        elif (most is not None and active >= most) or (
            run.workflow.max_parallel is not None and run.busy >= run.workflow.max_parallel
        ):
            _queue(node, Reason.WAITING_FOR_ROOM, None)
        elif admit_node(run, job, node):
            before = run.busy
            start(run, job, node)
            active += run.busy - before


def _start_what_fits(run: Run) -> None:
    """Start as many nodes as the limits of the cluster leave room for; the others wait.

    What was refused before is asked for last, so that it keeps no room from the others.
    """
    if not run.ready or run.held:
        return
    room = run.observed.neighbours.room(len(run.ready), run.workflow.priority)
    touched = set()
    for at, ready in enumerate(sorted(run.ready, key=lambda each: each.refused)):
        touched.add(ready.node.id.job)
        if at < room:
            ready.node.state = ready.started
            run.actions.append(ready.creation)
        else:
            _queue(ready.node, Reason.WAITING_FOR_ROOM, "the limit on jobs is reached")
            run.waiting += 1
    for job_id in touched:
        run.states[job_id] = gather(run.nodes[job_id], run.recorded(run.workflow.jobs[job_id]))


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


def _conclude(run: Run, looks: list[datetime]) -> Decision:
    resource, current = run.resource, run.current
    actions: list[Action] = list(run.actions)
    past = superfluous(run)
    recorded = resource.status
    if recorded.ended and not current.fresh:
        status = _ended_still(run)
        keep = None if run.workflow.schedules else run.workflow.ttl_after_finished
        if keep is not None and status.finished_at is not None:
            gone_at = status.finished_at + timedelta(seconds=keep)
            if run.now >= gone_at:
                actions.append(DeleteWorkflow())
            else:
                looks = [*looks, gone_at]
    else:
        outputs, trouble = _outputs(run)
        status = summarize(run, outputs, trouble, note=misdirected(resource, current.run))
    actions += sweep(resource, run.observed, current, past)
    if run.held:
        actions = []
    return Decision(
        tuple(actions),
        status,
        min((*looks, *run.looks), default=None),
        Demand(run.waiting, run.workflow.priority),
        record_first=run.record_first,
    )


def _ended_still(run: Run) -> WorkflowStatus:
    """Give the recorded status of a run that is over; only what is about the resource as a whole may change."""
    recorded, current = run.resource.status, run.current
    changes = {
        "observed_generation": run.resource.generation,
        "spec_digest": run.workflow.digest if recorded.spec_digest else None,
        "next_run_at": current.next_run_at,
        "scheduled_at": current.scheduled_at,
        "missed_runs": current.missed,
    }
    if all(getattr(recorded, name) == value for name, value in changes.items()):
        return recorded
    return recorded.model_copy(update=changes)


def _invalid(error: InvalidWorkflowError, resource: Resource, observed: Observed, now: datetime) -> Decision:
    recorded = resource.status
    if recorded.ended and recorded.observed_generation == resource.generation:
        # An operator that has become stricter doesn't take back what already ran.
        return Decision((), recorded)
    status = summarize_invalid(error, resource, now)
    if recorded.observed_generation != resource.generation:
        return Decision((), status)
    return Decision(end_all(observed), status)


def _outputs(run: Run) -> tuple[dict[str, str], str | None]:
    """Give the workflow's outputs once all jobs have ended, or what is wrong with them."""
    if not all(state.phase.ended for state in run.states.values()):
        return {}, None
    if list(run.workflow.jobs) == ["call"] and run.workflow.jobs[JobId("call")].uses and not run.workflow.outputs:
        return run.states[JobId("call")].outputs, None
    try:
        return workflow_outputs(run.workflow, run.base, run.states), None
    except ExpressionError as error:
        return {}, f"outputs: {one_line(str(error))}"
