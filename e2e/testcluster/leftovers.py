"""Cleaning up: after a cluster that was stopped, killed half-way, or lost with its machine.

Nothing here trusts what the last cluster wrote about itself; it looks at what is there.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.testcluster import fence, network
from e2e.testcluster.commands import run, succeeds
from e2e.testcluster.errors import MissingRequirement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.testcluster.settings import Settings

# Only a folder with this file in it is ever emptied: a mistyped FAIRLEAD_E2E_STATE costs nothing.
MARKER = ".fairlead-e2e-state"
KEPT = frozenset({MARKER, ".lock", "log"})
CNI_RESULTS = Path("/var/lib/cni/results")
CONTAINER_LOG_LINKS = Path("/var/log/containers")


def own_state_folder(settings: Settings) -> None:
    """Make the state folder, or make sure that it is one of ours.

    Raises MissingRequirement for a folder with somebody else's files.
    """
    state = settings.state
    if state.is_dir() and any(state.iterdir()) and not (state / MARKER).exists():
        raise MissingRequirement(
            f"{state} is not empty and not a state folder of a test cluster",
            "point FAIRLEAD_E2E_STATE at an empty or new folder",
        )
    state.mkdir(mode=0o711, parents=True, exist_ok=True)
    state.chmod(0o711)
    (state / MARKER).touch()


def exist(settings: Settings) -> bool:
    """Whether anything of a cluster is left here: processes, mounts, bridge or state."""
    state = settings.state
    return (
        bool(fence.members())
        or Path("/sys/class/net", network.BRIDGE).exists()
        or any(mounts_below(state))
        or (state.is_dir() and any(path.name not in KEPT for path in state.iterdir()))
    )


def remove(settings: Settings) -> None:
    """End all processes and remove everything but the logs; nothing being there is fine.

    The state is thrown away, so nobody is asked politely: an API server would drain for a minute,
    and a kubelet would start again what was just ended.
    """
    fence.end()
    _remove_shim_sockets(settings)
    for mount in mounts_below(settings.state):
        if not succeeds(["umount", mount]):
            run(["umount", "--lazy", mount])
    network.remove()
    fence.remove()
    _remove_strays(settings)
    if (settings.state / MARKER).exists():
        for path in settings.state.iterdir():
            if path.name in KEPT:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def mounts_below(folder: Path) -> list[str]:
    """Return the mount points below a folder, in the order in which they can be unmounted."""
    prefix = f"{folder}/"
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    # The kernel writes a space as \040, and later mounts lie on top of earlier ones.
    decoded = [point.encode().decode("unicode_escape") for point in points]
    return [point for point in reversed(decoded) if point.startswith(prefix)]


def _remove_shim_sockets(settings: Settings) -> None:
    # containerd puts them in /run/containerd, which may be another containerd's home as well; each
    # container's folder says which one is its own.
    tasks = settings.state / "containerd/state/io.containerd.runtime.v2.task"
    for address in tasks.glob("*/*/address"):
        socket = Path(address.read_text().strip().removeprefix("unix://"))
        if socket.is_relative_to("/run/containerd/s"):
            socket.unlink(missing_ok=True)


def _remove_strays(settings: Settings) -> None:
    """Yield what containerd and the kubelet write to places that cannot be configured."""
    for path in _strays(settings):
        path.unlink(missing_ok=True)


def _strays(settings: Settings) -> Iterator[Path]:
    yield from CNI_RESULTS.glob("fairlead-e2e-*")
    for link in CONTAINER_LOG_LINKS.glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(settings.state):
            yield link
