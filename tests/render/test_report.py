from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.phase import Result
from fairlead.model.report import LoggedOutputs, Report, StepReport
from fairlead.render.report import parse_outputs, parse_report


def test_a_whole_report() -> None:
    """Steps, outputs, the driver's error and the exit code are read, times in seconds."""
    message = "fairlead 2\ns 0 0 1250\ns 3 1250 1301\no build version=1.2\no build note=a=b\ne too much\nend 3\n"

    assert parse_report(message) == Report(
        steps=(StepReport(0, 0.0, 12.5), StepReport(3, 12.5, 13.01)),
        outputs={"build": {"version": "1.2", "note": "a=b"}},
        exit_code=3,
        timed_out=False,
        error="too much",
    )


def test_a_timeout() -> None:
    """The last line of a job that ran out of time says so."""
    assert parse_report("fairlead 2\ns 124 0 9000\nend 124 timeout\n") == Report(
        steps=(StepReport(124, 0.0, 90.0),), outputs={}, exit_code=124, timed_out=True
    )


def test_steps_without_times() -> None:
    """Where many steps left no room for times, equal exit codes are counted."""
    assert parse_report("fairlead 2\ns 0*3\ns 7*1\nend 7\n") == Report(
        steps=(StepReport(0, 0.0, 0.0),) * 3 + (StepReport(7, 0.0, 0.0),), outputs={}, exit_code=7
    )


def test_escapes() -> None:
    r"""\n and \\ are a newline and a backslash; any other backslash is itself."""
    message = r"fairlead 2/o a x=\\n\n\\\n\q/o a y\\n=\/end 0/".replace("/", "\n")

    assert parse_report(message) == Report(steps=(), outputs={"a": {"x": "\\n\n\\\n\\q", "y\\n": "\\"}}, exit_code=0)


def test_only_newlines_end_a_line() -> None:
    """A value keeps what Python, but not the driver, takes for the end of a line."""
    assert parse_report("fairlead 2\no a x=1\r\x0b\x85\u2028\nend 0\n") == Report(
        steps=(), outputs={"a": {"x": "1\r\x0b\x85\u2028"}}, exit_code=0
    )


def test_every_prefix_of_a_report_is_read() -> None:
    """A report that was cut anywhere has no exit code, and only what is whole."""
    message = "fairlead 2\ns 0 0 5\no a x=12\nend 124 timeout\n"
    begun, stepped = Report((), {}, None), Report((StepReport(0, 0.0, 0.05),), {}, None)
    told = Report((StepReport(0, 0.0, 0.05),), {"a": {"x": "12"}}, None)

    read = [parse_report(message[:length]) for length in range(len(message))]

    assert read == [None] * 11 + [begun] * 8 + [stepped] * 9 + [told] * 16


def test_what_follows_is_ignored() -> None:
    """Records count up to the end or to the first line that is none."""
    assert parse_report("fairlead 2\nend 0\nend 1\n") == Report((), {}, 0)
    assert parse_report("fairlead 2\ns 0 0 1\nhello\nend 1\n") == Report((StepReport(0, 0.0, 0.01),), {}, None)


def test_other_texts_are_no_reports() -> None:
    """The kubelet's own texts, other versions and no text at all are None."""
    texts = ["", "\n", "OCI runtime create failed: ...", "fairlead 2", "fairlead 1\nend 0\n", "fairlead 20\n"]

    assert [parse_report(text) for text in texts] == [None] * 6


def test_a_forged_count_costs_nothing() -> None:
    """However many steps a line claims, no more than a job can have are made."""
    report = parse_report("fairlead 2\n" + "s 0*99999\n" * 400)

    assert report == Report((StepReport(0, 0.0, 0.0),) * 10_000, {}, None)


def test_results() -> None:
    """A step's exit code has letters for what else there is to say of it; both forms of the line have them."""
    message = "fairlead 2\ns -\ns 0 0 1\ns 3c 1 2\ns 124t 2 3\ns 124tc 3 4\ns 143x 4 5\ns -*2\ns 3c*1\ns 0*1\n"

    report = parse_report(message)

    assert report == Report(
        (
            StepReport(None),
            StepReport(0, 0.0, 0.01),
            StepReport(3, 0.01, 0.02, allowed=True),
            StepReport(124, 0.02, 0.03, timed_out=True),
            StepReport(124, 0.03, 0.04, allowed=True, timed_out=True),
            StepReport(143, 0.04, 0.05, cancelled=True),
            StepReport(None),
            StepReport(None),
            StepReport(3, allowed=True),
            StepReport(0),
        ),
        {},
        None,
    )
    skipped, success, failure, cancelled = Result.SKIPPED, Result.SUCCESS, Result.FAILURE, Result.CANCELLED
    assert [step.outcome for step in report.steps] == [
        skipped, success, failure, failure, failure, cancelled, skipped, skipped, failure, success
    ]  # fmt: skip
    assert [step.conclusion for step in report.steps] == [
        skipped, success, success, failure, success, cancelled, skipped, skipped, success, success
    ]  # fmt: skip
    assert report.failed_step == 3


