"""The driver under the shells that images have, as a process of this machine and as a namespace's PID 1."""

# ruff: noqa: S604  Script's `shell` is a step's, and has nothing to do with subprocess's

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.report import Report
from fairlead.render.driver import Late, Script, assemble, report_room
from tests.render.driving import (
    FEW,
    IN_EACH_SHELL,
    NASTY,
    NEEDS_NAMESPACES,
    PATH,
    Ended,
    cut,
    drive,
    finish,
    link,
    logged,
    ran,
    read_report,
    session,
    start,
    until,
    variables,
    wait_for,
)

if TYPE_CHECKING:
    from tests.render.driving import Clock, Shell

pytestmark = IN_EACH_SHELL


# --- steps ---------------------------------------------------------------------------------------------------


def test_steps_run_in_order(shell: Shell, tmp_path: Path) -> None:
    """Each step is a group of the log, and a line of the report, and they share the workspace."""
    ended = drive(
        shell,
        tmp_path,
        Script("Write a file", "echo one >file\npwd"),
        Script("Read it", "cat file; echo two >&2\n"),
    )

    assert ended == Ended(
        0,
        logged("Write a file", f"{tmp_path}/workspace\n") + logged("Read it", "one\ntwo\n"),
        Report(ran(0, 0), {}, 0),
    )


def test_a_failure_skips_the_rest(shell: Shell, tmp_path: Path) -> None:
    """The failed step's exit code is the job's, and its outputs count."""
    ended = drive(
        shell,
        tmp_path,
        Script("first", "true"),
        Script("second", 'echo "at=half way" >>"$FAIRLEAD_OUTPUT"; (exit 3); echo not here', id="second"),
        Script("third", "echo not here"),
        outputs=[("second", None)],
    )

    assert ended == Ended(
        3,
        logged("first") + logged("second", "", 'step "second" failed with exit code 3'),
        Report(ran(0, 3, None), {"second": {"at": "half way"}}, 3),
    )
    assert ended.report is not None
    assert ended.report.failed_step == 1


def test_no_steps(shell: Shell, tmp_path: Path) -> None:
    """A job without steps succeeds."""
    assert drive(shell, tmp_path) == Ended(0, "", Report((), {}, 0))


def test_times(shell: Shell, tmp_path: Path) -> None:
    """Steps follow each other, in seconds since the driver's start."""
    drive(shell, tmp_path, Script("a", "sleep 0.05"), Script("b", "true"))

    report = read_report(tmp_path)
    assert report is not None
    first, second = report.steps
    assert 0 <= first.started < 5
    assert 0.04 <= first.finished - first.started < 5
    assert first.finished <= second.started <= second.finished < 10


def test_killed_by_a_signal(shell: Shell, tmp_path: Path) -> None:
    """A step that a signal ended has the shell's code for it, and the driver's shell adds no text."""
    ended = drive(shell, tmp_path, Script("a", "kill -KILL $$"))

    assert ended == Ended(137, logged("a", "", 'step "a" failed with exit code 137'), Report(ran(137), {}, 137))


@pytest.mark.parametrize("missing", ["home", "report"])
def test_folders_that_are_not_there(shell: Shell, tmp_path: Path, missing: str) -> None:
    """Without its state folder the job fails and says so; without a place for the report it runs."""
    nowhere = str(tmp_path / "nowhere" / "here")

    driver = start(shell, tmp_path, Script("a", "echo hi"), env={f"FAIRLEAD_{missing.upper()}": nowhere})
    log = wait_for(driver, tmp_path)

    assert (driver.returncode, log.decode()) == {
        "home": (1, logged("a", "", f'step "a": cannot write to {nowhere}')),
        "report": (0, logged("a", "hi\n")),
    }[missing]


# --- text is only text ----------------------------------------------------------------------------------------


@FEW
@given(run=NASTY, label=NASTY)
def test_scripts_and_labels_are_not_interpreted(shell: Shell, run: str, label: str) -> None:
    """A script reaches its file, and a label the log, as they are; only what breaks the line becomes a blank."""
    shown = "".join(c if c.isprintable() else " " for c in label)

    with tempfile.TemporaryDirectory() as folder:
        ended = drive(shell, Path(folder), Script(label, run, shell="cat {0}"))

    assert ended == Ended(0, logged(shown, run.removesuffix("\n") + "\n"), Report(ran(0), {}, 0))


