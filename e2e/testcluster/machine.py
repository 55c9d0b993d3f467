"""What this machine must be for a cluster to run on it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from e2e.testcluster.errors import MissingRequirement
from e2e.testcluster.space import require_free_space

if TYPE_CHECKING:
    from e2e.testcluster.settings import Settings

ELSEWHERE = "use a cluster that exists: FAIRLEAD_E2E_CLUSTER=existing (see docs/cluster.md)"


def require(settings: Settings) -> None:
    """Raise MissingRequirement unless this is Linux, we are root, and there is some space."""
    if sys.platform != "linux":
        raise MissingRequirement(
            f"a cluster runs on Linux, and this is {sys.platform}",
            f"run it in a Linux machine or container, or {ELSEWHERE}",
        )
    require_root()
    require_free_space(settings.state, gibibytes=2, purpose="a running cluster")


def require_root() -> None:
    """Raise MissingRequirement unless we are root."""
    if os.geteuid() != 0:
        raise MissingRequirement(
            "this needs root: it starts containers, mounts and makes network interfaces",
            f"run it as root, or {ELSEWHERE}",
        )
