"""Two replicas of the operator: where one ends, the other goes on, soon, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from itertools import count, pairwise
from typing import TYPE_CHECKING

import pytest

from e2e.conftest import GRACE
from e2e.support.installation import NAMESPACE, RELEASE, operator_image
from e2e.support.leases import holder, holders, process_of
from e2e.support.recording import record
from e2e.support.sandbox import open_sandbox
from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.support.harness import Harness
    from e2e.support.installation import Installation
    from e2e.support.kubectl import Json
    from e2e.support.sandbox import Sandbox

pytestmark = pytest.mark.hurts

IMAGE = {"defaults": {"image": "busybox:1.35"}}
LINKS = [f"link-{number}" for number in range(1, 7)]
AFTER_A_CLEAN_END = 2.0
AFTER_A_DEATH = 15.0
SLACK = 3.0
"""Seconds for the programs that the tests use, and for what else the machine does."""


def chain(seconds: int = 2) -> Json:
    """Give a chain of six jobs."""
    needs = {LINKS[0]: [], **{link: [before] for before, link in pairwise(LINKS)}}
    jobs = {link: {"needs": each, "commands": [f"sleep {seconds}"]} for link, each in needs.items()}
    return {**IMAGE, "jobs": jobs}


def seconds_to_the_next_job(sandbox: Sandbox, name: str) -> float:
    """Apply a workflow, and measure how long its Job takes to be there."""
    start = time.monotonic()
    sandbox.apply(name, {**IMAGE, "jobs": {"one": {"commands": ["true"]}}})
    wait_for("its Job", lambda: sandbox.kubectl.items("jobs", f"fairlead.dev/workflow={name}"), interval=0.05)
    return time.monotonic() - start


def report(what: str, seconds: float) -> None:
    """Say what was measured; `pytest -rP` shows it."""
    print(f"{what}: {seconds:.1f} s until the next Job")


def stop(installation: Installation) -> int:
    """Stop the process that holds the Lease, as a machine does that hangs."""
    process = process_of(holder(installation))
    os.kill(process, signal.SIGSTOP)
    return process


def delete(installation: Installation, *how: str) -> None:
    """Delete the Pod that holds the Lease, and don't wait."""
    name = holder(installation)["metadata"]["name"]
    installation.kubectl.within(NAMESPACE).run("delete", "pod", name, "--wait=false", *how)


def vanish(installation: Installation) -> None:
    """Have the holder end without another word, and its Pod with it."""
    os.kill(process_of(holder(installation)), signal.SIGSTOP)
    delete(installation, "--grace-period=0", "--force")


def be_killed(installation: Installation) -> None:
    """Kill the holder's process; the kubelet starts another in the same Pod."""
    os.kill(process_of(holder(installation)), signal.SIGKILL)


@pytest.mark.parametrize(
    ("what", "act", "limit"),
    [
        ("the holder's Pod was deleted", delete, AFTER_A_CLEAN_END),
        ("the holder's process was killed", be_killed, AFTER_A_DEATH),
        ("the holder vanished", vanish, AFTER_A_DEATH),
    ],
    ids=["deleted", "killed", "vanished"],
)
def test_failover(
    sandbox: Sandbox, installation: Installation, harness: Harness, what: str, act: Callable[..., None], limit: float
) -> None:
    """In the middle of a run the holder ends: soon the next Job is made, and each of the run's jobs was made once."""
    if not harness.ours and act is not delete:
        pytest.skip("kills processes of this machine")
    installation.wait_until_ready()
    with record(sandbox.kubectl, "jobs") as jobs:
        sandbox.apply("run", chain(seconds=1))
        sandbox.wait_for_job("run", LINKS[1])
        act(installation)
        seconds = seconds_to_the_next_job(sandbox, "next")
        report(what, seconds)
        status = sandbox.wait("run")
        made = Counter(each["metadata"]["labels"]["fairlead.dev/job"] for each in jobs.objects())
    installation.wait_until_ready()
    assert made == Counter([*LINKS, "one"])
    assert (status["progress"], {job["attempt"] for job in status["jobs"].values()}) == ("6/6", {1})
    assert seconds < limit + SLACK


def test_a_holder_that_hangs_and_comes_back(sandbox: Sandbox, installation: Installation, harness: Harness) -> None:
    """Its Lease is taken meanwhile; awake again, it only watches, and a concurrency group never has two."""
    if not harness.ours:
        pytest.skip("stops processes of this machine")
    installation.wait_until_ready()
    grouped = {**IMAGE, "concurrency": {"group": "one"}, "jobs": {"one": {"commands": ["sleep 3"]}}}
    names = [f"member-{number}" for number in range(4)]
    sandbox.apply("run", chain())
    for name in names:
        sandbox.apply(name, grouped)
    sandbox.wait_for_job("run", LINKS[0])
    first = holder(installation)["metadata"]["name"]
    process = stop(installation)
    try:
        report("the holder hung", seconds_to_the_next_job(sandbox, "next"))
        second = wait_for("another holder", lambda: next(iter(holders(installation) - Counter([first])), ""))
    finally:
        os.kill(process, signal.SIGCONT)
    ends = [sandbox.wait(name, seconds=120) for name in ("run", *names)]
    spans = sorted((each["jobs"]["one"]["startedAt"], each["jobs"]["one"]["finishedAt"]) for each in ends[1:])
    assert holders(installation) == Counter([second])
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert {job["attempt"] for job in ends[0]["jobs"].values()} == {1}
    installation.wait_until_ready()


def test_a_rolling_upgrade(sandbox: Sandbox, installation: Installation) -> None:
    """While all replicas are replaced, workflows start as ever, and what runs goes on."""
    installation.wait_until_ready()
    system = installation.kubectl.within(NAMESPACE)
    before = {pod["metadata"]["name"] for pod in installation.pods()}
    sandbox.apply("run", chain(seconds=3))
    system.run("rollout", "restart", f"deployment/{RELEASE}")
    waits = []
    for number in count():
        waits.append(seconds_to_the_next_job(sandbox, f"during-{number}"))
        pods = {pod["metadata"]["name"] for pod in system.items("pods", "app.kubernetes.io/component=operator")}
        if not pods & before:
            break
    report("all replicas were replaced, the longest", max(waits))
    status = sandbox.wait("run")
    installation.wait_until_ready()
    assert {job["attempt"] for job in status["jobs"].values()} == {1}
    assert max(waits) < AFTER_A_CLEAN_END + SLACK


def test_shards(sandbox: Sandbox, installation: Installation, harness: Harness) -> None:
    """Four shards are shared by two replicas, and every namespace is worked on; back to one, it is again one's."""
    image = operator_image(harness)
    with open_sandbox(installation.kubectl, "shards-other") as other:
        sandbox.apply("run", chain())
        installation.install(image, [f"--grace={GRACE}s", "--shards=4"])
        try:
            wait_for("two Leases each", lambda: sorted(holders(installation, 4).values()) == [2, 2], seconds=60)
            for each in (sandbox, other):
                each.run("one", {**IMAGE, "jobs": {"one": {"commands": ["true"]}}})
        finally:
            installation.install(image, [f"--grace={GRACE}s"])
        wait_for("one holder of one Lease", lambda: sum(holders(installation).values()) == 1, seconds=60)
        report("back to one shard", seconds_to_the_next_job(sandbox, "next"))
        assert {job["attempt"] for job in sandbox.wait("run")["jobs"].values()} == {1}
