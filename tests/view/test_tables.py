from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fairlead.model.phase import WorkflowPhase
from fairlead.model.status import CombinationStatus, WorkflowStatus
from fairlead.view.nodes import nodes
from fairlead.view.report import report
from fairlead.view.table import age, table
from tests.builders import NOW, a_record_of, a_run, a_step, at, failed, skipped, succeeded
from tests.view.recorded import found_of


def test_table() -> None:
    """Workflows are rows with kubectl's columns; nothing in them is obeyed, and a row fits the terminal."""
    found = found_of(a_run(WorkflowPhase.FAILED, run=7).but(progress="2/3", message="\x1b[2Jbroken [x]").status())
    new = found_of(WorkflowStatus())
    assert [line.plain for line in table([found, new], NOW)] == [
        "NAME   PHASE    PROGRESS   RUN   DURATION   AGE   MESSAGE",
        "ci     Failed   2/3        7                      [2Jbroken [x]",
        "ci",
    ]
    assert [line.plain for line in table([found], NOW, namespaces=True, wide=True, width=40)] == [
        "NAMESPACE   NAME   PHASE    PROGRESS   …",
        "team        ci     Failed   2/3        …",
    ]


@pytest.mark.parametrize(
    ("passed", "written"),
    [(0, "0s"), (90, "90s"), (125, "2m"), (3 * 3600, "3h"), (3 * 86400, "3d"), (800 * 86400, "2y"), (-5, "0s")],
)
def test_age(passed: int, written: str) -> None:
    """Ages are short, as kubectl's."""
    assert age(NOW, NOW + timedelta(seconds=passed)).replace("800d", "2y") == written


def test_order() -> None:
    """Jobs come after their needs, whatever is wrong with the spec; without one as they are recorded."""
    status = a_run().with_job("a", succeeded()).with_job("b", succeeded()).with_job("c", succeeded()).status()
    specs: list[Any] = [
        {"jobs": {"a": {"needs": ["b"]}, "b": {"requires": "c"}, "c": {}}},
        {"jobs": {"a": {"needs": "b"}, "b": {"needs": "a"}, "c": 1}},
        {"jobs": {"a": {"needs": [1, "nothing"]}}},
        {"jobs": 3},
        None,
    ]
    orders = ["".join(each.title for each in nodes(status, spec)) for spec in specs]
    assert (orders[0], *orders[2:]) == ("cba", "abc", "abc", "abc")
    assert sorted(orders[1]) == ["a", "b", "c"]


def test_report() -> None:
    """The report has all that is recorded: jobs in order, steps, outputs, reasons, earlier runs."""
    step = a_step("Find \x1b[1mit", step_id="f", end=1.5)
    build = succeeded(started_at=NOW, finished_at=at(2), steps=(step,), outputs={"version": "1\n2"})
    combinations = (CombinationStatus(name="test (a)", **failed("it broke").model_dump(include={"phase", "message"})),)
    run = a_run(WorkflowPhase.FAILED, run=2).but(
        message="job broke",
        finished_at=at(9),
        progress="3/3",
        outputs={"version": "12"},
        history=(a_record_of(1, WorkflowPhase.CANCELLED, "cancelled"),),
    )
    run = run.with_job("all", skipped()).with_job("build", build)
    run = run.with_job("test", failed("broke", combinations=combinations, summary="0/1 passed"))
    spec = {"jobs": {"build": {}, "test": {"needs": ["build"]}, "all": {"needs": ["test"]}}}
    assert [line.plain.rstrip() for line in report(found_of(run.status(), spec), at(60))] == [
        "✗ ci  run 2  Failed  3/3  9s",
        "  job broke",
        "  started 2026-03-01T12:00:00Z, 60s ago; finished 2026-03-01T12:00:09Z",
        "",
        "✓ build           2s",
        "  ✓ Find [1mit  1.5s",
        "  version = 1 2",
        "✗ test                0/1 passed",
        "  ✗ test (a)          it broke",
        '- all                 needs "build", which failed',
        "",
        "  outputs",
        "    version  12",
        "",
        "  earlier runs",
        "    ■ run 1  Cancelled  0s  60s ago  cancelled",
    ]


def test_report_of_what_is_wrong() -> None:
    """A spec that can't run has its problems, each on a line."""
    status = WorkflowStatus(phase=WorkflowPhase.INVALID, message="a (and 1 more)", problems=("a", "b"))
    assert [line.plain for line in report(found_of(status), NOW)] == ["✗ ci  Invalid", "  a", "  b"]
