from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from fairlead.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

CONTEXTS = {
    "inputs": {"version": "1.2", "count": 1e5, "list": [1, {"a": None}], "text": "größer\n"},
    "matrix": {"python": "3.12"},
}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with files of contexts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contexts.json").write_text(json.dumps(CONTEXTS))
    (tmp_path / "matrix.yaml").write_text("python: '3.13'\nday: 2026-01-02\non: yes\nnow: true\n")
    (tmp_path / "more.yaml").write_text("Matrix: {db: sqlite}\nsteps: {}\n")
    (tmp_path / "numbers.yaml").write_text("1: a\n")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    (tmp_path / "surrogate.json").write_text('{"a": "\\ud800"}')
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "scalar.yaml").write_text("text")
    (tmp_path / "broken.yaml").write_text("a: b\nc: [\n")
    (tmp_path / "two.yaml").write_text("a: b\n---\nc: d\n")
    (tmp_path / "object.yaml").write_text("a: !!python/object:os.system {}\n")
    (tmp_path / "deep.json").write_text("[" * 20_000)
    (tmp_path / "round.yaml").write_text("a: &a [*a]\n")
    (tmp_path / "set.yaml").write_text("a: !!set {b}\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")


def run(*arguments: str, given: str = "") -> Result:
    """Run `fairlead eval`."""
    return CliRunner().invoke(main, ["eval", *arguments], input=given)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["1 < 2"], "true\n"),
        (["--", "-1"], "-1\n"),
        (["null"], "null\n"),
        (["'a'"], '"a"\n'),
        (["'a'", "--raw"], "a\n"),
        (["null", "-r"], "null\n"),
        (["fromJson('[1, {}]')", "-r"], "[\n  1,\n  {}\n]\n"),
        (["inputs.version", "--context", "contexts.json"], '"1.2"\n'),
        (["INPUTS.list", "-c", "contexts.json"], '[\n  1,\n  {\n    "a": null\n  }\n]\n'),
        (["inputs.count", "-c", "contexts.json"], "100000\n"),
        (["inputs.text", "-c", "contexts.json"], '"größer\\n"\n'),
        (["inputs.missing", "-c", "contexts.json"], "null\n"),
        (["${{ inputs.list[0] }}", "-c", "contexts.json"], "1\n"),
        (["v${{ inputs.version }}-${{ inputs.list[0] }}", "-c", "contexts.json"], '"v1.2-1"\n'),
        (["v${{ inputs.version }}-${{ inputs.list[0] }}", "-c", "contexts.json", "--raw"], "v1.2-1\n"),
        (["matrix.python", "-c", "contexts.json", "-c", "matrix=matrix.yaml"], '"3.13"\n'),
        (["toJson(matrix)", "-r", "-c", "contexts.json", "-c", "more.yaml"], '{\n  "db": "sqlite"\n}\n'),
        (["inputs.version", "-c", "contexts.json", "-c", "more.yaml"], '"1.2"\n'),
        (["join(matrix.*, ' ')", "-r", "-c", "matrix=matrix.yaml"], "3.13 2026-01-02 yes true\n"),
        (["a.b", "-c", "a=contexts.json"], "null\n"),
        (["a", "-c", "bom.json"], "1\n"),
        (["a[0]", "-c", "a=list.json"], "1\n"),
        (["1", "-c", "empty.yaml", "-c", "numbers.yaml"], "1\n"),
        (["a", "-c", "surrogate.json"], '"\\ud800"\n'),
        (["a", "-r", "-c", "surrogate.json"], "\\ud800\n"),
    ],
)
def test_value(arguments: list[str], expected: str) -> None:
    """It is printed as JSON; with --raw, a text as it is."""
    result = run(*arguments)
    assert (result.output, result.exit_code) == (expected, 0)


