"""The driver under the shells that images have, as a process of this machine and as a namespace's PID 1."""

# ruff: noqa: S604  Script's `shell` is a step's, and has nothing to do with subprocess's

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.model.report import Report, StepReport
from fairlead.render.driver import Script, assemble, report_room
from fairlead.render.report import parse_report

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

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

pytestmark = pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)


@dataclass(frozen=True, slots=True)
class Ended:
    """What a driver left. The report's times are 0, so that a whole one can be compared."""

    exit_code: int
    log: str
    report: Report | None


def start(
    shell: Shell,
    folder: Path,
    *scripts: Script,
    outputs: Collection[tuple[str, str | None]] = (),
    timeout: int = 60,
    room: int = 4096,
    env: Mapping[str, str] | None = None,
    unshare: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a driver with `folder` as its world."""
    for name in ("home", "workspace"):
        (folder / name).mkdir(exist_ok=True)
    text = assemble(scripts, outputs=outputs, timeout=timeout, room=room)
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
    log, _ = driver.communicate(timeout=30)
    report = read_report(folder)
    if report is not None:
        report = replace(report, steps=tuple(replace(s, started=0.0, finished=0.0) for s in report.steps))
    return Ended(driver.returncode, log.decode(), report)


def read_report(folder: Path) -> Report | None:
    """Read what the driver wrote, times included."""
    return parse_report((folder / "report").read_bytes().decode())


def drive(
    shell: Shell,
    folder: Path,
    *scripts: Script,
    outputs: Collection[tuple[str, str | None]] = (),
    timeout: int = 60,
    room: int = 4096,
    env: Mapping[str, str] | None = None,
) -> Ended:
    """Run a driver to its end."""
    driver = start(shell, folder, *scripts, outputs=outputs, timeout=timeout, room=room, env=env)
    return finish(driver, folder)


def ran(*exit_codes: int) -> tuple[StepReport, ...]:
    """Give the reports of steps without their times."""
    return tuple(StepReport(code, 0.0, 0.0) for code in exit_codes)


def logged(label: str, text: str = "", *errors: str) -> str:
    """Give the log of one step."""
    return f"::group::{label}\n{text}::endgroup::\n" + "".join(f"::error::{error}\n" for error in errors)


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in 20 s"
        os.sched_yield()


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
        Report(ran(0, 3), {"second": {"at": "half way"}}, 3),
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
    log, _ = driver.communicate(timeout=30)

    assert (driver.returncode, log.decode()) == {
        "home": (1, logged("a", "", f'step "a": cannot write to {nowhere}')),
        "report": (0, logged("a", "hi\n")),
    }[missing]


# --- text is only text ----------------------------------------------------------------------------------------

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
_NASTY = st.one_of(_TEXT, st.lists(_PIECES).map("".join))
_LIMITED = settings(max_examples=6, deadline=None)


@_LIMITED
@given(run=_NASTY, label=_NASTY)
def test_scripts_and_labels_are_not_interpreted(shell: Shell, run: str, label: str) -> None:
    """A script reaches its file, and a label the log, as they are; only what breaks the line becomes a blank."""
    shown = "".join(c if c.isprintable() else " " for c in label)

    with tempfile.TemporaryDirectory() as folder:
        ended = drive(shell, Path(folder), Script(label, run, shell="cat {0}"))

    assert ended == Ended(0, logged(shown, run.removesuffix("\n") + "\n"), Report(ran(0), {}, 0))


@_LIMITED
@given(values=st.lists(_NASTY, min_size=1, max_size=12))
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
        seen = _variables(Path(folder) / "workspace" / "vars")

    assert ended == Ended(0, logged("a"), Report(ran(0), {}, 0))
    assert {name: value for name, value in seen.items() if name[1:].isdecimal()} == {
        **literal,
        **{f"S{index}": value for index, value in enumerate(values)},
    }
    assert not [name for name in seen if name.startswith("FAIRLEAD_SECRET")]


def _variables(path: Path) -> dict[str, str]:
    pairs = (pair.decode().partition("=") for pair in path.read_bytes().split(b"\0")[:-1])
    return {name: value for name, _, value in pairs}


_WRITE_ALL = """
while [ "$COUNT" -gt 0 ]; do
  COUNT=$((COUNT - 1))
  eval "value=\\$V$COUNT"
  case $value in
  *'
'*) printf 'name%s<<-- end --\\n%s\\n-- end --\\n' "$COUNT" "$value" ;;
  *) printf 'name%s=%s\\n' "$COUNT" "$value" ;;
  esac >>"$FILE"
