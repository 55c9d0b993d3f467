"""Jobs that can't start: said while there is hope, and decided when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from e2e.support.harness import Harness
    from e2e.support.sandbox import Sandbox


def test_an_image_that_cant_be_pulled(sandbox: Sandbox) -> None:
    """First a message while it is tried again, then ImagePullFailed, and its Kubernetes Job is gone."""
    sandbox.apply(
        "pull",
        """
        jobs:
          one: {image: 'registry.invalid/nobody/nothing:1', commands: ["true"]}
          two: {needs: one, image: 'busybox:1.35', commands: ["true"]}
        """,
    )
    waiting = sandbox.wait_until("pull", "a message", lambda s: s.get("jobs", {}).get("one", {}).get("message"))
    assert (waiting["phase"], waiting["jobs"]["one"]["phase"]) == ("Running", "Queued")
    assert "registry.invalid" in waiting["message"]
    status = sandbox.wait("pull", "Failed")
    one = status["jobs"]["one"]
    assert (one["phase"], one["reason"], one["attempt"]) == ("Failed", "ImagePullFailed", 1)
    assert "registry.invalid/nobody/nothing:1" in one["message"]
    assert status["jobs"]["two"]["phase"] == "Skipped"
    wait_for("its Kubernetes Job to be gone", lambda: not sandbox.jobs("pull") and not sandbox.pods("pull"), seconds=45)
    assert [reason for _, reason, _ in sandbox.events("pull")] == ["JobWaiting", "JobFailed", "Failed"]


def test_an_image_whose_name_is_none(sandbox: Sandbox) -> None:
    """What can never be an image's name isn't waited for."""
    status = sandbox.run("name", "{jobs: {one: {image: 'Not An Image', commands: ['true']}}}", "Failed", seconds=10)
    one = status["jobs"]["one"]
    assert one["reason"] == "ImagePullFailed"
    assert one["message"].startswith("not an image's name: ")


def test_a_secret_that_isnt_there(sandbox: Sandbox) -> None:
    """A missing Secret is told as waiting, then as Misconfigured, with its name."""
    sandbox.apply(
        "secret",
        """
        defaults: {image: busybox:1.35}
        jobs:
          name: {env: {A: {secretKeyRef: {name: nowhere, key: token}}}, commands: ["true"]}
        """,
    )
    waiting = sandbox.wait_until("secret", "a message", lambda s: s.get("jobs", {}).get("name", {}).get("message"))
    assert 'secret "nowhere" not found' in waiting["message"]
    status = sandbox.wait("secret", "Failed")
    job = status["jobs"]["name"]
    assert (job["reason"], job["message"]) == (
        "Misconfigured",
        'CreateContainerConfigError: secret "nowhere" not found',
    )
    wait_for("its Kubernetes Job to be gone", lambda: not sandbox.jobs("secret"), seconds=45)


def test_a_secret_that_comes_late(sandbox: Sandbox) -> None:
    """What is missing may still come: the job then starts, and nothing of the trouble is left."""
    sandbox.apply(
        "late",
        """
        jobs:
          one: {image: 'busybox:1.35', env: {A: {secretKeyRef: {name: late, key: token}}}, commands: ['test "$A" = x']}
        """,
    )
    sandbox.wait_until("late", "a message", lambda s: s.get("jobs", {}).get("one", {}).get("message"))
    sandbox.kubectl.run("create", "secret", "generic", "late", "--from-literal=token=x")
    one = sandbox.wait("late")["jobs"]["one"]
    assert (one["attempt"], one.get("message")) == (1, None)


def test_an_image_without_a_shell(harness: Harness, sandbox: Sandbox) -> None:
    """An image without /bin/sh is told as such."""
    if not harness.ours:
        pytest.skip("takes the pause image of our own cluster")
    status = sandbox.run("shell", "{jobs: {one: {image: 'localhost/pause:1', commands: ['true']}}}", "Failed")
    one = status["jobs"]["one"]
    assert one["reason"] == "StartFailed"
    assert (
        one["message"] == "the image localhost/pause:1 has no /bin/sh, which the steps need; use an image with a shell"
    )


def test_a_pod_that_fits_nowhere(sandbox: Sandbox) -> None:
    """A job that asks for more than any node has waits, and says why; it can be cancelled."""
    sandbox.apply(
        "large",
        """
        jobs:
          one: {image: 'busybox:1.35', resources: {requests: {cpu: 4000}}, commands: ["true"]}
        """,
    )
    waiting = sandbox.wait_until("large", "a message", lambda s: s.get("jobs", {}).get("one", {}).get("message"))
    assert waiting["jobs"]["one"]["message"].startswith("can't be scheduled: ")
    assert "Insufficient cpu" in waiting["jobs"]["one"]["message"]
    sandbox.kubectl.run("annotate", "fwf", "large", "fairlead.dev/cancel=1")
    sandbox.wait("large", "Cancelled")
    wait_for("its Pod to be gone", lambda: not sandbox.pods("large"), seconds=45)


def test_what_the_cluster_refuses(sandbox: Sandbox) -> None:
    """A quota in the way is told while it lasts; with the quota gone the job runs."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    sandbox.kubectl.apply({**quota, "spec": {"hard": {"count/jobs.batch": "0"}}})
    sandbox.apply("refused", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
    waiting = sandbox.wait_until("refused", "a message", lambda s: s.get("jobs", {}).get("one", {}).get("message"))
    assert waiting["jobs"]["one"]["message"].startswith("can't be started yet: ")
    assert "exceeded quota" in waiting["jobs"]["one"]["message"]
    sandbox.kubectl.run("delete", "quota", "none")
    one = sandbox.wait("refused")["jobs"]["one"]
    assert (one["attempt"], one.get("message")) == (1, None)
