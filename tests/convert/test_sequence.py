"""The sequence language: which scripts of a folder are meant, and in which order."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.convert.aitherzero.scripts import Scripts
from fairlead.convert.aitherzero.sequence import Excluded, SequenceError, parse_sequence, resolve

FOLDER = Scripts(
    {
        "0001_Prepare.ps1": "# Stage: Prepare\n",
        "0400_Install.ps1": "# Stage: Testing\n# Tags: tools\n",
        "0402_Unit.ps1": "#Requires -Version 7.0\n# Stage: Testing\n# Tags: validation, unit\n",
        "0407_Syntax.ps1": "# Tags: Validation\n",
        "0450_Publish.ps1": "# Stage: Reporting\n# Dependencies: 0402, PackageManager\n",
        "0500_Environment.ps1": "param()\n" * 20 + "# Stage: Testing\n",
        "README.md": "# Stage: Testing\n",
        "no-number.ps1": "# Stage: Testing\n",
    }
)


def numbers(text: str, folder: Scripts | None = FOLDER) -> str:
    """Resolve an expression; give the numbers with blanks between them."""
    parts = parse_sequence(text)
    return " ".join(resolve(parts, folder, Excluded().add(parts, folder)).numbers)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("0407", "0407", id="a script"),
        pytest.param("0400-0499", "0400 0402 0407 0450", id="a range has those that exist"),
        pytest.param("0407,0402", "0407 0402", id="a list keeps its order"),
        pytest.param("04*", "0400 0402 0407 0450", id="a wildcard"),
        pytest.param("4*", "0400 0402 0407 0450", id="one digit is the hundreds"),
        pytest.param("040*", "0400 0402 0407", id="a wildcard with three digits"),
        pytest.param("0400-0499,!0450", "0400 0402 0407", id="without one"),
        pytest.param("!0401-0499 , 04*,0500", "0400 0500", id="without a range, wherever it stands"),
        pytest.param("stage:Testing", "0400 0402", id="a stage, of the first twenty lines"),
        pytest.param("stage:testing,!tag:tools", "0402", id="no case; without a tag"),
        pytest.param("tag:validation", "0402 0407", id="a tag"),
        pytest.param("0402,0400-0402,0402", "0402 0400", id="each once, where it is named first"),
        pytest.param("0407_Validate-Syntax.ps1", "0407", id="a file's name"),
        pytest.param("automation-scripts/0407.ps1", "0407", id="a file's path"),
        pytest.param("9999", "9999", id="a number that isn't there is left to the caller"),
        pytest.param("0400-0499,!04*", "", id="nothing is left"),
        pytest.param("0100-0199", "", id="a range without scripts"),
    ],
)
def test_what_is_meant(text: str, found: str) -> None:
    """An expression stands for these scripts."""
    assert numbers(text) == found


def test_without_a_folder() -> None:
    """Numbers are taken as they are, and ranges of them can be excluded."""
    assert numbers("0402,0407,0450,!0440-0460", None) == "0402 0407"


def test_parts_that_no_script_fits_are_told() -> None:
    """The caller learns which part was for nothing."""
    resolution = resolve(parse_sequence("0100-0199,0402"), FOLDER)

    assert (resolution.numbers, [part.text for part in resolution.empty]) == (("0402",), ["0100-0199"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'a number is missing in ""; write 0407, 0400-0499, 04*, stage:NAME or tag:NAME'),
        ("0402,,0407", 'a number is missing in "0402,,0407"; write 0407, 0400-0499, 04*, stage:NAME or tag:NAME'),
        ("407", '"407" is no script; write 0407, 0400-0499, 04*, stage:NAME or tag:NAME'),
        ("Run-Tests.ps1", '"Run-Tests.ps1" is no script; write 0407, 0400-0499, 04*, stage:NAME or tag:NAME'),
        ("0499-0400", '"0499-0400" ends before it begins; write 0400-0499'),
        ("stage:", '"stage:" names nothing; write stage:NAME'),
        ("stage:Testin", 'no script has the stage "Testin" in its header; did you mean "testing"?'),
        ("tag:xyz", 'no script has the tag "xyz" in its header; they have tools, unit, validation'),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    """What can't be read or isn't there is told with a way out."""
    with pytest.raises(SequenceError) as caught:
        numbers(text)

    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["0400-0499", "04*", "stage:Testing", "tag:unit", "0402,!tag:unit"])
def test_what_needs_the_folder(text: str) -> None:
    """Without the scripts nobody knows what these stand for."""
    with pytest.raises(SequenceError, match="stands for shows their folder; give --scripts DIR"):
        numbers(text, None)


def test_headers() -> None:
    """Stage, tags and dependencies are comments at the top; `None` is no dependency."""
    folder = Scripts(
        {"0402_A.ps1": "#Requires x\n#Stage: A B\n# Dependencies: None\n# Condition: IsWindows -eq $true\n"}
    )
    script = folder.get("0402")

    assert script is not None
    assert (script.words("stage"), script.words("dependencies"), script.header["condition"]) == (
        ("A B",),
        (),
        "IsWindows -eq $true",
    )


def test_two_files_of_one_number() -> None:
    """The first by name is it."""
    folder = Scripts({"0402_B.ps1": "", "0402_A.ps1": ""})
    script = folder.get("0402")

    assert (script.file if script else None, folder.twins("0402")) == ("0402_A.ps1", ("0402_A.ps1", "0402_B.ps1"))


_PIECES = st.sampled_from(
    ["0402", "0400-0499", "04*", "!", ",", "stage:", "tag:", "unit", "Testing", " ", "-", "*", "٣"]
)


@given(st.one_of(st.text(), st.lists(_PIECES).map("".join)), st.booleans())
def test_any_text_is_resolved_or_refused(text: str, known: bool) -> None:  # noqa: FBT001  whether there is a folder
    """Whatever the expression is, there are numbers of four digits, or an error with words, and nothing else."""
    try:
        found = numbers(text, FOLDER if known else None)
    except SequenceError as error:
        found, said = "", str(error)
    else:
        said = "fine"

    assert (re.fullmatch("[0-9]{4}( [0-9]{4})*|", found) is not None, bool(said)) == (True, True)