done
"""


def _writing(values: list[str], file: str) -> Script:
    env = {f"V{index}": value for index, value in enumerate(values)}
    return Script("a", f"FILE=${file}{_WRITE_ALL}", id="a", shell="sh", env={**env, "COUNT": str(len(values))})


@_LIMITED
@given(values=st.lists(_NASTY, min_size=1, max_size=12))
def test_outputs_stay_as_they_are(shell: Shell, values: list[str]) -> None:
    """Whatever a step writes as an output is in the report, of one line or more."""
    with tempfile.TemporaryDirectory() as folder:
        ended = drive(shell, Path(folder), _writing(values, "FAIRLEAD_OUTPUT"), outputs=[("a", None)])

    outputs = {f"name{index}": value for index, value in enumerate(values)}
    assert ended == Ended(0, logged("a"), Report(ran(0), {"a": outputs}, 0))


@_LIMITED
@given(values=st.lists(_NASTY, min_size=1, max_size=12))
def test_the_environment_file_is_not_interpreted(shell: Shell, values: list[str]) -> None:
    """Whatever a step writes for the later ones is what they see."""
    with tempfile.TemporaryDirectory() as folder:
        ended = drive(shell, Path(folder), _writing(values, "FAIRLEAD_ENV"), Script("b", "env -0 >vars", shell="sh"))
        seen = _variables(Path(folder) / "workspace" / "vars")

    assert ended == Ended(0, logged("a") + logged("b"), Report(ran(0, 0), {}, 0))
    assert {name: value for name, value in seen.items() if name.startswith("name")} == {
        f"name{index}": value for index, value in enumerate(values)
    }


# --- what a step sees -----------------------------------------------------------------------------------------


def test_the_variables_of_a_step(shell: Shell, tmp_path: Path) -> None:
    """A step sees the container's variables, its own and the driver's; the driver's own state is not among them."""
    drive(
        shell,
        tmp_path,
        Script("a", "env -0 >vars", shell="sh", env={"OWN": "1", "FAIRLEAD_OUTPUT": "/no"}),
        env={"LC_ALL": "C.UTF-8", "IFS": "x", "CDPATH": "/", "index": "kept"},
    )

    seen = _variables(tmp_path / "workspace" / "vars")
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

    assert ended.log == logged("a", "1 s3cret none\n") + logged("b", "none none none\n") + logged("c", "none  none\n")


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
    _link(tmp_path, "sh", "/bin/dash")

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


def _link(folder: Path, name: str, target: str) -> None:
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / name).symlink_to(target)


@pytest.mark.parametrize("name", ["python", "python3"])
def test_python(shell: Shell, tmp_path: Path, name: str) -> None:
    """A Python step runs in python, or in python3 where that is its only name."""
    _link(tmp_path, name, sys.executable)

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


# --- files ----------------------------------------------------------------------------------------------------


