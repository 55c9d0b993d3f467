from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from fairlead.cli.main import main

if TYPE_CHECKING:
    from click.testing import Result

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
HEAD = "apiVersion: fairlead.dev/v1alpha1\nkind: Workflow\nmetadata: {name: ci}\n"
FINE = f"{HEAD}spec: {{jobs: {{a: {{image: a, commands: [a]}}}}}}\n"
WARNS = f"{HEAD}spec: {{jobs: {{a: {{image: a, if: false, commands: [a]}}}}}}\n"
WRONG = f"{HEAD}spec:\n  jobs:\n    a: {{image: a, needs: [b], comands: [a]}}\n"
TOKEN = "ghp_" + "a1B2" * 9
MATRIX = """\
spec:
  jobs:
    a:
      image: a
      commands: [a]
      strategy:
        matrix:
          v: [1]
          exclude: [{w: 1}]
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with files."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "fine.yaml": FINE,
        "warns.yaml": WARNS,
        "wrong.yaml": WRONG,
        "broken.yaml": "a: b: c\n",
        "empty.yaml": "",
        "secret.yaml": f"{HEAD}spec: {{jobs: {{a: {{image: a, env: {{T: {TOKEN}}}, timeout: x, commands: [a]}}}}}}\n",
        "others.yaml": f"kind: ConfigMap\n---\n{FINE}",
        "only-others.yaml": "kind: ConfigMap\n",
        "list.yaml": "- a\n",
        "two.yaml": f"{FINE}---\n{WARNS}",
        "matrix.yaml": HEAD + MATRIX,
        "caller.yaml": f"{HEAD}spec: {{jobs: {{a: {{uses: deploy, with: {{v: 1}}}}}}}}\n",
        "template.yaml": FINE.replace("kind: Workflow", "kind: WorkflowTemplate").replace("ci", "deploy"),
        "control.yaml": f'{HEAD}spec: {{"\\e[31m": 1, jobs: {{a: {{image: "[red]\\e[2J", "[bold]": 1}}}}}}\n',
        "long.yaml": f"{HEAD}spec: {{jobs: {{a: {{image: {'x' * 300}, comands: [{'y' * 300}], commands: [a]}}}}}}\n",
        "cycle.yaml": f"{HEAD}spec: {{jobs: {{a: {{needs: b, check: '1'}}, b: {{needs: a, check: '1'}}}}}}\n",
    }.items():
        Path(name).write_text(text)
    Path("binary").write_bytes(b"\xff\xfe\x00")
    Path("folder").mkdir()
    Path("folder/a.yml").write_text(FINE)
    Path("folder/b.txt").write_text("a: b: c")
    Path("empty").mkdir()


def run(*arguments: str, given: str | None = None) -> Result:
    """Run `fairlead lint`."""
    return CliRunner().invoke(main, ["lint", *arguments], input=given)


def test_text() -> None:
    """A finding is one line that says it, its line, and carets under the place."""
    result = run("wrong.yaml")
    assert (result.exit_code, result.output) == (
        1,
        """\
wrong.yaml:6:5: error: spec.jobs.a: nothing to run; give it steps, commands, a check or uses [missing-field]
    6 |     a: {image: a, needs: [b], comands: [a]}
      |     ^
wrong.yaml:6:27: error: spec.jobs.a.needs[0]: no job "b" [unknown-job]
    6 |     a: {image: a, needs: [b], comands: [a]}
      |                           ^
wrong.yaml:6:31: error: spec.jobs.a.comands: unknown field; did you mean "commands"? [unknown-field]
    6 |     a: {image: a, needs: [b], comands: [a]}
      |                               ^^^^^^^
3 errors in 1 file
""",
    )


CODES: dict[str, tuple[list[str], int, str]] = {
    "nothing wrong": (["fine.yaml"], 0, "no problems in 1 file"),
    "a warning": (["warns.yaml"], 0, "1 warning in 1 file"),
    "a warning, strictly": (["warns.yaml", "--strict"], 1, "1 warning in 1 file"),
    "errors and warnings": (["wrong.yaml", "warns.yaml"], 1, "3 errors, 1 warning in 2 files"),
    "a note": (["others.yaml", "--strict"], 0, "no problems, 1 note in 1 file"),
    "two documents": (["two.yaml"], 0, "1 warning in 1 file"),
    "a folder": (["folder"], 0, "no problems in 1 file"),
    "the same file twice": (["fine.yaml", "fine.yaml"], 0, "no problems in 1 file"),
    "not YAML": (["broken.yaml"], 1, "1 error in 1 file"),
    "empty": (["empty.yaml"], 1, "1 error in 1 file"),
    "a list": (["list.yaml"], 1, "1 error in 1 file"),
    "a matrix": (["matrix.yaml"], 1, "1 error in 1 file"),
    "a call alone": (["caller.yaml"], 0, "no problems, 1 note in 1 file"),
    "a call with its template": (["caller.yaml", "template.yaml"], 1, "1 error in 2 files"),
    "a cycle": (["cycle.yaml"], 1, "1 error in 1 file"),
    "no such file": (["fine.yaml", "missing.yaml"], 2, "Error: missing.yaml: no such file"),
    "not UTF-8": (["binary"], 2, "Error: binary: is not UTF-8 (line 1); save it as UTF-8"),
    "a folder without any": (["empty"], 2, "Error: empty: has no files that end in .yaml or .yml"),
    "nothing named": ([], 2, "Error: Missing argument 'FILE…'."),
    "a format that isn't": (["fine.yaml", "-o", "xml"], 2, ""),
    "a name that no file has": (["a\0b"], 2, 'Error: "a\\x00b": can\'t be read: embedded null byte'),
}


@pytest.mark.parametrize(("arguments", "code", "last"), CODES.values(), ids=CODES)
def test_codes(arguments: list[str], code: int, last: str) -> None:
    """0 where nothing is wrong, 1 where there are errors, 2 where a file can't be read; the last line counts."""
    result = run(*arguments)
    *_, said = result.output.splitlines()
    assert (result.exit_code, said.startswith(last), "Traceback" in result.output) == (code, True, False), result.output


