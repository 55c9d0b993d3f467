from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.report import Report, StepReport
from fairlead.render.report import parse_report


def test_a_whole_report() -> None:
    """Steps, outputs, the driver's error and the exit code are read, times in seconds."""
    message = "fairlead 1\ns 0 0 1250\ns 3 1250 1301\no build version=1.2\no build note=a=b\ne too much\nend 3\n"

    assert parse_report(message) == Report(
        steps=(StepReport(0, 0.0, 12.5), StepReport(3, 12.5, 13.01)),
        outputs={"build": {"version": "1.2", "note": "a=b"}},
        exit_code=3,
        timed_out=False,
        error="too much",
    )


def test_a_timeout() -> None:
    """The last line of a job that ran out of time says so."""
    assert parse_report("fairlead 1\ns 124 0 9000\nend 124 timeout\n") == Report(
        steps=(StepReport(124, 0.0, 90.0),), outputs={}, exit_code=124, timed_out=True
    )


def test_steps_without_times() -> None:
    """Where many steps left no room for times, equal exit codes are counted."""
    assert parse_report("fairlead 1\ns 0*3\ns 7*1\nend 7\n") == Report(
        steps=(StepReport(0, 0.0, 0.0),) * 3 + (StepReport(7, 0.0, 0.0),), outputs={}, exit_code=7
    )


def test_escapes() -> None:
    r"""\n and \\ are a newline and a backslash; any other backslash is itself."""
    message = r"fairlead 1/o a x=\\n\n\\\n\q/o a y\\n=\/end 0/".replace("/", "\n")

    assert parse_report(message) == Report(steps=(), outputs={"a": {"x": "\\n\n\\\n\\q", "y\\n": "\\"}}, exit_code=0)


def test_only_newlines_end_a_line() -> None:
    """A value keeps what Python, but not the driver, takes for the end of a line."""
    assert parse_report("fairlead 1\no a x=1\r\x0b\x85\u2028\nend 0\n") == Report(
        steps=(), outputs={"a": {"x": "1\r\x0b\x85\u2028"}}, exit_code=0
    )


def test_every_prefix_of_a_report_is_read() -> None:
    """A report that was cut anywhere has no exit code, and only what is whole."""
    message = "fairlead 1\ns 0 0 5\no a x=12\nend 124 timeout\n"
    begun, stepped = Report((), {}, None), Report((StepReport(0, 0.0, 0.05),), {}, None)
    told = Report((StepReport(0, 0.0, 0.05),), {"a": {"x": "12"}}, None)

    read = [parse_report(message[:length]) for length in range(len(message))]

    assert read == [None] * 11 + [begun] * 8 + [stepped] * 9 + [told] * 16


def test_what_follows_is_ignored() -> None:
    """Records count up to the end or to the first line that is none."""
    assert parse_report("fairlead 1\nend 0\nend 1\n") == Report((), {}, 0)
    assert parse_report("fairlead 1\ns 0 0 1\nhello\nend 1\n") == Report((StepReport(0, 0.0, 0.01),), {}, None)


def test_other_texts_are_no_reports() -> None:
    """The kubelet's own texts, other versions and no text at all are None."""
    texts = ["", "\n", "OCI runtime create failed: ...", "fairlead 1", "fairlead 2\nend 0\n", "fairlead 10\n"]

    assert [parse_report(text) for text in texts] == [None] * 6


def test_a_forged_count_costs_nothing() -> None:
    """However many steps a line claims, no more than a job can have are made."""
    report = parse_report("fairlead 1\n" + "s 0*99999\n" * 400)

    assert report == Report((StepReport(0, 0.0, 0.0),) * 10_000, {}, None)


def test_the_failed_step() -> None:
    """It is the first that did not end with 0."""
    ended, failed = StepReport(0, 0.0, 1.0), StepReport(2, 1.0, 2.0)

    assert Report((ended, failed), {}, 2).failed_step == 1
    assert Report((ended, ended), {}, 0).failed_step is None


_PIECES = st.sampled_from(
    ["fairlead 1", "\n", "s ", "o ", "e ", "end ", " ", "*", "=", "\\", "n", "0", "124", "a", " timeout"]
)


@given(
    st.one_of(
        st.text(),
        st.lists(_PIECES).map("".join),
        st.lists(_PIECES).map(lambda p: "fairlead 1\n" + "".join(p)),
    )
)
def test_no_text_raises(message: str) -> None:
    """Any text is a report or None."""
    report = parse_report(message)

    assert (report is None) == (not message.startswith("fairlead 1\n"))
