"""A wrong spec is a message with every problem in it: at once from admission, and else from the status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.support.sandbox import manifest

if TYPE_CHECKING:
    from e2e.support.sandbox import Sandbox

WRONG = """
defaults: {image: busybox:1.35}
inputs: {who: world}
jobs:
  build:
    stesp: [{run: make}]
    commands: [make]
  test:
    needs: [biuld]
    commands: [make test]
  a: {needs: [c], commands: ["true"]}
  b: {needs: [a], commands: ["true"]}
  c: {needs: [b], commands: ["true"]}
  behind: {needs: [c], commands: ["true"]}
  twice:
    steps: [{id: same, run: "true"}, {id: SAME, run: "true"}]
  late: {timeout: tomorrow, commands: ["true"]}
  bad:
    commands: ["echo ${{ inputs.who + 1 }}", "echo ${{ inputs.whom }}"]
  empty: {}
  later: {commands: ["echo ${{ matrix.pyhton }}"], strategy: {matrix: {python: ["3.12"]}}}
"""
"""All mistakes of the catalogue in one workflow."""

PROBLEMS = [
    "spec.jobs.a.needs: a cycle: a → c → b → a",
    "spec.jobs.bad.commands[0]: bad expression: ",
    'spec.jobs.bad.commands[1]: "inputs.whom": no input "whom"; did you mean "who"?',
    'spec.jobs.behind: unreachable: it needs "c", which can never run',
    'spec.jobs.build.stesp: unknown field; did you mean "steps"?',
    "spec.jobs.empty: nothing to run; give it steps, commands, a check or uses",
    'spec.jobs.late.timeout: "tomorrow" is not a duration; write 90s, 10m, 1h30m or a whole number of seconds',
    'spec.jobs.later.commands[0]: "matrix.pyhton": the matrix has no "pyhton"; did you mean "python"?',
    'spec.jobs.test.needs[0]: no job "biuld"; did you mean "build"?',
    'spec.jobs.twice.steps[1].id: duplicate id: "SAME" is the id of steps[0], too',
]
"""How each of them begins, in order: the API server sorts the jobs by name."""


def assert_every_problem(said: list[str]) -> None:
    """Compare messages with the beginnings that they should have."""
    assert len(said) == len(PROBLEMS), "\n".join(said)
    wrong = [(line, start) for line, start in zip(said, PROBLEMS, strict=True) if not line.startswith(start)]
    assert not wrong


def test_admission_says_all_that_is_wrong(sandbox: Sandbox) -> None:
    """`kubectl apply` refuses a wrong workflow with each of its problems, and creates nothing."""
    code, _, said = sandbox.kubectl.attempt("apply", "-f", "-", stdin=manifest("wrong", WRONG))
    assert code == 1
    head, *lines = said.strip().splitlines()
    assert head.endswith('admission webhook "workflows.fairlead.dev" denied the request: this Workflow can\'t run:')
    assert_every_problem(lines)
    assert sandbox.kubectl.get("fwf", "wrong") is None


def test_admission_keeps_a_good_workflow_good(sandbox: Sandbox) -> None:
    """A change for the worse is refused, and what ran goes untouched; a label may change."""
    sandbox.run("good", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
    before = sandbox.workflow("good")
    code, _, said = sandbox.kubectl.attempt("apply", "-f", "-", stdin=manifest("good", WRONG))
    assert code == 1
    assert "did you mean" in said
    assert sandbox.workflow("good") == before
    sandbox.kubectl.run("label", "fwf", "good", "team=ours")
    assert sandbox.workflow("good")["metadata"]["labels"] == {"team": "ours"}


def test_the_status_says_all_that_is_wrong(unchecked_sandbox: Sandbox) -> None:
    """Where admission doesn't look, a wrong workflow becomes Invalid with the same problems and an Event."""
    sandbox = unchecked_sandbox
    status = sandbox.run("wrong", WRONG, "Invalid")
    assert_every_problem(status["problems"])
    assert status["message"] == f"{PROBLEMS[0]} (and {len(PROBLEMS) - 1} more)"
    assert "run" not in status
    assert "jobs" not in status
    assert {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]} == {
        "Accepted": ("False", "Invalid"),
        "Succeeded": ("False", "Invalid"),
        "Ready": ("False", "Invalid"),
        "Stalled": ("True", "Invalid"),
    }
    assert sandbox.events("wrong") == [("Warning", "Invalid", status["message"])]
    assert sandbox.jobs("wrong") == []


def test_a_mended_spec_runs(unchecked_sandbox: Sandbox) -> None:
    """After an invalid generation the mended one is run 1; a good one made invalid ends, mended it is run 2."""
    sandbox = unchecked_sandbox
    good = "{jobs: {one: {image: 'busybox:1.35', commands: [echo %s]}}}"
    wrong = "{jobs: {one: {image: 'busybox:1.35'}}}"
    sandbox.run("mended", wrong, "Invalid")
    first = sandbox.run("mended", good % "first")
    assert (first["run"], first["observedGeneration"], first.get("problems")) == (1, 2, None)
    again = sandbox.run("mended", wrong, "Invalid")
    assert again["problems"] == ["spec.jobs.one: nothing to run; give it steps, commands, a check or uses"]
    second = sandbox.run("mended", good % "second")
    assert (second["run"], second["observedGeneration"]) == (2, 4)
    assert [(each["run"], each["phase"]) for each in second["history"]] == [(1, "Succeeded")]