@FEW
@given(values=st.lists(NASTY, min_size=1, max_size=12))
def test_variables_are_not_interpreted(shell: Shell, values: list[str]) -> None:
    """A step's variables have the bytes that were written, those from a Secret, too."""
    literal = {f"V{index}": value for index, value in enumerate(values)}
    carried = {f"FAIRLEAD_SECRET_0_{index}": value for index, value in enumerate(values)}
    script = Script(
        "a",
        "env -0 >vars",
        shell="sh",
        env=literal,
        env_from={f"S{i}": f"FAIRLEAD_SECRET_0_{i}" for i in range(len(values))},
    )

    with tempfile.TemporaryDirectory() as folder:
        ended = drive(shell, Path(folder), script, env=carried)
        seen = variables(Path(folder) / "workspace" / "vars")

    assert ended == Ended(0, logged("a"), Report(ran(0), {}, 0))
    assert {name: value for name, value in seen.items() if name[1:].isdecimal()} == {
        **literal,
        **{f"S{index}": value for index, value in enumerate(values)},
    }
    assert not [name for name in seen if name.startswith("FAIRLEAD_SECRET")]


# --- what a step sees -----------------------------------------------------------------------------------------


def test_the_variables_of_a_step(shell: Shell, tmp_path: Path) -> None:
    """A step sees the container's variables, its own and the driver's; the driver's own state is not among them."""
    drive(
        shell,
        tmp_path,
        Script("a", "env -0 >vars", shell="sh", env={"OWN": "1", "FAIRLEAD_OUTPUT": "/no"}),
        env={"LC_ALL": "C.UTF-8", "IFS": "x", "CDPATH": "/", "index": "kept"},
    )

    seen = variables(tmp_path / "workspace" / "vars")
    files = {
        f"{prefix}_{name}": f"{tmp_path}/home/step-0-{name}"
        for prefix in ("FAIRLEAD", "GITHUB")
        for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")
    }
    shells_own = {"PWD", "OLDPWD", "SHLVL", "_", "IFS"}
    assert {name: value for name, value in seen.items() if name not in shells_own} == {
        **files,
        "PATH": PATH,
        "CI": "true",
        "FAIRLEAD_HOME": f"{tmp_path}/home",
        "FAIRLEAD_REPORT": f"{tmp_path}/report",
        "FAIRLEAD_WORKSPACE": f"{tmp_path}/workspace",
        "GITHUB_WORKSPACE": f"{tmp_path}/workspace",
        "LC_ALL": "C.UTF-8",
        "CDPATH": "/",
        "index": "kept",
        "OWN": "1",
    }


def test_variables_end_with_their_step(shell: Shell, tmp_path: Path) -> None:
    """Neither a step's variables nor its secrets reach the next one."""
    show = 'echo "${PLAIN-none} ${TOKEN-none} ${FAIRLEAD_SECRET_0_TOKEN-none}"'
    ended = drive(
        shell,
        tmp_path,
        Script("a", show, env={"PLAIN": "1"}, env_from={"TOKEN": "FAIRLEAD_SECRET_0_TOKEN"}),
        Script("b", show),
        Script("c", show, env_from={"TOKEN": "FAIRLEAD_SECRET_2_TOKEN"}),
        env={"FAIRLEAD_SECRET_0_TOKEN": "s3cret"},
    )

    assert ended.log == logged("a", "1 s3cret none\n") + logged("b", "none none none\n") + logged(
        "c", "none none none\n"
    )


def test_ci_can_be_set(shell: Shell, tmp_path: Path) -> None:
    """CI is true unless the container says otherwise."""
    ended = drive(shell, tmp_path, Script("a", 'echo "$CI"'), env={"CI": "false"})

    assert ended.log == logged("a", "false\n")


def test_standard_input_is_empty(shell: Shell, tmp_path: Path) -> None:
    """A step that reads gets the end of the file at once."""
    assert drive(shell, tmp_path, Script("a", "cat; readlink /proc/self/fd/0")).log == logged("a", "/dev/null\n")


