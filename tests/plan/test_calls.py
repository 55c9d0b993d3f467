from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.model.ids import Attempt, NodeId, RunNumber, Uid
from fairlead.model.problem import InvalidWorkflowError, Problem
from fairlead.plan import CallRequest, CallWorkflow, CancelWorkflow, Observed, Policy, plan
from fairlead.plan.neighbours import Caller
from tests.plan.drill import Drill, a_job

CALL = {"uses": "deploy"}
CALLER = Caller(Uid("caller"), RunNumber(1), NodeId("call"))  # type: ignore[arg-type]


def called(**fields: object) -> Drill:
    """Give a run that has called a template, and does something afterwards."""
    return Drill({"jobs": {"call": {**CALL, **fields}, "after": a_job(needs="call")}}).look()


@pytest.mark.parametrize(
    ("status", "phases", "message"),
    [
        ({"phase": "Pending", "run": 1}, {"call": "Queued", "after": "Pending"}, None),
        (
            {"phase": "Queued", "run": 1, "message": "waits for ci (run 7)"},
            {"call": "Queued", "after": "Pending"},
            "waits for ci (run 7)",
        ),
        ({"phase": "Running", "run": 1}, {"call": "Running", "after": "Pending"}, None),
        ({"phase": "Succeeded", "run": 1}, {"call": "Succeeded", "after": "Queued"}, None),
        ({"phase": "Partial", "run": 1}, {"call": "Succeeded", "after": "Queued"}, None),
        (
            {"phase": "Failed", "run": 1, "message": 'job "x": boom'},
            {"call": "Failed CallFailed", "after": "Skipped NeedNotMet"},
            'the workflow NAME failed: job "x": boom',
        ),
        (
            {"phase": "Invalid", "message": "spec.jobs: is missing"},
            {"call": "Failed CallFailed", "after": "Skipped NeedNotMet"},
            "the workflow NAME failed: spec.jobs: is missing",
        ),
        (
            {"phase": "Cancelled", "run": 1, "message": "cancelled; x did not finish"},
            {"call": "Cancelled Cancelled", "after": "Skipped NeedNotMet"},
            "the workflow NAME was cancelled",
        ),
    ],
)
def test_how_a_call_goes(status: dict[str, object], phases: dict[str, str], message: str | None) -> None:
    """A call stands as the Workflow does that was made for it."""
    drill = called()
    (name,) = drill.calls

    drill.answer("call", **status)

    expected = message and message.replace("NAME", name)
    assert (drill.phases, drill.job("call").message, drill.job("call").workflow) == (phases, expected, name)


def test_a_failed_call_is_tried_again_and_a_cancelled_one_is_not() -> None:
    """Whoever cancels it doesn't want it back."""
    retry = {"limit": 1}

    failed = called(retry=retry).answer("call", phase="Failed", run=1)
    cancelled = called(retry=retry).answer("call", phase="Cancelled", run=1)

    assert (failed.log, failed.phases["call"]) == (["call call deploy {}"] * 2, "Queued Retrying")
    assert (cancelled.log, cancelled.phases["call"]) == (["call call deploy {}"], "Cancelled Cancelled")


def test_a_deleted_call_is_made_again() -> None:
    """As what the cluster lost; not to be seen isn't to be gone, so the cluster is asked first."""
    drill = called().answer("call", phase="Running", run=1)
    (lost,) = drill.calls

    drill.calls.clear()
    (action,) = drill.decide().actions

    assert isinstance(action, CallWorkflow)
    assert (action.attempt, action.instead_of, action.request) == (2, lost, CallRequest("deploy", {}, 1, 0))
    drill.look()
    assert drill.job("call").message == "restarted: its Workflow was deleted"


def test_a_call_is_cancelled_once_it_has_a_run() -> None:
    """There is nothing to cancel before that, and once is enough."""
    drill = called().annotate(cancel="1")
    assert drill.log == ["call call deploy {}"]

    drill.answer("call", phase="Running", run=3)

    assert drill.log == ["call call deploy {}", "cancel call"]
    assert [each.cancelling for each in drill.calls.values()] == [True]


@pytest.mark.parametrize(("depth", "phase"), [(0, "Queued"), (1, "Queued"), (2, "Failed ExpressionFailed")])
def test_calls_in_a_row_are_bounded(depth: int, phase: str) -> None:
    """A template that calls itself comes to an end."""
    drill = Drill({"jobs": {"call": CALL}}, policy=Policy(depth=2))
    drill.resource = replace(drill.resource, callers=(CALLER,) * depth)

    drill.look()

    assert drill.phases == {"call": phase}
    if depth == 2:
        said = "it is call 3 in a row, and 2 may be nested; does a template call itself?"
        assert drill.job("call").message == said


def test_a_workflow_of_one_call_has_its_outputs() -> None:
    """`uses` instead of jobs."""
    drill = Drill({"uses": "deploy", "with": {"env": "prod"}}).look()
    drill.answer("call", phase="Succeeded", run=1, outputs={"url": "x"})

    assert (drill.log, drill.status.outputs) == (["call call deploy {'env': 'prod'}"], {"url": "x"})


def test_a_matrix_of_calls() -> None:
    """Each combination calls by itself, with its own values."""
    strategy = {"matrix": {"env": ["a", "b"]}}
    drill = Drill({"jobs": {"call": {**CALL, "with": {"env": "${{ matrix.env }}"}, "strategy": strategy}}}).look()

    drill.answer("call[0]", phase="Succeeded", run=1, outputs={"url": "u"})
    drill.answer("call[1]", phase="Succeeded", run=1)

    assert drill.log == ["call call[0] deploy {'env': 'a'}", "call call[1] deploy {'env': 'b'}"]
    assert (drill.status.phase, drill.job("call").outputs) == ("Succeeded", {"url": "u"})


def test_what_an_edit_supersedes_is_cancelled() -> None:
    """A call of the run before is ended once the next run is recorded; so is that of a spec that became wrong."""
    edited, broken = (called().answer("call", phase="Running", run=1) for _ in range(2))
    (call,) = broken.calls.values()

    edited.edit(jobs={"b": a_job()})
    broken.write({"jobs": {}})
    broken.look()

    assert (edited.log[1:], broken.log[1:]) == (["start b", "cancel call"], ["cancel call"])
    again = plan(
        InvalidWorkflowError((Problem(("spec", "jobs"), "is missing"),)),
        broken.resource,
        Observed(calls=(call,)),
        broken.now,
    )
    assert again.actions == (CancelWorkflow(call.name, RunNumber(1)),)


def test_retries_count_in_the_calls_name() -> None:
    """Each attempt at a call is a Workflow of its own."""
    drill = called(retry={"limit": 1}).answer("call", phase="Failed", run=1)

    assert [(call.attempt, call.retries) for call in drill.calls.values()] == [(Attempt(1), 0), (Attempt(2), 1)]
