from __future__ import annotations

from typing import Any

import pytest

from fairlead.expressions import ExpressionError
from fairlead.model.containers import EnvReference, KeyRef
from fairlead.model.report import JobState
from fairlead.model.workflow import StepPlan
from fairlead.plan import CreateJob, LateStep, Mixed, StepRequest
from fairlead.plan.alike import Alike
from fairlead.plan.env import Sources
from fairlead.plan.steps import fill_steps, flag, is_late
from tests.plan.drill import Drill

CONTEXTS: dict[str, object] = {
    "env": {"KNOWN": "1"},
    "matrix": {"x": 1},
    "needs": {"a": {"outputs": {"steps": "x"}}},
    "job": {"id": "a", "name": "A", "services": {}},
    "runner": {"os": "Linux"},
}


def a_step(run: str = "true", **fields: Any) -> StepPlan:  # noqa: ANN401  any of the plan's own
    """Give a step."""
    return StepPlan("label", run, **fields)


LATE: dict[str, tuple[StepPlan, bool]] = {
    "nothing in it": (a_step(), False),
    "what is known": (a_step("${{ matrix.x }} ${{ needs.a.outputs.steps }} ${{ runner.os }}"), False),
    "an output": (a_step("${{ steps.a.outputs.b }}"), True),
    "an output in capitals": (a_step("${{ STEPS.a.outputs.b }}"), True),
    "an output in a branch": (a_step("${{ matrix.x && steps.a.outputs.b }}"), True),
    "an output in the label": (StepPlan("${{ steps.a.outputs.b }}", "true"), True),
    "an output in the shell": (StepPlan("label", "true", shell="${{ steps.a.outputs.b }}"), True),  # noqa: S604
    "an output in the directory": (a_step(working_directory="${{ steps.a.outputs.b }}"), True),
    "an output in a variable": (a_step(env={"A": "${{ steps.a.outputs.b }}"}), True),
    "an output in continueOnError": (a_step(continue_on_error="${{ steps.a.outputs.b }}"), True),
    "an output in the condition": (a_step(condition="success() && steps.a.outputs.b"), True),
    "steps in a text that is no expression": (a_step("steps.a.outputs.b"), False),
    "the job's state": (a_step("${{ job.status }}"), True),
    "all of the job": (a_step("${{ toJSON(job) }}"), True),
    "the job's name": (a_step("${{ job.name }} ${{ job.id }} ${{ job.services.db.ports }}"), False),
    "the job's state in the condition": (a_step(condition="job.status == 'failure'"), False),
    "all of the job in the condition": (a_step(condition="toJSON(job) == ''"), True),
    "states in the condition": (a_step(condition="failure() || cancelled() || always()"), False),
    "a hash": (a_step("${{ hashFiles('a') }}"), True),
    "a hash in the condition": (a_step(condition="success() && HASHFILES('a') != ''"), True),
    "a variable": (a_step("${{ env.KNOWN }} ${{ env.known }}"), False),
    "one that nobody set": (a_step("${{ env.OTHER }}"), True),
    "one of its own": (a_step("${{ env.OWN }}", env={"OWN": "1"}), False),
    "one of its own that is a reference": (
        a_step("${{ env.OWN }}", env={"OWN": EnvReference(secret_key_ref=KeyRef(name="s", key="k"))}),
        True,
    ),
    "all variables": (a_step("${{ toJSON(env) }}"), True),
    "a variable by a computed name": (a_step("${{ env[matrix.x] }}"), True),
}


@pytest.mark.parametrize(("step", "late"), LATE.values(), ids=LATE)
def test_late(step: StepPlan, late: bool) -> None:  # noqa: FBT001  a table's column
    """A step is late where it names something that only the running job knows."""
    assert is_late(step, CONTEXTS) is late