def test_no_files_are_inherited(shell: Shell, tmp_path: Path) -> None:
    """A step has the three standard files and none of the driver's."""
    ended = drive(shell, tmp_path, Script("a", "", shell="ls /proc/self/fd --ignore={0}"))

    assert ended.log == logged("a", "0\n1\n2\n3\n")


def test_interrupts_are_not_ignored(shell: Shell, tmp_path: Path) -> None:
    """A step's processes have the default actions for SIGINT and SIGQUIT, which `&` takes from them."""
    ended = drive(shell, tmp_path, Script("a", "grep SigIgn /proc/self/status", shell="sh"))

    label, mask = ended.log.splitlines()[1].split()
    assert label == "SigIgn:"
    assert int(mask, 16) & (1 << (signal.SIGINT - 1) | 1 << (signal.SIGQUIT - 1)) == 0


# --- shells and folders ---------------------------------------------------------------------------------------


def test_bash_where_there_is_bash(shell: Shell, tmp_path: Path) -> None:
    """A step that names no shell runs in bash, strictly, without the user's start files."""
    show = 'echo "${BASH_VERSION:+bash} $SHELLOPTS"'

    ended = drive(shell, tmp_path, Script("a", show), Script("b", show, shell="bash"), Script("c", "false | true"))

    strict = "bash braceexpand:errexit:hashall:interactive-comments:pipefail\n"
    assert ended.log == logged("a", strict) + logged("b", strict) + logged("c", "", 'step "c" failed with exit code 1')


def test_sh_where_there_is_no_bash(shell: Shell, tmp_path: Path) -> None:
    """A step that names no shell runs in sh -e in an image without bash, and one that names bash is told."""
    link(tmp_path, "sh", "/bin/dash")

    ended = drive(
        shell,
        tmp_path,
        Script("a", 'echo "$- ${BASH_VERSION-none}"'),
        Script("b", "true", shell="bash"),
        env={"PATH": f"{tmp_path}/bin"},
    )

    assert ended == Ended(
        127,
        logged("a", "e none\n") + logged("b", "", 'step "b": the shell "bash" was not found'),
        Report(ran(0, 127), {}, 127, error='the shell "bash" was not found'),
    )


@pytest.mark.parametrize("name", ["python", "python3"])
def test_python(shell: Shell, tmp_path: Path, name: str) -> None:
    """A Python step runs in python, or in python3 where that is its only name."""
    link(tmp_path, name, sys.executable)

    ended = drive(
        shell,
        tmp_path,
        Script("a", "import sys\nprint(sys.version_info.major, len(sys.argv))", shell="python"),
        env={"PATH": f"{tmp_path}/bin"},
    )

    assert ended.log == logged("a", "3 1\n")


def test_a_command_as_the_shell(shell: Shell, tmp_path: Path) -> None:
    """The script's file stands wherever the command has {0}, and quotes keep words together."""
    ended = drive(
        shell,
        tmp_path,
        Script("a", "x", shell="""printf '%s|' {0} --file={0} 'a  b' "it's" $HOME *"""),
        Script("b", "exit 5", shell="sh -x {0}"),
    )

    file = f"{tmp_path}/home/step-0"
    assert ended.log == logged("a", f"{file}|--file={file}|a  b|it's|$HOME|*|") + logged(
        "b", "+ exit 5\n", 'step "b" failed with exit code 5'
    )


@pytest.mark.parametrize("name", ["zsh-5 {0}", "./no/such {0}"])
def test_a_shell_that_is_not_there(shell: Shell, tmp_path: Path, name: str) -> None:
    """The step fails with 127 and names the shell."""
    ended = drive(shell, tmp_path, Script("a", "true", shell=name))

    reason = f'the shell "{name.split(maxsplit=1)[0]}" was not found'
    assert ended == Ended(127, logged("a", "", f'step "a": {reason}'), Report(ran(127), {}, 127, error=reason))


