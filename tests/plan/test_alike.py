"""What is alike in the requests of a matrix is filled in once; nobody can tell from the requests."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.model.ids import JobId, RunNumber
from fairlead.plan import CreateJob, Decision, JobRequest, LateStep, StepRequest
from fairlead.plan.alike import varies
from fairlead.plan.contexts import base_contexts, resolve, with_combination
from fairlead.plan.env import Sources
from fairlead.plan.matrix import expand
from fairlead.syntax import parse_spec
from tests.plan.drill import Drill, a_job

MIXTURE: dict[str, Any] = {
    "image": "python:${{ inputs.python }}",
    "env": {
        "ALIKE": "${{ inputs.python }}",
        "OWN": "${{ matrix.n }} of ${{ strategy.job-total }}",
        "TOKEN": "${{ secrets.token }}-${{ Matrix.n }}",
        "FIXED": {"secretKeyRef": {"name": "ci", "key": "token"}},
    },
    "services": {"db": {"image": "postgres:${{ matrix.n }}", "env": {"PYTHON": "${{ inputs.python }}"}}},
    "nodeSelector": {"zone": "${{ matrix.n }}"},
    "steps": [
        {"run": "alike", "env": {"PYTHON": "${{ inputs.python }}"}},
        {"run": "own ${{ matrix.n }}"},
        {"run": "by way of a variable: ${{ env.OWN }}"},
        {"run": "an alike variable: ${{ env['ALIKE'] }}"},
        {"id": "s", "run": "sometimes", "if": "matrix.n == 2"},
        {"run": "late: ${{ steps.s.outputs.o }}", "env": {"TOKEN": "${{ secrets.token }}"}},
        {"run": "late or not: ${{ env.OWN }}", "if": "matrix.n == 2 && steps.s.outcome == 'success'"},
        {"run": "after a failure", "if": "failure()", "shell": "${{ matrix.n == 1 && 'sh' || 'bash' }}"},
    ],
}


def _requests(decision: Decision) -> list[JobRequest]:
    return [action.request for action in decision.actions if isinstance(action, CreateJob)]


def test_nobody_can_tell() -> None:
    """Each combination asks for what it would ask for if it were the only one that is filled in."""
    spec = {"inputs": {"python": "3.13"}, "jobs": {"m": a_job(**MIXTURE, strategy={"matrix": {"n": [1, 2, 3]}})}}
    spec["jobs"]["m"].pop("commands")  # type: ignore[index]
    drill = Drill(spec)
    workflow = parse_spec(spec)
    job = workflow.jobs[JobId("m")]
    base = {**base_contexts(workflow, drill.resource, RunNumber(1)), "needs": {}}
    alone = [
        resolve(job, with_combination(base, job, each, at, 3), Sources(workflow.secrets_from, workflow.vars_from))
        for at, each in enumerate(expand({"n": [1, 2, 3]}, most=3))
    ]
    assert _requests(drill.decide()) == alone


def test_what_is_alike_is_the_same_object() -> None:
    """A large text that all combinations have takes memory once."""
    job = a_job(env={"TEXT": "${{ inputs.text }}"}, strategy={"matrix": {"n": [1, 2, 3]}})
    first, *others = _requests(Drill({"inputs": {"text": "x" * 1000}, "jobs": {"m": job}}).decide())
    assert all(each.env["TEXT"] is first.env["TEXT"] and each.steps[0] is first.steps[0] for each in others)


def test_each_counts_the_whole_of_its_texts() -> None:
    """What was filled in for another combination counts, too: each of them is refused that would be by itself."""
    texts = {f"T{index}": "${{ inputs.text }}" for index in range(4)}
    job = a_job(env={**texts, "OWN": "${{ matrix.text }}"}, strategy={"matrix": {"text": ["", "y" * 600_000]}})
    drill = Drill({"inputs": {"text": "x" * 200_000}, "jobs": {"m": job}, "failFast": False})
    drill.spec["jobs"]["m"]["strategy"]["failFast"] = False
    assert [state.split()[0] for state in drill.look().combinations("m").values()] == ["Queued", "Failed"]


def test_a_mistake_in_common_is_everybodys() -> None:
    """What can't be filled in fails each combination, with the same words."""
    job = a_job(image="${{ fromJSON('{') }}", strategy={"matrix": {"n": [1, 2]}, "failFast": False})
    states = Drill({"jobs": {"m": job}}).look().job("m").combinations
    assert (len({state.message for state in states}), {str(state.reason) for state in states}) == (
        1,
        {"ExpressionFailed"},
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("matrix.n", False),
        ("${{ matrix.n }}", True),
        ("${{ MATRIX['n'] }}", True),
        ({"a": ["${{ strategy.job-index }}"]}, True),
        ({"${{ matrix.n }}": 1}, True),
        ((None, 1, "${{ inputs.n }}"), False),
    ],
)
def test_what_may_differ(value: object, expected: bool) -> None:  # noqa: FBT001  of the table
    """A text may differ where an expression may name the combination."""
    assert varies(value) == expected


def test_a_condition_that_the_matrix_decides() -> None:
    """Where the matrix says that a step doesn't run, it isn't asked for what only the running job knows."""
    steps = [{"id": "s", "run": "a"}, {"run": "b", "if": "matrix.n == 2 && steps.s.outcome == 'success'"}]
    job = {"image": "busybox", "steps": steps, "strategy": {"matrix": {"n": [1, 2]}}}
    never, late = (request.steps[1] for request in _requests(Drill({"jobs": {"m": job}}).decide()))
    assert isinstance(never, StepRequest)
    assert (never.runs_in, isinstance(late, LateStep)) == (frozenset(), True)
