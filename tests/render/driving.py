"""Starting drivers as the tests of them need it: in each shell that images have, with a folder as their world."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from fairlead.model.report import LoggedOutputs, Report, StepReport
from fairlead.render.driver import Late, Script, assemble
from fairlead.render.report import parse_report

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Each as the `sh` that it is in some image: bash is POSIX only under that name.
SHELLS = {
    name: (found, *arguments)
    for name, arguments in {"dash": ("sh",), "bash": ("sh",), "busybox": ("busybox", "sh")}.items()
    if (found := shutil.which(name, path=PATH))
}
assert SHELLS, "there is no shell to test the driver with"

Shell = tuple[str, ...]
"""The program, and its arguments from argv[0] on."""

Clock = tuple[int, dict[str, str]]
"""What the fixture of that name gives."""

IN_EACH_SHELL = pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)


@dataclass(frozen=True, slots=True)
class Ended:
    """What a driver left. The report's times are 0, and LOGGED stands for all that it says of its log."""

    exit_code: int
    log: str
    report: Report | None


LOGGED = LoggedOutputs(0, 0, "")


def start(
    shell: Shell,
    folder: Path,
    *scripts: Script | Late,
    outputs: Collection[tuple[str, str | None]] = (),
    timeout: int = 60,
    room: int = 4096,
    masks: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    unshare: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a driver with `folder` as its world."""
    for name in ("home", "workspace"):
        (folder / name).mkdir(exist_ok=True)
    text = assemble(scripts, outputs=outputs, timeout=timeout, room=room, masks=masks)
    program, *arguments = shell
    command = [*arguments, "-c", text]
    if unshare:
        program, command = "/usr/bin/unshare", [*NAMESPACE, program, *command[1:]]
    return subprocess.Popen(  # noqa: S603  the shells above
        command,
        executable=program,
        env={
            "PATH": PATH,
            "FAIRLEAD_HOME": str(folder / "home"),
            "FAIRLEAD_WORKSPACE": str(folder / "workspace"),
            "FAIRLEAD_REPORT": str(folder / "report"),
            **(env or {}),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def finish(driver: subprocess.Popen[bytes], folder: Path) -> Ended:
    """Wait for the end, which is also the end of everything that could hold the log open."""
    log = wait_for(driver, folder)
    report = read_report(folder)
    if report is not None:
        steps = tuple(replace(step, started=0.0, finished=0.0) for step in report.steps)
        report = replace(report, steps=steps, log=report.log and LOGGED)
    return Ended(driver.returncode, log.decode(), report)


def wait_for(driver: subprocess.Popen[bytes], folder: Path) -> bytes:
    """Give the log, once the driver has ended; one that doesn't is not left to run on, nor are its steps."""
    try:
        log, _ = driver.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if f"FAIRLEAD_HOME={folder}/home".encode() in path.read_bytes().split(b"\0"):
                    os.kill(int(path.parent.name), signal.SIGKILL)
        driver.communicate()
        raise
    return log


def read_report(folder: Path) -> Report | None:
    """Read what the driver wrote, times included."""
    return parse_report((folder / "report").read_bytes().decode())


def drive(
    shell: Shell,
    folder: Path,
    *scripts: Script | Late,
    outputs: Collection[tuple[str, str | None]] = (),
    timeout: int = 60,
    room: int = 4096,
    masks: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Ended:
    """Run a driver to its end."""
    driver = start(shell, folder, *scripts, outputs=outputs, timeout=timeout, room=room, masks=masks, env=env)
    return finish(driver, folder)


def ran(*steps: int | StepReport | None) -> tuple[StepReport, ...]:
    """Give the reports of steps without their times, from their exit codes; None for one that was skipped."""
    return tuple(step if isinstance(step, StepReport) else StepReport(step) for step in steps)


def cut(exit_code: int) -> StepReport:
    """Give the report of a step that ran when the job was ended from outside."""
    return StepReport(exit_code, cancelled=True)


def logged(label: str, text: str = "", *errors: str) -> str:
    """Give the log of one step."""
    return f"::group::{label}\n{text}::endgroup::\n" + "".join(f"::error::{error}\n" for error in errors)


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in 20 s"
        os.sched_yield()


def asleep(process: int) -> bool:
    """Whether a process waits for something."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def session(leader: int) -> list[str]:
    """Name the processes of a session that are left."""
    left = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        state, _parent, _group, its_session = rest.split()[:4]
        if its_session == str(leader) and state != "Z":
            left.append(name)
    return left


def link(folder: Path, name: str, target: str) -> None:
    """Put a command into the folder's `bin`, for a PATH that has few of them."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / name).symlink_to(target)


NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")

NEEDS_NAMESPACES = pytest.mark.skipif(
    shutil.which("unshare", path=PATH) is None
    or subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,  # noqa: S603  constant
    reason="this machine lets us make no PID namespace",
)


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_PIECES = st.sampled_from(
    [
        "'",
        '"',
        "\\",
        "\n",
        "$HOME",
        "$(id)",
        "`id`",
        "*",
        "~",
        " ",
        "\t",
        "-n",
        "%s",
        "#",
        ";",
        "!",
        "\r",
        "=",
        "{0}",
        "ä",
        "\x81",
        "\x88",
        "\u2028",
    ]
)
NASTY = st.one_of(_TEXT, st.lists(_PIECES).map("".join))
FEW = settings(max_examples=6, deadline=None)


def variables(path: Path) -> dict[str, str]:
    """Read what `env -0` wrote."""
    pairs = (pair.decode().partition("=") for pair in path.read_bytes().split(b"\0")[:-1])
    return {name: value for name, _, value in pairs}
