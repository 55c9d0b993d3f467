from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from fairlead.cli.main import main
from fairlead.syntax import parse_spec
from fairlead.syntax.source import read_documents

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

CI = """\
name: CI
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
    - run: |
        make
        make test
"""
REFUSED = CI.replace("run: |", "uses: team/action@v1\n    - run: |")
CALLER = "on: push\njobs: {call: {uses: ./.github/workflows/called.yml}}\n"
CALLED = "on: workflow_call\njobs: {test: {runs-on: big, steps: [{run: make}]}}\n"
ORCAOPS = "name: x\njobs: {build: {image: busybox, commands: [make], requires: []}}\n"
STORY = "stages: [{id: load}]\n"
STAGES = "load: {image: busybox, run: load}\n"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with files of all kinds."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "caller.yml").write_text(CALLER)
    (folder / "called.yml").write_text(CALLED)
    for name, text in {
        "ci.yml": CI,
        "refused.yml": REFUSED,
        "github": CI,
        "orca.yml": ORCAOPS,
        "story.yml": STORY,
        "stages.yaml": STAGES,
        "images.yaml": "big: my/image:1\n",
        "list.yaml": "[1]\n",
        "numbers.yaml": "big: 1\n",
        "broken.yml": "a: b\nc: [\n",
        "two.yml": "a: b\n---\nc: d\n",
        "empty.yml": "",
        "unknown.yml": "a: b\n",
        "tabs.json": '{\n\t"stages": [{"id": "load"}]\n}\n',
        "big.yml": "a: " + "x" * (5 * 2**20) + "\n",
        "bomb.yml": "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)),
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bom.yml").write_bytes(b"\xef\xbb\xbf" + CI.encode())


def run(*arguments: str, given: str = "") -> Result:
    """Run `fairlead convert`."""
    return CliRunner().invoke(main, ["convert", *arguments], input=given, catch_exceptions=False)


def test_converted() -> None:
    """The YAML is on standard output, scripts as they were written, and the report on standard error."""
    result = run("ci.yml")
    assert (result.exit_code, result.stdout) == (
        0,
        """\
apiVersion: fairlead.dev/v1alpha1
kind: Workflow
metadata:
  name: ci
  annotations:
    convert.fairlead.dev/name: CI
    convert.fairlead.dev/on: '{"push":{}}'
spec:
  jobs:
    test:
      image: buildpack-deps:noble
      steps:
        - run: |
            make
            make test
""",
    )
    assert result.stderr == (
        "ci.yml:2: left out: nothing here starts runs by push: applying it does. "
        "The annotation convert.fairlead.dev/on keeps what was said\n"
        "ci.yml:5: approximated: ubuntu-latest is the image buildpack-deps:noble, "
        "which has less in it than GitHub's machine, and no sudo\n"
        "ci.yml: converted to a Workflow (1 approximated, 1 left out)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        (["ci.yml", "bom.yml"], ["Workflow", "Workflow"]),
        (["github", "ci.yml", "ci.yml"], ["Workflow"]),
        (["./github"], ["Workflow"]),
        (["-"], ["Workflow"]),
        ([".github/workflows/caller.yml", "--images", "images.yaml"], ["WorkflowTemplate", "Workflow"]),
        ([".github/workflows/called.yml", "--images", "images.yaml"], ["WorkflowTemplate"]),
        (["refused.yml", "--skip-unsupported"], ["Workflow"]),
        (["orca.yml"], ["Workflow"]),
        (["story.yml", "--stages", "stages.yaml"], ["Workflow"]),
        (["storygenerator", "tabs.json", "--stages", "stages.yaml"], ["Workflow"]),
    ],
)
def test_files(arguments: list[str], kinds: list[str]) -> None:
    """Each file is converted, by the format that is named or that it looks like, to what can be read again."""
    result = run(*arguments, given=CI)
    assert result.exit_code == 0, result.stderr
    documents = [document.value for document in read_documents(result.stdout)]
    assert [isinstance(each, dict) and each["kind"] for each in documents] == kinds
    for each in documents:
        if isinstance(each, dict) and each["kind"] == "Workflow":
            parse_spec(each["spec"])


