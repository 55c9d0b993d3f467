"""Which steps run in which state of the job, and ends that come from outside or by a step's own timeout."""

# ruff: noqa: S604  Script's `shell` is a step's, and has nothing to do with subprocess's

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairlead.model.report import JobState, Report, StepReport
from fairlead.render.driver import Script
from tests.render.driving import (
    IN_EACH_SHELL,
    NEEDS_NAMESPACES,
    Ended,
    cut,
    drive,
    finish,
    link,
    logged,
    ran,
    session,
    start,
    until,
)

if TYPE_CHECKING:
    from tests.render.driving import Clock, Shell

pytestmark = IN_EACH_SHELL

ALWAYS = frozenset(JobState)
ON_FAILURE = frozenset({JobState.FAILURE})
ON_CANCEL = frozenset({JobState.CANCELLED})
NEVER: frozenset[str] = frozenset()

_ALLOWED = StepReport(3, allowed=True)


def test_steps_run_by_the_jobs_state(shell: Shell, tmp_path: Path) -> None:
    """After a failure those for failures run; the first failure gives the exit code; who was skipped is told."""
    ended = drive(
        shell,
        tmp_path,
        Script("never", "echo not here", runs_in=NEVER),
        Script("too early", "echo not here", runs_in=ON_FAILURE),
        Script("first", "exit 3"),
        Script("too late", "echo not here"),
        Script("on failure", "echo x=1 >>$FAIRLEAD_OUTPUT; exit 4", id="f", runs_in=ON_FAILURE),
        Script("on cancel", "echo not here", runs_in=ON_CANCEL),
        Script("always", "echo here", runs_in=ALWAYS),
        outputs=[("f", None)],
    )

    assert ended == Ended(
        3,
        logged("first", "", 'step "first" failed with exit code 3')
        + logged("on failure", "", 'step "on failure" failed with exit code 4')
        + logged("always", "here\n"),
        Report(ran(None, None, 3, None, 4, None, 0), {"f": {"x": "1"}}, 3),
    )
    assert ended.report is not None
    assert ended.report.failed_step == 2


def test_only_skipped_steps(shell: Shell, tmp_path: Path) -> None:
    """A job whose steps are all skipped is a success, and its report has them."""
    steps = [Script("a", "echo not here", runs_in=states) for states in (NEVER, ON_FAILURE, ON_CANCEL)]

    assert drive(shell, tmp_path, *steps) == Ended(0, "", Report(ran(None, None, None), {}, 0))


def test_a_failure_that_is_allowed(shell: Shell, tmp_path: Path) -> None:
    """It is told in the log and in the report, with its reason only in the log, and the job goes on as a success."""
    ended = drive(
        shell,
        tmp_path,
        Script("a", "exit 3", continue_on_error=True),
        Script("b", "echo oops >>$FAIRLEAD_OUTPUT; exit 3", continue_on_error=True),
        Script("c", "echo here", continue_on_error=True),
        Script("d", "echo not here", runs_in=ON_FAILURE),
    )

    reason = "FAIRLEAD_OUTPUT, line 1: neither NAME=value nor NAME<<DELIMITER"
    failed = "failed with exit code 3"
    assert ended == Ended(
        0,
        logged("a", "", f'step "a" {failed}')
        + logged("b", "", f'step "b" {failed}', f'step "b": {reason}')
        + logged("c", "here\n"),
        Report(ran(_ALLOWED, _ALLOWED, 0, None), {}, 0),
    )
    assert ended.report is not None
    assert ended.report.failed_step is None


# --- a step's timeout ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [False, True])
def test_a_steps_timeout(shell: Shell, tmp_path: Path, clock: Clock, allowed: bool) -> None:  # noqa: FBT001
    """Its processes are asked to end, those of earlier steps are not; the exit code is 124, its outputs count."""
    timeout, env = clock
    asked = """echo x=1 >>"$FAIRLEAD_OUTPUT"; (trap "echo deep >>late; exit" TERM; : >deep; while :; do :; done) &
    until [ -e deep ]; do :; done; trap "until [ -e late ]; do :; done; echo bye; exit 0" TERM
    : >ready; while :; do :; done"""
    ended = drive(
        shell,
        tmp_path,
        Script("a", "(trap 'echo asked' TERM; until [ -e over ]; do :; done; : >seen) &", shell="sh"),
        Script("b", asked, id="b", shell="sh", timeout=timeout, continue_on_error=allowed),
        Script("c", ": >over; until [ -e seen ]; do :; done", runs_in=ALWAYS),
        Script("d", "echo here"),
        outputs=[("b", "x")],
        env=env,
    )

    log = logged("a") + logged("b", "bye\n", f'step "b" timed out after {timeout}s') + logged("c")
    report = StepReport(124, allowed=allowed, timed_out=True)
    if allowed:
        assert ended == Ended(0, log + logged("d", "here\n"), Report(ran(0, report, 0, 0), {"b": {"x": "1"}}, 0))
    else:
        assert ended == Ended(124, log, Report(ran(0, report, 0, None), {"b": {"x": "1"}}, 124))


