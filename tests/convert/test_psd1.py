"""PowerShell data files: what they hold, where it stands, and that anything else is told with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.convert.psd1 import read_documents
from fairlead.syntax.source import Position, SourceError


def value_of(text: str) -> object:
    """Read the one value of a file."""
    (document,) = read_documents(text)
    return document.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("@{ A = 1; B = -2.5\n C = 0x1F }", {"A": 1, "B": -2.5, "C": 31}, id="numbers"),
        pytest.param("@{ A = 2KB; B = 1e3; C = .5 }", {"A": 2048, "B": 1000.0, "C": 0.5}, id="sizes and exponents"),
        pytest.param("@{ A = $True; B = $false; C = $NULL }", {"A": True, "B": False, "C": None}, id="constants"),
        pytest.param("@{ A = 'it''s $x `n' }", {"A": "it's $x `n"}, id="single quotes keep everything"),
        pytest.param('@{ A = "a`tb `"c`" ""d"" `$e" }', {"A": 'a\tb "c" "d" $e'}, id="double quotes have escapes"),
        pytest.param("@{ A = \u2018typographic\u2019 }", {"A": "typographic"}, id="quotes of word processors"),
        pytest.param("@{\nA = @'\nit's\n  two lines\n'@\n}", {"A": "it's\n  two lines"}, id="a here-string"),
        pytest.param('@{\nA = @"\nx`$y\n"@\n}', {"A": "x$y"}, id="a here-string with escapes"),
        pytest.param("@{\nA = @'\n'@\n}", {"A": ""}, id="an empty here-string"),
        pytest.param("@{ A = @(1, 2\n3; 4) }", {"A": [1, 2, 3, 4]}, id="lines and commas make one array"),
        pytest.param("@{ A = @(@(1, 2)) }", {"A": [1, 2]}, id="an array alone in an array is unrolled"),
        pytest.param("@{ A = @(@(1, 2), @(3)) }", {"A": [[1, 2], [3]]}, id="arrays with commas stay"),
        pytest.param("@{ A = 'x', 'y' }", {"A": ["x", "y"]}, id="commas alone make an array"),
        pytest.param("@{ A = @(); B = @{} }", {"A": [], "B": {}}, id="nothing inside"),
        pytest.param("@{ 'a b' = 1; 2 = 3; \"c\" = 4 }", {"a b": 1, "2": 3, "c": 4}, id="keys in quotes and numbers"),
        pytest.param("# top\n<# a\n} block #>\n[ordered]@{ A = 1 # end\n}", {"A": 1}, id="comments, and a cast"),
        pytest.param("@{ A = `\n 1\n\n B =\n 2 }", {"A": 1, "B": 2}, id="lines go on"),
        pytest.param("@{ A = (1) }", {"A": 1}, id="parentheses"),
        pytest.param("\ufeff@{ A = 1 }\r\n", {"A": 1}, id="a byte-order mark and Windows' line ends"),
        pytest.param("'only a text'", "only a text", id="no table"),
    ],
)
def test_what_a_file_holds(text: str, value: object) -> None:
    """Literals are what PowerShell makes of them."""
    assert value_of(text) == value


def test_a_script_block_is_its_text() -> None:
    """Braces in a block's texts and comments don't end it."""
    assert value_of("@{ A = { if ($x) { '}' } # }\n} }") == {"A": " if ($x) { '}' } # }\n"}


def test_an_empty_file_has_no_document() -> None:
    """Comments alone are no value."""
    assert read_documents("# nothing\n\n<# here #>\n") == []


def test_places() -> None:
    """Every key and every value has its line and column."""
    (document,) = read_documents("@{\n  Name = 'x'\n  List = @(\n    'a'\n    @{ B = 2 }\n  )\n}\n")

    assert dict(document.keys) == {
        ("Name",): Position(2, 3),
        ("List",): Position(3, 3),
        ("List", 1, "B"): Position(5, 8),
    }
    assert document.position(("List", 0)) == Position(4, 5)
    assert document.values[("List", 1, "B")] == Position(5, 12)


def test_a_key_twice() -> None:
    """Keys have no case; the last one counts, under the first one's name."""
    (document,) = read_documents("@{ Name = 1\nname = 2 }")

    assert (document.value, document.duplicates) == ({"Name": 2}, ((("Name",), Position(2, 1)),))


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("@{ A = $env:X }", "$env:X is known only when it is run; a data file has $true, $false and $null", (1, 8)),
        ("@{ A = $x }", "$x is known only when it is run; a data file has $true, $false and $null", (1, 8)),
        (
            '@{ A = "v$x" }',
            "a text in double quotes is filled in where it has $; write it in single quotes, or `$",
            (1, 10),
        ),
        ("@{ A = Get-Date }", '"Get-Date" is no plain value; texts go into quotes', (1, 8)),
        ("@{ A = 'x' + 'y' }", '"+" can\'t stand here; a data file has only plain values', (1, 12)),
        ("@{ A = 1 B = 2 }", '"B" can\'t stand here; a data file has only plain values', (1, 10)),
        ("@{\n A = 1", '"@{" is never closed by "}"', (1, 1)),
        ("@{ A = @(1 }", '"}" can\'t stand here; "@(" is closed by ")"', (1, 12)),
        ("@{ A }", 'the key "A" has no value; write KEY = VALUE', (1, 4)),
        ("@{ A = }", "a value is missing here", (1, 8)),
        ("@{ = 1 }", '"=" is no key; write KEY = VALUE', (1, 4)),
        ("@{ A = 'x", "this text is never closed by a quote", (1, 8)),
        ("@{ A = @'\nx", "this here-string is never closed by a quote and @ at a line's beginning", (1, 8)),
        ("@{ A = @'x'@ }", "the text of a here-string begins on the next line", (1, 8)),
        ("@{ A = { x }", '"@{" is never closed by "}"', (1, 1)),
        ("<# x", "this comment is never closed by #>", (1, 1)),
        ("@{ A = 1e999 }", '"1e999" is no number that JSON has; put it into quotes', (1, 8)),
        ("@{ A = 1 }\n@{ B = 2 }", '"@{" comes after the data; a data file has one value', (2, 1)),
        ("@(" * 101, "it is nested more than 100 levels deep", (1, 201)),
    ],
)
def test_what_is_no_data(text: str, message: str, place: tuple[int, int]) -> None:
    """What would have to be run, and what isn't whole, is told at its place."""
    with pytest.raises(SourceError) as caught:
        read_documents(text)

    assert (caught.value.message, caught.value.position) == (message, Position(*place))


