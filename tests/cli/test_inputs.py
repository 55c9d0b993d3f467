from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fairlead.cli.files import WorkflowFile, read_workflow
from fairlead.cli.inputs import with_inputs
from fairlead.cli.where import CommandError

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
kind: Workflow
metadata: {}
spec:
  inputs: {level: 1, ratio: 0.5, fast: false, name: x, other: w}
"""


@pytest.fixture
def workflow(tmp_path: Path) -> WorkflowFile:
    """Give a file with inputs of all kinds."""
    path = tmp_path / "ci.yaml"
    path.write_text(TEXT)
    return read_workflow(str(path))


def test_inputs(workflow: WorkflowFile) -> None:
    """A given input keeps its kind; one without a name of its own is called after its file."""
    resource = with_inputs(workflow, ("level=3", "ratio=1", "fast=true", "name=12", "name=a=b"))
    assert (resource["metadata"], resource["spec"]["inputs"]) == (
        {"name": "ci"},
        {"level": 3, "ratio": 1, "fast": True, "name": "a=b", "other": "w"},
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("level", '--input "level" has no value; write NAME=VALUE'),
        ("levle=1", 'the workflow has no input "levle"; did you mean "level"?'),
        ("zzz=1", 'the workflow has no input "zzz"; it has level, ratio, fast, name, other'),
        ("level=high", 'the input "level" is a number, which "high" is not'),
        ("level=NaN", 'the input "level" is a number, which "NaN" is not'),
        ("level=true", 'the input "level" is a number, which "true" is not'),
        ("fast=maybe", 'the input "fast" is true or false, which "maybe" is not'),
        ("fast=1", 'the input "fast" is true or false, which "1" is not'),
    ],
)
def test_wrong(workflow: WorkflowFile, given: str, said: str) -> None:
    """What doesn't fit is told with what would."""
    with pytest.raises(CommandError, match=f"^{re.escape(said)}$"):
        with_inputs(workflow, (given,))


def test_inputs_of_a_template(tmp_path: Path) -> None:
    """Those of a template are its own business."""
    path = tmp_path / "ci.yaml"
    path.write_text("kind: Workflow\nmetadata: {name: a}\nspec: {uses: t, with: {level: '1'}}\n")
    resource = with_inputs(read_workflow(str(path)), ("level=2", "new=x"))
    assert resource["spec"] == {"uses": "t", "with": {"level": "2", "new": "x"}}