_FORMATS: list[tuple[str, dict[str, str]]] = [
    ("", {}),
    ("a=1\n", {"a": "1"}),
    ("a=1", {"a": "1"}),
    ("a=\n\n\nb=2\n", {"a": "", "b": "2"}),
    ("a=b=c==\n", {"a": "b=c=="}),
    ("a=  x \t\n", {"a": "  x \t"}),
    ("a=-n\nb=-e \\c\\n\n", {"a": "-n", "b": "-e \\c\\n"}),
    ("a='\"`$HOME`$(id)* ~\n", {"a": "'\"`$HOME`$(id)* ~"}),
    ("a=1\r\n", {"a": "1\r"}),
    ("a b-c.d=1\n", {"a b-c.d": "1"}),
    ("a=1<<EOF\n", {"a": "1<<EOF"}),
    ("a<<EOF\nEOF\n", {"a": ""}),
    ("a<<EOF\n\nEOF\n", {"a": ""}),
    ("a<<EOF\n\n\nEOF\n", {"a": "\n"}),
    ("a<<EOF\n1=2\n EOF\nEOF \nb<<x\nEOF\nb=3\n", {"a": "1=2\n EOF\nEOF \nb<<x", "b": "3"}),
    ("a<<[x*=]\n\\\n[x*=]", {"a": "\\"}),
    ("a<<E\r\n1\r\nE\r\n", {"a": "1\r"}),
    ("a=1\nb=2\na=3\n", {"b": "2", "a": "3"}),
    ("a=1\nab=2\na=3\na<<x\n4\n5\nx\n", {"ab": "2", "a": "4\n5"}),
]


def test_output_formats(shell: Shell, tmp_path: Path) -> None:
    """NAME=value and NAME<<DELIMITER, with values exactly as written; the last of equal names counts."""
    steps = [
        replace(_appending(content, "FAIRLEAD_OUTPUT"), id=f"s{index}") for index, (content, _) in enumerate(_FORMATS)
    ]

    ended = drive(shell, tmp_path, *steps, outputs=[(f"s{index}", None) for index in range(len(_FORMATS))])

    outputs = {f"s{index}": outputs for index, (_, outputs) in enumerate(_FORMATS) if outputs}
    assert ended == Ended(0, logged("a") * len(_FORMATS), Report(ran(*[0] * len(_FORMATS)), outputs, 0))


def _appending(content: str, file: str) -> Script:
    return Script("a", f'printf %s "$CONTENT" >>"${file}"', id="a", shell="sh", env={"CONTENT": content})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("hello\n", "line 1: neither NAME=value nor NAME<<DELIMITER"),
        ("a=1\n\n=x\n", "line 3: neither NAME=value nor NAME<<DELIMITER"),
        ("a=1\nb<<\n\n", "line 2: neither NAME=value nor NAME<<DELIMITER"),
        ("a=1\n<<EOF\nEOF\n", "line 2: neither NAME=value nor NAME<<DELIMITER"),
        ("a=1\nb<<EOF\nx\nEOF x\nEO", "line 2: its delimiter does not come again"),
    ],
)
def test_malformed_files(shell: Shell, tmp_path: Path, content: str, reason: str) -> None:
    """A line that is neither form fails the step with 1; what stands before it counts."""
    ended = drive(
        shell,
        tmp_path,
        _appending(content, "GITHUB_OUTPUT"),
        Script("b", "echo not here"),
        outputs=[("a", None)],
    )

    reason = f"FAIRLEAD_OUTPUT, {reason}"
    before = {"a": {"a": "1"}} if content.startswith("a=1") else {}
    assert ended == Ended(1, logged("a", "", f'step "a": {reason}'), Report(ran(1), before, 1, error=reason))


def test_a_failed_step_with_a_malformed_file(shell: Shell, tmp_path: Path) -> None:
    """It keeps its exit code, and both are told."""
    ended = drive(shell, tmp_path, Script("a", 'echo oops >>"$FAIRLEAD_OUTPUT"; exit 4'))

    reason = "FAIRLEAD_OUTPUT, line 1: neither NAME=value nor NAME<<DELIMITER"
    assert ended == Ended(
        4,
        logged("a", "", 'step "a" failed with exit code 4', f'step "a": {reason}'),
        Report(ran(4), {}, 4, error=reason),
    )


def test_only_wanted_outputs_are_reported(shell: Shell, tmp_path: Path) -> None:
    """What no one asked for takes no room, and none of a step without an id is reported."""
    write = 'for n in x y "x y" "*"; do echo "$n=1"; done >>"$FAIRLEAD_OUTPUT"'

    ended = drive(
        shell,
        tmp_path,
        Script("a", write, id="a"),
        Script("b", write, id="b"),
        Script("c", write, id="c"),
        Script("d", write),
        outputs=[("a", "x y"), ("a", "none"), ("b", None), ("b", "x"), ("other", None)],
    )

    assert ended.report == Report(
        ran(0, 0, 0, 0), {"a": {"x y": "1"}, "b": {"x": "1", "y": "1", "x y": "1", "*": "1"}}, 0
    )


