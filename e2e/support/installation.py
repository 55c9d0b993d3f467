"""The operator as its users install it: the image from the Dockerfile, the chart by helm."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.support.waiting import wait_for
from e2e.testcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e2e.support.harness import Harness
    from e2e.support.kubectl import Json, Kubectl

NAMESPACE = "fairlead-system"
RELEASE = "fairlead"
SERVICE_ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
CHART = REPOSITORY / "helm" / "fairlead"
_CRDS = REPOSITORY / "crds"
_CRDS_OF_CHART = CHART / "files" / "crds"
# The strictest of Kubernetes' standards for Pods: the operator has to meet it.
_SYSTEM = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}
_SELECTOR = "app.kubernetes.io/component=operator"
_WRONG = {
    "apiVersion": "fairlead.dev/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "is-the-webhook-there", "namespace": "default"},
    "spec": {"jobs": {"idle": {"image": "none"}}},
}


class InstallationError(Exception):
    """helm couldn't install the chart; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Image:
    """An operator image that the cluster has, or can pull; `mark` changes whenever its content does."""

    reference: str
    mark: str


def operator_image(harness: Harness) -> Image:
    """Build the operator's image and load it; `FAIRLEAD_E2E_IMAGE` names one that the cluster can find itself."""
    given = os.environ.get("FAIRLEAD_E2E_IMAGE")
    if given:
        return Image(given, given)
    reference, tar = harness.cluster("operator-image").split()
    return Image(reference, Path(tar).name)


@dataclass(frozen=True, slots=True)
class Installation:
    """One operator in the cluster."""

    kubectl: Kubectl

    def install(self, image: Image, extra_arguments: Sequence[str] = ()) -> None:
        """Install or upgrade it, and wait until it serves. Raises InstallationError."""
        ours, copies = ({crd.name: crd.read_bytes() for crd in each.iterdir()} for each in (_CRDS, _CRDS_OF_CHART))
        if ours != copies:
            raise InstallationError(f"{_CRDS_OF_CHART} is not a copy of {_CRDS}: run `make generate`")
        self.kubectl.apply(_SYSTEM)
        repository, _, tag = image.reference.rpartition(":")
        values = {
            "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
            # The tag stays the same over builds; this makes helm see another image.
            "podAnnotations": {"fairlead.dev/image": image.mark},
            "extraArgs": list(extra_arguments),
        }
        # A CRD that was applied by hand is taken over.
        command = ["helm", "upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE]
        options = ["--wait", "--timeout=180s", "--take-ownership", "--force-conflicts"]
        done = subprocess.run(
            [*command, *options, "--values", "-"],
            env=self.kubectl.environment,
            input=json.dumps(values),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise InstallationError(f"{done.stdout}{done.stderr}\n{self.log_tail()}")
        self.wait_until_ready()

    def pods(self) -> list[Json]:
        """Give the operator's Pods, without those that are going."""
        found = self.kubectl.within(NAMESPACE).items("pods", _SELECTOR)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def wait_until_ready(self, seconds: float = 90) -> None:
        """Wait until all Pods are ready and no others are there, and their webhook says no to what is wrong."""
        wait_for("a ready operator", self._is_ready, seconds=seconds)
        wait_for("the webhook to answer", self._refuses, seconds=seconds)

    def restarts(self) -> int:
        """Count how often the containers of the present Pods were started again."""
        statuses = [each for pod in self.pods() for each in pod["status"].get("containerStatuses", ())]
        return sum(each["restartCount"] for each in statuses)

    def log_tail(self, lines: int = 30) -> str:
        """Give the operator's last log lines, or why there are none."""
        system = self.kubectl.within(NAMESPACE)
        _, output, said = system.attempt("logs", "-l", _SELECTOR, "--prefix", f"--tail={lines}")
        return output + said

    def _is_ready(self) -> bool:
        wanted: int = self._deployment()["spec"]["replicas"]
        conditions = [each for pod in self.pods() for each in pod["status"].get("conditions", ())]
        ready = [each for each in conditions if each["type"] == "Ready" and each["status"] == "True"]
        return len(self.pods()) == len(ready) == wanted

    def _deployment(self) -> Json:
        found = self.kubectl.within(NAMESPACE).get("deployment", RELEASE)
        assert found is not None, "the operator isn't installed"
        return found

    def _refuses(self) -> bool:
        code, _, said = self.kubectl.attempt("create", "--dry-run=server", "-f", "-", stdin=json.dumps(_WRONG))
        return code != 0 and "admission webhook" in said
