"""`e2e/demo`: a cluster, the operator in it, and this project's own CI as a workflow that it runs."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from e2e.support.forge import ForgeError, open_forge
from e2e.support.harness import Harness, HarnessError
from e2e.support.installation import Installation, InstallationError, operator_image
from e2e.support.kubectl import Kubectl, KubectlError
from e2e.support.sandbox import ENDED, Sandbox
from e2e.support.waiting import WaitedInVainError
from e2e.testcluster.terminal import step

if TYPE_CHECKING:
    from e2e.support.kubectl import Json

NAMESPACE = "default"
NAME = "ci"
PATIENCE = 600
"""Seconds that the workflow may take."""

_INTERVAL = 0.3
_WIDTH = 112
_TAIL = {"Failed": 30}
"""Lines of a job's log that are shown, by its phase."""

_MARKS = {"Succeeded": "✓", "Failed": "✗", "Skipped": "-", "Cancelled": "-", "Running": "▸"}


def main() -> int:
    """Show it; give the exit code."""
    print(
        "Fairlead runs its own CI, manifests/examples/ci.yaml, in a Kubernetes cluster on this machine.\n", flush=True
    )
    try:
        harness = Harness.of_this_process(aloud=True)
        sandbox = Sandbox(_prepare(harness).within(NAMESPACE))
        status = _follow(sandbox)
        _sum_up(sandbox, status)
    except (HarnessError, InstallationError, ForgeError, KubectlError, WaitedInVainError) as error:
        print(f"\nerror: {error}")
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the cluster stays up: `e2e/cluster down` ends it")
        return 130
    return 0 if status.get("phase") == "Succeeded" else 1


def _prepare(harness: Harness) -> Kubectl:
    """Have all that the workflow needs, and apply it."""
    harness.cluster("up")
    kubectl = Kubectl(harness.environment())
    image = operator_image(harness)
    with step("installed the operator: helm upgrade --install fairlead helm/fairlead"):
        Installation(kubectl).install(image)
    with step("put this checkout and its wheels on a Git server in the cluster"):
        manifest = open_forge(kubectl, harness.settings.cache).manifest_of_ci(kubectl)
    inside = kubectl.within(NAMESPACE)
    # The same spec is the same run: to see it run again, it has to be made anew.
    inside.run("delete", "workflows.fairlead.dev", NAME, "--ignore-not-found")
    with step("applied it: kubectl apply -f manifests/examples/ci.yaml"):
        inside.apply(manifest)
    return kubectl


def _follow(sandbox: Sandbox) -> Json:
    """Print a line for each change of a job, until the workflow has ended; give its status."""
    print()
    started = time.monotonic()
    known: dict[str, tuple[str, str]] = {}
    while True:
        status = sandbox.status(NAME)
        for job_id, job in sorted(status.get("jobs", {}).items(), key=_by_time):
            now = job["phase"], job.get("message", "")
            if now != known.get(job_id, ("Pending", "")):
                known[job_id] = now
                _print_change(time.monotonic() - started, job_id, job)
        if status.get("phase") in ENDED:
            return status
        if time.monotonic() - started > PATIENCE:
            print(f"no end after {PATIENCE}s: {status.get('message')}")
            return status
        time.sleep(_INTERVAL)


def _by_time(item: tuple[str, Json]) -> str:
    """Sort what ended before what started."""
    return str(item[1].get("finishedAt") or item[1].get("startedAt") or "~")


def _print_change(seconds: float, job_id: str, job: Json) -> None:
    minutes, rest = divmod(int(seconds), 60)
    phase = job["phase"]
    outputs = ", ".join(f"{name}={value[:40]}" for name, value in job.get("outputs", {}).items())
    told = " · ".join(each for each in (_duration(job), outputs, job.get("message", "")) if each)
    print(f"  {minutes}:{rest:02}  {_MARKS.get(phase, ' ')} {job_id:<9}{phase:<10} {told}".rstrip(), flush=True)


def _duration(timed: Json) -> str:
    if not (timed.get("startedAt") and timed.get("finishedAt")):
        return ""
    took = datetime.fromisoformat(timed["finishedAt"]) - datetime.fromisoformat(timed["startedAt"])
    seconds = took.total_seconds()
    return f"{seconds:.3g}s" if seconds else "under 1s"


def _sum_up(sandbox: Sandbox, status: Json) -> None:
    """Print each job with its steps and the end of its log, the workflow as kubectl shows it, and where to look on."""
    for job_id, job in sorted(status.get("jobs", {}).items(), key=_by_time):
        print(f"\n{_MARKS.get(job['phase'], ' ')} {job_id}")
        for each in job.get("steps", []):
            print(f"  {'✓' if each['exitCode'] == 0 else '✗'} {each['name']}  {_duration(each)}")
        for line in _log_tail(sandbox, job):
            print(f"  │ {line}")
    print(f"\n$ kubectl get fwf\n{sandbox.kubectl.run('get', 'fwf', NAME)}")
    print('eval "$(e2e/cluster env)"             # kubectl and helm for this cluster')
    print("kubectl describe fwf ci               # all that the workflow says of itself")
    print("kubectl logs -l fairlead.dev/job=test --tail=-1")
    print("kubectl edit fwf ci                   # change it: the next run starts at once")
    print("e2e/cluster down                      # end the cluster, leave nothing behind")


def _log_tail(sandbox: Sandbox, job: Json) -> list[str]:
    """Read the last lines that the steps themselves printed."""
    if "kubernetesJob" not in job:
        return []
    _, output, _ = sandbox.kubectl.attempt("logs", f"job/{job['kubernetesJob']}")
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith(("::group", "::endgroup"))]
    return [line[:_WIDTH] for line in lines[-_TAIL.get(job["phase"], 2) :]]
