from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from fairlead.cli.files import UnreadableFileError, listed, read_source, read_text, read_workflow

WORKFLOW = """\
apiVersion: fairlead.dev/v1alpha1
kind: Workflow
metadata: {name: ci}
spec: {jobs: {a: {image: a, commands: [a]}}}
"""
TEMPLATE = WORKFLOW.replace("kind: Workflow", "kind: WorkflowTemplate").replace("ci", "deploy")
BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)

BAD: dict[str, tuple[bytes, str]] = {
    "not UTF-8": (b"kind: Workflow\na: \xff\xfe\n", "is not UTF-8 (line 2); save it as UTF-8"),
    "UTF-16": (WORKFLOW.encode("utf-16"), "is not UTF-8 (line 1); save it as UTF-8"),
    "not YAML": (b"a: b: c\n", "not YAML: mapping values are not allowed in this context at line 1, column 5"),
    "five megabytes": (b"a: b\n" * 1_100_000, "it has more than 3 MiB, which no cluster would take"),
    "a bomb": (
        BOMB.encode(),
        "it has more than 500000 values, counting what its aliases repeat at line 1, column 18",
    ),
    "nothing": (b"", "is empty; a Workflow is expected"),
    "comments": (b"# a\n---\n", "is empty; a Workflow is expected"),
    "two": (
        f"{WORKFLOW}---\n{WORKFLOW.replace('ci', 'cd')}".encode(),
        'holds 2 Workflows ("ci", "cd"), and one is needed; put each into a file of its own',
    ),
    "only a template": (
        TEMPLATE.encode(),
        "holds no Workflow, only a WorkflowTemplate, which runs when it is called; write a Workflow that uses it",
    ),
    "another kind": (b"kind: ConfigMap\n", 'holds no Workflow, but a "ConfigMap"'),
    "a kind that is misspelled": (b"kind: Worklow\n", 'holds no Workflow, but a "Worklow"; did you mean "Workflow"?'),
    "one of GitHub's": (
        b"on: push\njobs: {a: {}}\n",
        "is a workflow of GitHub Actions, not a Workflow; `fairlead convert` makes one of it",
    ),
    "no kind": (
        b"a: b\n",
        "is not a Workflow: it has no kind; begin with apiVersion: fairlead.dev/v1alpha1 and kind: Workflow",
    ),
    "a list": (b"- a\n", "is not a Workflow: it holds a list, not a resource"),
    "a word": (b"a\n", "is not a Workflow: it holds a single value, not a resource"),
}


def refused(path: str) -> str:
    """Give what is said of a file that can't be read."""
    with pytest.raises(UnreadableFileError) as caught:
        read_workflow(path)
    assert (caught.value.exit_code, caught.value.message.isprintable()) == (2, True)
    return caught.value.message


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD)
def test_bad_content(tmp_path: Path, content: bytes, said: str) -> None:
    """What is no Workflow is told in a line, with exit code 2."""
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    assert refused(str(path)) == f"{path}: {said}"


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that isn't there is named, with one of a name like it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ci.yaml").write_text(WORKFLOW)
    assert [refused(name) for name in ("ci.yml", "zzz", "no/such/folder.yaml", "ci.yaml/x")] == [
        "ci.yml: no such file; did you mean ci.yaml?",
        "zzz: no such file",
        "no/such/folder.yaml: no such file",
        "ci.yaml/x: can't be read: not a directory",
    ]


def test_directory(tmp_path: Path) -> None:
    """A folder is no file."""
    assert refused(str(tmp_path)) == f"{tmp_path}: is a directory; name a file in it"


@pytest.mark.parametrize("name", ["\x1b[2J", "a\0b", "a\nb", "\udcff", "x" * 5000])
def test_strange_names(name: str) -> None:
    """Whatever a file is called, the message is harmless."""
    refused(name)


def test_endless() -> None:
    """A file without end is not read to it."""
    assert refused("/dev/zero") == "/dev/zero: it has more than 3 MiB, which no cluster would take"


def test_workflow(tmp_path: Path) -> None:
    """The Workflow is found among templates and others, a byte order mark doesn't matter."""
    path = tmp_path / "release.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + f"kind: ConfigMap\n---\n{TEMPLATE}---\n{WORKFLOW}".encode())
    file = read_workflow(str(path))
    assert (file.name, file.spec, list(file.templates), file.document.values["metadata", "name"].line) == (
        "ci",
        {"jobs": {"a": {"image": "a", "commands": ["a"]}}},
        ["deploy"],
        10,
    )


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ("{name: a}", "a"),
        ("{generateName: a-b-}", "a-b"),
        ("{}", "release"),
        ("[]", "release"),
        ("{name: 5}", "release"),
    ],
)
def test_name(tmp_path: Path, metadata: str, name: str) -> None:
    """A Workflow without a name is called after its file."""
    path = tmp_path / "release.yaml"
    path.write_text(WORKFLOW.replace("{name: ci}", metadata))
    assert read_workflow(str(path)).name == name


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash stands for it; where the program has none, that is said."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WORKFLOW.encode())))
    source = read_source("-")
    monkeypatch.setattr(sys, "stdin", None)
    assert (source.name, len(source.documents), refused("-")) == (
        "<stdin>",
        1,
        "<stdin>: can't be read: standard input is closed",
    )


def test_text_alone(tmp_path: Path) -> None:
    """A file's text can be read whatever is in it."""
    path = tmp_path / "x"
    path.write_text("a: b: c\n")
    assert read_text(str(path)).text == "a: b: c\n"


def test_listed(tmp_path: Path) -> None:
    """A folder's YAML files are given in order; without any, that is said."""
    for name in ("b.yaml", "a.yml", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.yaml").mkdir()
    with pytest.raises(UnreadableFileError, match=r"has no files that end in \.yaml or \.yml"):
        listed(str(tmp_path / "d.yaml"))
    assert [Path(each).name for each in listed(str(tmp_path))] == ["a.yml", "b.yaml"]
