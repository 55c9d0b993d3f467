"""The cluster, the operator in it, and a namespace for each test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from e2e.support.audit import AuditLog
from e2e.support.forge import Forge, open_forge
from e2e.support.harness import Harness
from e2e.support.installation import Installation, operator_image
from e2e.support.kubectl import Kubectl
from e2e.support.podman import Podman, open_podman
from e2e.support.raw import RawApi, open_raw_api
from e2e.support.sandbox import Sandbox, open_sandbox
from e2e.testcluster.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

GRACE = 20
"""Seconds that an image or a Secret may be missing: short, as tests wait for it, but longer than the kubelet takes
to look again (10 to 15)."""


INSTALLED = "FAIRLEAD_E2E_INSTALLED"
SINCE = "FAIRLEAD_E2E_SINCE"
"""Variables of sessions that are parts of one, as `e2e/run.py` makes them: the operator is there, and the byte of the
audit log at which all began."""

STAGES = {
    "hurts": "ends or replaces the operator, so it runs after those that only use it",
    "alone": "needs the cluster without its operator",
    "last": "looks back at what the other tests caused, so it runs after them",
}
"""Markers, in the order in which the tests that have them run; those without one come first."""


def pytest_configure(config: pytest.Config) -> None:
    """Register our markers."""
    for name, meaning in STAGES.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the random order within each stage."""
    stages = list(STAGES)
    items.sort(
        key=lambda item: max(
            (1 + stages.index(each.name) for each in item.iter_markers() if each.name in STAGES), default=0
        )
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what the cluster and the operator say of it."""
    report = yield
    found: dict[str, object] = getattr(item, "funcargs", {})
    if report.when == "call" and report.failed:
        for value in found.values():
            if isinstance(value, Sandbox):
                report.sections.append((f"namespace {value.namespace}", value.describe()))
        if isinstance(installation := found.get("installation"), Installation):
            report.sections.append(("operator", installation.log_tail()))
    return report


@pytest.fixture(scope="session")
def harness() -> Harness:
    """Have a cluster that is up."""
    harness = Harness.of_this_process()
    harness.cluster("up")
    return harness


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Have a podman of the tests' own; no cluster is needed for it."""
    with open_podman(tmp_path_factory.mktemp("podman") / "podman", Settings.from_environment(os.environ)) as found:
        yield found


@pytest.fixture(scope="session")
def raw(harness: Harness) -> Iterator[RawApi]:
    """Have a way to the API server past kubectl's own checks."""
    with open_raw_api(Kubectl(harness.environment())) as raw:
        yield raw


@pytest.fixture(scope="session")
def kubectl(harness: Harness, raw: RawApi) -> Kubectl:
    """Talk to the cluster as its admin."""
    return Kubectl(harness.environment(), api=raw)


@pytest.fixture(scope="session")
def session_start(harness: Harness) -> int:
    """Tell where in the audit log this session begins, or that of which it is a part."""
    return int(os.environ.get(SINCE) or (harness.audit_log.stat().st_size if harness.ours else 0))


@pytest.fixture(scope="session")
def installation(harness: Harness, kubectl: Kubectl, session_start: int) -> Installation:  # noqa: ARG001  its moment
    """Have the operator of this checkout in the cluster, ready."""
    return Installation(kubectl) if INSTALLED in os.environ else install(harness, kubectl)


def install(harness: Harness, kubectl: Kubectl) -> Installation:
    """Install the operator of this checkout, or upgrade to it."""
    installation = Installation(kubectl)
    installation.install(operator_image(harness), [f"--grace={GRACE}s"])
    return installation


@pytest.fixture
def audit(harness: Harness, installation: Installation, session_start: int) -> AuditLog:  # noqa: ARG001  the operator's
    """Read what the API server was asked in this session."""
    if not harness.ours:
        pytest.skip("reads the API server's audit log, which a cluster of somebody else doesn't show")
    return AuditLog(harness.audit_log, session_start)


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, installation: Installation) -> Iterator[Sandbox]:
    """Have a namespace of one's own in which Pods can be made."""
    with open_sandbox(installation.kubectl, request.node.name) as sandbox:
        yield sandbox


@pytest.fixture
def unchecked_sandbox(request: pytest.FixtureRequest, installation: Installation) -> Iterator[Sandbox]:
    """Have a namespace that the admission webhook leaves alone."""
    with open_sandbox(installation.kubectl, request.node.name, "fairlead.dev/admission=disabled") as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def forge(harness: Harness, kubectl: Kubectl) -> Forge:
    """Have this checkout and its wheels served inside the cluster."""
    return open_forge(kubectl, harness.settings.cache)
