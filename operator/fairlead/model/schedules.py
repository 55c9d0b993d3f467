"""When a schedule's times come, and which of those that have passed is to be run.

The lines are cron's, with the names and macros that a Kubernetes CronJob takes, read as Debian's cron reads them. Where
clocks change, a time that comes twice counts once, one that is left out comes when the gap ends, and lines whose minute
or hour begins with `*` go by the time that really passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from fairlead.model.problem import closest, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_MISSED: Final = 100
"""Missed times are counted up to here; this many says "this many or more"."""

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT",
}
_MOST_CHARACTERS = 200
# From a leap year on, the library's fifty years hold every way that dates and weekdays can meet.
_SOMETIME = datetime(2000, 1, 1, tzinfo=UTC)
# These follow the machine that the operator happens to run on.
_MACHINE_ZONES = frozenset({"local", "localtime", "posixrules", "factory"})


class ScheduleError(ValueError):
    """A cron line or time zone that check_cron or check_timezone would have refused."""


@dataclass(frozen=True, slots=True)
class Due:
    """What has come due: the time to run for, if any, and how many others were missed (MOST_MISSED at most)."""

    time: datetime | None
    missed: int


def check_cron(text: str) -> str | None:
    """Say what is wrong with a cron line, and what to write instead; None if nothing is.

    Besides numbers, names, lists, ranges, steps and macros, the day-of-month may be `L` or `LW` and the day-of-week
    `5L` or `MON#2`.
    """
    if len(text) > _MOST_CHARACTERS:
        return f"a cron line has at most {_MOST_CHARACTERS} characters"
    if text.strip().startswith("@"):
        macro = text.strip().lower()
        return None if macro in _MACROS else f"no macro {quote(macro)}; known are {', '.join(_MACROS)}"
    if "=" in text:
        return "a cron line holds no TZ=; write the zone into timezone"
    fields = text.split()
    if len(fields) != len(_FIELDS):
        names = " ".join(_FIELDS)
        return f'{quote(text)} has {len(fields)} fields, not 5; write {names}, such as "30 5 * * 1-5"'
    for index, (name, field) in enumerate(zip(_FIELDS, fields, strict=True)):
        alone = " ".join(field if each == index else "*" for each in range(len(_FIELDS)))
        if not _parses(alone):
            return f"{quote(field)} is no {name}; write {_FIELDS[name]}, *, a list 1,3, a range 1-3 or a step */2"
    if not _comes(text):
        return f"{quote(text)} never comes: no month that it names has such a day"
    return None


def check_timezone(text: str) -> str | None:
    """Say what is wrong with the name of a time zone; None if nothing is."""
    if text.lower() not in _MACHINE_ZONES and _zone(text) is not None:
        return None
    alike = sorted(name for name in _known_zones() if name[:1].lower() == text[:1].lower())
    meant = closest(text, alike)
    hint = f"; did you mean {quote(meant)}?" if meant else '; write a name such as "Europe/Berlin" or "UTC"'
    return f"no time zone {quote(text)}{hint}"


def next_time(cron: str, timezone: str, after: datetime) -> datetime:
    """Give the next time of a schedule, in UTC, strictly after an aware datetime. ScheduleError if there is none."""
    try:
        return next(_times(cron, timezone, after))
    except StopIteration:
        raise ScheduleError(f"{quote(cron)} never comes") from None


def due(cron: str, timezone: str, *, since: datetime, now: datetime, starting_deadline: int | None) -> Due:
    """Decide about the times after `since` and up to `now`, as a CronJob does.

    The newest is to be run, unless more than `starting_deadline` seconds have passed since; all others are missed. It
    takes a bounded number of steps however much time has passed. ScheduleError as next_time.
    """
    passed = takewhile(lambda time: time <= now, _times(cron, timezone, since))
    count = sum(1 for _ in islice(passed, MOST_MISSED + 1))
    if not count:
        return Due(None, 0)
    newest = _newest(cron, timezone, since, now)
    if starting_deadline is not None and now - newest > timedelta(seconds=starting_deadline):
        return Due(None, min(count, MOST_MISSED))
    return Due(newest, count - 1)


def _newest(cron: str, timezone: str, since: datetime, now: datetime) -> datetime:
    """Find the last time up to now, of which there is one after `since`, by halving what lies between."""
    newest = next_time(cron, timezone, since)
    end = now
    while (following := next_time(cron, timezone, newest)) <= now:
        middle = newest + (end - newest) / 2
        later = next_time(cron, timezone, middle)
        if later <= now:
            newest = later
        else:
            newest, end = following, middle
    return newest


def _times(cron: str, timezone: str, after: datetime) -> Iterator[datetime]:
    zone = _zone(timezone)
    if zone is None:
        raise ScheduleError(f"no time zone {quote(timezone)}")
    try:
        times = CronSim(_plain(cron), after.astimezone(zone))
    except CronSimError as error:
        raise ScheduleError(f"{quote(cron)} is no cron line: {error}") from None
    # Where an hour is repeated, the library may begin with a time of its first half.
    return (time for time in (each.astimezone(UTC) for each in times) if time > after)


def _plain(cron: str) -> str:
    """Write macros out, and `?` as the `*` that it means."""
    text = cron.strip()
    return " ".join("*" if field == "?" else field for field in _MACROS.get(text.lower(), text).split())


def _parses(cron: str) -> bool:
    try:
        CronSim(_plain(cron), _SOMETIME)
    except CronSimError:
        return False
    return True


def _comes(cron: str) -> bool:
    try:
        return next(CronSim(_plain(cron), _SOMETIME), None) is not None
    except CronSimError:
        return False


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo | None:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())