def test_standard_input() -> None:
    """A dash stands for it."""
    result = run("-", given="a: b: c\n")
    assert (result.exit_code, result.output.splitlines()[0]) == (
        1,
        "<stdin>:1:5: error: not YAML: mapping values are not allowed in this context [yaml]",
    )


def test_matrix() -> None:
    """A matrix that can't be expanded is told with the place in it."""
    assert run("matrix.yaml").output.splitlines()[:3] == [
        (
            "matrix.yaml:12:22: error: spec.jobs.a.strategy.matrix.exclude[0].w: Matrix exclude key 'w' does not match "
            'any key within the matrix; it has "v" [matrix]'
        ),
        "   12 |           exclude: [{w: 1}]",
        "      |                      ^",
    ]


def test_harmless() -> None:
    """Nothing that a terminal obeys gets out, and nothing is taken for markup."""
    output = run("control.yaml").output
    assert ([c for c in output if not c.isprintable() and c != "\n"], "[bold]" in output) == ([], True)


def test_secrets_are_hidden() -> None:
    """A secret is shown in no excerpt of its line, and in no other format."""
    outputs = {form: run("secret.yaml", "-o", form).output for form in ("text", "json", "sarif", "github")}
    assert ([form for form, text in outputs.items() if TOKEN in text], "*" * len(TOKEN) in outputs["text"]) == (
        [],
        True,
    )


def test_long_lines() -> None:
    """A long line is cut around the place."""
    *_, line, carets, _ = run("long.yaml").output.splitlines()
    assert (len(line) < 120, line[carets.index("^") : carets.rindex("^") + 1]) == (True, "comands")


def test_json() -> None:
    """Machines get each finding with its place, and the counts."""
    document = json.loads(run("wrong.yaml", "others.yaml", "-o", "json").output)
    assert (
        document["files"],
        document["errors"],
        document["warnings"],
        document["notes"],
        document["findings"][1],
    ) == (
        2,
        3,
        0,
        1,
        {
            "file": "wrong.yaml",
            "line": 6,
            "column": 27,
            "endColumn": 28,
            "severity": "error",
            "rule": "unknown-job",
            "path": "spec.jobs.a.needs[0]",
            "message": 'no job "b"',
            "suggestion": None,
        },
    )


def test_github() -> None:
    """GitHub's commands have the place in their properties, and no text of a file can end one."""
    Path("a,b:c%.yaml").write_text(
        f'{HEAD}spec: {{jobs: {{a: {{image: "${{{{ inputs.x }}}}", commands: [a], "x%0A::y": 1}}}}}}\n'
    )
    assert run("a,b:c%.yaml", "-o", "github").output.splitlines() == [
        (
            "::error file=a%2Cb%3Ac%25.yaml,line=4,col=31,endColumn=39,title=unknown-reference::spec.jobs.a.image: "
            '"inputs.x": no input "x"'
        ),
        (
            "::error file=a%2Cb%3Ac%25.yaml,line=4,col=60,endColumn=69,title=unknown-field::spec.jobs.a"
            '["x%250A::y"]: unknown field'
        ),
    ]


def test_sarif() -> None:
    """SARIF names the rules, and refers to them from results with regions that count from 1."""
    document = json.loads(run("wrong.yaml", "warns.yaml", "-o", "sarif").output)
    (found,) = document["runs"]
    rules = [rule["id"] for rule in found["tool"]["driver"]["rules"]]
    results: list[dict[str, Any]] = found["results"]
    assert (
        document["version"],
        found["columnKind"],
        [(rules[each["ruleIndex"]] == each["ruleId"], each["level"]) for each in results],
        results[1]["locations"][0]["physicalLocation"],
    ) == (
        "2.1.0",
        "unicodeCodePoints",
        [(True, "error"), (True, "error"), (True, "error"), (True, "warning")],
        {"artifactLocation": {"uri": "wrong.yaml"}, "region": {"startLine": 6, "startColumn": 27, "endColumn": 28}},
    )


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples(example: Path) -> None:
    """The examples have no errors and no warnings."""
    document = json.loads(run(str(example), "-o", "json").output)
    assert document["findings"] == []
