"""What a workflow's status says, and how kubectl shows it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from e2e.support.documents import timeless

if TYPE_CHECKING:
    from e2e.support.kubectl import Json
    from e2e.support.sandbox import Sandbox

TWO_JOBS = """
defaults: {image: busybox:1.35}
inputs: {who: world}
outputs: {said: "${{ jobs.greet.outputs.greeting }}", how: "${{ jobs.count.result }}"}
jobs:
  greet:
    steps:
    - {id: words, name: Find the words, run: 'echo "greeting=Hello, ${{ inputs.who }}!" >> "$FAIRLEAD_OUTPUT"'}
    - {run: sleep 1}
    outputs: {greeting: "${{ steps.words.outputs.greeting }}"}
  count:
    needs: greet
    commands: ['test "${{ needs.greet.outputs.greeting }}" = "Hello, world!"']
"""


def condition(kind: str, status: str, reason: str, message: str = "") -> Json:
    """Give a condition as `timeless` leaves it."""
    said = {"message": message} if message else {}
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        **said,
        "observedGeneration": 1,
        "lastTransitionTime": "…",
    }


def test_the_status_of_a_success_is_whole(sandbox: Sandbox) -> None:
    """Phases, results, outputs, steps and conditions are all there, and nothing else is."""
    status = sandbox.run("two", TWO_JOBS)
    moments = {"startedAt": "…", "finishedAt": "…"}
    succeeded = {
        "phase": "Succeeded",
        "result": "success",
        "attempt": 1,
        "kubernetesJob": "…",
        "exitCode": 0,
        **moments,
    }
    assert timeless(status) == {
        "observedGeneration": 1,
        "specDigest": status["specDigest"],
        "run": 1,
        "phase": "Succeeded",
        "message": "2 jobs succeeded",
        "progress": "2/2",
        "duration": "…",
        **moments,
        "outputs": {"said": "Hello, world!", "how": "success"},
        "conditions": [
            condition("Accepted", "True", "Valid"),
            condition("Admitted", "True", "Admitted"),
            condition("Succeeded", "True", "Succeeded", "2 jobs succeeded"),
            condition("Ready", "True", "Succeeded", "2 jobs succeeded"),
        ],
        "jobs": {
            "greet": {
                **succeeded,
                "outputs": {"greeting": "Hello, world!"},
                "steps": [
                    {"name": "Find the words", "id": "words", "result": "success", "exitCode": 0, **moments},
                    {"name": "sleep 1", "result": "success", "exitCode": 0, **moments},
                ],
            },
            "count": {
                **succeeded,
                "steps": [
                    {"name": 'test "Hello, world!" = "Hello, world!"', "result": "success", "exitCode": 0, **moments}
                ],
            },
        },
    }
    greet = status["jobs"]["greet"]
    words, slept = greet["steps"]
    order = [
        greet["startedAt"],
        words["startedAt"],
        words["finishedAt"],
        slept["startedAt"],
        slept["finishedAt"],
        status["jobs"]["count"]["startedAt"],
        status["finishedAt"],
    ]
    # Pods tell their times in whole seconds, so one of them may seem to be up to a second early.
    moments_in_order = [datetime.fromisoformat(each) for each in order]
    for earlier, later in pairwise(moments_in_order):
        assert earlier - later < timedelta(seconds=1), order
    nap = datetime.fromisoformat(slept["finishedAt"]) - datetime.fromisoformat(slept["startedAt"])
    assert timedelta(seconds=1) <= nap < timedelta(seconds=2)


def test_progress_is_seen_while_it_runs(sandbox: Sandbox) -> None:
    """A job goes over Pending, Queued and Running to its end, and the workflow's figures go with it."""
    sandbox.apply(
        "slow",
        """
        defaults: {image: busybox:1.35}
        jobs:
          first: {commands: [sleep 3]}
          second: {needs: first, commands: ["true"]}
        """,
    )
    running = sandbox.wait_until("slow", "a running job", lambda s: s.get("jobs", {}).get("first", {}).get("startedAt"))
    assert running["phase"] == "Running"
    assert running["progress"] == "0/2"
    assert running["message"] == "running: first"
    assert {job_id: job["phase"] for job_id, job in running["jobs"].items()} == {
        "first": "Running",
        "second": "Pending",
    }
    assert {each["type"]: each["status"] for each in running["conditions"]} == {
        "Accepted": "True",
        "Admitted": "True",
        "Succeeded": "Unknown",
        "Ready": "False",
        "Reconciling": "True",
    }
    half = sandbox.wait_until("slow", "half of it", lambda status: status.get("progress") == "1/2")
    assert half["jobs"]["first"]["phase"] == "Succeeded"
    sandbox.wait("slow")


def test_kubectl_waits_for_success_and_for_failure(sandbox: Sandbox) -> None:
    """`kubectl wait` returns by itself when the condition Succeeded becomes True, or False."""
    sandbox.apply("good", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
    sandbox.apply("bad", "{jobs: {one: {image: 'busybox:1.35', commands: ['false']}}}")
    assert "condition met" in sandbox.kubectl.run("wait", "fwf/good", "--for=condition=Succeeded", "--timeout=60s")
    assert "condition met" in sandbox.kubectl.run("wait", "fwf/bad", "--for=condition=Succeeded=False", "--timeout=60s")


def test_kubectl_shows_a_workflow_as_a_row(sandbox: Sandbox) -> None:
    """Short name, category and columns: what a person looks for is in one line."""
    status = sandbox.run("row", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
    for words in (["fwf"], ["workflows"], ["fairlead"]):
        headers, row = sandbox.kubectl.run("get", *words).splitlines()
        assert headers.split() == ["NAME", "PHASE", "PROGRESS", "RUN", "DURATION", "AGE", "MESSAGE"]
        name, phase, progress, run, duration, _age, *message = row.split()
        assert name.removeprefix("workflow.fairlead.dev/") == "row"
        assert [phase, progress, run, duration] == ["Succeeded", "1/1", "1", status["duration"]]
        assert message == ["1", "job", "succeeded"]


def test_events_tell_what_went_wrong_to_describe(sandbox: Sandbox) -> None:
    """`kubectl describe` shows one Event for a run that failed, and one for each job; where all went well, none."""
    sandbox.run("fine", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
    sandbox.run("broken", "{jobs: {one: {image: 'busybox:1.35', commands: [exit 3]}}}", "Failed")
    assert sandbox.events("fine") == []
    assert sandbox.events("broken") == [
        ("Warning", "JobFailed", 'job "one": step "exit 3" failed with exit code 3'),
        ("Warning", "Failed", 'run 1: job "one": step "exit 3" failed with exit code 3'),
    ]
    shown = sandbox.kubectl.run("describe", "fwf", "broken")
    assert 'run 1: job "one": step "exit 3" failed' in shown.partition("Events:")[2]


def test_kubectl_explains_the_fields(sandbox: Sandbox) -> None:
    """`kubectl explain` has a description for each field that it lists."""
    shown = sandbox.kubectl.run("explain", "workflow.spec.jobs")
    assert "One node of the graph: a list of steps in one container." in shown
    for field in ("needs", "steps", "commands", "image", "timeout", "outputs"):
        assert f"  {field}\t" in shown
    assert "The jobs that have to succeed before it starts" in shown
