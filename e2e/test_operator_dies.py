"""All replicas of the operator are killed, hard and at bad moments: nothing is lost and nothing is done twice."""

from __future__ import annotations

import os
import signal
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from e2e.support.installation import NAMESPACE
from e2e.support.processes import processes_of
from e2e.support.recording import record
from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.support.harness import Harness
    from e2e.support.installation import Installation
    from e2e.support.kubectl import Json
    from e2e.support.sandbox import Sandbox

pytestmark = pytest.mark.hurts

CHAIN = [f"link-{number}" for number in range(1, 7)]
FAN = [f"fan-{number}" for number in range(1, 5)]


def long_run() -> Json:
    """Give a chain of six with a fan of four beside it, and a job that needs them all."""
    nap = {"id": "nap", "run": 'sleep 1; echo "me=$0" >> "$FAIRLEAD_OUTPUT"'}
    outputs = {"me": "${{ steps.nap.outputs.me }}"}
    needs = {"link-1": [], **{link: [before] for before, link in pairwise(CHAIN)}}
    needs |= {fan: ["link-2"] for fan in FAN}
    jobs: Json = {job: {"needs": each, "steps": [nap], "outputs": outputs} for job, each in needs.items()}
    return {
        "defaults": {"image": "busybox:1.35"},
        "jobs": {**jobs, "join": {"needs": [*CHAIN, *FAN], "commands": ["true"]}},
    }


def kill_process(installation: Installation) -> None:
    """Kill the operator's processes from outside of their Pods, as soon as there is one; the kubelet starts others."""

    def look() -> list[int]:
        return [each for pod in installation.pods() for each in processes_of(pod["metadata"]["uid"], "operator")]

    for process in wait_for("the operator's process", look, interval=0.05):
        os.kill(process, signal.SIGKILL)


def delete_pod(installation: Installation) -> None:
    """Delete the operator's Pods without grace; their Deployment makes others."""
    names = [pod["metadata"]["name"] for pod in installation.pods()]
    installation.kubectl.within(NAMESPACE).run("delete", "pod", *names, "--grace-period=0", "--force")


def per_job(objects: list[Json]) -> Counter[tuple[str, str]]:
    """Count objects by job and attempt."""
    labels = [each["metadata"]["labels"] for each in objects]
    return Counter((each["fairlead.dev/job"], each["fairlead.dev/attempt"]) for each in labels)


def has_come_to(ended: int) -> Callable[[Json], bool]:
    """Give the question whether so many jobs have ended."""
    return lambda status: int(status.get("progress", "0/0").partition("/")[0]) >= ended


def test_killing_the_operator_again_and_again(sandbox: Sandbox, installation: Installation, harness: Harness) -> None:
    """However often it dies in the middle of a run, each job is made exactly once, and the run succeeds."""
    kill = kill_process if harness.ours else delete_pod
    moments = {0: [kill], 2: [kill, delete_pod], 5: [kill], 8: [delete_pod]}
    with record(sandbox.kubectl, "jobs") as jobs, record(sandbox.kubectl, "pods") as pods:
        sandbox.apply("run", long_run())
        for ended, blows in moments.items():
            sandbox.wait_until("run", f"{ended} jobs to have ended", has_come_to(ended))
            for blow in blows:
                blow(installation)
        status = sandbox.wait("run")
        once = Counter((job, "1") for job in (*CHAIN, *FAN, "join"))
        assert per_job(jobs.objects()) == once
        assert per_job(pods.objects()) == once
    installation.wait_until_ready()
    assert status["run"] == 1
    assert status["progress"] == "11/11"
    assert {job["attempt"] for job in status["jobs"].values()} == {1}
    assert sandbox.events("run") == []


def test_what_happens_while_it_is_away(sandbox: Sandbox, installation: Installation) -> None:
    """Pods that end, specs that change and workflows that come while no operator runs are found when it is back."""
    system = installation.kubectl.within(NAMESPACE)
    sandbox.apply(
        "ends",
        "{defaults: {image: 'busybox:1.35'}, jobs: {a: {commands: [sleep 3]}, b: {needs: a, commands: ['true']}}}",
    )
    sandbox.apply("changes", "{jobs: {one: {image: 'busybox:1.35', commands: [sleep 600]}}}")
    sandbox.wait_for_job("ends", "a")
    sandbox.wait_for_job("changes", "one")
    system.run("scale", "deployment/fairlead", "--replicas=0")
    wait_for("no operator", lambda: not system.items("pods"))
    try:
        sandbox.apply("changes", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
        sandbox.apply("comes", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
        wait_for("the Pod to end", lambda: len(sandbox.living_pods("ends")) == 0)
    finally:
        system.run("scale", "deployment/fairlead", "--replicas=2")
    assert sandbox.wait("ends")["progress"] == "2/2"
    assert sandbox.wait("comes")["run"] == 1
    assert sandbox.wait("changes")["run"] == 2
    installation.wait_until_ready()
