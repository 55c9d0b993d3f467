"""The cluster, the operator in it, and a namespace for each test."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import pytest

from e2e.support.audit import AuditLog
from e2e.support.forge import Forge, open_forge
from e2e.support.harness import Harness
from e2e.support.installation import Installation, operator_image
from e2e.support.kubectl import Kubectl
from e2e.support.sandbox import Sandbox
from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

GRACE = 15
"""Seconds that an image or a Secret may be missing: short, as tests wait for it."""


def pytest_configure(config: pytest.Config) -> None:
    """Register our marker."""
    config.addinivalue_line("markers", "last: looks back at what the other tests caused, so it runs after them")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what is marked as last behind the random order of the others."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None] | Iterator[pytest.TestReport]:
    """Add to a failure what the cluster and the operator say."""
    report: pytest.TestReport = yield  # type: ignore[misc, assignment]
    return report


@pytest.fixture(scope="session")
def harness() -> Harness:
    """Have a cluster that is up."""
    harness = Harness.of_this_process()
    harness.cluster("up")
    return harness


@pytest.fixture(scope="session")
def kubectl(harness: Harness) -> Kubectl:
    """Talk to the cluster as its admin."""
    return Kubectl(harness.environment())


@pytest.fixture(scope="session")
def installation(harness: Harness, kubectl: Kubectl) -> Installation:
    """Have the operator of this checkout in the cluster, ready."""
    image = operator_image(harness)
    installation = Installation(kubectl)
    installation.install(image, [f"--grace={GRACE}s"])
    return installation


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, installation: Installation) -> Iterator[Sandbox]:
    """Have a namespace of one's own in which Pods can be made. It is deleted without waiting."""
    yield from _sandbox(request.node.name, installation.kubectl)
