"""A test's own namespace, and the questions that tests ask of the workflows in it."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import dedent, indent
from typing import TYPE_CHECKING

from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.support.kubectl import Json, Kubectl

ENDED = frozenset({"Succeeded", "Partial", "Failed", "Cancelled", "Invalid"})
_TOLD = frozenset({"Failed", "Cancelled", "Invalid"})
"""The ends that an Event of the same name tells of."""


def manifest(name: str, spec: str | Json) -> str:
    """Write a Workflow around its spec, which is YAML text or a document."""
    text = dedent(spec) if isinstance(spec, str) else json.dumps(spec, ensure_ascii=False)
    head = f"apiVersion: fairlead.dev/v1alpha1\nkind: Workflow\nmetadata:\n  name: {name}\nspec:\n"
    return head + indent(text.strip("\n"), "  ")


@contextmanager
def open_sandbox(kubectl: Kubectl, test: str, *labels: str) -> Iterator[Sandbox]:
    """Make a namespace, named after a test, in which Pods can be made; it is deleted without waiting.

    An AssertionError of the block is given a note that says what is in it.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", test.removeprefix("test_").lower())
    name = f"e2e-{slug[:45].strip('-')}-{secrets.token_hex(3)}"
    kubectl.run("create", "namespace", name)
    inside = kubectl.within(name)
    try:
        if labels:
            kubectl.run("label", "namespace", name, *labels)
        # Until it is there, no Pod is admitted, and the Job controller would pause between its tries.
        wait_for("the default service account", lambda: inside.get("serviceaccount", "default"))
        yield Sandbox(inside)
    except AssertionError as error:
        error.add_note(f"namespace {name}\n{Sandbox(inside).describe()}")
        raise
    finally:
        kubectl.run("delete", "namespace", name, "--wait=false")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A namespace. Waits look at the current generation only: what an earlier spec came to doesn't count."""

    kubectl: Kubectl

    @property
    def namespace(self) -> str:
        """Its name."""
        assert self.kubectl.namespace is not None
        return self.kubectl.namespace

    def apply(self, name: str, spec: str | Json) -> None:
        """Create or change a workflow."""
        self.kubectl.apply(manifest(name, spec))

    def run(self, name: str, spec: str | Json, phase: str = "Succeeded", seconds: float = 90) -> Json:
        """Apply a workflow, wait for its end, which has to be `phase`, and give its status."""
        self.apply(name, spec)
        return self.wait(name, phase, seconds)

    def workflow(self, name: str) -> Json:
        """Read a workflow."""
        found = self.kubectl.get("workflows.fairlead.dev", name)
        assert found is not None, f"there is no workflow {name}"
        return found

    def status(self, name: str) -> Json:
        """Read a workflow's status, empty as long as it speaks of an earlier generation."""
        workflow = self.workflow(name)
        status: Json = workflow.get("status", {})
        return status if status.get("observedGeneration") == workflow["metadata"]["generation"] else {}

    def wait(self, name: str, phase: str = "Succeeded", seconds: float = 90) -> Json:
        """Wait for a workflow to end, in `phase`, and give its status."""
        ended = self.wait_until(name, "its end", lambda status: status.get("phase") in ENDED, seconds)
        assert ended["phase"] == phase, f"{name} is {ended['phase']}: {ended.get('message')}"
        return ended

    def wait_until(self, name: str, what: str, seen: Callable[[Json], bool], seconds: float = 60) -> Json:
        """Wait until a workflow's status is as `seen` wants it, and give it."""

        def look() -> Json:
            status = self.status(name)
            return status if seen(status) else {}

        return wait_for(f"{what} ({name})", look, seconds=seconds)

    def wait_for_job(self, name: str, job: str, phase: str = "Running", seconds: float = 60) -> Json:
        """Wait until a job is in a phase, and give its entry in the status."""

        def seen(status: Json) -> bool:
            return bool(status.get("jobs", {}).get(job, {}).get("phase") == phase)

        found: Json = self.wait_until(name, f"job {job} to be {phase}", seen, seconds)["jobs"][job]
        return found

    def jobs(self, name: str) -> list[Json]:
        """Read the Kubernetes Jobs of a workflow."""
        return self.kubectl.items("jobs", f"fairlead.dev/workflow={name}")

    def pods(self, name: str) -> list[Json]:
        """Read the Pods of a workflow."""
        return self.kubectl.items("pods", f"fairlead.dev/workflow={name}")

    def living_pods(self, name: str) -> list[str]:
        """Name the Pods of a workflow whose containers may still run."""
        return [
            pod["metadata"]["name"]
            for pod in self.pods(name)
            if pod["status"].get("phase") not in ("Succeeded", "Failed")
        ]

    def log(self, job: Json) -> str:
        """Read what a job printed; `job` is its entry in the status."""
        return self.kubectl.run("logs", f"job/{job['kubernetesJob']}")

    def events(self, name: str) -> list[tuple[str, str, str]]:
        """Read the Events of a workflow as (type, reason, message), the first first.

        The Event of an end that went wrong is written after the status that tells of it, so it is waited for.
        """
        phase = self.status(name).get("phase")
        if phase in _TOLD:
            wait_for("the Event of its end", lambda: phase in {reason for _, reason, _ in self._events(name)})
        return self._events(name)

    def _events(self, name: str) -> list[tuple[str, str, str]]:
        ours = [each for each in self.kubectl.items("events") if each["involvedObject"]["name"] == name]
        ours.sort(key=lambda each: int(each["metadata"]["resourceVersion"]))
        return [(each["type"], each["reason"], each["message"]) for each in ours]

    def describe(self) -> str:
        """Say all that helps to understand a failure."""
        parts = [
            self.kubectl.attempt("get", "workflows.fairlead.dev", "-o", "yaml"),
            self.kubectl.attempt("get", "jobs,pods", "-o", "wide"),
            self.kubectl.attempt("get", "events", "--sort-by=.metadata.creationTimestamp"),
            self.kubectl.attempt("logs", "-l", "fairlead.dev/workflow", "--prefix", "--tail=60", "--all-containers"),
        ]
        return "\n".join(output + said for _, output, said in parts)
