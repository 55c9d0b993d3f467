"""Components as processes: started into the fence, with a log each, found again by anybody."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from e2e.testcluster import fence
from e2e.testcluster.deadlines import poll

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from e2e.testcluster.settings import Settings

# The shell puts itself into the cgroup and then becomes the program: there is no moment in which
# the program runs outside, or in which its pid is another one.
ENTER_AND_BECOME = 'echo $$ >"$0" && exec "$@"'


def start(
    component: str,
    command: Sequence[str | Path],
    settings: Settings,
    env: Mapping[str, str] | None = None,
) -> int:
    """Start a component in a session of its own, so that it outlives us; returns its pid."""
    settings.logs.mkdir(parents=True, exist_ok=True)
    procs = fence.for_component(component)
    with settings.log(component).open("ab") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", ENTER_AND_BECOME, str(procs), *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    _pid_file(component, settings).write_text(f"{process.pid}\n")

    def inside_or_over() -> bool:
        return process.pid in fence.members(component) or process.poll() is not None

    poll(inside_or_over, seconds=10, interval=0.01)
    # From here on nobody waits for it: it is meant to outlive us.
    process.returncode = 0
    return process.pid


def pid_of(component: str, settings: Settings) -> int | None:
    """Return the pid of a component that runs, else None.

    The number in the pid file is only believed when that process is in the component's cgroup.
    """
    try:
        pid = int(_pid_file(component, settings).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if pid in fence.members(component) else None


def stop(component: str, settings: Settings, *, grace: float) -> None:
    """End one component; a component that does not run is fine."""
    fence.end(component, grace=grace)
    _pid_file(component, settings).unlink(missing_ok=True)


def _pid_file(component: str, settings: Settings) -> Path:
    return settings.state / "pid" / component
