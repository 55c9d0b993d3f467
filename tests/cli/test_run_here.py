"""`fairlead run` and what follows it on this machine, as a user calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = [sys.executable, "-c", "from fairlead.cli.main import main; main()"]

HEAD = """\
apiVersion: fairlead.dev/v1alpha1
kind: Workflow
metadata: {name: ci}
spec:
  defaults: {image: any, shell: sh}
"""


class Machine:
    """A user's machine: an empty home, and a folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
        self.env = {**kept, "HOME": str(folder), "COLUMNS": "200"}

    def write(self, text: str, name: str = "ci.yaml") -> None:
        """Write a file."""
        (self.folder / name).write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [*PROGRAM, *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=self.env, text=True, **pipes)  # type: ignore[call-overload, no-any-return]  # noqa: S603  ours

    def call(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run ci.yaml in processes, and give exit code and status."""
        code, out, err = self.call("run", "--engine", "host", "-o", "json", "ci.yaml", *arguments)
        assert out, err
        return code, json.loads(out)

    def left(self) -> list[str]:
        """Look for processes that run in the home, or were started from it."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.folder.parent).encode() in (path / "environ").read_bytes():
                    found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give a machine; whatever ran on it, nothing is left."""
    machine = Machine(tmp_path)
    yield machine
    runs = tmp_path / ".local/state/fairlead/runs"
    assert machine.left() == []
    assert [str(path) for name in ("home", "workspace", "works") for path in runs.glob(f"*/jobs/*/{name}")] == []


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in 30 s"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("jobs", "code", "phase"),
    [
        ("a: {steps: [{run: 'true'}]}", 0, "Succeeded"),
        ("a: {continueOnError: true, steps: [{run: exit 3}]}", 0, "Partial"),
        ("a: {steps: [{run: exit 3}]}", 1, "Failed"),
        ("a: {timeout: 1s, steps: [{run: sleep 60}]}", 124, "Failed"),
    ],
)
def test_exit_codes(machine: Machine, jobs: str, code: int, phase: str) -> None:
    """The exit code tells the result."""
    machine.write(f"{HEAD}  jobs: {{{jobs}}}\n")
    found, status = machine.run()
    assert (found, status["name"], status["phase"]) == (code, "ci", phase)


def test_lines(machine: Machine) -> None:
    """In a pipe there is a line for each change and each line of the log; what is talked to stands beside it."""
    machine.write(f"{HEAD}  jobs: {{a: {{steps: [{{run: echo hello}}]}}}}\n")
    code, out, err = machine.call("run", "--engine", "host", "ci.yaml")
    said = [line.partition("  ")[2] if line[2:3] == ":" else line for line in out.splitlines()]
    assert (code, err.splitlines()) == (
        0,
        ["on this machine", "jobs run as processes of this machine; their images aren't used"],
    )
    assert said[:4] == ["run 1 started", "started", "a | ▸ echo hello", "a | hello"]
    assert any(line.startswith("✓ ci run 1 succeeded in") for line in said)


def test_nothing_runs_of_a_wrong_file(machine: Machine) -> None:
    """Mistakes are shown with their place, and nothing is started or recorded."""
    machine.write(f"{HEAD}  jobs: {{a: {{needs: [b], steps: [{{run: touch made}}]}}}}\n")
    code, out, err = machine.call("run", "--engine", "host", "--workspace", "shared", "ci.yaml")
    assert (code, out, 'ci.yaml:6:22: error: spec.jobs.a.needs[0]: no job "b"' in err) == (2, "", True)
    assert ([path.name for path in machine.folder.iterdir()], machine.call("list")[1]) == (["ci.yaml"], "")


def test_workspaces(machine: Machine) -> None:
    """Each job has a copy of the folder to itself, or all of them work in the folder."""
    jobs = "a: {commands: [test -e ci.yaml, touch made]}, b: {needs: [a], commands: [test -e made]}"
    machine.write(f"{HEAD}  jobs: {{{jobs}}}\n")
    code, status = machine.run()
    phases = [status["jobs"][job]["phase"] for job in ("a", "b")]
    assert (code, phases, (machine.folder / "made").exists()) == (1, ["Succeeded", "Failed"], False)
    assert (machine.run("--workspace", "shared")[0], (machine.folder / "made").exists()) == (0, True)
    (machine.folder / "other").mkdir()
    code, status = machine.run("--workspace", "other")
    assert (code, status["jobs"]["a"]["phase"]) == (1, "Failed")


def test_values(machine: Machine) -> None:
    """Inputs, variables, secrets and single jobs are given on the command line; secrets are nowhere recorded."""
    machine.write(f"""{HEAD}
  inputs: {{level: 1}}
  secretsFrom: ci
  varsFrom: settings
  jobs:
    a:
      env: {{TOKEN: "${{{{ secrets.token }}}}", REGION: "${{{{ vars.region }}}}", LEVEL: "${{{{ inputs.level }}}}"}}
      steps:
      - id: s
        run: |
          echo "token is $TOKEN"
          echo "seen=$REGION $LEVEL $FROM_FILE $(printf %s "$TOKEN" | wc -c)" >> "$FAIRLEAD_OUTPUT"
      outputs: {{seen: "${{{{ steps.s.outputs.seen }}}}"}}
    b: {{steps: [{{run: exit 1}}]}}
""")
    machine.write("# a comment\nexport FROM_FILE='a b'\n", ".env")
    machine.env["token"] = "hunter2"  # noqa: S105  no secret
    options = ["--input", "level=3", "--env-file", ".env", "--secret", "token", "--var", "settings/region=eu"]
    code, status = machine.run("--job", "a", *options)
    assert (code, status["jobs"]["a"]["outputs"]) == (0, {"seen": "eu 3 a b 7"})
    _, log, _ = machine.call("logs", "ci")
    assert "token is ***" in log
    recorded = [path for path in machine.folder.parent.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert recorded == []


def test_afterwards(machine: Machine) -> None:
    """A run can be listed, looked at, and run again, all of it or what failed; its log is there."""
    machine.write(f"{HEAD}  jobs: {{a: {{steps: [{{run: echo fine}}]}}, b: {{steps: [{{run: test -e wanted}}]}}}}\n")
    assert machine.run()[0] == 1
    listed = machine.call("list")[1].splitlines()[1].split()
    assert listed[:4] == ["ci", "Failed", "2/2", "1"]
    assert machine.call("logs", "ci", "-j", "a", "--raw")[:2] == (0, "::group::echo fine\nfine\n::endgroup::\n")
    (machine.folder / "wanted").touch()
    code, out, _ = machine.call("rerun", "ci", "--failed", "-o", "json")
    status = json.loads(out)
    assert (code, status["phase"], status["run"], status["jobs"]["a"]["keptFrom"]) == (0, "Succeeded", 2, 1)
    assert "run 2" in machine.call("status", "ci")[1]


def test_cancel(machine: Machine) -> None:
    """Ctrl-C cancels: what cleans up still runs."""
    machine.write(f"""{HEAD}
  jobs:
    long: {{steps: [{{run: "(setsid sleep 100 &); touch begun; sleep 100"}}, {{if: always(), run: touch cleaned}}]}}
    after: {{needs: [long], steps: [{{run: touch never}}]}}
    tidy: {{needs: [long], if: always(), steps: [{{run: touch tidied}}]}}
""")
    process = machine.start("run", "--engine", "host", "--workspace", "shared", "ci.yaml")
    until((machine.folder / "begun").exists)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    made = sorted(path.name for path in machine.folder.iterdir())
    assert (process.returncode, made) == (130, ["begun", "ci.yaml", "cleaned", "tidied"]), out + err


def test_kill(machine: Machine) -> None:
    """A second Ctrl-C ends what cleans up, too, and the run is recorded as cancelled."""
    machine.write(f"""{HEAD}
  jobs: {{a: {{steps: [{{run: "touch begun; sleep 100"}}, {{if: always(), run: "touch cleaning; sleep 100"}}]}}}}
""")
    process = machine.start("run", "--engine", "host", "--workspace", "shared", "ci.yaml")
    until((machine.folder / "begun").exists)
    process.send_signal(signal.SIGINT)
    until((machine.folder / "cleaning").exists)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    listed = machine.call("list")[1].splitlines()[1].split()
    assert (process.returncode, listed[:2]) == (130, ["ci", "Cancelled"])


def test_cancelled_by_another(machine: Machine) -> None:
    """A run can be cancelled from another terminal, and isn't started twice."""
    machine.write(f"{HEAD}  jobs: {{a: {{steps: [{{run: 'touch begun; sleep 100'}}]}}}}\n")
    process = machine.start("run", "--engine", "host", "--workspace", "shared", "ci.yaml")
    until((machine.folder / "begun").exists)
    code, _, err = machine.call("run", "--engine", "host", "ci.yaml")
    assert (code, "ci runs in another process" in err) == (2, True)
    assert machine.call("cancel", "ci", "--wait")[0] == 0
    process.communicate(timeout=60)
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nosuch.yaml"], "nosuch.yaml: no such file"),
        (["."], ".: is a directory; name a file in it"),
        (["ci.yaml", "--job", "zzz"], 'the workflow has no job "zzz"'),
        (["ci.yaml", "--input", "a=1"], 'the workflow has no input "a"; it has none'),
        (["ci.yaml", "--workspace", "nowhere"], '--workspace "nowhere": there is no such folder'),
        (["ci.yaml", "--secret", "NOT_SET"], "$NOT_SET isn't set"),
        (["ci.yaml", "--env-file", "ci.yaml"], "ci.yaml: line 1 is not NAME=VALUE"),
        (["ci.yaml", "--env-file", "zzz"], "zzz: no such file"),
    ],
)
def test_wrong_request(machine: Machine, arguments: list[str], said: str) -> None:
    """What can't be done is said in a line, before anything runs."""
    machine.write(f"{HEAD}  jobs: {{a: {{steps: [{{run: touch made}}]}}}}\n")
    code, out, err = machine.call("run", "--engine", "host", *arguments)
    assert (code, out, said in err, "Traceback" in err) == (2, "", True, False), err
