from __future__ import annotations

import pytest

from fairlead.model.containers import EnvReference, KeyRef
from fairlead.model.ids import StepId
from fairlead.model.report import JobState, StepReport
from fairlead.model.workflow import StepPlan
from fairlead.plan.actions import JobRequest, LateStep, StepRequest
from fairlead.render.driver import Late, Script
from fairlead.render.program import Program, Question, parse_program, parse_question, program_of, program_variables

_STEP = StepPlan(
    "Show ${{ steps.a.outputs.x }}",
    "echo $X",
    StepId("b"),
    "sh",
    "src",
    {"X": "ä${{ steps.a.outputs.x }}$(Y)"},
    "always()",
    5,
    "${{ true }}",
)
_PROGRAM = Program(
    {1: _STEP},
    ["a", "b"],
    {"env": {"V": "ä"}, "needs": {"x": {"outputs": {"big": "x" * 250_000}}}},
    {1: {"S": "FAIRLEAD_SECRET_1_S"}},
    ["FAIRLEAD_SECRET_1_S"],
    [("a", "x"), ("b", None)],
)


def test_a_program_of_any_size() -> None:
    """It goes into variables of the agent's container, each within what Linux gives one, and comes back as it was."""
    variables = program_variables(_PROGRAM)

    assert parse_program(variables) == _PROGRAM
    assert list(variables) == ["FAIRLEAD_PROGRAM", "FAIRLEAD_PROGRAM_1", "FAIRLEAD_PROGRAM_2"]
    assert max(map(len, variables.values())) <= 100_000
    assert all(value.isascii() for value in variables.values())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"steps": {"0": {"unknown": 1}}}', '{"steps": 1}'])
def test_what_is_no_program(text: str) -> None:
    """It is refused with a message that names the variable."""
    with pytest.raises(ValueError, match="FAIRLEAD_PROGRAM holds no program"):
        parse_program({"FAIRLEAD_PROGRAM": text})


def test_the_program_of_a_job() -> None:
    """It has the late steps, without the variables whose values stay in the cluster, and the ids of all."""
    reference = EnvReference(secret_key_ref=KeyRef(name="s", key="k"))
    late = StepPlan("l", "true", StepId("b"), env={"X": "1", "T": reference, "U": "a${{ secrets.U }}"})
    request = JobRequest(
        image="x",
        steps=(StepRequest("a", "true", StepId("a")), LateStep(late, {"T": reference})),
        env={},
        timeout=5,
        wanted=((StepId("a"), "x"),),
        contexts={"inputs": {"i": 1}},
    )
    scripts: list[Script | Late] = [Script("a", "true", env_from={"S": "C"}), Late(1, ["D"])]

    program = program_of(request, scripts, {1: {"T": "D"}})

    assert program == Program(
        {1: StepPlan("l", "true", StepId("b"), env={"X": "1"})},
        ["a", "b"],
        {"inputs": {"i": 1}},
        {1: {"T": "D"}},
        ["C", "D"],
        [("a", "x")],
    )


def test_a_question() -> None:
    """It has its number, the step, the job's state and how the steps before went."""
    question = parse_question("ask 7 3 failure\ns 0*2\ns 3c*1\nend\n")

    assert question == Question(7, 3, JobState.FAILURE, (StepReport(0), StepReport(0), StepReport(3, allowed=True)))


@pytest.mark.parametrize(
    "text",
    ["", "ask 1 0 success\n", "ask 1 0 success\nend", "ask 1 0 odd\nend\n", "ask x 0 success\nend\n", "ask\nend\n"],
)
def test_what_is_no_question(text: str) -> None:
    """A part of one, or anything else, is none."""
    assert parse_question(text) is None
