"""A podman of the tests' own: its images, containers and networks are in a folder that goes with it."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.testcluster import machine
from e2e.testcluster.commands import run, succeeds
from e2e.testcluster.errors import CommandFailed
from e2e.testcluster.images.recipes import BUSYBOX, POSTGRES, PYTHON, REDIS
from e2e.testcluster.images.store import ensure_built
from e2e.testcluster.leftovers import mounts_below
from e2e.testcluster.packages import FOR_PODMAN, ensure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from e2e.testcluster.settings import Settings

_IMAGES = (BUSYBOX, PYTHON, POSTGRES, REDIS)
_BRIDGE = Path("/sys/class/net/cni-podman0")

# podman's own limits are above those that a machine may have, and its `events` need a journal.
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:2048", "nproc=4096:4096"]
[network]
network_config_dir = "{folder}/networks"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
tmp_dir = "{folder}/tmp"
"""
_STORAGE = """\
[storage]
driver = "{driver}"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""


@dataclass(frozen=True, slots=True)
class Podman:
    """One that is ready. `environment` is that of its clients; `nonroot` is an image whose user isn't root."""

    environment: Mapping[str, str]
    nonroot: str = "nonroot:1"
    without_shell: str = "without-shell:1"

    def __call__(self, *arguments: str | Path) -> str:
        """Run a command of it. Raises CommandFailed."""
        return run(["podman", *arguments], env=self.environment)

    def containers(self) -> list[dict[str, Any]]:
        """Give all that there are, running or not."""
        found: list[dict[str, Any]] = json.loads(self("ps", "--all", "--format", "json"))
        return found

    def left(self) -> list[str]:
        """Name what is there but images: containers, volumes, and networks besides podman's own."""
        kinds = {"container": ("ps", "--all"), "volume": ("volume", "ls"), "network": ("network", "ls")}
        names = {"container": "{{.Names}}", "volume": "{{.Name}}", "network": "{{.Name}}"}
        found = [
            f"{kind} {name}"
            for kind, command in kinds.items()
            for name in self(*command, "--format", names[kind]).splitlines()
        ]
        return [each for each in found if each != "network podman"]


@contextmanager
def open_podman(folder: Path, settings: Settings) -> Iterator[Podman]:
    """Install podman where it is missing, and give one of its own in an empty folder, with the cluster's images."""
    machine.require_root()
    ensure(FOR_PODMAN)
    ensure_built(_IMAGES, settings)
    had_bridge = _BRIDGE.exists()
    podman = Podman({**os.environ, **_configure(folder)})
    try:
        for image in _IMAGES:
            podman("load", "--quiet", "--input", image.tar(settings))
        podman("create", "--name", "base", BUSYBOX.reference)
        podman("commit", "--quiet", "--change", "USER=1000:1000", "base", podman.nonroot)
        podman("rm", "base")
        (folder / "empty").mkdir()
        shutil.copyfile("/bin/true", folder / "empty" / "true")
        run(["tar", "--create", "--file", folder / "empty.tar", "--directory", folder / "empty", "."])
        podman("import", "--quiet", folder / "empty.tar", podman.without_shell)
        yield podman
    finally:
        with suppress(CommandFailed):
            podman("rm", "--all", "--force", "--time", "0")
        for mount in mounts_below(folder):
            run(["umount", "--lazy", mount])
        if not had_bridge and _BRIDGE.exists():
            succeeds(["ip", "link", "delete", _BRIDGE.name])
        shutil.rmtree(folder)


def _configure(folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True)
    # An overlay on an overlay is what the kernel can't; `vfs` copies everything.
    below = run(["stat", "--file-system", "--format=%T", folder]).strip()
    files = {
        "CONTAINERS_CONF": ("containers.conf", _CONTAINERS),
        "CONTAINERS_STORAGE_CONF": ("storage.conf", _STORAGE),
        "CONTAINERS_REGISTRIES_CONF": ("registries.conf", "unqualified-search-registries = []\n"),
    }
    for name, text in files.values():
        (folder / name).write_text(text.format(folder=folder, driver="vfs" if below == "overlayfs" else "overlay"))
    return {variable: str(folder / name) for variable, (name, _) in files.items()}
