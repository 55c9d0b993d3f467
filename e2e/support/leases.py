"""Which replica of the operator works on what, as the Leases say, and the process behind it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from e2e.support.installation import NAMESPACE, RELEASE
from e2e.support.processes import processes_of
from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from e2e.support.installation import Installation
    from e2e.support.kubectl import Json

_SELECTOR = f"fairlead.dev/operator={RELEASE}"


def holders(installation: Installation, shards: int = 1) -> Counter[str]:
    """Count the Leases of a number of shards by the Pod that holds them; free ones under an empty name."""
    leases = installation.kubectl.within(NAMESPACE).items("leases", f"{_SELECTOR},fairlead.dev/shards={shards}")
    return Counter((lease["spec"].get("holderIdentity") or "").rpartition("_")[0] for lease in leases)


def holder(installation: Installation) -> Json:
    """Wait until one of the Pods that are there holds the only Lease, and give it."""

    def look() -> Json:
        held = holders(installation)
        return next((pod for pod in installation.pods() if pod["metadata"]["name"] in held), {})

    return wait_for("a replica to hold the Lease", look, seconds=30)


def process_of(pod: Json) -> int:
    """Give the operator's process in a Pod."""
    found = wait_for("the operator's process", lambda: processes_of(pod["metadata"]["uid"], "operator"))
    return found[0]