def test_refused() -> None:
    """A file with a part that has no counterpart isn't written; the others are."""
    result = run("refused.yml", "ci.yml")
    assert result.exit_code == 1
    assert result.stdout.count("kind: Workflow\n") == 1
    assert (
        "refused.yml:7: refused: team/action is an action, which can't be run here; write its commands as run\n"
        in result.stderr
    )
    assert "refused.yml: not converted (1 approximated, 1 left out, 1 refused)\n" in result.stderr


def test_folder(tmp_path: Path) -> None:
    """With -o each source has a file of its name; what is there is kept, but for --force."""
    first = run("ci.yml", "refused.yml", "-o", "out/of")
    folder = tmp_path / "out" / "of"
    assert (first.exit_code, first.stdout, [path.name for path in folder.iterdir()]) == (1, "", ["ci.yaml"])
    (folder / "ci.yaml").write_text("mine")
    second = run("ci.yml", "-o", "out/of")
    assert (second.exit_code, second.stderr, (folder / "ci.yaml").read_text()) == (
        2,
        'Error: "out/of/ci.yaml" is there already; --force overwrites it\n',
        "mine",
    )
    assert run("ci.yml", "-o", "out/of", "--force").exit_code == 0
    assert "kind: Workflow" in (folder / "ci.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.yml"], 'can\'t read "missing.yml": No such file or directory'),
        ([".github"], 'can\'t read ".github": Is a directory'),
        (["github"], "no file is named: write fairlead convert github FILE"),
        (["binary.yml"], '"binary.yml" is not UTF-8'),
        (["broken.yml"], "broken.yml:3: not YAML: "),
        (["broken.yml", "ci.yml"], "broken.yml:3: not YAML: "),
        (["two.yml"], "two.yml has 2 documents, and one is expected"),
        (["empty.yml"], "empty.yml is empty"),
        (
            ["unknown.yml"],
            "unknown.yml is of none of the known formats (github, orcaops, aitherzero, storygenerator); ",
        ),
        (["big.yml"], "big.yml: it has more than 3 MiB, which no cluster would take"),
        (["bomb.yml"], "bomb.yml:1: it has more than 500000 values, counting what its aliases repeat"),
        (["ci.yml", "--images", "list.yaml"], "--images list.yaml has to hold one map (KEY: VALUE)"),
        (["ci.yml", "--images", "numbers.yaml"], "--images numbers.yaml maps labels to images, as ubuntu-latest: "),
        (["ci.yml", "--stages", "broken.yml"], "--stages broken.yml: not YAML: "),
        (["ci.yml", "--stages", "missing.yml"], 'can\'t read "missing.yml": No such file or directory'),
        (["ci.yml", "--scripts", "ci.yml"], '--scripts "ci.yml" is no folder'),
        (["ci.yml", "-o", "github"], 'can\'t make the folder "github": File exists'),
        (["ci.yml", ".github/../ci.yml", "-o", "x"], 'two of the files would be written to "x/ci.yaml"; '),
    ],
)
def test_unusable(arguments: list[str], said: str) -> None:
    """What can't be read or written is one line, and exit code 2."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"Error: {said}")


def test_stays_in_the_project(tmp_path: Path) -> None:
    """A link out of the project isn't followed: what is there belongs to somebody else."""
    outside = tmp_path.parent / f"{tmp_path.name}-outside.yml"
    outside.write_text(CALLED)
    called = tmp_path / ".github" / "workflows" / "called.yml"
    called.unlink()
    called.symlink_to(outside)
    result = run(".github/workflows/caller.yml")
    assert result.exit_code == 1
    assert "there is no such file in this project" in result.stderr


def test_nothing_for_a_terminal_to_obey() -> None:
    """Control characters of a source don't reach the terminal."""
    result = run("-", given=CI.replace("ubuntu-latest", '"\\e[31mred"'))
    assert (result.exit_code, "\x1b" in result.output) == (1, False)
