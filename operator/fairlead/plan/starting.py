"""How a node is started: what it asks for, filled in as far as it is known by then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.expressions import ExpressionError
from fairlead.model.ids import Attempt
from fairlead.model.phase import JobPhase, Reason
from fairlead.model.problem import one_line, quote
from fairlead.plan.actions import CallWorkflow, CreateJob
from fairlead.plan.alike import Alike
from fairlead.plan.contexts import resolve, resolve_call
from fairlead.plan.names import node_name
from fairlead.plan.nodes import contexts_of, fail
from fairlead.plan.run import Again, Ready

if TYPE_CHECKING:
    from fairlead.model.workflow import JobPlan
    from fairlead.plan.actions import Creation
    from fairlead.plan.run import Node, Run


def start(run: Run, job: JobPlan, node: Node) -> None:
    """Have a node's first or next attempt made as soon as there is room, unless the cluster has refused it for good."""
    refusal = run.observed.refusals.get(node.id)
    if refusal is not None and (refusal.final or (refusal.until is not None and run.now >= refusal.until)):
        reason = Reason.CALL_FAILED if job.uses else Reason.JOB_REFUSED
        fail(run, job, node, reason, one_line(refusal.message), run.now)
        return
    if refusal is not None and refusal.until is not None:
        run.looks.append(refusal.until)
    run.busy += 1
    run.ready.append(Ready(job, node, refusal))


def make(run: Run, ready: Ready) -> Creation | None:
    """Ask for a node's first or next attempt; None where it has failed, since that can't be put into words."""
    job, node, refusal = ready.job, ready.node, ready.refusal
    again = node.again or Again(Attempt(1), 0, Reason.RETRYING, "")
    try:
        creation = _creation(run, job, node, again)
    except ExpressionError as error:
        creation = one_line(str(error))
    if isinstance(creation, str):
        fail(run, job, node, Reason.EXPRESSION_FAILED, creation, run.now)
        return None
    if refusal is not None:
        said = f"can't be started yet: {one_line(refusal.message)}"
        phase = node.state.phase if node.state.attempt is None else JobPhase.QUEUED
        why = Reason.RETRYING if node.state.retry_at is not None else None
        waiting = {"phase": phase, "reason": why, "message": said, "started_at": None}
        node.state = node.state.model_copy(update=waiting)
        return creation
    started = {
        "phase": JobPhase.QUEUED,
        "attempt": again.attempt,
        "retries": again.retries,
        "retry_at": None,
        "reason": again.reason if node.again else None,
        "message": again.message if node.again else None,
        "started_at": None,
        "workflow" if job.uses else "kubernetes_job": creation.name,
    }
    node.state = node.state.model_copy(update=started)
    return creation


def _creation(run: Run, job: JobPlan, node: Node, again: Again) -> CreateJob | CallWorkflow | str:
    contexts = contexts_of(run, job, node)
    current = run.current
    name = node_name(run.resource, current.digest, current.run, node.id, again.attempt)
    identity = (name, node.id, current.run, current.digest, again.attempt)
    rest: dict[str, Any] = {
        "retries": again.retries,
        "group": node.state.admission.group if node.state.admission else None,
        "run_group": run.admission.status.group if run.admission.status else None,
        "instead_of": again.instead_of,
        "lost": again.lost,
    }
    if job.uses is None:
        request = resolve(job, contexts, run.sources, _alike(run, job))
        if not request.image:
            return f"its image, {quote(job.image)}, is empty when filled in"
        return CreateJob(*identity, request, **rest)
    depth = run.resource.depth + 1
    if depth > run.policy.depth:
        return f"it is call {depth} in a row, and {run.policy.depth} may be nested; does a template call itself?"
    call = resolve_call(job, contexts, depth=depth, priority=run.workflow.priority)
    if not call.template:
        return f"uses, {quote(job.uses)}, is empty when filled in"
    return CallWorkflow(*identity, call, **rest)


def _alike(run: Run, job: JobPlan) -> Alike | None:
    if job.strategy is None:
        return None
    found = run.alike.get(job.id)
    if found is None:
        found = run.alike[job.id] = Alike(job.env)
    return found