def test_the_failed_step() -> None:
    """It is the first whose failure counts."""
    ended, allowed, failed = StepReport(0, 0.0, 1.0), StepReport(3, allowed=True), StepReport(2, 1.0, 2.0)

    assert Report((ended, allowed, failed), {}, 2).failed_step == 2
    assert Report((ended, allowed, StepReport(None)), {}, 0).failed_step is None


_CHARACTERS = st.characters(exclude_categories=["Cs"])
_NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="=\\\n"), min_size=1)
_VALUES = st.text(_CHARACTERS)


# --- outputs in the log ---------------------------------------------------------------------------------------


def _logged(content: bytes) -> tuple[str, LoggedOutputs]:
    """Write outputs as a driver does, and what its report says of them."""
    encoded = b64encode(content).decode()
    lines = [encoded[start : start + 4000] for start in range(0, len(encoded), 4000)]
    digest = sha256(content).hexdigest()
    text = "\n".join([f"::group::Outputs: {len(content)} bytes, {digest}", *lines, "::endgroup::", ""])
    return text, LoggedOutputs(len(lines) + 2, len(content), digest)


_CONTENT = "o a x=8\n1\no a=3\n\no a y\\n=0\n\no b x=4\näö\n".encode()
_OUTPUTS = {"a": {"x": "1\no a=3\n", "y\n": ""}, "b": {"x": "äö"}}


def test_the_line_about_logged_outputs() -> None:
    """The report says how many lines and bytes there are, and their checksum; figures beyond reason don't count."""
    reports = [
        parse_report(f"fairlead 2\nlog {figures} {'0' * 64}\nend 0\n")
        for figures in ("5 300", "99999 300", "5 9999999")
    ]

    assert reports == [Report((), {}, 0, log=log) for log in (LoggedOutputs(5, 300, "0" * 64), None, None)]


def test_logged_outputs() -> None:
    """They are at the end of the log, whatever stands before them."""
    text, logged = _logged(_CONTENT)

    assert parse_outputs(text, logged) == parse_outputs(f"x\n::endgroup::\n{text}", logged) == _OUTPUTS


def test_the_last_logged_outputs_count() -> None:
    """What a step writes may look like outputs, too, even with the right header."""
    text, logged = _logged(_CONTENT)
    header = text.split("\n", 1)[0]
    forged = f"{header}\n{b64encode(b'o a x=1').decode()}\n::endgroup::\n"

    assert parse_outputs(forged + text, logged) == _OUTPUTS
    assert parse_outputs(text + forged + header, logged) == _OUTPUTS
    assert parse_outputs(header * 3 + "\n" + text, logged) == _OUTPUTS


def test_broken_logged_outputs() -> None:
    """A frame that is cut or changed anywhere gives nothing."""
    text, logged = _logged(_CONTENT)
    lines = text.split("\n")

    assert [parse_outputs("\n".join(lines[:index] + lines[index + 1 :]), logged) for index in range(3)] == [None] * 3
    assert [parse_outputs(text[:length], logged) for length in range(len(text) - 1)] == [None] * (len(text) - 1)
    assert parse_outputs(text.replace("=", "!"), logged) is None
    assert parse_outputs(text, LoggedOutputs(3, logged.size, "0" * 64)) is None


@pytest.mark.parametrize("content", [b"x", b"o a x=2\n1\n", b"o a x=1\n12", b"o a x=1\n\xff\n", b"o a x=1\n1\nz"])
def test_logged_outputs_that_are_none(content: bytes) -> None:
    """A frame whose content isn't what a driver writes gives nothing."""
    assert parse_outputs(*_logged(content)) is None


@given(st.dictionaries(st.sampled_from("abc"), st.dictionaries(_NAMES, _VALUES)))
def test_any_logged_outputs(outputs: dict[str, dict[str, str]]) -> None:
    """Every value comes back as it was."""
    content = b"".join(
        f"o {step} {name}={len(value.encode())}\n{value}\n".encode()
        for step, values in outputs.items()
        for name, value in values.items()
    )

    assert parse_outputs(*_logged(content)) == {step: values for step, values in outputs.items() if values}


_PIECES = st.sampled_from(
    [
        "fairlead 2",
        "\n",
        "s ",
        "o ",
        "e ",
        "log ",
        "end ",
        " ",
        "*",
        "=",
        "\\",
        "n",
        "0",
        "124",
        "a",
        " timeout",
        "-",
        "t",
        "c",
        "x",
    ]
)


@given(
    st.one_of(
        st.text(),
        st.lists(_PIECES).map("".join),
        st.lists(_PIECES).map(lambda p: "fairlead 2\n" + "".join(p)),
    )
)
def test_no_text_raises(message: str) -> None:
    """Any text is a report or None."""
    report = parse_report(message)

    assert (report is None) == (not message.startswith("fairlead 2\n"))
