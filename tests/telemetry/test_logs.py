from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from fairlead.engine.errors import UnavailableError
from fairlead.model.phase import JobPhase, WorkflowPhase
from fairlead.model.status import CombinationStatus, JobStatus, WorkflowStatus
from fairlead.plan import DeleteJob, DeletePod, EndPack
from fairlead.telemetry.logs import configure_logs
from fairlead.telemetry.metrics import Metrics
from fairlead.telemetry.observer import TelemetryObserver
from tests.builders import KEY, a_creation, a_run, at, failed, name_of, node_of, pending, queued, running, succeeded

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES = ("kopf", "aiohttp", "kubernetes", "asyncio")


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """Put the process's logging back as it was."""
    loggers = {name: logging.getLogger(name) for name in LIBRARIES}
    root = logging.getLogger()
    handlers, level, levels = root.handlers[:], root.level, {name: each.level for name, each in loggers.items()}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, each in loggers.items():
        each.setLevel(levels[name])
    structlog.reset_defaults()


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    """Give metrics that nobody reads."""
    made = Metrics(queue_depth=lambda: 0, active=dict)
    yield made
    made.close()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Give the log so far, a value for each line, without its time."""
    captured = capsys.readouterr()
    assert captured.out == ""
    found = [json.loads(line) for line in captured.err.splitlines()]
    assert all(line.pop("timestamp").endswith("Z") for line in found)
    return found


def said(event: str, level: str = "info", **fields: object) -> dict[str, Any]:
    """Give a line of the engine's."""
    return {"event": event, "level": level, "logger": "fairlead.engine", "workflow": "team/ci", **fields}


def test_course(metrics: Metrics, capsys: pytest.CaptureFixture[str]) -> None:
    """Each change that matters is a line that names workflow, run and job."""
    configure_logs("json", "info")
    observer = TelemetryObserver(metrics)
    started = a_run().with_job("build", running()).with_job("test", pending())
    over = (
        a_run(WorkflowPhase.FAILED)
        .with_job("build", failed("boom"))
        .with_job("test", pending())
        .but(message="it failed", finished_at=at(5))
    )
    observer.created(KEY, a_creation(), 0.2)
    observer.changed(KEY, WorkflowStatus(), started.status())
    observer.changed(KEY, started.status(), started.but(message="other").status())
    observer.changed(KEY, started.status(), over.status())
    for removal in (DeleteJob(name_of("build")), EndPack("pack"), DeletePod("pack-1-x")):
        observer.deleted(KEY, removal)
    assert lines(capsys) == [
        said("job created", run=1, job="build", attempt=1, name=name_of("build")),
        said("job moved", run=1, job="build", phase="Running", attempt=1),
        said("workflow moved", run=1, phase="Running", message=None),
        said(
            "job moved",
            run=1,
            job="build",
            phase="Failed",
            attempt=1,
            reason="StepFailed",
            message="boom",
            exit_code=1,
        ),
        said("workflow moved", run=1, phase="Failed", message="it failed"),
        said("job deleted", name=name_of("build")),
        said("rest of a job ended", name="pack"),
        said("pod deleted", name="pack-1-x"),
    ]


def test_combinations(metrics: Metrics, capsys: pytest.CaptureFixture[str]) -> None:
    """Each combination of a matrix is told of by itself, and its job isn't; what a rerun kept is no news."""
    configure_logs("json", "info")
    observer = TelemetryObserver(metrics)

    def matrix(*states: JobStatus) -> WorkflowStatus:
        nodes = tuple(CombinationStatus(**{**dict(_fields(state)), "name": "test"}) for state in states)
        job = JobStatus(phase=JobPhase.RUNNING, combinations=nodes)
        kept = succeeded().model_copy(update={"kept_from": 1})
        return a_run(run=2).with_job("build", kept).with_job("test", job).status()

    observer.changed(
        KEY, a_run(WorkflowPhase.SUCCEEDED).with_job("test", failed()).status(), matrix(running(), pending())
    )
    observer.changed(KEY, matrix(running(), pending()), matrix(failed("boom"), queued()))
    assert lines(capsys) == [
        said("job moved", run=2, job="test[0]", phase="Running", attempt=1),
        said("workflow moved", run=2, phase="Running", message=None),
        said(
            "job moved",
            run=2,
            job="test[0]",
            phase="Failed",
            attempt=1,
            reason="StepFailed",
            message="boom",
            exit_code=1,
        ),
        said("job moved", run=2, job="test[1]", phase="Queued", attempt=1),
    ]


def _fields(state: JobStatus) -> Iterator[tuple[str, object]]:
    """Give what a combination has in common with a job."""
    return ((name, value) for name, value in state if name in CombinationStatus.model_fields)


def test_trouble(metrics: Metrics, capsys: pytest.CaptureFixture[str]) -> None:
    """What was foreseen is a warning; what nobody foresaw is an error with its traceback."""
    configure_logs("json", "info")
    observer = TelemetryObserver(metrics)
    observer.refused(KEY, node_of("build", 2), "quota")
    observer.failed(KEY, UnavailableError("busy"), 0.12)
    try:
        raise ZeroDivisionError("nobody knows")  # noqa: TRY301  it is to have a traceback
    except ZeroDivisionError as error:
        observer.failed(KEY, error, 60)
    *foreseen, unforeseen = lines(capsys)
    traceback = unforeseen.pop("exception")
    assert (foreseen, unforeseen) == (
        [
            said("job refused by the cluster", "warning", job="build[2]", message="quota"),
            said("look failed", "warning", error="busy", retry_in=0.1),
        ],
        said("look failed unexpectedly", "error", error="nobody knows", retry_in=60),
    )
    assert traceback.startswith("Traceback (most recent call last):")


def test_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    """What libraries log has the same form; only what is worth a warning is written."""
    configure_logs("json", "info")
    logging.getLogger("kopf.objects").info("chatter")
    logging.getLogger("kopf.objects").warning("trouble with %s", "a watch", extra={"code": 5})
    logging.getLogger("other").info("a word")
    assert lines(capsys) == [
        {"event": "trouble with a watch", "level": "warning", "logger": "kopf.objects", "code": 5},
        {"event": "a word", "level": "info", "logger": "other"},
    ]


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(level: str, written: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A level and what is graver than it is written."""
    configure_logs("json", level)
    for each in ("debug", "info", "warning", "error"):
        logging.getLogger("a").log(logging.getLevelNamesMapping()[each.upper()], "said")
    assert [line["level"] for line in lines(capsys)] == written


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    """For people, a line is a line; in a pipe it has no colours."""
    configure_logs("text", "info")
    structlog.get_logger("fairlead.engine").info("job moved", workflow="team/ci", job="build")
    text = capsys.readouterr().err
    assert ("job moved" in text, "workflow=team/ci" in text, text.count("\n"), "\x1b" in text) == (True, True, 1, False)


def test_auto(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody watches, logs are for machines."""
    configure_logs("auto", "info")
    structlog.get_logger("a").info("said")
    assert lines(capsys) == [{"event": "said", "level": "info", "logger": "a"}]


def test_text_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """What somebody else wrote gets out of its line neither by newlines nor by what a terminal obeys."""
    configure_logs("text", "info")
    structlog.get_logger("fairlead.engine").info("job moved", message="\x1b[2J\u202ea\n2026 [error] b")
    logging.getLogger("fairlead.other").warning("a\rb %s", "\x1b]0;c\x07")
    first, second = capsys.readouterr().err.splitlines()
    assert (first.isprintable(), second.isprintable()) == (True, True)
    assert ("2026 [error] b" in first, "b \\x1b]0;c" in second) == (True, True)