def test_standard_input() -> None:
    """A dash stands for it, alone or with a name."""
    contexts, named = run("a.b", "-c", "-", given='{"a": {"b": 1}}'), run("a.b", "-c", "a=-", given="b: 2")
    assert (contexts.output, named.output) == ("1\n", "2\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], [True, False, False, True]),
        (["--status", "success"], [True, False, False, True]),
        (["--status", "failure"], [False, True, False, True]),
        (["--status", "cancelled"], [False, False, True, True]),
    ],
)
def test_status(arguments: list[str], expected: list[bool]) -> None:
    """What conditions ask for is chosen by an option."""
    calls = "format('[{0}, {1}, {2}, {3}]', success(), failure(), cancelled(), always())"
    result = run(f"fromJson({calls})", *arguments)
    assert json.loads(result.output) == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["1 == inputs.x"],
            "Unrecognized named-value: 'inputs'; no contexts are given, add --context FILE\n  1 == inputs.x\n       ^",
        ),
        (
            ["input.x", "-c", "contexts.json"],
            "Unrecognized named-value: 'input'; did you mean \"inputs\"?\n  input.x\n  ^",
        ),
        (
            ["zz", "-c", "contexts.json"],
            'Unrecognized named-value: \'zz\'; the contexts given are "inputs", "matrix"\n  zz\n  ^',
        ),
        (["1 ==\n (2"], "Unexpected end of expression: '2'\n   (2\n    ^"),
        (["'a"], "Unexpected symbol: ''a'\n  'a\n  ^"),
        (["x\x1b[31m"], "Unexpected symbol: 'x '\n  x\N{REPLACEMENT CHARACTER}[31m\n  ^"),
        (["fails()"], "Unrecognized function: 'fails'\n  fails()\n  ^"),
        (
            ["1 && fromJson('[')"],
            (
                "Error parsing JSON when evaluating fromJson: Expecting value at line 1, column 2\n"
                "  1 && fromJson('[')\n       ^"
            ),
        ),
        (
            ["a ${{ hashFiles('*') }}"],
            (
                "hashFiles reads the workspace, which only a running job's steps have\n"
                "  a ${{ hashFiles('*') }}\n        ^"
            ),
        ),
        (["a", "-c", "round.yaml"], "toJson: the value is nested deeper than 100"),
        (["a", "-c", "set.yaml"], "An expression cannot use a value of the type set"),
    ],
)
def test_bad_expression(arguments: list[str], said: str) -> None:
    """What is wrong is told with the line and a caret under the place, and nothing is printed as a value."""
    result = run(*arguments)
    assert (result.stderr, result.stdout, result.exit_code) == (f"Error: {said}\n", "", 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["1", "-c", "none.json"], 'can\'t read "none.json": No such file or directory'),
        (["1", "-c", "."], 'can\'t read ".": Is a directory'),
        (["1", "-c", "binary"], '"binary" is not UTF-8'),
        (
            ["1", "-c", "list.json"],
            '"list.json" holds a list, not contexts by name; write NAME=list.json to give it one',
        ),
        (
            ["1", "-c", "scalar.yaml"],
            '"scalar.yaml" holds a single value, not contexts by name; write NAME=scalar.yaml to give it one',
        ),
        (
            ["1", "-c", "broken.yaml"],
            (
                '"broken.yaml" is neither JSON nor YAML: expected the node content, '
                "but found '<stream end>' at line 3, column 1"
            ),
        ),
        (
            ["1", "-c", "two.yaml"],
            '"two.yaml" is neither JSON nor YAML: but found another document at line 2, column 1',
        ),
        (
            ["1", "-c", "object.yaml"],
            (
                '"object.yaml" is neither JSON nor YAML: could not determine a constructor for the tag '
                "'tag:yaml.org,2002:python/object:os.system' at line 1, column 4"
            ),
        ),
        (["1", "-c", "deep.json"], '"deep.json" is nested too deeply'),
        (["1", "-c", "-", "-c", "a=-"], "standard input can be read only once"),
    ],
)
def test_bad_context(arguments: list[str], said: str) -> None:
    """A file that holds no contexts is named, with exit code 2."""
    result = run(*arguments)
    *_, last = result.stderr.splitlines()
    assert (last, result.exit_code) == (f"Error: Invalid value for '--context': {said}", 2)


@pytest.mark.parametrize("arguments", [[], ["1", "2"], ["1", "--status", "skipped"], ["-1"]])
def test_bad_use(arguments: list[str]) -> None:
    """Without an expression, or with more than that, it says how it is used."""
    result = run(*arguments)
    assert (result.stderr.startswith("Usage: main eval [OPTIONS] EXPRESSION\n"), result.exit_code) == (True, 2)