_DEAF = 'trap "" TERM; : >deaf; : >ready; while :; do :; done'


def test_a_step_that_ignores_its_timeout(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """It is killed 7 seconds later, with its children, and the job goes on."""
    timeout, env = clock
    if not env:
        pytest.skip("it would take the 7 seconds")
    script = f"(echo $PPID >parent; {_DEAF}) & until [ -e deaf ]; do :; done; {_DEAF}"

    ended = drive(
        shell,
        tmp_path,
        Script("a", "while :; do :; done & echo $! >pid", shell="sh"),
        Script("b", script, shell="sh", timeout=timeout, continue_on_error=True),
        Script("c", "kill $(cat pid)"),
        env=env,
    )

    assert ended == Ended(
        0,
        logged("a") + logged("b", "", 'step "b" timed out after 90s') + logged("c"),
        Report(ran(0, StepReport(124, allowed=True, timed_out=True), 0), {}, 0),
    )


def test_timeouts_that_are_not_reached(shell: Shell, tmp_path: Path) -> None:
    """A step that ends in time ends its alarm, too."""
    steps = [Script(str(index), "true", timeout=1000 + index) for index in range(5)]
    driver = start(shell, tmp_path, *steps, Script("last", ": >last; until [ -e go ]; do :; done"))
    until((tmp_path / "workspace" / "last").exists)

    until(lambda: _sleeps(driver.pid) == 1)
    (tmp_path / "workspace" / "go").touch()

    assert finish(driver, tmp_path).report == Report(ran(*[0] * 6), {}, 0)


def _sleeps(leader: int) -> int:
    """Count the alarms that are left: the job's own is one."""
    return sum("sleep" in name for name in session(leader))


def test_a_steps_timeout_without_setsid(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """In an image without setsid it reaches the step's descendants."""
    timeout, env = clock
    if not env:
        pytest.skip("busybox has setsid built in")
    for name in ("sh", "sleep"):
        if not (tmp_path / "bin" / name).exists():
            link(tmp_path, name, f"/bin/{name}")
    script = """(trap "echo deep; : >late; exit" TERM; : >deep; while :; do :; done) & until [ -e deep ]; do :; done
    trap "until [ -e late ]; do :; done; exit" TERM; : >ready; while :; do :; done"""

    ended = drive(shell, tmp_path, Script("a", script, timeout=timeout), timeout=50, env={"PATH": f"{tmp_path}/bin"})

    assert ended == Ended(
        124,
        logged("a", "deep\n", 'step "a" timed out after 90s'),
        Report(ran(StepReport(124, timed_out=True)), {}, 124),
    )


def test_a_step_that_signals_its_group(shell: Shell, tmp_path: Path) -> None:
    """Each step leads a session, so `kill 0` in it doesn't reach the driver."""
    ended = drive(
        shell, tmp_path, Script("a", "trap 'kill 0' EXIT; sleep 50 & exit 5"), Script("b", "true", runs_in=ALWAYS)
    )

    assert ended.report is not None
    assert [step.outcome for step in ended.report.steps] == ["failure", "success"]


# --- the job's timeout, and signals -------------------------------------------------------------------------------


def test_steps_after_the_jobs_timeout(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """The job is cancelled then: steps that run in that state still run, and the others don't."""
    timeout, env = clock
    ended = drive(
        shell,
        tmp_path,
        Script("a", ": >ready; while :; do :; done", shell="sh", continue_on_error=True),
        Script("b", "echo not here"),
        Script("c", "echo not here", runs_in=ON_FAILURE),
        Script("d", "echo x=1 >>$FAIRLEAD_OUTPUT; exit 3", id="d", runs_in=ON_CANCEL),
        Script("e", "echo here", runs_in=ALWAYS, timeout=1000),
        outputs=[("d", "x")],
        timeout=timeout,
        env=env,
    )

    assert ended == Ended(
        124,
        logged("a", "", f"timed out after {timeout}s")
        + logged("d", "", 'step "d" failed with exit code 3')
        + logged("e", "here\n"),
        Report(ran(cut(124), None, None, 3, 0), {"d": {"x": "1"}}, 124, timed_out=True),
    )


def test_the_second_timeout(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """What runs after the job's timeout is killed 60 seconds later, and nothing more is run."""
    timeout, env = clock
    if not env:
        pytest.skip("it would take the 60 seconds")
    ended = drive(
        shell,
        tmp_path,
        Script("a", ": >ready; while :; do :; done", shell="sh"),
        Script("b", 'trap "" TERM; : >endless; while :; do :; done', shell="sh", runs_in=ALWAYS),
        Script("c", "echo not here", runs_in=ALWAYS),
        timeout=timeout,
        env=env,
    )

    assert ended == Ended(
        124,
        logged("a", "", "timed out after 90s") + logged("b"),
        Report(ran(cut(124), cut(124), None), {}, 124, timed_out=True),
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_steps_after_a_signal(shell: Shell, tmp_path: Path, number: signal.Signals) -> None:
    """When the driver is asked to end, steps that run in a cancelled job still run; further signals change nothing."""
    driver = start(
        shell,
        tmp_path,
        Script("a", 'trap "echo bye; exit 0" TERM; sleep 60 & : >ready; wait', shell="sh"),
        Script("b", "echo not here"),
        Script("c", ": >cleaning; until [ -e go ]; do :; done; sleep 1; echo here", runs_in=ALWAYS),
        Script("d", "exit 2", runs_in=ON_CANCEL, continue_on_error=True),
    )
    workspace = tmp_path / "workspace"
    until((workspace / "ready").exists)
    driver.send_signal(number)
    until((workspace / "cleaning").exists)
    driver.send_signal(signal.SIGTERM)
    driver.send_signal(signal.SIGINT)
    (workspace / "go").touch()

    assert finish(driver, tmp_path) == Ended(
        143,
        logged("a", "bye\n", "interrupted")
        + logged("c", "here\n")
        + logged("d", "", 'step "d" failed with exit code 2'),
        Report(ran(cut(143), None, 0, StepReport(2, allowed=True)), {}, None),
    )
    until(lambda: session(driver.pid) == [])


def test_a_signal_after_a_failure(shell: Shell, tmp_path: Path) -> None:
    """It counts more than the failure before."""
    driver = start(
        shell,
        tmp_path,
        Script("a", "exit 3"),
        Script("b", ": >ready; sleep 60", runs_in=ON_FAILURE),
        Script("c", "echo not here", runs_in=ON_FAILURE),
        Script("d", "echo here", runs_in=ON_CANCEL),
    )
    until((tmp_path / "workspace" / "ready").exists)
    driver.terminate()

    assert finish(driver, tmp_path) == Ended(
        143,
        logged("a", "", 'step "a" failed with exit code 3') + logged("b", "", "interrupted") + logged("d", "here\n"),
        Report(ran(3, cut(143), None, 0), {}, None),
    )


@NEEDS_NAMESPACES
def test_a_steps_timeout_as_pid_1(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """There, too, it reaches the step's session alone, daemons of its own included if they stay in it."""
    timeout, env = clock
    driver = start(
        shell,
        tmp_path,
        Script(
            "a", "(trap 'echo asked' TERM; : >up; until [ -e over ]; do :; done; : >seen) & until [ -e up ]; do :; done"
        ),
        Script("b", "(trap '' TERM; sleep 0.01; : >ready; exec sleep 50) & exec sleep 50", timeout=timeout),
        Script("c", ": >over; until [ -e seen ]; do :; done", runs_in=ALWAYS),
        env=env,
        unshare=True,
    )

    assert finish(driver, tmp_path) == Ended(
        124,
        logged("a") + logged("b", "", f'step "b" timed out after {timeout}s') + logged("c"),
        Report(ran(0, StepReport(124, timed_out=True), 0), {}, 124),
    )


@NEEDS_NAMESPACES
def test_steps_after_a_signal_as_pid_1(shell: Shell, tmp_path: Path) -> None:
    """The kubelet's SIGTERM goes to every process, and steps for a cancelled job run after it."""
    driver = start(
        shell,
        tmp_path,
        Script("a", "setsid sh -c 'trap \"echo >ended; exit\" TERM; : >daemon; while :; do :; done' & :"),
        Script("b", "until [ -e daemon ]; do :; done; : >ready; sleep 60"),
        Script("c", "until [ -e ended ]; do :; done; echo here", runs_in=ON_CANCEL),
        unshare=True,
    )
    until((tmp_path / "workspace" / "ready").exists)
    children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)

    assert finish(driver, tmp_path) == Ended(
        143,
        logged("a") + logged("b", "", "interrupted") + logged("c", "here\n"),
        Report(ran(0, cut(143), 0), {}, None),
    )