def test_files_are_fresh_for_each_step(shell: Shell, tmp_path: Path) -> None:
    """What one step wrote is not in the next one's files, even where an earlier run left some."""
    show = 'for k in OUTPUT ENV PATH STEP_SUMMARY; do eval "cat \\"\\$FAIRLEAD_$k\\""; done; '
    write = 'for k in OUTPUT ENV PATH STEP_SUMMARY; do eval "echo a=1 >>\\"\\$GITHUB_$k\\""; done'

    for _ in range(2):
        ended = drive(shell, tmp_path, Script("a", show + write), Script("b", show + write))

        assert ended == Ended(0, logged("a") + logged("b"), Report(ran(0, 0), {}, 0))


def test_files_that_a_step_removed(shell: Shell, tmp_path: Path) -> None:
    """They count as empty, and so does what isn't a file any more."""
    ended = drive(
        shell,
        tmp_path,
        Script("a", 'rm "$FAIRLEAD_HOME"/step-0*; mkdir "$FAIRLEAD_OUTPUT" "$FAIRLEAD_PATH"'),
        Script("b", "true"),
    )

    assert ended == Ended(0, logged("a") + logged("b"), Report(ran(0, 0), {}, 0))


def test_the_environment_file(shell: Shell, tmp_path: Path) -> None:
    """It sets variables for the later steps, over the container's; a step's own variable wins there."""
    ended = drive(
        shell,
        tmp_path,
        Script("a", 'printf "A=1\\nB=1\\nIFS=_f\\nLC_ALL=C\\n" >>"$FAIRLEAD_ENV"; echo "$A"'),
        Script("b", 'echo "$A $B"; echo A=2 >>"$GITHUB_ENV"', env={"B": "own"}),
        Script("c", 'echo "$A $B"'),
        env={"A": "0"},
    )

    assert ended == Ended(
        0,
        logged("a", "0\n") + logged("b", "1 own\n") + logged("c", "2 1\n"),
        Report(ran(0, 0, 0), {}, 0),
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("FAIRLEAD_OUTPUT", "is reserved"),
        ("GITHUB_ENV", "is reserved"),
        ("_f_code", "is reserved"),
        ("2a", "is no name for a variable"),
        ("ä", "is no name for a variable"),
        ("x[$(id)]", "is no name for a variable"),
    ],
)
def test_names_that_the_environment_file_may_not_set(shell: Shell, tmp_path: Path, name: str, reason: str) -> None:
    """Reserved names and what is no name fail the step with 1."""
    ended = drive(shell, tmp_path, _appending(f"A=1\n{name}=x\n", "FAIRLEAD_ENV"))

    reason = f'FAIRLEAD_ENV, line 2: "{name}" {reason}'
    assert ended == Ended(1, logged("a", "", f'step "a": {reason}'), Report(ran(1), {}, 1, error=reason))


def test_the_path_file(shell: Shell, tmp_path: Path) -> None:
    """Each line comes before the PATH of the later steps, the newest first; a step's own PATH wins."""
    ended = drive(
        shell,
        tmp_path,
        Script("a", 'printf "/one\\n\\n/two two\\n" >>"$FAIRLEAD_PATH"; echo "$PATH"'),
        Script("b", 'printf /three >>"$GITHUB_PATH"; echo "$PATH"'),
        Script("c", 'echo "$PATH"'),
        Script("d", 'echo "$PATH"', shell="sh", env={"PATH": "/bin"}),
    )

    assert ended.log == (
        logged("a", f"{PATH}\n")
        + logged("b", f"/two two:/one:{PATH}\n")
        + logged("c", f"/three:/two two:/one:{PATH}\n")
        + logged("d", "/bin\n")
    )


