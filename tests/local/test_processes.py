from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fairlead.local.processes import MARK, end_all
from tests.local.processes import alive, python, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

COUNT = iter(range(1000, 2000))


@pytest.fixture
def mark() -> Iterator[str]:
    """Give what no other process has in its command line; what has it is ended."""
    mark = f"{next(COUNT)}{os.getpid():07}"
    yield mark
    for pid in alive(mark):
        os.kill(pid, signal.SIGKILL)


def started(script: str, home: Path | str) -> subprocess.Popen[bytes]:
    """Run a script as a job's."""
    env = {"PATH": os.environ["PATH"], MARK: str(home)}
    return subprocess.Popen(["/bin/sh", "-c", script], env=env)  # noqa: S603  the test's own


@pytest.mark.parametrize(
    "script",
    [
        "exec sleep {mark}",
        "sleep {mark} & wait",
        "setsid sleep {mark} & wait",
        "(setsid sleep {mark} &) & sleep 60",
        "env -i sleep {mark} & wait",
        "env -i setsid sh -c 'sleep {mark}; true' & wait",
        "trap '' TERM INT HUP; sh -c 'sleep {mark}; true'",
        "while :; do sleep {mark} & sleep 0.01; done",
    ],
)
def test_end_all(tmp_path: Path, mark: str, script: str) -> None:
    """All processes that have the mark, or descend from one that has, are ended; the others go on."""
    other, similar = started(f"exec sleep 1{mark}", tmp_path / "b"), started(f"exec sleep 2{mark}", tmp_path / "ab")
    process = started(script.format(mark=mark), tmp_path / "a")
    until(lambda: len(alive(mark)) > 2)
    end_all(str(tmp_path / "a"))
    process.wait()
    assert sorted(alive(mark)) == sorted([other.pid, similar.pid])
    for each in (other, similar):
        each.kill()
        each.wait()


PARENT = """
import subprocess, sys
from fairlead.local.processes import end_with_parent
script = "trap 'echo asked; exit' TERM; echo ready; while :; do sleep 0.01; done"
subprocess.run(["sh", "-c", script, sys.argv[1]], preexec_fn=end_with_parent)
"""


def test_end_with_parent(mark: str) -> None:
    """A process whose parent is killed is asked to end."""
    with python(PARENT, mark) as parent:
        assert parent.stdout is not None
        ready = parent.stdout.readline()
        parent.kill()
        asked = parent.stdout.readline()
    assert (ready, asked) == ("ready\n", "asked\n")
    until(lambda: alive(mark) == [])


ADOPTING = """
import os, subprocess, sys, time
from fairlead.local.processes import adopt, end_adopted
adopt()
own = subprocess.Popen(["sleep", "1" + sys.argv[1]])
script = "(env -i setsid sleep $0 &) & (trap '' TERM; env -i sh -c 'sleep $1; :' - $0 &) &"
subprocess.run(["sh", "-c", script, sys.argv[1]])
print(flush=True)
sys.stdin.readline()
end_adopted({own.pid})
print(own.poll(), flush=True)
sys.stdin.readline()
own.kill()
own.wait()
"""


def test_end_adopted(mark: str) -> None:
    """What has lost its parents, its session and its variables becomes a child, and can be ended; our own go on."""
    with python(ADOPTING, mark, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        until(lambda: len(alive(mark)) == 5)
        process.stdin.write("\n")
        process.stdin.flush()
        said = process.stdout.readline()
        left = len(alive(mark))
        process.stdin.write("\n")
    assert (said, left) == ("None\n", 2)
