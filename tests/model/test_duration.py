from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.duration import MOST_SECONDS, format_duration, parse_duration


@given(st.integers(0, MOST_SECONDS))
def test_round_trip(seconds: int) -> None:
    """What is written is read back as the same, however it is written."""
    assert [parse_duration(format_duration(seconds)), parse_duration(seconds), parse_duration(str(seconds))] == [
        seconds
    ] * 3


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h1m1s", 3661), ("0s", 0), ("45", 45), (0, 0), ("90m", 5400)],
)
def test_parse(text: object, seconds: int) -> None:
    """Hours, minutes and seconds are added up; a bare number is seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.9, "0s"), (-5, "0s"), (42, "42s"), (185.7, "3m5s"), (3600, "1h"), (5400, "1h30m"), (3601, "1h1s")],
)
def test_format(seconds: float, text: str) -> None:
    """Units that are zero are left out, fractions are cut."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("soon", '"soon"'),
        ("", '""'),
        ("10 m", '"10 m"'),
        ("1m1h", '"1m1h"'),
        ("1.5h", '"1.5h"'),
        ("-5s", '"-5s"'),
        ("٣s", '"٣s"'),
        ("\x1b[31m", '"\\x1b[31m"'),
        (True, '"True"'),
        (1.5, '"1.5"'),
        (None, '"None"'),
        (["1m"], "\"['1m']\""),
        ("9" * 200, f'"{"9" * 80}…"'),
    ],
)
def test_not_a_duration(value: object, shown: str) -> None:
    """Anything else is refused with what can be written, and never shown raw."""
    with pytest.raises(ValueError, match="is not a duration") as caught:
        parse_duration(value)
    assert str(caught.value) == f"{shown} is not a duration; write 90s, 10m, 1h30m or a whole number of seconds"


@pytest.mark.parametrize("value", [-1, MOST_SECONDS + 1, "9000h", "999999999h"])
def test_out_of_range(value: object) -> None:
    """Nothing is longer than a year, nor shorter than nothing."""
    with pytest.raises(ValueError, match="a duration lies between 0s and 8784h"):
        parse_duration(value)