# --- the report's room ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["x" * 5000, "ä" * 2100, "\n" * 2100, "\\" * 2100])
def test_outputs_that_do_not_fit(shell: Shell, tmp_path: Path, value: str) -> None:
    """The job fails with 1 and says which output, how large, and what the limit is; sizes are in bytes."""
    ended = drive(
        shell,
        tmp_path,
        Script("a", 'echo small=1 >>"$FAIRLEAD_OUTPUT"', id="a"),
        replace(_writing([value], "FAIRLEAD_OUTPUT"), id="b"),
        Script("c", "echo not here"),
        outputs=[("a", None), ("b", None)],
        env={"LC_ALL": "C.UTF-8"},
    )

    size = len(value.encode()) * (2 if value[0] in "\n\\" else 1)
    left = 4096 - 60 - len("\ns 0*1\no a small=1\no b name0=")
    reason = f'the output "name0" takes {size} bytes, and {left} of 4096 are left for this job\'s outputs'
    assert ended == Ended(
        1,
        logged("a") + logged("a", "", f'step "a": {reason}'),
        Report(ran(0, 1), {"a": {"small": "1"}}, 1, error=reason),
    )


def test_outputs_that_just_fit(shell: Shell, tmp_path: Path) -> None:
    """All of the room that is said to be left can be used; the steps' times give way."""
    left = 4096 - 60 - len("\no a name0=")
    value = "ä" * (left // 2) + "x" * (left % 2)

    ended = drive(
        shell,
        tmp_path,
        _writing([value], "FAIRLEAD_OUTPUT"),
        *[Script(str(index), "", shell="true {0}") for index in range(10)],
        Script("last", "exit 200"),
        outputs=[("a", None)],
    )

    assert ended.report == Report(ran(*[0] * 11, 200), {"a": {"name0": value}}, 200)
    assert 4000 < (tmp_path / "report").stat().st_size <= 4096


def test_an_error_that_does_not_fit(shell: Shell, tmp_path: Path) -> None:
    """Where outputs leave no room for the reason of a failure, they give way."""
    value = "x" * 4000

    ended = drive(
        shell,
        tmp_path,
        _writing([value], "FAIRLEAD_OUTPUT"),
        Script("b", "true", shell="no-such-shell-" + "x" * 400 + " {0}"),
        outputs=[("a", None)],
    )

    reason = f'the shell "no-such-shell-{"x" * 400}" was not found'
    assert ended == Ended(
        127, logged("a") + logged("b", "", f'step "b": {reason}'), Report(ran(0, 127), {}, 127, error=reason[:200])
    )


def test_a_hundred_steps(shell: Shell, tmp_path: Path) -> None:
    """They fit with their times."""
    ended = drive(shell, tmp_path, *[Script("s", "", shell="true {0}") for _ in range(100)])

    assert ended == Ended(0, logged("s") * 100, Report(ran(*[0] * 100), {}, 0))
    report = read_report(tmp_path)
    assert report is not None
    assert report.steps[-1].started > 0


def test_steps_that_do_not_fit(shell: Shell, tmp_path: Path) -> None:
    """Their exit codes do, without times."""
    steps = [Script("s", "", shell="true {0}") for _ in range(20)]

    ended = drive(shell, tmp_path, *steps, Script("s", "", shell="false {0}"), room=150)

    assert ended.report == Report(ran(*[0] * 20, 1), {}, 1)
    assert (tmp_path / "report").read_text() == "fairlead 1\ns 0*20\ns 1*1\nend 1\n"


# --- ends that come from outside ------------------------------------------------------------------------------


@pytest.fixture
def clock(tmp_path: Path, shell: Shell) -> tuple[int, dict[str, str]]:
    """Give a timeout that comes when the step has made the file `ready`, and the environment for that.

    The driver's `sleep` is then ours: 90 lasts until that moment, and 7 no time at all if there is a file `deaf`.
    For busybox the time is real, because it prefers its own sleep to the one on PATH.
    """
    if "busybox" in shell:
        return 1, {}
    sleep = tmp_path / "bin" / "sleep"
    sleep.parent.mkdir()
    sleep.write_text(
        """#!/bin/sh
        case $1 in
        90) until [ -e "$FAIRLEAD_WORKSPACE/ready" ]; do :; done ;;
        7) [ -e "$FAIRLEAD_WORKSPACE/deaf" ] || exec /bin/sleep 7 ;;
        *) exec /bin/sleep "$@" ;;
        esac
        """
    )
    sleep.chmod(0o755)
    return 90, {"PATH": f"{sleep.parent}:{PATH}"}


Clock = tuple[int, dict[str, str]]


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
        Report(ran(0, 124), {"b": {"x": "1"}}, 124, timed_out=True),
    )


