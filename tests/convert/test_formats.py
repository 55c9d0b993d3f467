from __future__ import annotations

import pytest

from fairlead.convert.conversion import Conversion, Note, Outcome
from fairlead.convert.formats import FormatName, guess, read
from fairlead.convert.report import report
from fairlead.syntax.source import Position


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("a.yml", "on: push\njobs: {a: {runs-on: x, steps: [{run: x}]}}", FormatName.GITHUB),
        ("a.yml", "on: workflow_call\njobs: {a: {uses: ./.github/workflows/x.yml}}", FormatName.GITHUB),
        ("a.yml", "jobs: {a: {runs-on: x, steps: [{run: x}]}}", FormatName.GITHUB),
        (
            "a.yml",
            "jobs: {a: {image: x, commands: [x], requires: [b]}, b: }",
            FormatName.ORCAOPS,
        ),
        ("a.json", '{\n\t"orchestration": {"jobs": {"a": {"steps": [{"run": "0407"}]}}}\n}', FormatName.AITHERZERO),
        ("a.json", '{"orchestration": {"stages": [{"name": "a", "sequences": ["0407"]}]}}', FormatName.AITHERZERO),
        ("a.json", '{"Name": "a", "Sequence": ["0407"]}', FormatName.AITHERZERO),
        ("a.PSD1", "@{ Name = 'a'; Sequence = @('0407') }", FormatName.AITHERZERO),
        ("a.yml", "stages: [{id: a, order: 1}]", FormatName.STORYGENERATOR),
        ("a.yml", "apiVersion: fairlead.dev/v1alpha1\nkind: Workflow\nspec: {jobs: {}}", None),
        ("a.yml", "stages: [a]", None),
        ("a.yml", "stages: []", None),
        ("a.yml", "[1]", None),
        ("a.yml", "text", None),
    ],
)
def test_guess(file: str, text: str, name: FormatName | None) -> None:
    """A document is known by what it holds."""
    (document,) = read(file, text)
    assert guess(document) == name


def test_report() -> None:
    """Each note is a line with its place, and a last one says what came of it."""
    notes = (
        Note(Outcome.MAPPED, ("a",), "one\ntwo", Position(3, 1)),
        Note(Outcome.REFUSED, ("b",), "no", Position(1, 1), "other.yml"),
        Note(Outcome.REFUSED, ("c",), "no"),
    )
    assert report("a.yml", Conversion((), notes)) == [
        "a.yml:3: mapped: one two",
        "other.yml:1: refused: no",
        "a.yml: refused: no",
        "a.yml: not converted (1 mapped, 2 refused)",
    ]


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (["Workflow"], "a Workflow"),
        (["WorkflowTemplate", "WorkflowTemplate", "Workflow"], "2 WorkflowTemplates and a Workflow"),
        ([], "nothing"),
    ],
)
def test_what_it_comes_to(kinds: list[str], said: str) -> None:
    """The last line counts what was made."""
    conversion = Conversion(tuple({"kind": kind} for kind in kinds), ())
    assert report("a.yml", conversion) == [f"a.yml: converted to {said}"]
