"""The command line against a real cluster: what a person, a pipe and a machine see, and the exit codes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.support.sandbox import manifest
from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.support.sandbox import Sandbox

PROGRAM = Path(sys.executable).with_name("fairlead")

PIPELINE = """
defaults: {image: busybox:1.35}
inputs: {who: world}
outputs: {said: "${{ jobs.build.outputs.said }}"}
jobs:
  build:
    steps:
    - {id: say, name: Say it, run: 'echo "said=Hello, ${{ inputs.who }}" >> "$FAIRLEAD_OUTPUT"'}
    - {name: Show it, run: 'printf "\\033[31mred\\033[0m \\033]0;title\\007[bold]x[/bold]\\n"'}
    outputs: {said: "${{ steps.say.outputs.said }}"}
  test:
    needs: build
    strategy: {failFast: false, matrix: {part: [1, 2]}}
    commands: ['echo "testing ${{ matrix.part }}"; test ${{ matrix.part }} = 1']
"""
SLOW = """
defaults: {image: busybox:1.35}
jobs:
  wait: {commands: ['echo waiting; sleep 120']}
  after: {needs: wait, commands: ['true']}
"""


@dataclass(frozen=True, slots=True)
class Program:
    """The program, in a namespace, with the files of a test."""

    sandbox: Sandbox
    folder: Path

    def file(self, name: str, spec: str) -> str:
        """Write a workflow file."""
        path = self.folder / f"{name}.yaml"
        path.write_text(manifest(name, spec))
        return str(path)

    def command(self, *arguments: str) -> list[str]:
        """Give a whole command."""
        return [str(PROGRAM), *arguments, "-n", self.sandbox.namespace]

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run it to its end, which has to have an exit code; give what it wrote."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.sandbox.kubectl.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}{done.stderr}"
        assert f"namespace {self.sandbox.namespace}" in done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    @contextmanager
    def begun(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Have it run meanwhile."""
        process = subprocess.Popen(
            self.command(*arguments),
            env=self.sandbox.kubectl.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def wait_for(self, name: str) -> None:
        """Wait until a Workflow is there."""
        wait_for(f"the workflow {name}", lambda: self.sandbox.kubectl.get("workflows.fairlead.dev", name))


@pytest.fixture
def program(sandbox: Sandbox, tmp_path: Path) -> Program:
    """Have the program of this checkout."""
    return Program(sandbox, tmp_path)


def test_run_in_a_pipe(program: Program) -> None:
    """A file is applied and followed: a line for everything, logs with prefixes, a summary, the result's exit code."""
    lines = program.run("run", program.file("ci", PIPELINE), "--input", "who=you", code=1).splitlines()
    assert [line for line in lines if line.startswith("build | ")] == [
        "build | ▸ Say it",
        "build | ▸ Show it",
        "build | red [bold]x[/bold]",
    ]
    told = [line.partition(" ")[2] for line in lines if line[2:3] == ":"]
    assert [line.partition(" after ")[0] for line in told if line.startswith("build")] == [
        "build  started",
        "build  succeeded",
    ]
    assert any(line.startswith("test (2)  failed") for line in told)
    assert lines[-4:][1:] == ["  executed 3, succeeded 2, failed 1", "  outputs", "    said  Hello, you"]
    assert lines[-4].startswith("✗ ci run 1 failed in ")


def test_everything_afterwards(program: Program) -> None:
    """What ran can be listed, shown, read, and run again, as a whole or only what failed."""
    program.run("run", program.file("ci", PIPELINE), "-o", "json", code=1)
    _, row = program.run("list").splitlines()
    assert row.split()[:4] == ["ci", "Failed", "3/3", "1"]
    shown = program.run("status", "ci")
    assert [word for word in ("✓ Say it", "said = Hello, world", "1/2 passed", "✗ test (2)") if word not in shown] == []
    program.run("logs", "ci", "-j", "test/9", code=2)
    assert program.run("logs", "ci", "-j", "test/2").splitlines()[1:] == [
        "testing 2",
        '✗ step "echo "testing 2"; test 2 = 1" failed with exit code 1',
    ]
    again = json.loads(program.run("rerun", "ci", "--failed", "--follow", "-o", "json", code=1))
    assert (again["run"], again["jobs"]["build"]["keptFrom"], again["history"][0]["phase"]) == (2, 1, "Failed")
    whole = json.loads(program.run("run", program.file("ci", PIPELINE), "-o", "json", code=1))
    assert (whole["run"], "keptFrom" in whole["jobs"]["build"]) == (3, False)


def test_cancel_and_watch(program: Program) -> None:
    """A run that is watched and cancelled ends for both with their exit codes."""
    program.sandbox.apply("slow", SLOW)
    program.sandbox.wait_for_job("slow", "wait")
    with program.begun("watch", "slow") as watching:
        program.run("cancel", "slow", "--wait")
        written, _ = watching.communicate(timeout=60)
    assert (watching.returncode, "slow run 1 cancelled" in written) == (130, True)
    program.run("watch", "slow", code=130)


def test_interrupts(program: Program) -> None:
    """Ctrl-C asks for the end and shows it; a second one stops showing."""
    with program.begun("run", program.file("slow", SLOW)) as running:
        program.wait_for("slow")
        program.sandbox.wait_for_job("slow", "wait")
        running.send_signal(signal.SIGINT)
        written, _ = running.communicate(timeout=60)
    assert running.returncode == 130, written
    assert "cancelling run 1; Ctrl-C again stops following" in written
    assert "wait  cancelled" in written


def test_a_timeout_and_a_mistake(program: Program) -> None:
    """A timeout is 124; a spec that can't run is 2, with every problem."""
    late = "{jobs: {late: {image: 'busybox:1.35', timeout: 1s, commands: [sleep 60]}}}"
    program.run("run", program.file("late", late), code=124)
    wrong = "{jobs: {a: {image: x, commands: ['true'], needs: [bb]}, b: {image: x, timeout: 2x, commands: ['true']}}}"
    program.run("run", program.file("wrong", wrong), code=2)


def test_logs_follow_and_survive(program: Program) -> None:
    """Logs are followed until the run is over; when the Pods are gone, one line says so."""
    with program.begun("run", program.file("ci", PIPELINE)):
        program.wait_for("ci")
        followed = program.run("logs", "ci", "-f")
    assert {"build | red [bold]x[/bold]", "test (1) | testing 1", "test (2) | testing 2"} <= set(followed.splitlines())
    program.sandbox.kubectl.run("delete", "pods", "--all")
    assert program.run("logs", "ci", code=1) == ""


def test_a_terminal(program: Program) -> None:
    """On a terminal a tree is drawn, and what jobs write can't move the cursor or set the title."""
    pid, terminal = pty.fork()
    if not pid:
        command = program.command("run", program.file("ci", PIPELINE))
        os.execve(PROGRAM, command, {**program.sandbox.kubectl.environment, "TERM": "xterm-256color"})  # noqa: S606  the child of a terminal of its own
    written = b""
    with suppress(OSError):
        while piece := os.read(terminal, 65_536):
            written += piece
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text = written.decode()
    assert (code, "⠋" in text or "⠙" in text, "]0;title" in text, text.rstrip().endswith("Hello, world")) == (
        1,
        True,
        False,
        True,
    )
