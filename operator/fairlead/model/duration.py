"""Durations as people write them: `90s`, `10m`, `1h30m`, or a number of seconds."""

from __future__ import annotations

import re

from fairlead.model.problem import quote

MOST_SECONDS = 366 * 24 * 3600
"""No workflow waits longer than a year; a larger figure is a mistake (and overflows int32 in Kubernetes)."""

_PATTERN = re.compile(r"(?:(?P<h>\d{1,9})h)?(?:(?P<m>\d{1,9})m)?(?:(?P<s>\d{1,9})s)?", re.ASCII)
_BARE = re.compile(r"\d{1,9}", re.ASCII)
_SECONDS = {"h": 3600, "m": 60, "s": 1}


def parse_duration(value: object) -> int:
    """Give the seconds that `value` stands for; ValueError words what is wrong with it."""
    match value:
        case bool():
            seconds = None
        case int():
            seconds = value
        case str() if _BARE.fullmatch(value):
            seconds = int(value)
        case str() if value and (found := _PATTERN.fullmatch(value)):
            seconds = sum(int(found[unit] or 0) * each for unit, each in _SECONDS.items())
        case _:
            seconds = None
    if seconds is None:
        raise ValueError(f"{quote(str(value))} is not a duration; write 90s, 10m, 1h30m or a whole number of seconds")
    if not 0 <= seconds <= MOST_SECONDS:
        raise ValueError(f"a duration lies between 0s and {format_duration(MOST_SECONDS)}")
    return seconds


def format_duration(seconds: float) -> str:
    """Write seconds the way they are read: `42s`, `3m5s`, `1h30m`; fractions are cut."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{left}s" if left else ""]
    return "".join(parts) or "0s"
