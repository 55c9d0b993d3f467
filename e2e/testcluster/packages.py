"""What the cluster needs from Debian, installed once and only where it is missing.

A program counts as there when its file is, whichever package brought it: on a machine with
Docker's own `containerd.io`, installing Debian's `containerd` would throw Docker out.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.testcluster.commands import run, succeeds
from e2e.testcluster.errors import MissingRequirement
from e2e.testcluster.terminal import say, step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PLUGIN_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))
ADMIN_FOLDERS = "/usr/sbin:/sbin:/usr/bin:/bin"

# What has to be there → the package that brings it.
FOR_CLUSTER: Mapping[str, str] = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "cni:bridge": "containernetworking-plugins",
    "cni:host-local": "containernetworking-plugins",
    "nft": "nftables",
    "ip": "iproute2",
    "ss": "iproute2",
    "openssl": "openssl",
    "mount": "mount",
}
FOR_IMAGES: Mapping[str, str] = {
    "debootstrap": "debootstrap",
    "tar": "tar",
    "dpkg-deb": "dpkg",
}
# podman's own default runtime, crun, refuses the cgroups of some kernels.
FOR_PODMAN: Mapping[str, str] = {
    "podman": "podman",
    "runc": "runc",
    "cni:bridge": "containernetworking-plugins",
    "iptables": "iptables",
}
FOR_OPERATOR_IMAGE: Mapping[str, str] = {"buildah": "buildah", "runc": "runc"}
# A process whose clock is set back needs it before its libc.
FOR_CLOCKS: Mapping[str, str] = {"faketime": "faketime"}


def find_program(name: str) -> str | None:
    """Return the path of a program, also where a plain user's PATH does not look."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{ADMIN_FOLDERS}")


def plugin_folder() -> Path | None:
    """Return the folder of the CNI plugins, if there is one."""
    return next((folder for folder in PLUGIN_FOLDERS if (folder / "bridge").exists()), None)


def missing_packages(needs: Mapping[str, str]) -> list[str]:
    """Return the packages that would bring what is not there, sorted."""
    return sorted({package for need, package in needs.items() if not _is_there(need)})


def _is_there(need: str) -> bool:
    if need.startswith("cni:"):
        plugin = need.removeprefix("cni:")
        return any((folder / plugin).exists() for folder in PLUGIN_FOLDERS)
    return find_program(need) is not None


def ensure(*needs: Mapping[str, str]) -> None:
    """Install what is missing, with apt-get; nothing happens when nothing is.

    Raises MissingRequirement where there is no apt-get or no right to use it, and CommandFailed
    when apt-get fails.
    """
    packages = sorted({package for need in needs for package in missing_packages(need)})
    if not packages:
        return
    names = " ".join(packages)
    if find_program("apt-get") is None:
        raise MissingRequirement(
            f"not installed: {names} (Debian's names), and this machine has no apt-get",
            "install what those packages bring, or use a cluster that exists: "
            "FAIRLEAD_E2E_CLUSTER=existing (see docs/cluster.md)",
        )
    if os.geteuid() != 0:
        raise MissingRequirement(f"not installed: {names}", f"run this as root, or `sudo apt-get install {names}`")
    _install(packages)


def _install(packages: Iterable[str]) -> None:
    names = list(packages)
    say(f"  … installing Debian packages: {' '.join(names)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    with step(f"installed {len(names)} packages and what they depend on"):
        run(["apt-get", "update", "-q"], env=environment)
        run(
            ["apt-get", "install", "-q", "-y", "--no-install-recommends", *names],
            env=environment,
            timeout=1200,
        )
    if "containerd" in names and find_program("systemctl"):
        # We just brought this service; a containerd that was there before is somebody's own.
        succeeds(["systemctl", "disable", "--now", "containerd.service"])
