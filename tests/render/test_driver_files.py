"""What steps write to their files, and what of it is reported."""

# ruff: noqa: S604  Script's `shell` is a step's, and has nothing to do with subprocess's

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.report import Report, StepReport
from fairlead.render.driver import Script
from fairlead.render.report import parse_outputs
from tests.render.driving import (
    FEW,
    IN_EACH_SHELL,
    NASTY,
    PATH,
    Ended,
    drive,
    link,
    logged,
    ran,
    read_report,
    start,
    variables,
    wait_for,
)

if TYPE_CHECKING:
    from tests.render.driving import Shell

pytestmark = IN_EACH_SHELL

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


@FEW
@given(values=st.lists(NASTY, min_size=1, max_size=12))
def test_outputs_stay_as_they_are(shell: Shell, values: list[str]) -> None:
    """Whatever a step writes as an output is in the report, of one line or more."""
    with tempfile.TemporaryDirectory() as folder:
        ended = drive(shell, Path(folder), _writing(values, "FAIRLEAD_OUTPUT"), outputs=[("a", None)])

    outputs = {f"name{index}": value for index, value in enumerate(values)}
    assert ended == Ended(0, logged("a"), Report(ran(0), {"a": outputs}, 0))


@FEW
@given(values=st.lists(NASTY, min_size=1, max_size=12))
def test_the_environment_file_is_not_interpreted(shell: Shell, values: list[str]) -> None:
    """Whatever a step writes for the later ones is what they see."""
    with tempfile.TemporaryDirectory() as folder:
        ended = drive(shell, Path(folder), _writing(values, "FAIRLEAD_ENV"), Script("b", "env -0 >vars", shell="sh"))
        seen = variables(Path(folder) / "workspace" / "vars")

    assert ended == Ended(0, logged("a") + logged("b"), Report(ran(0, 0), {}, 0))
    assert {name: value for name, value in seen.items() if name.startswith("name")} == {
        f"name{index}": value for index, value in enumerate(values)
    }


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
    assert ended == Ended(1, logged("a", "", f'step "a": {reason}'), Report(ran(1, None), before, 1, error=reason))


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


def test_outputs_that_just_fit(shell: Shell, tmp_path: Path) -> None:
    """All of the room that is said to be left can be used; the steps' times give way."""
    left = 4096 - 130 - len("\no a name0=")
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
    assert 3950 < (tmp_path / "report").stat().st_size <= 4096


def test_an_error_that_does_not_fit(shell: Shell, tmp_path: Path) -> None:
    """Where outputs leave no room for the reason of a failure, they give way."""
    value = "x" * 3900

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
    assert (tmp_path / "report").read_text() == "fairlead 2\ns 0*20\ns 1*1\nend 1\n"


# --- outputs that go to the log -------------------------------------------------------------------------------

_LARGE = ["x" * 5000, "ä" * 2100, "\n" * 5000, "\\" * 2100, "::endgroup::\n" * 20_000, "{" + "ä\u2028 " * 30_000 + "}"]