def test_late_once_variables_may_have_changed() -> None:
    """After a step that may set variables, only a step's own are known."""
    steps = [a_step("${{ env.KNOWN }}"), a_step("${{ env.OWN }}", env={"OWN": "1"}), a_step("${{ matrix.x }}")]
    assert [is_late(step, CONTEXTS, env_may_change=True) for step in steps] == [True, False, False]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (True, True),
        (False, False),
        ("${{ matrix.x == 1 }}", True),
        ("${{ matrix.nothing }}", False),
        ("${{ '' }}", False),
        ("${{ 'TRUE' }}", True),
        (" ${{ ' false ' }} ", False),
        ("true", True),
    ],
)
def test_flag(value: bool | str, found: bool) -> None:  # noqa: FBT001  a table's columns
    """A field that is true, false or an expression; nothing is false."""
    assert flag(value, CONTEXTS) is found


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("${{ matrix.x }}", '"${{ matrix.x }}" gives "1", which is neither true nor false'),
        ("${{ 'yes' }}", '"${{ \'yes\' }}" gives "yes", which is neither true nor false'),
        ("a ${{ true }}", '"a ${{ true }}" gives "a true", which is neither true nor false'),
    ],
)
def test_flag_of_something_else(value: str, said: str) -> None:
    """Anything else is a mistake that is told, rather than taken for true."""
    with pytest.raises(ExpressionError) as caught:
        flag(value, CONTEXTS)
    assert str(caught.value).startswith(said)


def made(job: dict[str, Any], **spec: object) -> CreateJob:
    """Give what is asked for to run a job."""
    drill = Drill({"jobs": {"a": {"image": "busybox", **job}}, **spec}).look()
    assert drill.phases == {"a": "Queued"}, drill.status
    (request,) = drill.requests.values()
    assert isinstance(request, CreateJob)
    return request


def test_secrets_stay_references() -> None:
    """`secrets.NAME` and `vars.NAME` are filled in by the kubelet; what stands around them is filled in here."""
    env = {
        "TOKEN": "${{ secrets.TOKEN }}",
        "URL": "https://${{ vars.HOST }}/${{ matrix.x }}?t=${{ secrets.TOKEN }}",
        "PLAIN": "${{ matrix.x }}",
    }
    job = {"strategy": {"matrix": {"x": [7]}}, "env": env, "commands": ["true"]}
    token = EnvReference(secret_key_ref=KeyRef(name="mine", key="TOKEN"))
    host = EnvReference(config_map_key_ref=KeyRef(name="fairlead-vars", key="HOST"))

    drill = Drill({"jobs": {"a": {"image": "busybox", **job}}, "secretsFrom": "mine"}).look()

    (request,) = drill.requests.values()
    assert isinstance(request, CreateJob)
    assert request.request.env == {
        "TOKEN": token,
        "URL": Mixed(("https://", host, "/", "7", "?t=", token)),
        "PLAIN": "7",
    }


def test_a_late_step_carries_its_references() -> None:
    """The agent fills in its texts, and can't read Secrets: those are carried by the container."""
    env = {"T": "Bearer ${{ secrets.T }}", "X": "${{ steps.one.outcome }}"}
    late = {"run": "${{ steps.one.outputs.x }}", "env": env}
    first = {"id": "one", "run": "echo ${{ workflow.run }}"}

    one, two = made({"steps": [first, late]}).request.steps

    reference = EnvReference(secret_key_ref=KeyRef(name="fairlead-secrets", key="T"))
    assert isinstance(one, StepRequest)
    assert (one.run, one.runs_in) == ("echo 1", frozenset({JobState.SUCCESS}))
    assert isinstance(two, LateStep)
    assert dict(two.references) == {"T": Mixed(("Bearer ", reference))}


@pytest.mark.parametrize(
    ("condition", "states"),
    [
        (None, {"success"}),
        ("always()", {"success", "failure", "cancelled"}),
        ("failure()", {"failure"}),
        ("cancelled()", {"cancelled"}),
        ("failure() || cancelled()", {"failure", "cancelled"}),
        ("job.status == 'failure' && always()", {"failure"}),
        ("false", set()),
        ("workflow.run == 2", set()),
    ],
)
def test_when_a_step_runs(condition: str | None, states: set[str]) -> None:
    """What is known of a condition is decided beforehand; the driver only looks at the job's state."""
    step = {"run": "true"} if condition is None else {"run": "true", "if": condition}
    (found,) = made({"steps": [step]}).request.steps
    assert isinstance(found, StepRequest)
    assert set(found.runs_in) == states


def test_hash_files_in_a_steps_variable() -> None:
    """It is the agent's to fill in, as in any of the step's texts; nothing in it stays in the cluster."""
    step = StepPlan("a", "a", env={"KEY": "${{ hashFiles('*.lock') }}"})

    [filled] = fill_steps([step], {"env": {}}, Sources("s", "v"), Alike({}))

    assert filled == LateStep(step)