_DEAF = 'trap "" TERM; : >deaf; : >ready; while :; do :; done'


def test_a_step_that_ignores_the_timeout(shell: Shell, tmp_path: Path, clock: Clock) -> None:
    """It is killed 7 seconds later, and the report is whole."""
    timeout, env = clock
    if not env:
        pytest.skip("it would take the 7 seconds")

    ended = drive(shell, tmp_path, Script("a", _DEAF, shell="sh"), timeout=timeout, env=env)

    assert ended == Ended(124, logged("a", "", "timed out after 90s"), Report(ran(124), {}, 124, timed_out=True))


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
        143, logged("a") + logged("b", "bye\n", "interrupted"), Report(ran(0, 143), {}, None)
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

    assert finish(driver, tmp_path) == Ended(143, logged("a", "", "interrupted"), Report(ran(143), {}, None))


def test_nothing_is_left(shell: Shell, tmp_path: Path) -> None:
    """The alarm, and what a step left in the background, end with the driver and do not hold the log open."""
    driver = start(shell, tmp_path, Script("a", "sleep 50 & echo hi"), timeout=50)

    assert finish(driver, tmp_path) == Ended(0, logged("a", "hi\n"), Report(ran(0), {}, 0))
    until(lambda: session(driver.pid) == [])


def test_without_sleep(shell: Shell, tmp_path: Path) -> None:
    """In an image without sleep only the timeout is lost."""
    _link(tmp_path, "sh", "/bin/dash")

    ended = drive(shell, tmp_path, Script("a", "echo hi"), timeout=1, env={"PATH": f"{tmp_path}/bin"})

    assert ended == Ended(0, logged("a", "hi\n"), Report(ran(0), {}, 0))


# --- as PID 1 -------------------------------------------------------------------------------------------------

NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")

needs_namespaces = pytest.mark.skipif(
    shutil.which("unshare", path=PATH) is None
    or subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,  # noqa: S603  constant
    reason="this machine lets us make no PID namespace",
)

# A daemon in a session of its own: only a signal to the whole namespace finds it.
_DAEMON = """setsid sh -c 'trap "echo >ended; exit" TERM; : >daemon; while :; do :; done' &
until [ -e daemon ]; do :; done"""
_WAIT = "until [ -e ended ]; do :; done; echo bye; exit 0"


@needs_namespaces
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
        Report(ran(0, 124), {}, 124, timed_out=True),
    )


@needs_namespaces
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
        143, logged("a") + logged("b", "bye\n", "interrupted"), Report(ran(0, 143), {}, None)
    )


@needs_namespaces
def test_a_daemon_does_not_hold_the_job(shell: Shell, tmp_path: Path) -> None:
    """When the last step has ended, so does the container, with all that still runs in it."""
    driver = start(shell, tmp_path, Script("a", _DAEMON), unshare=True)

    assert finish(driver, tmp_path) == Ended(0, logged("a"), Report(ran(0), {}, 0))


# --- the text -------------------------------------------------------------------------------------------------


def test_the_text_is_small(shell: Shell) -> None:
    """The constant part goes with every Job: it has no comments, no indentation, and less than 7,000 bytes."""
    assert shell
    lines = assemble([], outputs=[], timeout=1).splitlines()

    assert not [line for line in lines if not line.strip() or line.strip().startswith("#") or line != line.strip()]
    assert sum(len(line.encode()) + 1 for line in lines) < 7000


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
