"""Steps that the agent gives when their turn has come: driver and agent together, in each shell."""

# ruff: noqa: S604  Script's `shell` is a step's, and has nothing to do with subprocess's

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from fairlead.model.ids import StepId
from fairlead.model.report import JobState, Report, StepReport
from fairlead.model.workflow import StepPlan
from fairlead.render.driver import Late, Script
from fairlead.render.program import Program, program_variables
from tests.render.driving import (
    IN_EACH_SHELL,
    PATH,
    Ended,
    asleep,
    cut,
    drive,
    finish,
    logged,
    ran,
    read_report,
    start,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.render.driving import Clock, Shell

pytestmark = IN_EACH_SHELL

ALWAYS = frozenset(JobState)

_COMMAND = [sys.executable, "-c", "from fairlead.cli.agent import agent_command; agent_command()"]


def launch(folder: Path, program: Program) -> subprocess.Popen[bytes]:
    """Start an agent beside the driver of that folder."""
    for name in ("home", "workspace"):
        (folder / name).mkdir(exist_ok=True)
    env = {
        "PATH": PATH,
        "FAIRLEAD_HOME": str(folder / "home"),
        "FAIRLEAD_WORKSPACE": str(folder / "workspace"),
        **program_variables(program),
    }
    return subprocess.Popen(_COMMAND, env=env, stdin=subprocess.DEVNULL)  # noqa: S603  our own


@contextmanager
def agent(folder: Path, program: Program) -> Iterator[subprocess.Popen[bytes]]:
    """Have an agent beside the driver."""
    process = launch(folder, program)
    try:
        yield process
    finally:
        process.terminate()
        process.send_signal(signal.SIGCONT)
        assert process.wait(20) in (0, -signal.SIGKILL, -signal.SIGTERM)


def a_step(run: str, step_id: str | None = None, **fields: object) -> StepPlan:
    """Plan a step whose label is `late`."""
    return StepPlan("late", run, None if step_id is None else StepId(step_id), **fields)  # type: ignore[arg-type]


def test_what_earlier_steps_did(shell: Shell, tmp_path: Path) -> None:
    """A late step sees outputs, outcomes, variables and files of those before it; its own outputs are reported."""
    carriers = ["FAIRLEAD_SECRET_4_S"]
    show = "echo '${{ steps.a.outputs.x }} ${{ steps.b.outcome }} ${{ steps.B.conclusion }} ${{ env.V }}' \"$V\""
    program = Program(
        {
            2: a_step(show),
            3: a_step("echo not here", condition="success() && steps.a.outputs.x == 'other'"),
            4: a_step(
                "echo \"x=${{ hashFiles('file') }} ${{ env.W }} $W $S\" >>$FAIRLEAD_OUTPUT",
                "d",
                env={"W": "${{ steps.a.outputs.x }}!"},
                condition="success() && steps.a.outputs.x == 'one'",
            ),
        },
        ["a", "b", None, None, "d"],
        {"env": {"V": "0"}},
        {4: {"S": "FAIRLEAD_SECRET_4_S"}},
        carriers,
        [("d", "x")],
    )
    with agent(tmp_path, program):
        ended = drive(
            shell,
            tmp_path,
            Script("a", "echo x=ONE >>$FAIRLEAD_OUTPUT; echo V=2 >>$FAIRLEAD_ENV; echo 1 >file", id="a"),
            Script("b", "exit 3", id="b", continue_on_error=True),
            Late(2),
            Late(3),
            Late(4, carriers),
            outputs=[("d", "x")],
            env={"FAIRLEAD_SECRET_4_S": "s3cret", "V": "0"},
        )

    digest = sha256(sha256(b"1\n").digest()).hexdigest()
    assert ended == Ended(
        0,
        logged("a")
        + logged("b", "", 'step "b" failed with exit code 3')
        + logged("late", "ONE failure success 2 2\n")
        + logged("late"),
        Report(ran(0, StepReport(3, allowed=True), 0, None, 0), {"d": {"x": f"{digest} ONE! ONE! s3cret"}}, 0),
    )


def test_a_late_step_after_a_failure(shell: Shell, tmp_path: Path) -> None:
    """Its condition is about the job's state then; its failure is like any other's."""
    program = Program(
        {
            1: a_step("echo not here"),
            2: a_step("echo ${{ job.status }}; exit 4", condition="failure()"),
            3: a_step("echo here", condition="always()", continue_on_error="${{ true }}", timeout=1000),
        },
        ["a", None, None, None],
    )
    with agent(tmp_path, program):
        ended = drive(shell, tmp_path, Script("a", "exit 3", id="a"), Late(1), Late(2), Late(3))

    assert ended == Ended(
        3,
        logged("a", "", 'step "a" failed with exit code 3')
        + logged("late", "failure\n", 'step "late" failed with exit code 4')
        + logged("late", "here\n"),
        Report(ran(3, None, 4, 0), {}, 3),
    )


def test_an_expression_that_fails(shell: Shell, tmp_path: Path) -> None:
    """The step fails with the expression's error."""
    program = Program({0: a_step("echo ${{ fromJSON(steps) }}")}, [None])
    with agent(tmp_path, program):
        ended = drive(shell, tmp_path, Late(0))

    assert ended.report is not None
    assert ended.report.error is not None
    assert ended == Ended(
        1,
        logged("late", "", f'step "late": {ended.report.error}'),
        Report(ran(1), {}, 1, error=ended.report.error),
    )
    assert "fromJson" in ended.report.error


def test_no_pipe_of_the_agent_is_inherited(shell: Shell, tmp_path: Path) -> None:
    """A late step has the three standard files and none of the driver's."""
    program = Program({0: a_step("", shell="ls /proc/self/fd --ignore={0}")}, [None])
    with agent(tmp_path, program):
        ended = drive(shell, tmp_path, Late(0))

    assert ended.log == logged("late", "0\n1\n2\n3\n")


def test_an_agent_that_dies_in_mid_question(shell: Shell, tmp_path: Path) -> None:
    """The next one finds the question and answers it."""
    program = Program({1: a_step("echo here"), 2: a_step("echo there")}, [None, None, None])
    first = launch(tmp_path, program)
    until((tmp_path / "home" / "agent" / "answers").is_fifo)
    first.send_signal(signal.SIGSTOP)
    driver = start(shell, tmp_path, Script("a", "true"), Late(1), Late(2))
    until(lambda: "ask 1 " in _text(tmp_path / "home" / "question"))
    first.kill()
    first.wait()

    with agent(tmp_path, program):
        ended = finish(driver, tmp_path)

    assert ended == Ended(
        0, logged("a") + logged("late", "here\n") + logged("late", "there\n"), Report(ran(0, 0, 0), {}, 0)
    )


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text()
    return ""


def test_an_agent_that_never_answers(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """The job waits for it until its timeout and some seconds, tells, and goes on with what it knows."""
    timeout, env = clock
    if not env:
        pytest.skip("it would take the 7 seconds")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "deaf").touch()
    ended = drive(
        shell,
        tmp_path,
        Script("a", "(sleep 0.3; : >ready) &"),
        Late(1),
        Late(2),
        Script("b", "echo here", runs_in=ALWAYS),
        timeout=timeout,
        env=env,
    )

    reason = "the agent did not answer, so nobody knows what this step is"
    assert ended == Ended(
        124,
        logged("a")
        + "::error::timed out after 90s\n"
        + f'::error::step "2": {reason}\n::error::step "3": {reason}\n'
        + logged("b", "here\n"),
        Report(ran(0, cut(124), cut(124), 0), {}, 124, timed_out=True, error=reason),
    )


def test_a_signal_while_the_agent_is_asked(shell: Shell, tmp_path: Path) -> None:
    """The agent is asked again, and answers for a job that is cancelled."""
    program = Program(
        {0: a_step("echo not here"), 1: a_step("echo ${{ job.status }}", condition="always()")}, [None] * 2
    )
    with agent(tmp_path, program) as beside:
        until((tmp_path / "home" / "agent" / "answers").is_fifo)
        beside.send_signal(signal.SIGSTOP)
        driver = start(shell, tmp_path, Late(0), Late(1))
        until(lambda: _text(tmp_path / "home" / "question") == "ask 1 0 success\nend\n")
        # No shell can rule out that a signal comes just before it begins to read: it is seen to with the answer then.
        until(lambda: asleep(driver.pid))
        driver.terminate()
        until(lambda: "cancelled" in _text(tmp_path / "home" / "question"))
        beside.send_signal(signal.SIGCONT)
        ended = finish(driver, tmp_path)

    assert ended.exit_code == 143
    assert ended.log == "::error::interrupted\n" + logged("late", "cancelled\n")
    assert ended.report is None or ended.report.steps in ((), ran(None, 0))


def test_a_late_step_costs_little(shell: Shell, tmp_path: Path) -> None:
    """Driver and agent wake each other at once."""
    count = 20
    program = Program({index: a_step("true", shell="true {0}") for index in range(count)}, [None] * count)
    with agent(tmp_path, program):
        until((tmp_path / "home" / "agent" / "answers").is_fifo)
        drive(shell, tmp_path, *[Late(index) for index in range(count)])

    report = read_report(tmp_path)
    assert report is not None
    assert len(report.steps) == count
    # 0.005 where nothing else runs; a machine may have much else to do, but would show a second's sleep.
    assert report.steps[-1].finished / count < 0.9
