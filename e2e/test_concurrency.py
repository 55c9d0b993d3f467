"""Groups on a real cluster: one at a time, though the operator dies; a newer one pushes an older one aside."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from e2e.test_operator_dies import delete_pod, kill_process

if TYPE_CHECKING:
    from e2e.support.harness import Harness
    from e2e.support.installation import Installation
    from e2e.support.kubectl import Json
    from e2e.support.sandbox import Sandbox

NAMES = [f"deploy-{number}" for number in range(1, 5)]


def in_a_group(**concurrency: object) -> Json:
    """Give a workflow of two jobs that takes some two seconds, in a group."""
    nap = ["sleep 1"]
    jobs: Json = {"first": {"commands": nap}, "second": {"needs": "first", "commands": nap}}
    return {
        "defaults": {"image": "busybox:1.35"},
        "concurrency": {"group": "Production", **concurrency},
        "jobs": jobs,
    }


def times(sandbox: Sandbox, name: str) -> tuple[str, str]:
    """Give when the first container of a workflow started and when the last one ended, as sortable texts."""
    states = [
        status["state"]["terminated"]
        for pod in sandbox.pods(name)
        for status in pod["status"]["containerStatuses"]
        if "terminated" in status["state"]
    ]
    return min(each["startedAt"] for each in states), max(each["finishedAt"] for each in states)


@pytest.mark.hurts
def test_one_at_a_time_though_the_operator_dies(sandbox: Sandbox, installation: Installation, harness: Harness) -> None:
    """Four in one group, and the operator killed while they go: their containers never overlap, and all succeed."""
    kill = kill_process if harness.ours else delete_pod
    for name in NAMES:
        sandbox.apply(name, in_a_group())
    for number, name in enumerate(NAMES):
        sandbox.wait_until(name, "its turn", lambda status: status.get("phase") in ("Running", "Succeeded"))
        (kill, delete_pod)[number % 2](installation)

    for name in NAMES:
        sandbox.wait(name)
    spans = sorted(times(sandbox, name) for name in NAMES)
    assert [after[0] >= before[1] for before, after in pairwise(spans)] == [True, True, True]


def test_a_newer_one_cancels_what_is_in_progress(sandbox: Sandbox) -> None:
    """The older one ends as Cancelled and says for whom; the newer one starts when nothing of it works any more."""
    slow: Json = {**in_a_group(), "jobs": {"long": {"commands": ["sleep 300"]}}}
    sandbox.apply("older", slow)
    sandbox.wait_for_job("older", "long")

    sandbox.apply("newer", in_a_group(cancelInProgress=True))

    older, newer = sandbox.wait("older", "Cancelled"), sandbox.wait("newer")
    assert older["message"].startswith("superseded by newer")
    assert older["jobs"]["long"]["reason"] == "Superseded"
    assert newer["admission"]["admitted"] is True


def test_only_the_newest_waits(sandbox: Sandbox) -> None:
    """With `queue: latest` a newer one takes the place of the one that waits."""
    sandbox.apply("runs", {**in_a_group(), "jobs": {"long": {"commands": ["sleep 600"]}}})
    sandbox.wait_for_job("runs", "long")

    sandbox.apply("waits", in_a_group(queue="latest"))
    sandbox.wait_until("waits", "its turn", lambda status: status.get("phase") == "Queued")
    sandbox.apply("replaces", in_a_group(queue="latest"))

    assert sandbox.wait("waits", "Cancelled")["jobs"]["first"].get("kubernetesJob") is None
    sandbox.kubectl.run("annotate", "fwf", "runs", "fairlead.dev/cancel=1")
    sandbox.wait("runs", "Cancelled")
    sandbox.wait("replaces")
