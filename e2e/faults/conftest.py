"""The cluster, without another operator in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from e2e.faults.ground import without_another_operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.support.harness import Harness


@pytest.fixture(scope="session")
def seed() -> int:
    """Decide what is hit; `FAIRLEAD_FAULTS_SEED` repeats another one."""
    return int(os.environ.get("FAIRLEAD_FAULTS_SEED", "1"))


@pytest.fixture(scope="module")
def alone(harness: Harness) -> Iterator[Harness]:
    """Have a cluster of ours, in which no other operator works."""
    if not harness.ours:
        pytest.skip("hurts processes of the cluster, and reads its audit log")
    with without_another_operator(harness):
        yield harness
