"""Secrets are hidden in the log, in each shell with and without awk."""

# ruff: noqa: S604  Script's `shell` is a step's, and has nothing to do with subprocess's

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairlead.model.report import JobState, Report
from fairlead.render.driver import Script, assemble
from tests.render.driving import (
    IN_EACH_SHELL,
    NEEDS_NAMESPACES,
    PATH,
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
    from collections.abc import Mapping

    from tests.render.driving import Clock, Shell

pytestmark = IN_EACH_SHELL

_COMMANDS = (
    "sh",
    "bash",
    "cat",
    "env",
    "mkfifo",
    "printf",
    "sed",
    "setsid",
    "sleep",
    "tr",
    "wc",
    "base64",
    "sha256sum",
)


@pytest.fixture(params=["awk", "no awk"])
def tools(request: pytest.FixtureRequest, shell: Shell, tmp_path: Path) -> Mapping[str, str]:
    """Give an environment whose PATH has awk, or has none."""
    if request.param == "awk":
        return {"PATH": PATH}
    if "busybox" in shell:
        pytest.skip("it has awk built in")
    for name in _COMMANDS:
        if found := shutil.which(name, path=PATH):
            link(tmp_path, name, found)
    return {"PATH": f"{tmp_path}/bin"}


def test_secrets_are_hidden(shell: Shell, tmp_path: Path, tools: Mapping[str, str]) -> None:
    """Whatever a step writes to its two outputs, in the middle of a line or more than once; nothing else changes."""
    script = (
        """echo "a${ONE}b$ONE"; echo "$TWO" >&2; echo "$FAIRLEAD_SECRET_0 ${ONE%?}"; printf '  \\\\n\\n\\t%s' "$TWO" """
    )
    ended = drive(
        shell,
        tmp_path,
        Script("a", script, env_from={"ONE": "FAIRLEAD_SECRET_0", "TWO": "FAIRLEAD_SECRET_1"}),
        Script("s3cret", "exit 7"),
        masks=["FAIRLEAD_SECRET_0", "FAIRLEAD_SECRET_1", "NOT_SET"],
        env={**tools, "FAIRLEAD_SECRET_0": "s3cret", "FAIRLEAD_SECRET_1": r".*[a-z]\1$&'\"%s"},
    )

    assert ended == Ended(
        7,
        logged("a", "a***b***\n***\n s3cre\n  \\n\n\t***") + logged("***", "", 'step "***" failed with exit code 7'),
        Report(ran(0, 7), {}, 7),
    )


def test_which_texts_are_hidden(shell: Shell, tmp_path: Path, tools: Mapping[str, str]) -> None:
    """Each line of a secret without the blanks around it, unless it has less than 3 bytes; the longest first."""
    value = "\n  line one\t\r\nab\n\nline\nöö\n * \nline one and two"
    text = "line one and two|line one|line|lin|ab|öö|*|x"
    ended = drive(
        shell,
        tmp_path,
        Script("a", f"echo '{text}'"),
        masks=["S", "T"],
        env={**tools, "S": value, "T": "xx", "LC_ALL": "C.UTF-8"},
    )

    assert ended.log == logged("a", "***|***|***|lin|ab|***|*|x\n")


def test_masks_that_a_step_adds(shell: Shell, tmp_path: Path, tools: Mapping[str, str]) -> None:
    """`::add-mask::` hides a value from then on, and in outputs and errors, too."""
    first = """echo before: t0ken; echo "::add-mask::t0ken"; echo after: t0ken; echo 'x=t0ken!' >>"$FAIRLEAD_OUTPUT"
    echo y=1 >>"$FAIRLEAD_OUTPUT" """
    ended = drive(
        shell,
        tmp_path,
        Script("a", first, id="a"),
        Script("b", "echo t0ken; echo t0ken=1 >>$FAIRLEAD_OUTPUT; echo 't0ken!=1' >>$FAIRLEAD_ENV", id="b"),
        outputs=[("a", None), ("b", None)],
        env=tools,
    )

    reason = 'FAIRLEAD_ENV, line 1: "***!" is no name for a variable'
    assert ended == Ended(
        1,
        logged("a", "before: t0ken\n::add-mask::***\nafter: ***\n")
        + '::warning::step "a": the output "x" may hold a secret, so it is left out\n'
        + logged("b", "***\n")
        + '::warning::step "b": the output "***" may hold a secret, so it is left out\n'
        + f'::error::step "b": {reason}\n',
        Report(ran(0, 1), {"a": {"y": "1"}}, 1, error=reason),
    )


def test_outputs_with_secrets(shell: Shell, tmp_path: Path) -> None:
    """They count as not set, though an earlier value would do; what stays in the container keeps them."""
    script = """printf 'x=1\\ny<<E\\nfirst\\n%s\\nE\\nx=a%sb\\nz=2\\n' "$S" "$S" >>$FAIRLEAD_OUTPUT
    echo "V=$S" >>$FAIRLEAD_ENV"""
    ended = drive(
        shell,
        tmp_path,
        Script("a", script, id="a"),
        Script("b", '[ "$V" = s3cret ] && echo "$V"'),
        outputs=[("a", None)],
        masks=["S"],
        env={"S": "s3cret"},
    )

    left_out = "".join(
        f'::warning::step "a": the output "{name}" may hold a secret, so it is left out\n' for name in ("y", "x")
    )
    assert ended == Ended(0, logged("a") + left_out + logged("b", "***\n"), Report(ran(0, 0), {"a": {"z": "2"}}, 0))


def test_large_outputs_are_not_masked(shell: Shell, tmp_path: Path) -> None:
    """What stands encoded at the log's end is as it was written, though it looks like a secret by chance."""
    script = """printf 'x=%s\\n' "$(head -c 9000 /dev/zero | tr '\\0' x)" >>"$FAIRLEAD_OUTPUT" """

    ended = drive(shell, tmp_path, Script("a", script, id="a"), outputs=[("a", None)], masks=["S"], env={"S": "eHh4"})

    assert ended.report is not None
    assert ended.report.log is not None
    assert ended.log.count("eHh4") > 2000


def test_the_secrets_are_not_among_the_arguments(shell: Shell, tmp_path: Path, tools: Mapping[str, str]) -> None:
    """No process of the driver shows a secret to `ps`."""
    script = """for p in /proc/[0-9]*; do
    case $(cat $p/cmdline 2>/dev/null | tr '\\0' ' ') in *s3c'ret'*) echo seen ;; esac
    done"""

    ended = drive(shell, tmp_path, Script("a", script), masks=["S"], env={**tools, "S": "s3cret"})

    assert ended.log == logged("a")


def test_the_order_of_the_log_is_kept(shell: Shell, tmp_path: Path, tools: Mapping[str, str]) -> None:
    """Both outputs of a step go one way, so their lines come as they were written."""
    ended = drive(
        shell,
        tmp_path,
        Script("a", "for i in 1 2 3 4 5 6 7 8 9; do echo $i; echo $i >&2; done"),
        masks=["S"],
        env=tools,
    )

    assert ended.log == logged("a", "".join(f"{i}\n{i}\n" for i in range(1, 10)))


def test_lines_come_at_once(shell: Shell, tmp_path: Path, tools: Mapping[str, str]) -> None:
    """Whoever follows the log sees a line when it is written."""
    driver = start(
        shell,
        tmp_path,
        Script("a", "echo s3cret; until [ -e go ]; do :; done"),
        masks=["S"],
        env={**tools, "S": "s3cret"},
    )
    assert driver.stdout is not None

    seen = b""
    while not seen.endswith(b"***\n"):
        seen += os.read(driver.stdout.fileno(), 1)
    (tmp_path / "workspace" / "go").touch()

    assert finish(driver, tmp_path).exit_code == 0


def test_a_background_process_does_not_hold_a_masked_job(
    shell: Shell, tmp_path: Path, tools: Mapping[str, str]
) -> None:
    """The job ends though a step's process still has the log open, even in the middle of a line."""
    driver = start(
        shell,
        tmp_path,
        Script("a", "(printf s3cret; : >begun; exec sleep 50) & until [ -e begun ]; do :; done; echo hi"),
        masks=["S"],
        env={**tools, "S": "s3cret"},
    )

    assert finish(driver, tmp_path) == Ended(0, logged("a", "***hi\n"), Report(ran(0), {}, 0))
    until(lambda: session(driver.pid) == [])


def test_a_timeout_of_a_masked_job(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """Timeouts are as without masks, and what the step says last is hidden, too."""
    timeout, env = clock
    ended = drive(
        shell,
        tmp_path,
        Script("a", 'trap "echo $S; exit 0" TERM; : >ready; while :; do :; done', shell="sh"),
        Script("b", 'echo "$S"', runs_in=frozenset(JobState)),
        masks=["S"],
        timeout=timeout,
        env={**env, "S": "s3cret"},
    )

    assert ended == Ended(
        124,
        logged("a", "***\n", f"timed out after {timeout}s") + logged("b", "***\n"),
        Report(ran(cut(124), 0), {}, 124, timed_out=True),
    )


@NEEDS_NAMESPACES
def test_a_signal_to_a_masked_job_as_pid_1(shell: Shell, tmp_path: Path, tools: Mapping[str, str]) -> None:
    """SIGTERM to every process spares the filter."""
    driver = start(
        shell,
        tmp_path,
        Script("a", 'trap "echo $S; exit 0" TERM; : >ready; while :; do :; done', shell="sh"),
        Script("b", 'echo "$S"', runs_in=frozenset(JobState)),
        masks=["S"],
        env={**tools, "S": "s3cret"},
        unshare=True,
    )
    until((tmp_path / "workspace" / "ready").exists)
    children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)

    assert finish(driver, tmp_path) == Ended(
        143,
        logged("a", "***\n", "interrupted") + logged("b", "***\n"),
        Report(ran(cut(143), 0), {}, None),
    )


def test_without_mkfifo(shell: Shell, tmp_path: Path) -> None:
    """Rather than show secrets, the job fails in an image that has no way to hide them, and says so."""
    if "busybox" in shell:
        pytest.skip("it has mkfifo built in")
    link(tmp_path, "sh", "/bin/dash")

    driver = start(
        shell, tmp_path, Script("a", "echo not here"), masks=["S"], env={"PATH": f"{tmp_path}/bin", "S": "s3cret"}
    )
    ended = finish(driver, tmp_path)

    reason = f"secrets cannot be hidden in the log: the image has no mkfifo, or {tmp_path}/home is not writable"
    assert (ended.exit_code, ended.log) == (1, f"::error::{reason}\n")
    assert ended.report == Report((), {}, 1, error=reason)


def test_without_masks_there_is_no_filter(shell: Shell) -> None:
    """Jobs that have nothing to hide pay nothing; one whose script adds a mask does."""
    assert shell
    plain, adding = (assemble([Script("a", run)], outputs=[], timeout=1) for run in ("true", "echo ::add-mask::x"))

    assert ("awk" in plain, "awk" in adding) == (False, True)
