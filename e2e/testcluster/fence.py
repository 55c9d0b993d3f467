"""The fence around everything that the cluster runs: one cgroup.

A process cannot leave its cgroup by forking, by losing its parent or by changing its name, and a
cgroup is gone after a reboot. So "is it ours, and is it still there" needs no pid file that
could be stale and no pattern on a command line that could match a stranger: components run in
`/fairlead-e2e/components/<name>`, Pods in `/fairlead-e2e/kubepods`, and ending all of it means
ending whoever is inside.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

from e2e.testcluster.deadlines import poll
from e2e.testcluster.errors import ComponentFailed, MissingRequirement

ROOT = Path("/sys/fs/cgroup")
NAME = "fairlead-e2e"
# In cgroup v1 each controller is a hierarchy of its own; any one of them does for counting heads.
V1_FOR_COMPONENTS = ("pids", "freezer", "memory", "systemd")


def is_unified() -> bool:
    """Whether this machine has cgroup v2."""
    return (ROOT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """Return the roots that hold a cgroup for us: one in cgroup v2, one a controller in v1.

    With v1, containers may have one in the `unified` hierarchy beside the controllers, too.
    """
    if is_unified():
        return [ROOT]
    return sorted(
        path for path in ROOT.iterdir()
        if path.is_dir() and not path.is_symlink() and (path / "cgroup.procs").exists()
    ) if ROOT.is_dir() else []  # fmt: skip


def create() -> None:
    """Make our cgroup in every hierarchy: the kubelet wants its cgroupRoot to exist.

    Raises MissingRequirement when cgroups are not mounted or not writable.
    """
    if not hierarchies():
        raise MissingRequirement(
            f"no cgroups are mounted at {ROOT}",
            "run on a machine (or in a privileged container) that has them",
        )
    try:
        for root in hierarchies():
            ours = root / NAME
            ours.mkdir(exist_ok=True)
            # A new cpuset is empty, and nothing can run in it until it gets its parent's values.
            for name in ("cpuset.cpus", "cpuset.mems"):
                if not is_unified() and (ours / name).exists():
                    (ours / name).write_text((root / name).read_text())
    except OSError as refused:
        raise MissingRequirement(
            f"cannot make a cgroup: {refused}",
            "run as root, and where this is a container, as a privileged one",
        ) from refused


def for_component(name: str) -> Path:
    """Return the `cgroup.procs` that a component's first process writes itself into."""
    parent = ROOT
    if not is_unified():
        roots = {root.name: root for root in hierarchies()}
        parent = next((roots[name] for name in V1_FOR_COMPONENTS if name in roots), ROOT)
    folder = parent / NAME / "components" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "cgroup.procs"


def members(component: str | None = None) -> set[int]:
    """Return the process ids inside: of one component, or of everything including the Pods."""
    inside = Path(NAME) / "components" / component if component else Path(NAME)
    pids: set[int] = set()
    for root in hierarchies():
        for folder, _, _ in os.walk(root / inside):
            try:
                text = Path(folder, "cgroup.procs").read_text()
            except OSError:
                continue  # It went away while we looked.
            pids.update(map(int, text.split()))
    return {pid for pid in pids if not _is_zombie(pid)}


def _is_zombie(pid: int) -> bool:
    # A dead child of a process that never reaps stays in its cgroup for ever; it runs nothing.
    try:
        stat = Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def end(component: str | None = None, *, grace: float = 0) -> None:
    """End everything inside: SIGTERM with `grace` seconds to obey, then SIGKILL until empty.

    Raises ComponentFailed when something survives ten seconds of SIGKILL.
    """
    if grace:
        _signal_all(component, signal.SIGTERM)
        if poll(lambda: not members(component), seconds=grace, interval=0.05):
            return

    def kill_the_rest() -> bool:
        return not _signal_all(component, signal.SIGKILL)

    if not poll(kill_the_rest, seconds=10, interval=0.05):
        left = ", ".join(map(str, sorted(members(component))))
        raise ComponentFailed(component or "the cluster", f"processes {left} do not end, not even when killed")


def _signal_all(component: str | None, number: signal.Signals) -> set[int]:
    pids = members(component)
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
    return pids


def remove() -> None:
    """Remove our cgroups; nobody may be inside any more."""
    for root in hierarchies():
        for folder, _, _ in os.walk(root / NAME, topdown=False):
            # Removing can be refused for a moment after the last process left.
            poll(partial(_removed, Path(folder)), seconds=2, interval=0.02)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
