from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fairlead.engine.runs import NotFoundError
from fairlead.model.ids import RunNumber
from fairlead.model.phase import WorkflowPhase
from fairlead.view import follow as module
from fairlead.view.follow import follow
from tests.builders import NOW, a_run, failed, pending, running, succeeded
from tests.kube.apiserver import until
from tests.view.recorded import Notes, RecordedRuns

BUILD: Any = {"kubernetes_job": "build-1", "started_at": NOW}
OVER = a_run(WorkflowPhase.SUCCEEDED).with_job("build", succeeded(**BUILD)).status()


async def test_a_run_is_shown_to_its_end() -> None:
    """A log is opened before the status is shown that tells of its node; the end comes after all that was written."""
    runs, view = RecordedRuns(), Notes()
    runs.written["build-1"] = [b"a", b"b"]
    runs.put(a_run().with_job("build", pending()).status())
    following = asyncio.create_task(follow(runs, "ci", view))
    await until(lambda: view.heard)
    runs.put(a_run().with_job("build", running(**BUILD)).status())
    await until(lambda: "closed build" in view.heard)
    runs.put(OVER)
    status = await asyncio.wait_for(following, 10)
    assert (status.phase, view.heard) == (
        WorkflowPhase.SUCCEEDED,
        [
            "changed to run 1 Running",
            "opened build",
            "changed to run 1 Running",
            "build wrote a",
            "build wrote b",
            "closed build",
            "changed to run 1 Succeeded",
            "end Succeeded",
            "stop",
        ],
    )


async def test_what_was_over_before_is_not_read_again() -> None:
    """Who only watches isn't shown the logs of what had ended before."""
    runs, view = RecordedRuns(), Notes()
    runs.written["build-1"] = [b"a"]
    runs.put(OVER)
    await follow(runs, "ci", view, from_start=False)
    assert (runs.read_names, view.heard) == ([], ["changed to run 1 Succeeded", "end Succeeded", "stop"])


async def test_only_what_is_wanted_is_read() -> None:
    """The view says whose logs it wants, each is read once, and what an earlier run ended isn't."""
    runs, view = RecordedRuns(), Notes({"test", "kept"})
    runs.written = {"test-1": []}
    run = a_run(WorkflowPhase.FAILED).with_job("build", succeeded(**BUILD))
    run = run.with_job("test", failed(kubernetes_job="test-1", started_at=NOW))
    kept = succeeded(kubernetes_job="kept-1", started_at=NOW, kept_from=RunNumber(1))
    runs.put(run.with_job("kept", kept).status())
    await follow(runs, "ci", view)
    assert runs.read_names == ["test-1"]


async def test_a_later_run_is_awaited() -> None:
    """After a request for another run, the one before doesn't count, however it ended."""
    runs, view = RecordedRuns(), Notes()
    runs.put(a_run(WorkflowPhase.FAILED).status())
    following = asyncio.create_task(follow(runs, "ci", view, after=RunNumber(1)))
    await asyncio.sleep(0)
    runs.put(a_run(WorkflowPhase.SUCCEEDED, run=2).status())
    status = await asyncio.wait_for(following, 10)
    assert (status.run, view.heard[0]) == (2, "changed to run 2 Succeeded")


async def test_an_edit_that_nobody_has_seen_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A status of an earlier spec doesn't count; after a while it is said that nobody looks."""
    monkeypatch.setattr(module, "_UNSEEN", 0.01)
    runs, view = RecordedRuns(), Notes()
    runs.put(a_run(WorkflowPhase.FAILED, generation=0).status())
    following = asyncio.create_task(follow(runs, "ci", view))
    await until(lambda: view.heard)
    runs.put(a_run(WorkflowPhase.SUCCEEDED).status())
    await asyncio.wait_for(following, 10)
    assert view.heard == ["waits ci", "changed to run 1 Succeeded", "end Succeeded", "stop"]


async def test_a_log_that_is_gone_and_one_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that can't be read is told as lost; one that doesn't end holds the end up only for a while."""
    monkeypatch.setattr(module, "_QUIET", 0.05)
    runs, view = RecordedRuns(), Notes()
    runs.written, runs.endless = {"build-1": [b"a"]}, {"build-1"}
    other = succeeded(kubernetes_job="test-1", started_at=NOW)
    runs.put(a_run(WorkflowPhase.SUCCEEDED).with_job("build", succeeded(**BUILD)).with_job("test", other).status())
    await asyncio.wait_for(follow(runs, "ci", view), 10)
    assert [each for each in view.heard if each.startswith(("closed", "end"))] == [
        "closed test: the log is gone",
        "closed build: its log was not read to its end",
        "end Succeeded",
    ]


async def test_a_workflow_that_is_deleted() -> None:
    """Whoever follows hears that it was deleted, and the terminal is left as it was."""
    runs, view = RecordedRuns(), Notes()
    runs.put(a_run().status())
    following = asyncio.create_task(follow(runs, "ci", view))
    await until(lambda: view.heard)
    runs.remove()
    with pytest.raises(NotFoundError, match='the Workflow "ci" was deleted'):
        await asyncio.wait_for(following, 10)
    assert view.heard[-1] == "stop"


async def test_who_stops_following_leaves_nothing() -> None:
    """When following is cancelled, so are the readers."""
    runs, view = RecordedRuns(), Notes()
    runs.written, runs.endless = {"build-1": [b"a"]}, {"build-1"}
    runs.put(a_run().with_job("build", running(**BUILD)).status())
    following = asyncio.create_task(follow(runs, "ci", view))
    await until(lambda: "build wrote a" in view.heard)
    following.cancel()
    await asyncio.wait([following])
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert (left, view.heard[-1]) == (set(), "stop")


class _BrokenView(Notes):
    def wrote(self, source: object, piece: bytes) -> None:  # noqa: ARG002  the view's signature
        raise BrokenPipeError


async def test_a_view_that_can_not_write() -> None:
    """What goes wrong in a view isn't lost."""
    runs = RecordedRuns()
    runs.written["build-1"] = [b"a"]
    runs.put(OVER)
    with pytest.raises(BrokenPipeError):
        await asyncio.wait_for(follow(runs, "ci", _BrokenView()), 10)
