"""A matrix of which many combinations are one Indexed Job: each of them behaves as if it were alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from e2e.support.kubectl import Json
    from e2e.support.sandbox import Sandbox

INDEX = "batch.kubernetes.io/job-completion-index"
PROGRAM = str(Path(sys.executable).with_name("fairlead"))


def matrix(sandbox: Sandbox, name: str, width: int, run: str, **fields: Any) -> None:  # noqa: ANN401  a job's fields
    """Apply a matrix whose combinations run a command with their number."""
    strategy = {"failFast": False, "matrix": {"number": list(range(width))}, **fields.pop("strategy", {})}
    job = {"image": "busybox:1.35", "strategy": strategy, "steps": [{"id": "s", "run": run}], **fields}
    sandbox.apply(name, {"jobs": {"m": job}})


def combinations(status: Json, *fields: str) -> list[tuple[Any, ...]]:
    """Give fields of each combination."""
    return [tuple(each.get(field) for field in fields) for each in status["jobs"]["m"]["combinations"]]


def pods_by_index(sandbox: Sandbox, name: str) -> dict[str, str]:
    """Name the Pods of a pack by their index."""
    found = {
        pod["metadata"]["labels"].get(INDEX): pod["metadata"]["name"]
        for pod in sandbox.pods(name)
        if "deletionTimestamp" not in pod["metadata"]
    }
    return {index: pod for index, pod in found.items() if index is not None}


def log_of(sandbox: Sandbox, name: str, combination: str, *options: str) -> list[str]:
    """Read what one combination has written, as people do."""
    command = [PROGRAM, "logs", name, "--job", f"m/{combination}", *options, "--namespace", sandbox.namespace]
    environment = sandbox.kubectl.environment
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


def wait_until_running(sandbox: Sandbox, name: str, count: int) -> None:
    """Wait until so many combinations are recorded as running."""

    def seen(status: Json) -> bool:
        found = status.get("jobs", {}).get("m", {}).get("combinations", ())
        return [each.get("phase") for each in found].count("Running") == count

    sandbox.wait_until(name, f"{count} combinations to run", seen)


def test_each_has_its_own_variables_outputs_and_retries(sandbox: Sandbox) -> None:
    """Twelve combinations are one Job; the one that fails is tried again by itself, in a Job of its own."""
    run = """
    echo "value=$NUMBER of ${{ matrix.number }}, it's $HOME" >> "$FAIRLEAD_OUTPUT"
    echo "I am ${{ matrix.number }}"
    case "${{ matrix.number }}$JOB_COMPLETION_INDEX" in 33) exit 7 ;; esac
    """
    matrix(
        sandbox,
        "many",
        12,
        run,
        env={"NUMBER": "number ${{ matrix.number }}", "HOME": "/root"},
        outputs={"value": "${{ steps.s.outputs.value }}"},
        retry={"limit": 1, "delay": "1s"},
    )
    status = sandbox.wait("many")

    assert combinations(status, "phase", "attempt", "outputs") == [
        ("Succeeded", 2 if number == 3 else 1, {"value": f"number {number} of {number}, it's /root"})
        for number in range(12)
    ]
    pack, *others = sorted(sandbox.jobs("many"), key=lambda job: -job["spec"]["completions"])
    assert ([job["spec"]["completions"] for job in (pack, *others)], len(sandbox.pods("many"))) == ([12, 1], 13)
    named = {name for (name,) in combinations(status, "kubernetesJob")}
    assert named == {job["metadata"]["name"] for job in (pack, *others)}
    said = [("I am 3" in log_of(sandbox, "many", "m (3)", *each)) for each in ((), ("--attempt", "1"))]
    assert (said, "I am 11" in log_of(sandbox, "many", "m (11)")) == ([True, True], True)


def test_fail_fast_keeps_the_log_of_what_failed(sandbox: Sandbox) -> None:
    """The others are ended, and what failed can still be read."""
    run = 'echo "I am ${{ matrix.number }}"; sleep 4; test ${{ matrix.number }} = 2 || sleep 600; exit 5'
    matrix(sandbox, "fast", 6, run, strategy={"failFast": True})
    status = sandbox.wait("fast", "Failed")

    assert combinations(status, "phase", "reason", "exitCode") == [
        ("Failed", "StepFailed", 5) if number == 2 else ("Cancelled", "FailFast", None) for number in range(6)
    ]
    wait_for("the others to be gone", lambda: not sandbox.living_pods("fast"), seconds=60)
    assert (list(pods_by_index(sandbox, "fast")), "I am 2" in log_of(sandbox, "fast", "m (2)")) == (["2"], True)


def test_a_cancel_ends_all(sandbox: Sandbox) -> None:
    """A cancelled run ends what works of its pack, and the logs of what has ended stay."""
    matrix(sandbox, "cancelled", 6, "test ${{ matrix.number }} = 0 || sleep 600")
    wait_until_running(sandbox, "cancelled", 5)
    wait_for("the first to be over", lambda: len(sandbox.living_pods("cancelled")) == 5)
    sandbox.kubectl.run("annotate", "fwf", "cancelled", "fairlead.dev/cancel=1")
    status = sandbox.wait("cancelled", "Cancelled")

    assert combinations(status, "phase") == [("Succeeded",), *[("Cancelled",)] * 5]
    wait_for("the others to be gone", lambda: not sandbox.living_pods("cancelled"), seconds=60)
    (job,) = sandbox.jobs("cancelled")
    ended = wait_for("the Job to be over", lambda: sandbox.jobs("cancelled")[0]["status"].get("conditions"))
    assert (list(pods_by_index(sandbox, "cancelled")), bool(ended), job["spec"]["completions"]) == (["0"], True, 6)


def test_an_image_that_is_not_there(sandbox: Sandbox) -> None:
    """Each says so when patience is over, and nothing of them is left trying."""
    matrix(sandbox, "no-image", 4, "true", image="nowhere.invalid/nothing:1")
    status = sandbox.wait("no-image", "Failed", seconds=150)

    assert combinations(status, "phase", "reason", "attempt") == [("Failed", "ImagePullFailed", 1)] * 4
    wait_for("the Pods to be gone", lambda: not sandbox.living_pods("no-image"), seconds=60)


def test_each_has_its_own_time(sandbox: Sandbox) -> None:
    """A timeout ends those that take too long, and no others."""
    matrix(sandbox, "late", 5, "sleep ${{ matrix.number == 1 && 600 || 1 }}", timeout="6s")
    status = sandbox.wait("late", "Failed")

    ends = [("Failed", "TimedOut", 124) if number == 1 else ("Succeeded", None, 0) for number in range(5)]
    assert combinations(status, "phase", "reason", "exitCode") == ends


def test_what_the_cluster_takes_is_made_good(sandbox: Sandbox) -> None:
    """A deleted Pod is followed by a Job of its own, an evicted one by another Pod of the pack; both count no retry."""
    matrix(sandbox, "taken", 4, "sleep 10")
    wait_until_running(sandbox, "taken", 4)
    pods = pods_by_index(sandbox, "taken")
    sandbox.kubectl.run("delete", "pod", pods["1"], "--wait=false")
    path = f"/api/v1/namespaces/{sandbox.namespace}/pods/{pods['2']}/eviction"
    eviction = f'{{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"{pods["2"]}"}}}}'
    sandbox.kubectl.run("create", "--raw", path, "-f", "-", stdin=eviction)
    status = sandbox.wait("taken", seconds=150)

    assert combinations(status, "phase", "attempt", "retries") == [
        ("Succeeded", 2 if number == 1 else 1, None) for number in range(4)
    ]
    assert pods_by_index(sandbox, "taken")["2"] != pods["2"]


def test_a_limit_keeps_them_apart(sandbox: Sandbox) -> None:
    """With maxParallel each combination is a Job of its own, as its turn comes."""
    matrix(sandbox, "apart", 4, "true", strategy={"maxParallel": 2})
    sandbox.wait("apart")

    assert len(sandbox.jobs("apart")) == 4
