from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from e2e.faults.load import BEATS, RECORD, Case
from e2e.faults.verdict import Facts, findings, unended
from e2e.support.audit import Request

if TYPE_CHECKING:
    from pathlib import Path

CASE = Case("ci", {}, {"outputs": {"word": "abc"}}, Counter(["build"]))
WORKFLOW = {"metadata": {"name": "ci"}, "status": {"phase": "Succeeded", "outputs": {"word": "abc"}}}
JOB = {"metadata": {"name": "ci-build-1-x", "labels": {"fairlead.dev/workflow": "ci"}}, "status": {}}
MADE = Request("fairlead-admin", "create", "batch", "jobs", "team", "ci-build-1-x", 201, allowed=True)
LINE = "ci build ci-build-1-x-abcde\n"


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    """Give what is known of a run in which all went well."""
    (tmp_path / RECORD).write_text(LINE)
    (tmp_path / BEATS).write_text("deploy ci 1.0\ndeploy ci 2.0\ndeploy other 2.5\n")
    return Facts([CASE], [WORKFLOW], [JOB], [MADE, replace(MADE, code=409)], tmp_path)


def test_all_is_well(facts: Facts) -> None:
    """Nothing is found where nothing is wrong; a 409 makes no second Job."""
    assert findings(facts) == []


def test_lost(facts: Facts) -> None:
    """A workflow that is gone, ended otherwise, or ended without its outputs is found."""
    gone = replace(facts, workflows=[])
    failed = replace(facts, workflows=[{**WORKFLOW, "status": {"phase": "Failed", "message": "no"}}])
    empty = replace(facts, workflows=[{**WORKFLOW, "status": {"phase": "Succeeded"}}])
    assert [findings(each) for each in (gone, failed, empty)] == [
        ["ci is stuck: None: None"],
        ["ci is Failed: no"],
        ["ci.outputs is None instead of {'word': 'abc'}"],
    ]


def test_stuck(facts: Facts) -> None:
    """A workflow that hasn't ended is found."""
    running = [{**WORKFLOW, "status": {"phase": "Running", "message": "0/1"}}]
    assert (findings(replace(facts, workflows=running)), unended([CASE], running)) == (
        ["ci is stuck: Running: 0/1"],
        ["ci"],
    )


def test_made_twice(facts: Facts) -> None:
    """A Job that was made twice is found."""
    assert findings(replace(facts, requests=[MADE, MADE])) == ["jobs ci-build-1-x was made 2 times"]


def test_made_by_others(facts: Facts) -> None:
    """Where another operator works in the same namespace, that is said."""
    requests = [MADE, replace(MADE, user="somebody", name="ci-test-1-x")]
    assert findings(replace(facts, requests=requests)) == ["1 Jobs were made by somebody, not by us"]


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ("", ["ci: build worked 0 times instead of 1"]),
        (LINE + LINE, ["ci: build ran 2 times in the Job ci-build-1-x: ci-build-1-x-abcde, ci-build-1-x-abcde"]),
        (LINE + "ci build ci-build-2-x-abcde\n", ["ci: build worked 2 times instead of 1"]),
    ],
)
def test_worked_otherwise(facts: Facts, record: str, found: list[str]) -> None:
    """Work that wasn't done, was done again in the same Job, or in another one, is found."""
    (facts.record / RECORD).write_text(record)
    assert findings(facts) == found


def test_work_that_was_taken_away(facts: Facts) -> None:
    """Where Jobs were deleted, an attempt more is right."""
    (facts.record / RECORD).write_text(LINE + "ci build ci-build-2-x-abcde\n")
    assert findings(replace(facts, again=True)) == []


def test_two_of_a_group(facts: Facts) -> None:
    """Two of a group that worked at the same time are found."""
    (facts.record / BEATS).write_text("deploy ci 1.0\ndeploy other 2.0\ndeploy ci 2.5\ndeploy other 3.0\n")
    assert findings(facts) == ["other began 0.5s before ci ended, in the group deploy"]


def test_left_over(facts: Facts) -> None:
    """A Job that still works for a workflow that has ended is found."""
    left = [{**JOB, "status": {"active": 1}}]
    assert findings(replace(facts, jobs=left)) == ["the Job ci-build-1-x of ci still works"]