@pytest.mark.parametrize("name", ["fish", "", "sh 'unclosed {0}"])
def test_a_shell_that_is_no_command(shell: Shell, tmp_path: Path, name: str) -> None:
    """A text that has no place for the script fails the step, with what would be right."""
    ended = drive(shell, tmp_path, Script("a", "true", shell=name))

    reason = f'the shell "{name}" is neither bash, sh, python nor a command with {{0}}'
    assert ended == Ended(127, logged("a", "", f'step "a": {reason}'), Report(ran(127), {}, 127, error=reason))


def test_working_directories(shell: Shell, tmp_path: Path) -> None:
    """A relative one starts in the workspace, and one that is missing fails the step with 1."""
    workspace = tmp_path / "workspace"
    (workspace / "-a b").mkdir(parents=True)

    ended = drive(
        shell,
        tmp_path,
        Script("a", "pwd", working_directory="-a b"),
        Script("b", "pwd", working_directory="/"),
        Script("c", "pwd", working_directory="."),
        Script("d", "pwd", working_directory="src\n::error::x"),
    )

    assert ended == Ended(
        1,
        logged("a", f"{workspace}/-a b\n")
        + logged("b", "/\n")
        + logged("c", f"{workspace}/.\n".replace("/.", ""))
        + logged("d", "", 'step "d": cannot go to the working directory "src'),
        Report(ran(0, 0, 0, 1), {}, 1, error='cannot go to the working directory "src'),
    )


# --- ends that come from outside ------------------------------------------------------------------------------


