from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.kube.jsontext import MOST_LEVELS, read_json, shallow

VALUES = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=3), inside, max_size=4),
    max_leaves=300,
)


@given(VALUES)
def test_what_is_not_deep_stays(value: object) -> None:
    """A document of usual depth is the same text as before, whatever its strings look like."""
    content = orjson.dumps([value, ["[{" * MOST_LEVELS, '\\"{']])
    assert shallow(content) is content


@pytest.mark.parametrize(("opened", "closed", "each"), [("[", "]", 1), ('{"a": ', "}", 1), ('[{"]}\\"": ', "}, 1]", 2)])
@pytest.mark.parametrize("levels", [MOST_LEVELS, 2 * MOST_LEVELS, 9900])
def test_what_is_deep_is_cut(opened: str, closed: str, each: int, levels: int) -> None:
    """What lies too deep becomes null; what stands before, beside and after it stays."""
    times = levels // each
    content = f'[{{"deep": {opened * times}7{closed * times}, "beside": {{"b": "}}"}}}}, "after"]'.encode()
    cut = json.loads(shallow(content))
    read = read_json(content)
    assert (depth(cut), cut[0]["beside"], cut[1]) == (MOST_LEVELS, {"b": "}"}, "after")
    assert (read[0]["beside"], read[1]) == ({"b": "}"}, "after")


def depth(value: object) -> int:
    """Count levels."""
    level, levels = [value], 0
    while any(isinstance(each, dict | list) for each in level):
        level = [
            inside
            for each in level
            if isinstance(each, dict | list)
            for inside in (each.values() if isinstance(each, dict) else each)
        ]
        levels += 1
    return levels


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"[" * 5000, b'"' + b"[" * 5000, b"nonsense"])
def test_what_is_no_json(content: bytes) -> None:
    """Anything else is an error, as it is for the parser."""
    with pytest.raises(orjson.JSONDecodeError):
        read_json(content)
