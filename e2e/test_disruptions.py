"""The cluster takes things away: Pods are evicted and deleted, Jobs are deleted, and the run goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from e2e.support.recording import record

if TYPE_CHECKING:
    from e2e.support.kubectl import Json
    from e2e.support.sandbox import Sandbox

NAP = """
defaults: {image: busybox:1.35}
jobs:
  nap:
    steps: [{id: nap, run: 'sleep 5; echo "done=yes" >> "$FAIRLEAD_OUTPUT"'}]
    outputs: {done: "${{ steps.nap.outputs.done }}"}
  after: {needs: nap, commands: ['test "${{ needs.nap.outputs.done }}" = yes']}
"""


def pod_of(sandbox: Sandbox, job: str) -> str:
    """Name the one Pod of a job."""
    (pod,) = sandbox.kubectl.items("pods", f"fairlead.dev/job={job}")
    name: str = pod["metadata"]["name"]
    return name


def attempts(objects: list[Json], job: str) -> list[str]:
    """Give the attempts that there were at a job, by the labels of its objects."""
    labels = [each["metadata"]["labels"] for each in objects]
    return [each["fairlead.dev/attempt"] for each in labels if each["fairlead.dev/job"] == job]


def test_an_evicted_pod_is_made_again_for_free(sandbox: Sandbox) -> None:
    """The Job itself makes another Pod after an eviction: no second attempt, no failure counted."""
    with record(sandbox.kubectl, "pods") as pods:
        sandbox.apply("evicted", NAP)
        sandbox.wait_for_job("evicted", "nap")
        name = pod_of(sandbox, "nap")
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": sandbox.namespace},
        }
        path = f"/api/v1/namespaces/{sandbox.namespace}/pods/{name}/eviction"
        sandbox.kubectl.run("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
        status = sandbox.wait("evicted")
        assert attempts(pods.objects(), "nap") == ["1", "1"]
    assert status["jobs"]["nap"]["attempt"] == 1
    assert [each for each in sandbox.events("evicted") if each[0] == "Warning" and each[1] != "JobWaiting"] == []
    (job,) = sandbox.kubectl.items("jobs", "fairlead.dev/job=nap")
    assert job["status"].get("failed", 0) == 0


def test_a_deleted_pod_leads_to_another_attempt(sandbox: Sandbox) -> None:
    """Somebody deletes a Pod by hand: its job is restarted as attempt 2 and succeeds."""
    with record(sandbox.kubectl, "jobs") as jobs:
        sandbox.apply("deleted", NAP)
        sandbox.wait_for_job("deleted", "nap")
        sandbox.kubectl.run("delete", "pod", pod_of(sandbox, "nap"), "--wait=false")
        status = sandbox.wait("deleted")
        assert attempts(jobs.objects(), "nap") == ["1", "2"]
        assert attempts(jobs.objects(), "after") == ["1"]
    assert status["jobs"]["nap"]["attempt"] == 2
    restarts = [each for each in sandbox.events("deleted") if each[1] == "JobRestarted"]
    assert restarts == [("Warning", "JobRestarted", 'job "nap": restarted: its Pod was deleted')]


def test_a_deleted_job_leads_to_another_attempt(sandbox: Sandbox) -> None:
    """Somebody deletes a Kubernetes Job by hand: it is made again as attempt 2 and succeeds."""
    with record(sandbox.kubectl, "jobs") as jobs:
        sandbox.apply("deleted", NAP)
        running = sandbox.wait_for_job("deleted", "nap")
        sandbox.kubectl.run("delete", "job", running["kubernetesJob"], "--wait=false")
        status = sandbox.wait("deleted")
        assert attempts(jobs.objects(), "nap") == ["1", "2"]
    assert status["jobs"]["nap"]["attempt"] == 2
    restarts = [each for each in sandbox.events("deleted") if each[1] == "JobRestarted"]
    assert restarts == [("Warning", "JobRestarted", 'job "nap": restarted: its Kubernetes Job was deleted')]


def test_what_is_deleted_after_its_end_isnt_run_again(sandbox: Sandbox) -> None:
    """Jobs of an ended run may be cleaned up: nothing is made anew, and the status stays."""
    with record(sandbox.kubectl, "jobs") as jobs:
        status = sandbox.run("cleaned", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
        sandbox.kubectl.run("delete", "jobs", "--all")
        assert sandbox.kubectl.items("jobs") == []
        # A nudge: the operator looks at it again.
        sandbox.kubectl.run("label", "fwf", "cleaned", "seen=again")
        sandbox.run("later", "{jobs: {two: {image: 'busybox:1.35', commands: ['true']}}}")
        assert attempts(jobs.objects(), "one") == ["1"]
    assert sandbox.status("cleaned") == status


def test_a_status_that_somebody_wiped_is_rebuilt(sandbox: Sandbox) -> None:
    """State is derived from what exists: Jobs that are there aren't made a second time."""
    with record(sandbox.kubectl, "jobs") as jobs:
        sandbox.apply("wiped", NAP)
        sandbox.wait_for_job("wiped", "nap")
        sandbox.kubectl.run("patch", "fwf", "wiped", "--subresource=status", "--type=merge", "-p", '{"status": null}')
        status = sandbox.wait("wiped")
        assert attempts(jobs.objects(), "nap") == ["1"]
    assert (status["run"], status["jobs"]["nap"]["attempt"]) == (1, 1)