def test_a_timeout(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """All steps together have the time; the processes are asked to end, and the outputs until then count."""
    timeout, env = clock
    asked = 'echo x=1 >>"$FAIRLEAD_OUTPUT"; trap "echo bye; exit 0" TERM; : >ready; while :; do :; done'
    ended = drive(
        shell,
        tmp_path,
        Script("a", "true"),
        Script("b", asked, id="b", shell="sh"),
        Script("c", "echo not here"),
        outputs=[("b", "x")],
        timeout=timeout,
        env=env,
    )

    assert ended == Ended(
        124,
        logged("a") + logged("b", "bye\n", f"timed out after {timeout}s"),
        Report(ran(0, cut(124), None), {"b": {"x": "1"}}, 124, timed_out=True),
    )


_DEAF = 'trap "" TERM; : >deaf; : >ready; while :; do :; done'


def test_a_step_that_ignores_the_timeout(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """It is killed 7 seconds later, and the report is whole."""
    timeout, env = clock
    if not env:
        pytest.skip("it would take the 7 seconds")

    ended = drive(shell, tmp_path, Script("a", _DEAF, shell="sh"), timeout=timeout, env=env)

    assert ended == Ended(124, logged("a", "", "timed out after 90s"), Report(ran(cut(124)), {}, 124, timed_out=True))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_driver(shell: Shell, tmp_path: Path, number: signal.Signals) -> None:
    """It reaches the step as SIGTERM, the driver waits for it, exits with 143 and leaves the report without end."""
    driver = start(
        shell,
        tmp_path,
        Script("a", "true"),
        Script("b", 'trap "echo bye; exit 0" TERM; sleep 60 & : >ready; wait', shell="sh"),
        Script("c", "echo not here"),
    )
    until((tmp_path / "workspace" / "ready").exists)

    driver.send_signal(number)

    assert finish(driver, tmp_path) == Ended(
        143, logged("a") + logged("b", "bye\n", "interrupted"), Report(ran(0, cut(143), None), {}, None)
    )
    until(lambda: session(driver.pid) == [])


def test_a_step_that_ignores_the_signal(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """It is killed 7 seconds after a signal, too: within the grace that Kubernetes gives."""
    _, env = clock
    if not env:
        pytest.skip("it would take the 7 seconds")
    driver = start(shell, tmp_path, Script("a", _DEAF, shell="sh"), env=env)
    until((tmp_path / "workspace" / "ready").exists)

    driver.terminate()

    assert finish(driver, tmp_path) == Ended(143, logged("a", "", "interrupted"), Report(ran(cut(143)), {}, None))


def test_nothing_is_left(shell: Shell, tmp_path: Path) -> None:
    """The alarm, and what a step left in the background, end with the driver and do not hold the log open."""
    driver = start(shell, tmp_path, Script("a", "sleep 50 & echo hi"), timeout=50)

    assert finish(driver, tmp_path) == Ended(0, logged("a", "hi\n"), Report(ran(0), {}, 0))
    until(lambda: session(driver.pid) == [])


def test_without_sleep(shell: Shell, tmp_path: Path) -> None:
    """In an image without sleep only the timeout is lost."""
    link(tmp_path, "sh", "/bin/dash")

    ended = drive(shell, tmp_path, Script("a", "echo hi"), timeout=1, env={"PATH": f"{tmp_path}/bin"})

    assert ended == Ended(0, logged("a", "hi\n"), Report(ran(0), {}, 0))


# --- as PID 1 -------------------------------------------------------------------------------------------------

# A daemon in a session of its own: only a signal to the whole namespace finds it.
_DAEMON = """setsid sh -c 'trap "echo >ended; exit" TERM; : >daemon; while :; do :; done' &
until [ -e daemon ]; do :; done"""
_WAIT = "until [ -e ended ]; do :; done; echo bye; exit 0"


@NEEDS_NAMESPACES
def test_a_timeout_as_pid_1(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """A timeout reaches every process of the container, those that an earlier step left, too."""
    timeout, env = clock
    driver = start(
        shell,
        tmp_path,
        Script("a", _DAEMON),
        Script("b", f'echo $PPID; trap "{_WAIT}" TERM; : >ready; while :; do :; done', shell="sh"),
        timeout=timeout,
        env=env,
        unshare=True,
    )

    assert finish(driver, tmp_path) == Ended(
        124,
        logged("a") + logged("b", "1\nbye\n", f"timed out after {timeout}s"),
        Report(ran(0, cut(124)), {}, 124, timed_out=True),
    )


@NEEDS_NAMESPACES
def test_a_signal_as_pid_1(shell: Shell, tmp_path: Path) -> None:
    """SIGTERM from outside, as the kubelet sends it, reaches every process."""
    driver = start(
        shell,
        tmp_path,
        Script("a", _DAEMON),
        Script("b", f'trap "{_WAIT}" TERM; : >ready; while :; do :; done', shell="sh"),
        unshare=True,
    )
    until((tmp_path / "workspace" / "ready").exists)

    children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)

    assert finish(driver, tmp_path) == Ended(
        143, logged("a") + logged("b", "bye\n", "interrupted"), Report(ran(0, cut(143)), {}, None)
    )


@NEEDS_NAMESPACES
def test_a_daemon_does_not_hold_the_job(shell: Shell, tmp_path: Path) -> None:
    """When the last step has ended, so does the container, with all that still runs in it."""
    driver = start(shell, tmp_path, Script("a", _DAEMON), unshare=True)

    assert finish(driver, tmp_path) == Ended(0, logged("a"), Report(ran(0), {}, 0))


# --- the text -------------------------------------------------------------------------------------------------


def test_the_text_is_small(shell: Shell) -> None:
    """The constant part goes with every Job: no comments, no indentation, and not what the job doesn't need."""
    assert shell
    plain = assemble([], outputs=[], timeout=1)
    whole = assemble([Late(0)], outputs=[], timeout=1, masks=["S"])

    for line in whole.splitlines():
        assert line.strip() == line
        assert not line.startswith("#")
    assert len(plain.encode()) < 13_000
    assert len(whole.encode()) < 19_000


@pytest.mark.parametrize("name", ["a-b", "", "x=y", "a\n"])
def test_names_are_checked(shell: Shell, name: str) -> None:
    """What is no name for a variable never gets into the text, as a name or as a source."""
    assert shell
    with pytest.raises(ValueError, match="no name for a variable"):
        assemble([Script("a", "", env={name: ""})], outputs=[], timeout=1)
    with pytest.raises(ValueError, match="no name for a variable"):
        assemble([Script("a", "", env_from={"A": name})], outputs=[], timeout=1)


@pytest.mark.parametrize(("containers", "room"), [(1, 4096), (3, 4096), (4, 3072), (100, 122)])
def test_a_pod_shares_its_room(shell: Shell, containers: int, room: int) -> None:
    """Kubernetes cuts each container's message to its part of 12 KiB."""
    assert shell
    assert report_room(containers) == room
