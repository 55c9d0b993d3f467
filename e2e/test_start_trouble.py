"""Jobs that can't start: said while there is hope, and decided when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.support.harness import Harness, HarnessError
from e2e.support.sandbox import open_sandbox
from e2e.support.waiting import wait_for
from e2e.testcluster.images import archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.support.installation import Installation
    from e2e.support.sandbox import Sandbox

MISSING = "registry.invalid/nobody/nothing:1"
SHELL_LESS = "fairlead/shell-less:1"


@pytest.fixture(scope="module")
def patience(installation: Installation) -> Iterator[Sandbox]:
    """Have those that wait out the operator's grace wait at the same time: pull, secret and late."""
    with open_sandbox(installation.kubectl, "patience") as sandbox:
        pull = f"""
            jobs:
              one: {{image: '{MISSING}', commands: ["true"]}}
              two: {{needs: one, image: 'busybox:1.35', commands: ["true"]}}
            """
        needy = """
            env: {TOKEN: {secretKeyRef: {name: NAME, key: token}}}
            jobs:
              one: {image: 'busybox:1.35', commands: ['test "$TOKEN" = x']}
            """
        sandbox.apply("pull", pull)
        sandbox.apply("secret", needy.replace("NAME", "nowhere"))
        sandbox.apply("late", needy.replace("NAME", "late"))
        for name in ("pull", "secret", "late"):
            sandbox.wait_until(name, "a message", lambda s: s.get("jobs", {}).get("one", {}).get("message"))
        sandbox.kubectl.run("create", "secret", "generic", "late", "--from-literal=token=x")
        yield sandbox


def test_an_image_that_cant_be_pulled(patience: Sandbox) -> None:
    """First a message while it is tried again, then ImagePullFailed, and its Kubernetes Job is gone."""
    status = patience.wait("pull", "Failed")
    one = status["jobs"]["one"]
    assert (one["phase"], one["reason"], one["attempt"]) == ("Failed", "ImagePullFailed", 1)
    assert MISSING in one["message"]
    assert status["jobs"]["two"]["phase"] == "Skipped"
    events = patience.events("pull")
    assert [reason for _, reason, _ in events] == ["JobWaiting", "JobFailed", "Failed"]
    assert all(MISSING in said for _, _, said in events)
    wait_for("its Kubernetes Job to be gone", lambda: not [*patience.jobs("pull"), *patience.pods("pull")], seconds=45)


def test_a_secret_that_isnt_there(patience: Sandbox) -> None:
    """A missing Secret is told as waiting, then as Misconfigured, with its name."""
    one = patience.wait("secret", "Failed")["jobs"]["one"]
    said = 'CreateContainerConfigError: secret "nowhere" not found'
    assert (one["reason"], one["message"]) == ("Misconfigured", said)
    assert patience.events("secret") == [
        ("Warning", "JobWaiting", f'job "one": {said}'),
        ("Warning", "JobFailed", f'job "one": {said}'),
        ("Warning", "Failed", f'run 1: job "one": {said}'),
    ]
    wait_for("its Kubernetes Job to be gone", lambda: not patience.jobs("secret"), seconds=45)


def test_a_secret_that_comes_late(patience: Sandbox) -> None:
    """What is missing may still come: the job then starts, and nothing of the trouble is left in the status."""
    status = patience.wait("late")
    one = status["jobs"]["one"]
    assert (one["attempt"], one.get("reason"), one.get("message")) == (1, None, None)
    assert status["message"] == "1 job succeeded"


def test_an_image_whose_name_is_none(sandbox: Sandbox) -> None:
    """What can never be an image's name isn't waited for."""
    status = sandbox.run("name", "{jobs: {one: {image: 'Not An Image', commands: ['true']}}}", "Failed", seconds=10)
    one = status["jobs"]["one"]
    assert one["reason"] == "ImagePullFailed"
    assert one["message"].startswith("not an image's name: ")


@pytest.fixture
def shell_less(harness: Harness, installation: Installation, tmp_path: Path) -> str:  # noqa: ARG001  a cluster that is up
    """Have an image in the cluster that has nothing in it but a text."""
    root, tar = tmp_path / "root", tmp_path / "image.tar"
    root.mkdir()
    (root / "README").write_text("There is no shell here.\n")
    archive.write(root, SHELL_LESS, archive.Configuration(command=["/README"]), tar)
    try:
        harness.cluster("load-image", str(tar))
    except HarnessError as error:
        if harness.ours:
            raise
        pytest.skip(f"needs an image of its own in the cluster: {error}")
    return SHELL_LESS


def test_an_image_without_a_shell(shell_less: str, sandbox: Sandbox) -> None:
    """An image without /bin/sh fails at once, and the message says what it lacks."""
    job = {"image": shell_less, "commands": ["true"]}
    one = sandbox.run("shell", {"jobs": {"one": job}}, "Failed", seconds=30)["jobs"]["one"]
    said = f"the image {shell_less} has no /bin/sh, which the steps need; use an image with a shell"
    assert (one["reason"], one["message"]) == ("StartFailed", said)


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


RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
ROOT = "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}"


def test_pods_that_are_refused(installation: Installation) -> None:
    """What the Job controller is told of a job's Pod stands in the status; the job fails where it won't pass."""
    with open_sandbox(installation.kubectl, "refused-pods", RESTRICTED) as sandbox:
        sandbox.apply("root", ROOT)
        said = """its Pod can't be made: violates PodSecurity "restricted:latest": """
        waiting = sandbox.wait_until("root", "a message", lambda s: s.get("jobs", {}).get("one", {}).get("message"))
        assert (waiting["jobs"]["one"]["phase"], waiting["jobs"]["one"]["message"][: len(said)]) == ("Queued", said)
        one = sandbox.wait("root", "Failed", seconds=120)["jobs"]["one"]
        assert (one["reason"], one["attempt"], one["message"][: len(said)]) == ("Misconfigured", 1, said)
        wait_for("its Kubernetes Job to be gone", lambda: not sandbox.jobs("root"), seconds=45)


def test_a_quota_of_pods(sandbox: Sandbox) -> None:
    """A quota that keeps a job from its Pod is told while it lasts; with the quota gone the job runs."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    sandbox.kubectl.apply({**quota, "spec": {"hard": {"pods": "0"}}})
    sandbox.apply("crowded", ROOT)
    waiting = sandbox.wait_until("crowded", "a message", lambda s: s.get("jobs", {}).get("one", {}).get("message"))
    assert waiting["jobs"]["one"]["message"].startswith("its Pod can't be made: exceeded quota: none")
    sandbox.kubectl.run("delete", "quota", "none")
    one = sandbox.wait("crowded", seconds=120)["jobs"]["one"]
    assert (one["attempt"], one.get("message")) == (1, None)


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
