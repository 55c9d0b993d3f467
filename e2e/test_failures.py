"""What follows when a job fails: for itself, for those that need it, and for the others."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from e2e.support.documents import timeless
from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from e2e.support.sandbox import Sandbox


def test_a_failure_skips_what_needs_it_and_nothing_else(sandbox: Sandbox) -> None:
    """All along a chain dependants are skipped, each telling why; independent jobs go on to their end."""
    status = sandbox.run(
        "chain",
        """
        defaults: {image: busybox:1.35}
        jobs:
          fails:
            steps:
            - {run: "true"}
            - {name: Break, id: break, run: exit 42}
            - {run: echo never}
          second: {needs: fails, commands: ["true"]}
          third: {needs: [second], commands: ["true"]}
          other: {commands: [sleep 2]}
          after-other: {needs: [other], commands: ["true"]}
          both: {needs: [after-other, third], commands: ["true"]}
        """,
        "Failed",
    )
    found = {job_id: (job["phase"], job["result"], job.get("message")) for job_id, job in status["jobs"].items()}
    assert found == {
        "fails": ("Failed", "failure", 'step "Break" failed with exit code 42'),
        "second": ("Skipped", "skipped", 'needs "fails", which failed'),
        "third": ("Skipped", "skipped", 'needs "second", which was skipped'),
        "other": ("Succeeded", "success", None),
        "after-other": ("Succeeded", "success", None),
        "both": ("Skipped", "skipped", 'needs "third", which was skipped'),
    }
    moments = {"startedAt": "…", "finishedAt": "…"}
    assert timeless(status["jobs"]["fails"]) == {
        "phase": "Failed",
        "result": "failure",
        "reason": "StepFailed",
        "message": 'step "Break" failed with exit code 42',
        "attempt": 1,
        "kubernetesJob": "…",
        "exitCode": 42,
        **moments,
        "steps": [
            {"name": "true", "result": "success", "exitCode": 0, **moments},
            {"name": "Break", "id": "break", "result": "failure", "exitCode": 42, **moments},
            {"name": "echo never", "result": "skipped"},
        ],
    }
    assert status["message"] == 'job "fails": step "Break" failed with exit code 42'
    assert status["progress"] == "6/6"
    assert {job["metadata"]["labels"]["fairlead.dev/job"] for job in sandbox.jobs("chain")} == {
        "fails",
        "other",
        "after-other",
    }
    log = sandbox.log(status["jobs"]["fails"])
    assert '::error::step "Break" failed with exit code 42' in log.splitlines()
    assert "never" not in log


def test_a_timeout_ends_the_step(sandbox: Sandbox) -> None:
    """A job that takes too long ends with 124 and TimedOut, and its container with all its processes is gone."""
    status = sandbox.run(
        "slow",
        """
        defaults: {image: busybox:1.35, timeout: 2s}
        jobs:
          sleeps: {commands: [sleep 600]}
          hides: {commands: ["sh -c 'sleep 600 & wait'"], timeout: 3s}
          quick: {commands: [sleep 3], timeout: 1m}
        """,
        "Failed",
    )
    found = {
        job_id: (job["phase"], job.get("reason"), job.get("message"), job["exitCode"])
        for job_id, job in status["jobs"].items()
    }
    assert found == {
        "sleeps": ("Failed", "TimedOut", "timed out after 2s", 124),
        "hides": ("Failed", "TimedOut", "timed out after 3s", 124),
        "quick": ("Succeeded", None, None, 0),
    }
    sleeps = status["jobs"]["sleeps"]
    (step,) = sleeps["steps"]
    took = datetime.fromisoformat(step["finishedAt"]) - datetime.fromisoformat(step["startedAt"])
    assert timedelta(seconds=1.5) < took < timedelta(seconds=4)
    ended = [
        container["state"]["terminated"]["exitCode"]
        for pod in sandbox.pods("slow")
        for container in pod["status"]["containerStatuses"]
    ]
    assert sorted(ended) == [0, 124, 124]


def test_a_step_that_ignores_the_end_is_killed(sandbox: Sandbox) -> None:
    """Whoever doesn't heed SIGTERM at the timeout is killed a few seconds later."""
    status = sandbox.run(
        "stubborn",
        """
        jobs:
          one: {image: 'busybox:1.35', timeout: 1s, commands: ["trap '' TERM\\nwhile true; do sleep 1; done"]}
        """,
        "Failed",
        seconds=40,
    )
    job = status["jobs"]["one"]
    assert (job["reason"], job["exitCode"]) == ("TimedOut", 124)
    wait_for("its container to be gone", lambda: not sandbox.living_pods("stubborn"), seconds=10)


def test_what_the_kernel_kills_is_told_as_such(sandbox: Sandbox) -> None:
    """A step that uses more memory than its limit fails as OutOfMemory, and the message says what to do."""
    status = sandbox.run(
        "hungry",
        """
        jobs:
          one:
            image: python:3.11
            shell: python
            resources: {limits: {memory: 32Mi}}
            commands: ["bytearray(400 * 1024 * 1024)"]
        """,
        "Failed",
    )
    job = status["jobs"]["one"]
    assert (job["reason"], job["exitCode"]) == ("OutOfMemory", 137)
    assert job["message"].endswith("ran out of memory; raise resources.limits.memory or use less")
