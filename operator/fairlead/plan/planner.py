"""The decision: what each job of the run is now, and what has to be done so that the run goes on.

`plan.passes` goes over the jobs; here is what comes before and after: which run it is about, and what the status says.

What has ended in the recorded status stays; everything else follows from the attempts that exist. An attempt is deleted
only when the recorded status says why: whoever dies between the two calls finds the reason again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fairlead.expressions import ExpressionError
from fairlead.model.ids import JobId
from fairlead.model.problem import InvalidWorkflowError, one_line
from fairlead.plan.actions import Decision, DeleteWorkflow, Demand
from fairlead.plan.changes import look_at_all, take_over
from fairlead.plan.contexts import base_contexts, workflow_outputs
from fairlead.plan.env import Sources
from fairlead.plan.order import order_of
from fairlead.plan.passes import decide
from fairlead.plan.run import Policy, Run
from fairlead.plan.runs import begin, misdirected
from fairlead.plan.summary import summarize, summarize_idle, summarize_invalid
from fairlead.plan.sweep import end_all, sweep

if TYPE_CHECKING:
    from datetime import datetime

    from fairlead.model.status import WorkflowStatus
    from fairlead.model.workflow import Workflow
    from fairlead.plan.actions import Action
    from fairlead.plan.observed import Observed, Resource
    from fairlead.plan.order import Order
    from fairlead.plan.runs import Current

_USUAL: Final = Policy()


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
    return Planner().plan(workflow, resource, observed, now, policy)


class Planner:
    """Plans one Workflow again and again, as `plan` does, in the time that what has changed takes.

    What it remembers is how the run stood after the last plan. It decides nothing: without it, the same follows. Of
    workflows that have `few` nodes or less it remembers nothing, since that costs more than it saves.
    """

    def __init__(self, few: int = 20) -> None:
        self._few = few
        self._last: Run | None = None
        self._order: tuple[Workflow, Order] | None = None

    def plan(
        self,
        workflow: Workflow | InvalidWorkflowError,
        resource: Resource,
        observed: Observed,
        now: datetime,
        policy: Policy | None = None,
    ) -> Decision:
        """Decide what to do for one Workflow: what `plan` says, for the same arguments."""
        # A plan that is broken off has changed what it took over, so nothing goes on from there.
        last, self._last = self._last, None
        if isinstance(workflow, InvalidWorkflowError):
            return _invalid(workflow, resource, observed, now)
        current = begin(workflow, resource, now, observed.since)
        looks = [current.next_run_at] if current.next_run_at is not None and current.next_run_at > now else []
        if current.idle:
            return _idle(current, resource, observed, now, looks)
        run = Run(
            workflow=workflow,
            resource=resource,
            observed=observed,
            now=now,
            policy=policy or _USUAL,
            current=current,
            base=base_contexts(workflow, resource, current.run),
            sources=Sources(workflow.secrets_from, workflow.vars_from),
        )
        if last is not None and take_over(run, last):
            run.order = self._order_of(workflow)
        else:
            look_at_all(run)
        if not run.over:
            run = _decided(run)
        decision = _conclude(run, looks)
        if len(workflow.jobs) > self._few or run.picture.tally.nodes > self._few:
            run.drop_what_is_used_up()
            self._last = run
            self._order_of(workflow)
        return decision

    def _order_of(self, workflow: Workflow) -> Order:
        if self._order is None or self._order[0] is not workflow:
            self._order = workflow, order_of(workflow)
        return self._order[1]


def _idle(current: Current, resource: Resource, observed: Observed, now: datetime, looks: list[datetime]) -> Decision:
    status = summarize_idle(current, resource, now)
    known = resource.status.phase is status.phase and resource.status.spec_digest == status.spec_digest
    return Decision(end_all(observed) if known else (), status, min(looks, default=None))


def _decided(run: Run) -> Run:
    if not decide(run):
        run = _anew(run)
        decide(run)
    if run.record_first and (run.ready or run.actions):
        # Others rely on what is admitted here, so it has to be written before anything starts.
        run = _anew(run)
        run.held = True
        decide(run)
    return run


def _anew(run: Run) -> Run:
    """Begin the plan again, with all jobs."""
    run = Run(
        workflow=run.workflow,
        resource=run.resource,
        observed=run.observed,
        now=run.now,
        policy=run.policy,
        current=run.current,
        base=run.base,
        sources=run.sources,
    )
    look_at_all(run)
    return run


def _conclude(run: Run, looks: list[datetime]) -> Decision:
    resource = run.resource
    actions: list[Action] = list(run.actions)
    if run.over:
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
        status = summarize(run, outputs, trouble, note=misdirected(resource, run.current.run))
    actions += sweep(run)
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
    if not run.picture.tally.over:
        return {}, None
    if list(run.workflow.jobs) == ["call"] and run.workflow.jobs[JobId("call")].uses and not run.workflow.outputs:
        return run.states[JobId("call")].outputs, None
    try:
        return workflow_outputs(run.workflow, run.base, run.states), None
    except ExpressionError as error:
        return {}, f"outputs: {one_line(str(error))}"
