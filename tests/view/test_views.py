"""The views, driven by hand: what each writes of the same run."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from rich.text import Text

from fairlead.model.ids import Attempt, JobId, RunNumber
from fairlead.model.phase import Result, WorkflowPhase
from fairlead.model.status import CombinationStatus
from fairlead.view.follow import labels
from fairlead.view.live import LiveView
from fairlead.view.machine import DocumentView, GitHubView
from fairlead.view.nodes import nodes
from fairlead.view.plain import PlainView
from fairlead.view.view import Source
from tests.builders import NOW, a_run, a_step, at, failed, pending, running, skipped, succeeded
from tests.view.recorded import found_of

if TYPE_CHECKING:
    from fairlead.engine.runs import Found
    from fairlead.model.status import WorkflowStatus
    from fairlead.view.view import View

EVIL = "\x1b]0;title\x07\x1b[2J[bold]x[/bold]"
SPEC = {"jobs": {"build": {}, "test": {"needs": "build"}, "all": {"needs": ["test"]}}}
LOG = f"::group::Make it\n{EVIL}\n::set-output name=a::b\n::endgroup::\n::error::step failed\n".encode()


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    __import__("time").tzset()


def clock() -> datetime:
    """Tell a time that stands still."""
    return at(30)


def began() -> WorkflowStatus:
    """Give a run in which `test` works."""
    build = succeeded(kubernetes_job="b", started_at=NOW, finished_at=at(5), steps=(a_step("Compile", end=5),))
    test = running(kubernetes_job="t", started_at=at(6))
    run = a_run().but(message="running: test", progress="1/3")
    return run.with_job("build", build).with_job("test", test).with_job("all", pending()).status()


def ended() -> WorkflowStatus:
    """Give the run's end."""
    step = a_step("Make it", 3, start=6, end=9)
    test = failed(EVIL, kubernetes_job="t", started_at=at(6), finished_at=at(9), steps=(step,))
    run = a_run(WorkflowPhase.FAILED).but(
        message=f'job "test": {EVIL}', progress="3/3", finished_at=at(9), outputs={"version": "1.2\n3"}
    )
    return (
        run.with_job("all", skipped('needs "test", which failed'))
        .with_job("build", began().jobs[JobId("build")])
        .with_job("test", test)
        .status()
    )


def source_in(found: Found, title: str) -> Source:
    """Give the log of a node."""
    shown = next(each for each in nodes(found.record.resource.status) if each.title == title)
    return Source(RunNumber(1), shown.node, Attempt(1), title, labels(shown.state), shown.state.started_at)


def play(view: View) -> None:
    """Show the run in a view: its end is known before all of the log has been read."""
    first, last = found_of(began(), SPEC), found_of(ended(), SPEC)
    build, test = source_in(first, "build"), source_in(first, "test")
    view.opened(build)
    view.closed(build, "its Pod was deleted")
    view.opened(test)
    view.changed(first)
    view.wrote(test, LOG[:20])
    view.changed(last)
    view.wrote(test, LOG[20:])
    view.closed(test)
    view.end(last)
    view.stop()


def test_plain() -> None:
    """In a pipe there is a line for everything, in an order in which each makes sense, and nothing to be obeyed."""
    out = io.StringIO()
    play(PlainView(out, clock))
    assert out.getvalue().splitlines() == [
        "build | (its Pod was deleted)",
        "12:00:00 ci  run 1 started",
        "12:00:00 build  started",
        "12:00:05 build  succeeded after 5s",
        "12:00:06 test  started",
        "test | ▸ Make it",
        "test | [bold]x[/bold]",
        "test | ::set-output name=a::b",
        "test | ✗ step failed",
        "12:00:09 test  failed after 3s: ]0;title [2J[bold]x[/bold]",
        '12:00:00 all  skipped: needs "test", which failed',
        '✗ ci run 1 failed in 9s: job "test": ]0;title [2J[bold]x[/bold]',
        "  executed 2, succeeded 1, failed 1, skipped 1",
        "  outputs",
        "    version  1.2 3",
    ]


def test_plain_tells_of_retries_reruns_and_waiting() -> None:
    """Attempts, what is kept, what is waited for, and a newer run are told once."""
    out = io.StringIO()
    view = PlainView(out, clock)
    view.waits("ci")
    waiting = a_run(WorkflowPhase.QUEUED).but(message="waits for its group").status()
    again = a_run().with_job("a", running(2, message="tried again")).with_job("b", succeeded(kept_from=RunNumber(1)))
    for status in (waiting, waiting, a_run().with_job("a", running()).status(), again.status(), again.status()):
        view.changed(found_of(status))
    view.changed(found_of(a_run(run=2).status()))
    view.note("as you wish")
    assert out.getvalue().splitlines() == [
        "12:00:30 ci  waiting for an operator to look at it",
        "12:00:00 ci  run 1 started",
        "12:00:30 ci  waits for its group",
        "12:00:00 a  started",
        "12:00:00 a  started, attempt 2",
        "12:00:30 a  tried again",
        "12:00:30 b  kept from run 1",
        "12:00:30 ci  run 1 was superseded",
        "12:00:00 ci  run 2 started",
        "as you wish",
    ]


