"""That the operator takes something calmly: the same process goes on, and nothing in its log is an error."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from e2e.support.installation import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.support.installation import Installation

Container = tuple[str, str, str]
"""A Pod's name, a container's id in it, and when it started."""


@contextmanager
def calm(installation: Installation) -> Iterator[None]:
    """Hold to it that the operator's processes are the same afterwards, and that they logged no error meanwhile."""
    before, since = _containers(installation), datetime.now(UTC)
    yield
    assert _containers(installation) == before
    bad = [line for line in log_lines(installation, since) if _is_error(line)]
    assert not bad, "\n".join(bad[:20])


def log_lines(installation: Installation, since: datetime) -> list[str]:
    """Read what the operator's Pods have logged since then."""
    system = installation.kubectl.within(NAMESPACE)
    moment = since.isoformat(timespec="seconds").replace("+00:00", "Z")
    return [
        line
        for pod in installation.pods()
        for line in system.run("logs", pod["metadata"]["name"], f"--since-time={moment}").split("\n")
        if line
    ]


def _containers(installation: Installation) -> set[Container]:
    return {
        (pod["metadata"]["name"], each.get("containerID", ""), json.dumps(each["state"], sort_keys=True))
        for pod in installation.pods()
        for each in pod["status"].get("containerStatuses", ())
    }


def _is_error(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        # Each line is JSON, whatever is told of; what isn't has broken out of it, or is no log of ours.
        return True
    return entry.get("level") in ("error", "critical") or "exception" in entry
