"""Concurrency groups and limits, from the side of one run: what it asks its neighbours, and what follows.

What is admitted is written into the status before anything starts: the others read it there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from fairlead.expressions import EvaluationError, ExpressionError, fold, interpolate
from fairlead.model.phase import JobPhase, Reason
from fairlead.model.problem import one_line, quote
from fairlead.model.status import AdmissionStatus
from fairlead.plan.neighbours import Admitted, Claim, Deadlocked, Waits, Yields
from fairlead.plan.nodes import contexts_of, cut_short
from fairlead.plan.run import RunAdmission, Stop
from fairlead.plan.steps import flag

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fairlead.model.ids import NodeId
    from fairlead.model.spec import Concurrency
    from fairlead.model.workflow import JobPlan
    from fairlead.plan.run import Node, Run


_MOST_GROUP = 255
_PRECISION: Final = timedelta(seconds=1)
"""Of a creationTimestamp, which is cut off."""


def admit_run(run: Run) -> RunAdmission:
    """Ask whether the run may go, or go on."""
    found = _admit_run(run)
    run.admission = found
    return found


def _admit_run(run: Run) -> RunAdmission:
    concurrency = run.workflow.concurrency
    recorded = run.current.admission
    counted = run.observed.neighbours.limited and not run.resource.callers
    if concurrency is None and not counted and recorded is None:
        return RunAdmission(admitted=True)
    if run.workflow.suspend and (recorded is None or not recorded.admitted):
        # It doesn't stand in the way of others meanwhile.
        return RunAdmission(admitted=False, message="the workflow is suspended")
    try:
        asked = recorded if recorded is not None and recorded.admitted else _asked(run, concurrency, run.base)
    except ExpressionError as error:
        stop = Stop(Reason.EXPRESSION_FAILED, f"concurrency: {one_line(str(error))}", JobPhase.FAILED)
        return RunAdmission(admitted=False, stop=stop)
    if recorded is not None:
        asked = asked.model_copy(update={"since": recorded.since})
        if asked != recorded:
            # How it stands is told by what is recorded, so that comes first.
            return RunAdmission(admitted=False, status=asked, message="waits with other settings than before")
    return _stands(run, asked, counted=counted)


def _stands(run: Run, asked: AdmissionStatus, *, counted: bool) -> RunAdmission:
    match run.observed.neighbours.standing(_claim(run, asked, None, counted=counted)):
        case Admitted():
            if asked.admitted:
                return RunAdmission(admitted=True, status=asked)
            run.record_first = True
            admitted = asked.model_copy(update={"admitted": True, "admitted_at": run.now})
            return RunAdmission(admitted=False, status=admitted)
        case Waits(message):
            return RunAdmission(admitted=asked.admitted, status=asked, message=message)
        case Yields(message):
            return RunAdmission(admitted=asked.admitted, status=asked, stop=Stop(Reason.SUPERSEDED, message))
        case Deadlocked(message):
            stop = Stop(Reason.DEADLOCKED, message, JobPhase.FAILED)
            return RunAdmission(admitted=False, status=asked, stop=stop)
        case _ as never:
            assert_never(never)


def admit_node(run: Run, job: JobPlan, node: Node) -> bool:
    """Ask whether a node may start, where its job has a concurrency group; record how it stands if not."""
    if job.concurrency is None:
        return True
    try:
        asked = node.state.admission or _asked(run, job.concurrency, contexts_of(run, job, node))
    except ExpressionError as error:
        said = f"concurrency: {one_line(str(error))}"
        cut_short(node, Reason.EXPRESSION_FAILED, said, JobPhase.FAILED, None, run.now)
        return False
    match run.observed.neighbours.standing(_claim(run, asked, node.id, counted=False)):
        case Admitted() if asked.admitted:
            return True
        case Admitted():
            run.record_first = True
            admitted = asked.model_copy(update={"admitted": True, "admitted_at": run.now})
            node.state = node.state.model_copy(update={"phase": JobPhase.QUEUED, "admission": admitted})
        case Waits(message):
            waiting = {"phase": JobPhase.QUEUED, "admission": asked, "message": message}
            node.state = node.state.model_copy(update={**waiting, "reason": Reason.WAITING_FOR_GROUP})
        case Yields(message):
            cut_short(node, Reason.SUPERSEDED, message, JobPhase.CANCELLED, None, run.now)
        case Deadlocked(message):
            cut_short(node, Reason.DEADLOCKED, message, JobPhase.FAILED, None, run.now)
        case _ as never:
            assert_never(never)
    return False


def withdraw(node: Node) -> None:
    """Let others go first while a node can't go, though it were its turn."""
    asked = node.state.admission
    if asked is not None and not asked.admitted:
        node.state = node.state.model_copy(update={"admission": None})


def push_aside(run: Run, job: JobPlan, node: Node) -> None:
    """End a node that has started, or waits to be tried again, where a newer one of its group wants it gone."""
    asked = node.state.admission
    if job.concurrency is None or asked is None or not asked.admitted or node.state.phase.ended:
        return
    match run.observed.neighbours.standing(_claim(run, asked, node.id, counted=False)):
        case Yields(message):
            cut_short(node, Reason.SUPERSEDED, message, JobPhase.CANCELLED, None, run.now)
        case _:
            pass


def _asked(run: Run, concurrency: Concurrency | None, contexts: Mapping[str, object]) -> AdmissionStatus:
    if concurrency is None:
        return AdmissionStatus(since=_from_now_on(run), priority=run.workflow.priority)
    group = one_line(interpolate(concurrency.group, contexts).strip(), _MOST_GROUP)
    if not group:
        raise EvaluationError(f"group, {quote(concurrency.group)}, is empty when filled in")
    return AdmissionStatus(
        since=_from_now_on(run),
        group=group,
        cancel_in_progress=flag(concurrency.cancel_in_progress, contexts),
        queue=concurrency.queue,
        priority=run.workflow.priority,
    )


def _from_now_on(run: Run) -> datetime:
    """Give the moment from which something waits. Those that wait are in order by it, though our clock were behind."""
    created = run.resource.created_at
    return run.now if created is None or created <= run.now else created + _PRECISION


def _claim(run: Run, asked: AdmissionStatus, node: NodeId | None, *, counted: bool) -> Claim:
    return Claim(
        workflow=run.resource.key,
        uid=run.resource.uid,
        run=run.current.run,
        node=node,
        since=asked.since,
        admitted=asked.admitted,
        group=None if asked.group is None else fold(asked.group),
        cancel_in_progress=asked.cancel_in_progress,
        queue=asked.queue,
        priority=run.workflow.priority,
        counted=counted,
        callers=run.resource.callers,
    )
