"""Changing, deleting and cancelling a workflow while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.support.documents import timeless
from e2e.support.sandbox import manifest
from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from e2e.support.sandbox import Sandbox

LONG = """
defaults: {image: busybox:1.35}
jobs:
  quick: {commands: ["true"]}
  long: {needs: quick, commands: [sleep 600]}
  wide: {needs: quick, commands: [sleep 600]}
  after: {needs: [long, wide], commands: ["true"]}
"""
SHORT = """
defaults: {image: busybox:1.35}
jobs:
  quick: {commands: ["true"]}
  long: {needs: quick, commands: ["true"]}
"""


def test_a_changed_spec_supersedes_the_running_one(sandbox: Sandbox) -> None:
    """Run 2 starts at once; what run 1 was doing is ended, and the history tells."""
    sandbox.apply("ci", LONG)
    for job in ("long", "wide"):
        sandbox.wait_for_job("ci", job)
    sandbox.apply("ci", SHORT)
    status = sandbox.wait("ci")
    assert (status["run"], status["observedGeneration"], list(status["jobs"])) == (2, 2, ["long", "quick"])
    assert timeless(status["history"]) == [
        {
            "run": 1,
            "generation": 1,
            "phase": "Cancelled",
            "message": "superseded by generation 2",
            "startedAt": "…",
            "finishedAt": "…",
        }
    ]
    wait_for("the first run's Pods to end", lambda: not sandbox.living_pods("ci"), seconds=45)
    left = {
        (job["metadata"]["labels"]["fairlead.dev/run"], job["metadata"]["labels"]["fairlead.dev/job"])
        for job in sandbox.jobs("ci")
    }
    # What had ended keeps its log.
    assert left == {("1", "quick"), ("2", "quick"), ("2", "long")}
    assert sandbox.events("ci") == [("Normal", "Superseded", "run 1 was superseded by generation 2")]


def test_a_superseded_run_keeps_the_logs_of_what_had_ended(sandbox: Sandbox) -> None:
    """A job that has ended isn't deleted with those that work on, however early the change comes after its end."""
    sandbox.apply("ci", LONG.replace('quick: {commands: ["true"]}', "quick: {commands: [echo the first run]}"))
    quick = sandbox.wait_for_job("ci", "quick", "Succeeded")
    sandbox.apply("ci", SHORT)
    sandbox.wait("ci")
    wait_for("the first run's Pods to end", lambda: not sandbox.living_pods("ci"), seconds=45)
    assert "the first run" in sandbox.log(quick).splitlines()


def test_applying_the_same_again_does_nothing(sandbox: Sandbox) -> None:
    """Neither a running nor an ended workflow is touched by the spec that it has already."""
    text = manifest("same", "{jobs: {one: {image: 'busybox:1.35', commands: [sleep 2]}}}")
    assert sandbox.kubectl.apply(text) == "workflow.fairlead.dev/same created\n"
    sandbox.wait_for_job("same", "one")
    assert sandbox.kubectl.apply(text) == "workflow.fairlead.dev/same unchanged\n"
    status = sandbox.wait("same")
    assert status["run"] == 1
    before, jobs = sandbox.workflow("same"), sandbox.jobs("same")
    assert sandbox.kubectl.apply(text) == "workflow.fairlead.dev/same unchanged\n"
    assert sandbox.kubectl.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
    after = sandbox.workflow("same")
    assert after["metadata"]["generation"] == before["metadata"]["generation"] == 1
    assert after["status"] == before["status"]
    assert [job["metadata"]["uid"] for job in sandbox.jobs("same")] == [job["metadata"]["uid"] for job in jobs]


def test_many_changes_in_a_row_come_to_the_last(sandbox: Sandbox) -> None:
    """Five specs, each applied before the last one ran far: the newest is what runs in the end, the others ended."""
    for number in range(5):
        sandbox.apply("hasty", f"{{jobs: {{one: {{image: 'busybox:1.35', commands: [sleep {600 - number}]}}}}}}")
    status = sandbox.run("hasty", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
    # A generation that nobody saw before the next one came is no run.
    assert status["observedGeneration"] == 6
    assert status["run"] == len(status["history"]) + 1
    assert {each["phase"] for each in status["history"]} == {"Cancelled"}
    wait_for("the earlier runs' Pods to end", lambda: not sandbox.living_pods("hasty"), seconds=45)


def test_deleting_a_workflow_ends_its_pods(sandbox: Sandbox) -> None:
    """Jobs and Pods of a deleted workflow go away, and the operator makes no more."""
    sandbox.apply("ci", LONG)
    sandbox.wait_for_job("ci", "long")
    sandbox.kubectl.run("delete", "fwf", "ci")
    wait_for("no Jobs and no Pods", lambda: not sandbox.jobs("ci") and not sandbox.pods("ci"), seconds=60)


def test_a_deleted_workflow_can_be_made_anew(sandbox: Sandbox) -> None:
    """One of the same name has nothing to do with the one before: it is run 1, with Jobs of its own."""
    sandbox.apply("ci", LONG)
    sandbox.wait_for_job("ci", "long")
    sandbox.kubectl.run("delete", "fwf", "ci")
    status = sandbox.run("ci", SHORT)
    assert (status["run"], status["observedGeneration"], status.get("history")) == (1, 1, None)


def test_cancel_ends_a_run(sandbox: Sandbox) -> None:
    """The annotation fairlead.dev/cancel with the run's number ends it; what had ended stays as it was."""
    sandbox.apply("ci", LONG)
    for job in ("long", "wide"):
        sandbox.wait_for_job("ci", job)
    sandbox.kubectl.run("annotate", "fwf", "ci", "fairlead.dev/cancel=1")
    status = sandbox.wait("ci", "Cancelled")
    assert {job_id: (job["phase"], job["result"]) for job_id, job in status["jobs"].items()} == {
        "quick": ("Succeeded", "success"),
        "long": ("Cancelled", "cancelled"),
        "wide": ("Cancelled", "cancelled"),
        "after": ("Cancelled", "cancelled"),
    }
    assert status["progress"] == "4/4"
    wait_for("the Pods to end", lambda: not sandbox.living_pods("ci"), seconds=45)
    assert [reason for _, reason, _ in sandbox.events("ci")] == ["Cancelled"]
    # The annotation is of run 1: the next one isn't hit by it.
    assert sandbox.run("ci", SHORT)["run"] == 2


def test_a_request_to_cancel_another_run_does_nothing(sandbox: Sandbox) -> None:
    """The annotation names a run, so it can't hit the wrong one."""
    sandbox.apply("ci", "{jobs: {one: {image: 'busybox:1.35', commands: [sleep 3]}}}")
    sandbox.wait_for_job("ci", "one")
    sandbox.kubectl.run("annotate", "fwf", "ci", "fairlead.dev/cancel=2")
    assert sandbox.wait("ci")["jobs"]["one"]["phase"] == "Succeeded"