def test_too_large() -> None:
    """A file that no cluster would take isn't read."""
    with pytest.raises(SourceError, match="it has more than 3 MiB"):
        read_documents(" " * (3 * 2**20 + 1))


_PIECES = st.sampled_from(
    [
        *("@{", "@(", "}", ")", "(", "A = ", "'x'", '"y`n"', "1", "-2kb", ",", ";", "\n", "$true", "$x", "# c\n", "<#"),
        *("#>", "@'\n", "\n'@", '@"\n', '\n"@', "{", "`", "\u2019", "[ordered]", "=", "\0", "é"),
    ]
)


@given(st.one_of(st.text(), st.lists(_PIECES).map("".join)))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the file is, there is a document or an error with words, and nothing else."""
    try:
        read = bool(read_documents(text)) or "nothing in it"
    except SourceError as error:
        read = error.message

    assert read


_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=20,
)


def _written(value: object) -> str:
    match value:
        case None:
            return "$null"
        case bool():
            return f"${value}"
        case int() | float():
            return repr(value)
        case dict():
            return f"@{{{';'.join(f'{_written(key)} = {_written(each)}' for key, each in value.items())}}}"
        case _:
            text = str(value)
            for quote in "'\u2018\u2019\u201a\u201b":
                text = text.replace(quote, quote * 2)
            return f"'{text}'"


@given(st.dictionaries(st.text(min_size=1), _VALUES, max_size=4))
def test_what_is_written_is_read(value: dict[str, object]) -> None:
    """A table written as PowerShell writes it comes back as it was, but for keys that differ only in case."""
    folded = {key.casefold() for key in value}
    if len(folded) == len(value) and all(_distinct(each) for each in value.values()):
        assert value_of(_written(value)) == value


def _distinct(value: object) -> bool:
    if not isinstance(value, dict):
        return True
    return len({key.casefold() for key in value}) == len(value) and all(map(_distinct, value.values()))