@pytest.mark.parametrize("value", _LARGE, ids=["x", "umlaut", "newline", "backslash", "lines", "long"])
def test_large_outputs(shell: Shell, tmp_path: Path, value: str) -> None:
    """What the report has no room for is at the end of the log, and the report says how much, and where."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "value").write_text(value)
    write = """{ echo "large<<END
x"; echo END; echo small=1; echo "large<<END"; cat value; echo; echo END; echo "other=2"; } >>"$FAIRLEAD_OUTPUT" """

    driver = start(
        shell,
        tmp_path,
        Script("a", "echo x=0 >>$FAIRLEAD_OUTPUT", id="a"),
        Script("b", write, id="b"),
        outputs=[("a", None), ("b", "large"), ("b", "small")],
        env={"LC_ALL": "C.UTF-8"},
    )
    log = wait_for(driver, tmp_path)

    report = read_report(tmp_path)
    assert report is not None
    assert report.log is not None
    assert (driver.returncode, report.outputs) == (0, {"a": {"x": "0"}, "b": {"small": "1"}})
    lines = log.decode().splitlines(keepends=True)
    assert "".join(lines[: -report.log.lines]) == logged("a") + logged("b")
    assert max(map(len, lines)) < 8192
    assert parse_outputs("".join(lines[-report.log.lines :]), report.log) == {"b": {"large": value}}


def test_the_last_of_equal_outputs_counts_wherever_it_stands(shell: Shell, tmp_path: Path) -> None:
    """A large one takes the place of a small one, and the other way round; the limit is on what is left."""
    write = """for i in 1 2 3 4; do printf a=; head -c 100000 /dev/zero | tr '\\0' "$i"; echo; done >>"$FAIRLEAD_OUTPUT"
    printf 'b=' >>"$FAIRLEAD_OUTPUT"; head -c 5000 /dev/zero | tr '\\0' x >>"$FAIRLEAD_OUTPUT"
    printf '\nb=1\nc=%s\n' "$(head -c 6000 /dev/zero | tr '\\0' y)" >>"$FAIRLEAD_OUTPUT" """

    driver = start(shell, tmp_path, Script("a", write, id="a"), outputs=[("a", None)])
    log = wait_for(driver, tmp_path)

    report = read_report(tmp_path)
    assert report is not None
    assert report.log is not None
    assert report.outputs == {"a": {"b": "1"}}
    assert parse_outputs(log.decode(), report.log) == {"a": {"a": "4" * 100_000, "c": "y" * 6000}}


def test_outputs_that_are_too_large(shell: Shell, tmp_path: Path) -> None:
    """Past 256 KiB the step fails with 1 and says which output, how large it is, and what the limit is."""
    write = """printf 'big=%s\\n' "$(head -c 200000 /dev/zero | tr '\\0' x)" >>"$FAIRLEAD_OUTPUT" """

    driver = start(
        shell,
        tmp_path,
        Script("a", write, id="a"),
        Script("b", write, id="b"),
        Script("c", "echo not here"),
        outputs=[("a", None), ("b", None)],
    )
    log = wait_for(driver, tmp_path)

    reason = 'the output "big" takes 200000 bytes, and 62144 of 262144 are left for this job\'s outputs'
    assert log.decode().startswith(logged("a") + logged("b", "", f'step "b": {reason}') + "::group::Outputs: ")
    report = read_report(tmp_path)
    assert report is not None
    assert report.log is not None
    assert (report.exit_code, report.error, report.outputs) == (1, reason, {})
    assert parse_outputs(log.decode(), report.log) == {"a": {"big": "x" * 200_000}}


def test_large_outputs_without_the_tools(shell: Shell, tmp_path: Path) -> None:
    """Where the image has no base64, what doesn't fit the report fails the step, and says so."""
    if "busybox" in shell:
        pytest.skip("it has them all built in")
    link(tmp_path, "sh", "/bin/dash")
    script = replace(_writing(["x" * 5000], "FAIRLEAD_OUTPUT"), id="a")

    ended = drive(shell, tmp_path, script, outputs=[("a", None)], env={"PATH": f"{tmp_path}/bin"})

    left = 4096 - 130 - len("\no a name0=")
    reason = f'the output "name0" takes 5000 bytes, and {left} of 4096 are left for this job\'s outputs'
    assert ended == Ended(1, logged("a", "", f'step "a": {reason}'), Report(ran(1), {}, 1, error=reason))


# --- bytes that no text has -----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["OUTPUT", "ENV"])
def test_nul_bytes(shell: Shell, tmp_path: Path, file: str) -> None:
    """A file with a NUL byte fails its step, and none of it counts, because no shell can read what stands there."""
    ended = drive(
        shell,
        tmp_path,
        Script("a", f"printf 'A=1\\nB=2\\0003\\n' >>$FAIRLEAD_{file}", id="a", continue_on_error=True),
        Script("b", 'echo "$A$B"'),
        Script("c", f"printf 'A=1\\nB=2\\0003\\n' >>$FAIRLEAD_{file}"),
        outputs=[("a", None)],
        env={"A": "0", "B": "0"},
    )

    reason = f"FAIRLEAD_{file} has a NUL byte, which no variable can hold; encode such values, for instance with base64"
    allowed = StepReport(1, allowed=True)
    assert ended == Ended(
        1,
        logged("a", "", f'step "a": {reason}') + logged("b", "00\n") + logged("c", "", f'step "c": {reason}'),
        Report(ran(allowed, 0, 1), {}, 1, error=reason),
    )


@pytest.mark.parametrize(
    "octal",
    [
        "\\344",
        "a\\344b",
        "\\303",
        "\\300\\200",
        "\\340\\200\\200",
        "\\355\\240\\200",
        "\\364\\220\\200\\200",
        "\\344\\303\\244\\270\\255",
    ],
)
def test_outputs_that_are_no_text(shell: Shell, tmp_path: Path, octal: str) -> None:
    """Neither a report nor JSON can carry bytes that aren't UTF-8: the step fails, and says which output it is."""
    ended = drive(
        shell,
        tmp_path,
        Script("a", f"printf 'ok=ä€😀\\nx={octal}\\n' >>$FAIRLEAD_OUTPUT", id="a"),
        outputs=[("a", None)],
        env={"LC_ALL": "C.UTF-8"},
    )

    reason = 'the output "x" is not UTF-8 text; encode it, for instance with base64'
    assert ended == Ended(
        1, logged("a", "", f'step "a": {reason}'), Report(ran(1), {"a": {"ok": "ä€😀"}}, 1, error=reason)
    )


def test_bytes_for_other_steps(shell: Shell, tmp_path: Path) -> None:
    """What stays in the container may be any bytes but NUL: outputs that nobody asked for, and variables."""
    ended = drive(
        shell,
        tmp_path,
        Script("a", "printf 'x=\\344' | tee -a $FAIRLEAD_OUTPUT >>$FAIRLEAD_ENV", id="a"),
        Script("b", 'printf %s "$x" | od -An -tx1'),
        outputs=[("a", "y")],
    )

    assert ended == Ended(0, logged("a") + logged("b", " e4\n"), Report(ran(0, 0), {}, 0))


def test_errors_are_text(shell: Shell, tmp_path: Path) -> None:
    """Whatever bytes a step writes, and wherever an error's text is cut, the report is UTF-8."""
    long = "ä" * 300
    for script in ("printf '\\344=1' >>$FAIRLEAD_ENV", f"echo 'x{long}=1' >>$FAIRLEAD_ENV"):
        driver = start(shell, tmp_path, Script("a", script), env={"LC_ALL": "C.UTF-8"})
        wait_for(driver, tmp_path)

        report = read_report(tmp_path)
        assert report is not None
        assert (report.error or "").startswith('FAIRLEAD_ENV, line 1: "')
