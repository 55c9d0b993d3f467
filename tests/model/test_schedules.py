from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.model.schedules import Due, ScheduleError, check_cron, check_timezone, due, next_time

BERLIN = "Europe/Berlin"


def _at(text: str, zone: str = "UTC", fold: int = 0) -> datetime:
    """Read a wall clock in a zone; `fold` is 1 for the second of two such times."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def _times(cron: str, zone: str, after: datetime, count: int) -> list[datetime]:
    times = [next_time(cron, zone, after)]
    while len(times) < count:
        times.append(next_time(cron, zone, times[-1]))
    return times


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", "2026-03-10 12:01"),
        ("*/15 * * * *", "2026-03-10 12:15"),
        ("5-9/2,40 12 * * *", "2026-03-10 12:05"),
        ("0 12 * * *", "2026-03-11 12:00"),
        ("30 5 * * MON-fri", "2026-03-11 05:30"),
        ("30 5 * * 7", "2026-03-15 05:30"),
        ("0 0 29 feb *", "2028-02-29 00:00"),
        ("0 0 13 * fri", "2026-03-13 00:00"),
        ("0 0 1 4 ?", "2026-04-01 00:00"),
        ("0 0 L * *", "2026-03-31 00:00"),
        ("@hourly", "2026-03-10 13:00"),
        ("@daily", "2026-03-11 00:00"),
        ("@midnight", "2026-03-11 00:00"),
        ("@weekly", "2026-03-15 00:00"),
        ("@Monthly", "2026-04-01 00:00"),
        ("@yearly", "2027-01-01 00:00"),
        (" @annually ", "2027-01-01 00:00"),
    ],
)
def test_next_time(cron: str, expected: str) -> None:
    """The next time lies strictly after the one that is given."""
    after = _at("2026-03-10 12:00")
    assert (check_cron(cron), next_time(cron, "UTC", after)) == (None, _at(expected))


def test_day_of_month_or_day_of_week() -> None:
    """Where both days are given, either will do."""
    days = [time.day for time in _times("0 0 13 * fri", "UTC", _at("2026-03-01 00:00"), 5)]
    assert days == [6, 13, 20, 27, 3]


def test_fractions_of_a_second() -> None:
    """A time that has begun has passed."""
    moment = _at("2026-03-10 12:00") + timedelta(microseconds=1)
    before = _at("2026-03-10 12:00") - timedelta(microseconds=1)
    assert (next_time("0 * * * *", "UTC", moment), next_time("0 * * * *", "UTC", before)) == (
        _at("2026-03-10 13:00"),
        _at("2026-03-10 12:00"),
    )


def test_timezone() -> None:
    """The line is about the clocks of its zone; the answer is in UTC."""
    time = next_time("0 9 * * *", "Asia/Tokyo", _at("2026-03-10 12:00"))
    assert (time, time.tzinfo) == (datetime(2026, 3, 11, 0, 0, tzinfo=UTC), UTC)


def test_a_time_that_is_left_out_comes_when_the_gap_ends() -> None:
    """On 29 March 2026 clocks in Berlin go from 02:00 to 03:00."""
    times = _times("30 2 * * *", BERLIN, _at("2026-03-28 00:00", BERLIN), 3)
    assert times == [
        _at("2026-03-28 02:30", BERLIN),
        _at("2026-03-29 03:00", BERLIN),
        _at("2026-03-30 02:30", BERLIN),
    ]


def test_a_time_that_comes_twice_counts_once() -> None:
    """On 25 October 2026 clocks in Berlin go from 03:00 to 02:00."""
    times = _times("30 2 * * *", BERLIN, _at("2026-10-24 12:00", BERLIN), 2)
    assert times == [_at("2026-10-25 02:30", BERLIN), _at("2026-10-26 02:30", BERLIN)]


def test_asked_in_the_repeated_hour() -> None:
    """In the second 02:15, the first 02:30 has passed."""
    later = next_time("30 2 * * *", BERLIN, _at("2026-10-25 02:15", BERLIN, fold=1))
    assert later == _at("2026-10-26 02:30", BERLIN)


def test_a_frequent_schedule_goes_by_the_time_that_passes() -> None:
    """A line that begins with * has neither a gap nor a pile where clocks change."""
    spring = _times("*/30 * * * *", BERLIN, _at("2026-03-29 01:00", BERLIN), 6)
    autumn = _times("*/30 * * * *", BERLIN, _at("2026-10-25 01:30", BERLIN), 6)
    steps = {later - earlier for times in (spring, autumn) for earlier, later in pairwise(times)}
    assert steps == {timedelta(minutes=30)}


FIELDS = 'write minute hour day-of-month month day-of-week, such as "30 5 * * 1-5"'


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("* * * *", f'"* * * *" has 4 fields, not 5; {FIELDS}'),
        ("", f'"" has 0 fields, not 5; {FIELDS}'),
        ("0 * * * * *", f'"0 * * * * *" has 6 fields, not 5; {FIELDS}'),
        ("61 * * * *", '"61" is no minute; write 0-59, *, a list 1,3, a range 1-3 or a step */2'),
        ("* 24 * * *", '"24" is no hour; write 0-23, *, a list 1,3, a range 1-3 or a step */2'),
        ("* * 0 * *", '"0" is no day-of-month; write 1-31, *, a list 1,3, a range 1-3 or a step */2'),
        ("* * 32 * *", '"32" is no day-of-month; write 1-31, *, a list 1,3, a range 1-3 or a step */2'),
        ("* * * 13 *", '"13" is no month; write 1-12 or JAN-DEC, *, a list 1,3, a range 1-3 or a step */2'),
        ("* * * * mo", '"mo" is no day-of-week; write 0-7 or SUN-SAT, *, a list 1,3, a range 1-3 or a step */2'),
        ("*/0 * * * *", '"*/0" is no minute; write 0-59, *, a list 1,3, a range 1-3 or a step */2'),
        ("5-1 * * * *", '"5-1" is no minute; write 0-59, *, a list 1,3, a range 1-3 or a step */2'),
        ("\x1b[31m * * * *", '"\\x1b[31m" is no minute; write 0-59, *, a list 1,3, a range 1-3 or a step */2'),
        ("0 0 30 2 *", '"0 0 30 2 *" never comes: no month that it names has such a day'),
        ("0 0 31 2,4,6 *", '"0 0 31 2,4,6 *" never comes: no month that it names has such a day'),
        ("0 0 */20 * 1L", '"0 0 */20 * 1L" never comes: no month that it names has such a day'),
        (
            "@reboot",
            'no macro "@reboot"; known are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly',
        ),
        ("CRON_TZ=UTC * * * * *", "a cron line holds no TZ=; write the zone into timezone"),
        ("1," * 200 + " * * * *", "a cron line has at most 200 characters"),
    ],
)
def test_bad_cron(cron: str, said: str) -> None:
    """What is wrong is told with what to write instead; nothing that never comes is accepted."""
    assert check_cron(cron) == said


def test_a_day_that_some_months_lack() -> None:
    """The 31st is skipped where there is none, and February's 30th doesn't matter beside a weekday."""
    assert [check_cron("0 0 31 * *"), check_cron("0 0 31 2,3 *"), check_cron("0 0 30 2 mon")] == [None, None, None]


@given(st.text() | st.lists(st.sampled_from([*"*/-,#L?W 0123459", "MON", "@"]), max_size=20).map("".join))
@example("9" * 5000 + " * * * *")
@example("*/" + "9" * 100 + " * * * *")
@example("* * * * ²L")
def test_any_text_is_checked(text: str) -> None:
    """Whatever the text is: it is refused with words, or it has a next time."""
    problem = check_cron(text)
    if problem is None:
        assert next_time(text, "UTC", _at("2026-03-10 12:00")) > _at("2026-03-10 12:00")
    else:
        assert problem.isprintable()


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_timezones(name: str) -> None:
    """IANA names are known."""
    assert check_timezone(name) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Europe/Berln", 'no time zone "Europe/Berln"; did you mean "Europe/Berlin"?'),
        ("europe/berlin", 'no time zone "europe/berlin"; did you mean "Europe/Berlin"?'),
        ("", 'no time zone ""; write a name such as "Europe/Berlin" or "UTC"'),
        ("../../etc/passwd", 'no time zone "../../etc/passwd"; write a name such as "Europe/Berlin" or "UTC"'),
        ("/etc/localtime", 'no time zone "/etc/localtime"; write a name such as "Europe/Berlin" or "UTC"'),
        ("Pacific/Aukland", 'no time zone "Pacific/Aukland"; did you mean "Pacific/Auckland"?'),
        ("\x00", 'no time zone "\\x00"; write a name such as "Europe/Berlin" or "UTC"'),
    ],
)
def test_bad_timezones(name: str, said: str) -> None:
    """A name that is none is told with the one that was probably meant."""
    assert check_timezone(name) == said


@pytest.mark.parametrize("name", ["Local", "localtime", "Europe", "America/Argentina"])
def test_no_zones(name: str) -> None:
    """What depends on where the operator runs is no time zone, and neither is a folder of them."""
    assert str(check_timezone(name)).startswith(f'no time zone "{name}"')


@pytest.mark.parametrize(
    ("cron", "zone", "said"),
    [
        ("* * *", "UTC", '"* * *" is no cron line: Wrong number of fields'),
        ("0 0 * * *", "Moon", 'no time zone "Moon"'),
        ("0 0 */20 * 1L", "UTC", '"0 0 */20 * 1L" never comes'),
    ],
)
def test_no_next_time(cron: str, zone: str, said: str) -> None:
    """What the checks would have refused is an error with its reason."""
    with pytest.raises(ScheduleError) as caught:
        next_time(cron, zone, _at("2026-03-10 12:00"))
    assert str(caught.value) == said


NOON = _at("2026-03-10 12:00")


@pytest.mark.parametrize(
    ("cron", "since", "now", "deadline", "expected"),
    [
        ("0 * * * *", NOON, NOON + timedelta(minutes=59), None, Due(None, 0)),
        ("0 * * * *", NOON, NOON + timedelta(hours=1), None, Due(NOON + timedelta(hours=1), 0)),
        ("0 * * * *", NOON, NOON + timedelta(hours=3, minutes=5), None, Due(NOON + timedelta(hours=3), 2)),
        ("0 * * * *", NOON, NOON + timedelta(hours=3, minutes=5), 300, Due(NOON + timedelta(hours=3), 2)),
        ("0 * * * *", NOON, NOON + timedelta(hours=3, minutes=5), 299, Due(None, 3)),
        ("0 * * * *", NOON, NOON, None, Due(None, 0)),
        ("0 * * * *", NOON + timedelta(hours=2), NOON, None, Due(None, 0)),
        ("* * * * *", NOON, NOON + timedelta(minutes=101), None, Due(NOON + timedelta(minutes=101), 100)),
        ("* * * * *", NOON, NOON + timedelta(days=3650), None, Due(NOON + timedelta(days=3650), 100)),
        ("* * * * *", NOON, NOON + timedelta(days=3650, seconds=59), 5, Due(None, 100)),
        ("0 0 29 2 *", _at("1970-01-01 00:00"), NOON, None, Due(_at("2024-02-29 00:00"), 13)),
        ("* * * 1 *", _at("2020-06-01 00:00"), NOON, None, Due(_at("2026-01-31 23:59"), 100)),
    ],
)
def test_due(cron: str, since: datetime, now: datetime, deadline: int | None, expected: Due) -> None:
    """The newest time is run unless it is too late for it; the others are missed, and counted up to 100."""
    assert due(cron, "UTC", since=since, now=now, starting_deadline=deadline) == expected


def test_once_decided_is_decided() -> None:
    """From one look to the next, each time comes up once, as the one to run or as missed."""
    moments = [NOON + timedelta(minutes=each) for each in (0, 7, 7, 31, 32, 120, 121)]
    found = [due("*/10 * * * *", "UTC", since=since, now=now, starting_deadline=90) for since, now in pairwise(moments)]
    assert [(each.time and each.time.minute, each.missed) for each in found] == [
        (None, 0),
        (None, 0),
        (30, 2),
        (None, 0),
        (0, 8),
        (None, 0),
    ]


ZONES = st.sampled_from(
    ["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Beirut", "Pacific/Apia"]
)
LINES = st.sampled_from(
    [
        "* * * * *",
        "*/20 * * * *",
        "30 2 * * *",
        "0,30 0-3 * * *",
        "15 * * * *",
        "0 0 * * *",
        "30 1 * * sun",
        "7 */5 * * *",
    ]
)


@given(
    LINES,
    ZONES,
    st.datetimes(datetime(2011, 12, 1), datetime(2027, 12, 31)),  # noqa: DTZ001  Hypothesis adds the zone
    st.integers(0, 60 * 60 * 40),
)
@example("0,30 0-3 * * *", BERLIN, datetime(2026, 10, 25), 7200)  # noqa: DTZ001
@example("30 2 * * *", BERLIN, datetime(2026, 3, 28), 100_000)  # noqa: DTZ001
@example("0 0 * * *", "Pacific/Apia", datetime(2011, 12, 29, 12), 140_000)  # noqa: DTZ001
def test_due_finds_what_counting_finds(cron: str, zone: str, wall: datetime, seconds: int) -> None:
    """In any zone, where clocks change or not: the newest time is the last that next_time leads to."""
    since = wall.replace(tzinfo=UTC)
    now = since + timedelta(seconds=seconds)
    passed: list[datetime] = []
    while len(passed) <= 3000 and (time := next_time(cron, zone, passed[-1] if passed else since)) <= now:
        passed.append(time)
    assert due(cron, zone, since=since, now=now, starting_deadline=None) == Due(
        passed[-1] if passed else None, min(max(0, len(passed) - 1), 100)
    )