def test_github() -> None:
    """For GitHub there is a group for each job and an error for each failure; no line of a job is a command."""
    out = io.StringIO()
    play(GitHubView(out, clock))
    assert out.getvalue().splitlines() == [
        "::group::build succeeded after 5s",
        "(its Pod was deleted)",
        "::endgroup::",
        'all skipped: needs "test", which failed',
        "::group::test failed after 3s",
        "\x1b[1m▸ Make it\x1b[0m",
        "[bold]x[/bold]",
        "| ::set-output name=a::b",
        "\x1b[31m✗ step failed\x1b[0m",
        "::endgroup::",
        "::error title=test::]0;title [2J[bold]x[/bold]",
        '✗ ci run 1 failed in 9s: job "test": ]0;title [2J[bold]x[/bold]',
        "  executed 2, succeeded 1, failed 1, skipped 1",
        "  outputs",
        "    version  1.2 3",
    ]


def test_json() -> None:
    """The document is the last status, with its name."""
    out = io.StringIO()
    play(DocumentView(out, json.dumps))
    assert json.loads(out.getvalue()) == {"name": "ci", "namespace": "team", **ended().to_json()}


class Terminal:
    """A terminal of a size, that remembers what is written to it."""

    def __init__(self, height: int = 24, width: int = 80) -> None:
        self.out = io.StringIO()
        self.console = Console(file=self.out, force_terminal=True, width=width, height=height, color_system="standard")


def drawn(view: LiveView, height: int = 24) -> list[str]:
    """Give what is drawn at a tick, as text."""
    return [line.plain.rstrip() for line in view._drawn(height, 1)]  # noqa: SLF001  what is drawn is drawn over at once


def test_live() -> None:
    """On a terminal the tree has jobs in the order of their needs, the steps of what works, from its log, and times."""
    view = LiveView(Terminal().console, clock)
    view.waits("ci")
    assert drawn(view) == ["waiting for an operator to look at ci"]
    found = found_of(began(), SPEC)
    view.opened(source_in(found, "test"))
    view.changed(found)
    view.wrote(source_in(found, "test"), LOG)
    view.note("cancelling")
    assert drawn(view) == [
        "⠙ ci  run 1  Running  1/3  30s  running: test",
        "✓ build       5s",
        "⠙ test       24s",
        "  ✗ Make it  24s",
        "· all",
        "cancelling",
    ]


def test_live_end() -> None:
    """At the end the tree stays: what failed with the end of its log, then the summary; colours only from us."""
    terminal = Terminal()
    view = LiveView(terminal.console, clock)
    view.tick()
    play(view)
    # What comes first takes the drawn tree away.
    shown = terminal.out.getvalue().rpartition("\x1b[?25h")[2]
    assert "\x1b]" not in shown
    assert "\x1b[2J" not in shown
    assert [Text.from_ansi(line).plain.rstrip() for line in shown.splitlines()[1:]] == [
        "✓ build        5s",
        "✗ test         3s  ]0;title [2J[bold]x[/bold]",
        "  ✗ Make it  3.0s  exit code 3",
        "  │ [bold]x[/bold]",
        "  │ ::set-output name=a::b",
        "  │ step failed",
        '- all              needs "test", which failed',
        "",
        '✗ ci run 1 failed in 9s: job "test": ]0;title [2J[bold]x[/bold]',
        "  executed 2, succeeded 1, failed 1, skipped 1",
        "  outputs",
        "    version  1.2 3",
    ]


def test_live_on_a_small_terminal() -> None:
    """Where there isn't room for all, what works and what failed stays, and the rest is counted."""
    run = a_run().but(message="running: b")
    for number in range(20):
        run = run.with_job(f"a{number:02}", succeeded())
    combinations = [CombinationStatus(name=f"m ({n})", **running().model_dump(include={"phase"})) for n in range(3)]
    run = run.with_job("b", running(started_at=NOW)).with_job("m", running(combinations=tuple(combinations)))
    view = LiveView(Terminal(height=10).console, clock)
    view.changed(found_of(run.with_job("z", pending()).status()))
    assert drawn(view, 10) == [
        "⠙ ci  run 1  Running  30s  running: b",
        "⠙ b        30s",
        "⠙ m",
        "  ⠙ m (0)",
        "  ⠙ m (1)",
        "  ⠙ m (2)",
        "… and 20 succeeded, 1 pending",
    ]


def test_what_may_fail_is_shown_as_allowed() -> None:
    """A failure that doesn't count is shown, and said not to count."""
    state = failed("it broke", result=Result.SUCCESS, outcome=Result.FAILURE)
    status = a_run(WorkflowPhase.PARTIAL).with_job("a", state).status()
    view = LiveView(Terminal().console, clock)
    view.changed(found_of(status))
    assert drawn(view)[1:] == ["✗ a    it broke (allowed)"]


WANTS: dict[str, tuple[Any, bool, tuple[bool, bool, bool]]] = {
    "works": (running(), False, (True, True, False)),
    "failed": (failed(), False, (True, True, False)),
    "failed before": (failed(), True, (False, True, False)),
    "succeeded": (succeeded(), False, (True, False, False)),
    "succeeded before": (succeeded(), True, (False, False, False)),
}


@pytest.mark.parametrize(("state", "was_over", "wanted"), WANTS.values(), ids=WANTS)
def test_whose_logs_are_wanted(state: Any, was_over: bool, wanted: tuple[bool, ...]) -> None:  # noqa: ANN401, FBT001  a status of any kind
    """Lines show every log, a tree those of what works or fails, and a document none."""
    (shown,) = nodes(a_run().with_job("a", state).status())
    views: list[View] = [
        PlainView(io.StringIO(), clock),
        LiveView(Terminal().console, clock),
        DocumentView(io.StringIO(), str),
    ]
    assert tuple(view.wants(shown, was_over=was_over) for view in views) == wanted


def test_times_are_local() -> None:
    """The clock of lines is that of who reads them."""
    assert datetime(2026, 3, 1, 12, tzinfo=UTC).astimezone().strftime("%H:%M") == "12:00"
