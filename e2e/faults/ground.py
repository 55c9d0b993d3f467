"""Where a load runs and is hurt: a namespace, a folder of this machine for the record, and the audit log."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from e2e.faults.load import read_record, template, wave
from e2e.faults.process import OperatorProcess
from e2e.faults.proxy import open_proxy
from e2e.faults.verdict import Facts, findings, left_over, unended, wrong_ends
from e2e.support.audit import AuditLog
from e2e.support.installation import NAMESPACE
from e2e.support.kubectl import Kubectl, KubectlError
from e2e.support.raw import open_raw_api
from e2e.support.sandbox import ENDED, open_sandbox
from e2e.support.waiting import wait_for
from e2e.testcluster.certificates import API_PORT
from e2e.testcluster.network import NODE_ADDRESS
from e2e.testcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.faults.fates import Fates
    from e2e.faults.load import Case
    from e2e.faults.proxy import Proxy
    from e2e.support.harness import Harness
    from e2e.support.kubectl import Json
    from e2e.support.sandbox import Sandbox

T = TypeVar("T")

KIND: Final = "workflows.fairlead.dev"
_DEPLOYMENT: Final = "deployment/fairlead"
_LOOK: Final = 0.5
_TO_END: Final = 30


@dataclass(slots=True)
class Ground:
    """One scenario's place. `again`: what it does takes Jobs or Pods away, so that work is done again."""

    harness: Harness
    sandbox: Sandbox
    folder: Path
    audit: AuditLog
    cases: list[Case] = field(default_factory=list)
    again: bool = False
    waves: int = 0
    _taken: set[str] = field(default_factory=set)

    @property
    def record(self) -> Path:
        """The folder that the jobs have mounted."""
        return self.folder / "record"

    def operator(self, kubeconfig: Path | None = None, *arguments: str, **environment: str) -> OperatorProcess:
        """Give an operator for the namespace; it is to be started yet."""
        path = kubeconfig or self.harness.settings.kubeconfig
        log = self.folder / f"operator-{secrets.token_hex(2)}.log"
        return OperatorProcess(
            self.sandbox.namespace, {"KUBECONFIG": str(path), **environment}, log, arguments=arguments
        )

    @contextmanager
    def proxy(self, fates: Fates) -> Iterator[tuple[Proxy, Path]]:
        """Have a proxy before the API server, and a kubeconfig for it."""
        with open_proxy(self.harness.settings, f"https://{NODE_ADDRESS}:{API_PORT}", fates) as proxy:
            yield proxy, proxy.kubeconfig(self.folder)

    def apply_wave(self) -> None:
        """Apply one workflow of each sort."""
        cases = wave(self.waves, self.record)
        resources = [*([template(self.record)] if self.waves == 0 else []), *(case.resource for case in cases)]
        # Which of two of a group is the older one is told by whole seconds: the first and the last are a group.
        self._apply(resources[:-1])
        time.sleep(1.1)
        self._apply(resources[-1:])
        self.waves += 1
        self.cases += cases

    def _apply(self, resources: list[Json]) -> None:
        self._patiently(lambda: self.sandbox.kubectl.apply(_list(resources)))

    def unended(self) -> list[str]:
        """Name the workflows that haven't ended yet."""
        return unended(self._present(), self._items(KIND))

    def take_ended(self) -> tuple[list[Json], list[str]]:
        """Take away the workflows that have ended; give them, and what is wrong with their ends."""
        cases = {case.name: case for case in self.cases if case.name not in self._taken}
        ended = [each for each in self._items(KIND) if each["metadata"]["name"] in cases and _has_ended(each)]
        names = [each["metadata"]["name"] for each in ended]
        if names:
            wrong = wrong_ends([cases[name] for name in names], ended)
            self._taken.update(names)
            self._patiently(lambda: self.sandbox.kubectl.run("delete", KIND, *names, "--wait=false"))
            return ended, wrong
        return [], []

    def run_until_all_ended(self, seconds: float, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Wait until every workflow has ended, at most so long; do something meanwhile, twice a second."""
        deadline = time.monotonic() + seconds
        while self.unended() and time.monotonic() < deadline:
            meanwhile()
            time.sleep(_LOOK)

    def findings(self, *operators: OperatorProcess) -> list[str]:
        """Tell all that isn't as it must be. The cluster gets time to end what was stopped."""
        deadline = time.monotonic() + _TO_END
        while left_over(facts := self._facts()) and time.monotonic() < deadline:
            time.sleep(_LOOK)
        return [*findings(facts), *(line for operator in operators for line in operator.complaints())]

    def _present(self) -> list[Case]:
        return [case for case in self.cases if case.name not in self._taken]

    def _facts(self) -> Facts:
        return Facts(
            self.cases,
            self._items(KIND),
            self._items("jobs"),
            self.audit.within(self.sandbox.namespace),
            self.record,
            again=self.again,
            taken=frozenset(self._taken),
        )

    def names(self, kind: str, *, working: bool) -> list[str]:
        """Name the Jobs or Pods that (don't) work now."""
        return [each["metadata"]["name"] for each in self._items(kind) if _works(each) == working]

    def delete(self, kind: str, name: str) -> None:
        """Delete a Job with its Pods, or a Pod, as a user would; one that is gone doesn't matter."""
        self._patiently(lambda: self.sandbox.kubectl.run("delete", kind, name, "--wait=false", "--ignore-not-found"))

    def lease_holder(self) -> str:
        """Wait until a replica holds the namespace's only Lease, and give its `--identity`."""

        def look() -> str:
            found = [each["spec"].get("holderIdentity") or "" for each in self._items("leases")]
            return next((each.rpartition("_")[0] for each in found if each), "")

        return wait_for("a replica to hold the Lease", look)

    def worked(self) -> int:
        """Count how often a step began."""
        return len(read_record(self.record))

    def _items(self, kind: str) -> list[Json]:
        return self._patiently(lambda: self.sandbox.kubectl.items(kind))

    def _patiently(self, ask: Callable[[], T], seconds: float = 90) -> T:
        """Ask until there is an answer: the API server may be away just now."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return ask()
            except KubectlError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK)


@contextmanager
def without_another_operator(harness: Harness) -> Iterator[None]:
    """Have the cluster's own operator, where there is one, rest: ours works in a process of this machine."""
    system = Kubectl(harness.environment()).within(NAMESPACE)
    _, replicas, _ = system.attempt("get", _DEPLOYMENT, "-o", "jsonpath={.spec.replicas}")
    if replicas in ("", "0"):
        yield
        return
    system.run("scale", _DEPLOYMENT, "--replicas=0")
    wait_for("no operator", lambda: not system.items("pods"))
    try:
        yield
    finally:
        system.run("scale", _DEPLOYMENT, f"--replicas={replicas}")
        system.run("rollout", "status", _DEPLOYMENT, "--timeout=120s")


@contextmanager
def open_ground(harness: Harness, name: str) -> Iterator[Ground]:
    """Have a place of one's own. The operator in the cluster, if there is one, mustn't look after it."""
    folder = Path(tempfile.mkdtemp(prefix=f"fairlead-{name}-"))
    folder.chmod(0o755)
    (folder / "record").mkdir()
    # Jobs may run as any user.
    (folder / "record").chmod(0o777)
    try:
        kubectl = Kubectl(harness.environment())
        with (
            open_raw_api(kubectl) as api,
            open_sandbox(replace(kubectl, api=api), name, "fairlead.dev/admission=disabled") as sandbox,
        ):
            _have_crds(sandbox.kubectl)
            yield Ground(harness, sandbox, folder, AuditLog(harness.audit_log).from_now())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _have_crds(kubectl: Kubectl) -> None:
    """Have the CRDs of this checkout: what an older one doesn't know of a status would be dropped."""
    kubectl.run("apply", "--server-side", "--force-conflicts", "-f", str(REPOSITORY / "crds"))
    kubectl.run("wait", "--for=condition=Established", "crd", KIND, "workflowtemplates.fairlead.dev")


def _has_ended(workflow: Json) -> bool:
    return workflow.get("status", {}).get("phase") in ENDED


def _works(item: Json) -> bool:
    """Whether a Job has Pods, or a Pod has containers, that may work."""
    status = item.get("status", {})
    return bool(status.get("active")) or status.get("phase") in ("Pending", "Running")


def _list(items: list[Json]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
