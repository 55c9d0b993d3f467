"""The cluster's programs, built from Go modules with pinned sums and kept in the cache.

Each group is a Go module of its own (`go/<group>/`), so that the dependencies of Kubernetes,
etcd, kwok and helm don't meet. The version of a group is what its go.mod requires; nothing else
names it. A build lands in `bin/<group>-<hash>/` by a rename, so a folder that exists is whole.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from e2e.testcluster.commands import follow
from e2e.testcluster.golang import find_go, version_of_module
from e2e.testcluster.locks import workshop
from e2e.testcluster.settings import SOURCE, Settings
from e2e.testcluster.space import require_free_space
from e2e.testcluster.terminal import say, step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Group:
    """Programs that are built together from one Go module.

    `programs` maps a file name to its main package; `stamps` maps a Go variable to what the
    linker writes there ({version} is `v1.2.3`, {major} and {minor} its parts).
    """

    name: str
    module: str
    programs: Mapping[str, str]
    takes: str
    stamps: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        """The folder of its go.mod."""
        return SOURCE / "go" / self.name

    @property
    def version(self) -> str:
        """What its go.mod requires."""
        return version_of_module(self.source / "go.mod", self.module)

    def flags(self) -> list[str]:
        """Return the flags of `go build`; part of the hash, so a change of them builds anew."""
        major, minor, *_ = self.version.removeprefix("v").split(".")
        stamped = [
            f"-X {variable}={value.format(version=self.version, major=major, minor=minor)}"
            for variable, value in self.stamps.items()
        ]
        return ["-trimpath", "-buildvcs=false", "-ldflags", " ".join(["-s -w", *stamped])]

    def digest(self) -> str:
        """Names the build: what goes in (sources, sums, flags, packages) decides what comes out."""
        recipe = hashlib.sha256(platform.machine().encode())
        recipe.update((self.source / "go.mod").read_bytes())
        recipe.update((self.source / "go.sum").read_bytes())
        recipe.update("\0".join([*self.flags(), *self.programs.values()]).encode())
        return recipe.hexdigest()[:12]

    def folder(self, settings: Settings) -> Path:
        """Where the programs are, or will be once they are built."""
        return settings.binaries / f"{self.name}-{self.digest()}"


def _kubernetes_stamps() -> dict[str, str]:
    # kubectl and the servers read component-base's copy, client-go's is in every User-Agent.
    return {
        f"k8s.io/{package}.{variable}": value
        for package in ("component-base/version", "client-go/pkg/version")
        for variable, value in (
            ("gitVersion", "{version}"),
            ("gitMajor", "{major}"),
            ("gitMinor", "{minor}"),
            ("gitTreeState", "clean"),
        )
    }


KUBERNETES = Group(
    name="kubernetes",
    module="k8s.io/kubernetes",
    programs={
        program: f"k8s.io/kubernetes/cmd/{program}"
        for program in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "kubelet",
            "kubectl",
        )
    },
    stamps=_kubernetes_stamps(),
    takes="5 to 12 minutes",
)
ETCD = Group(
    name="etcd",
    module="go.etcd.io/etcd/server/v3",
    programs={"etcd": "go.etcd.io/etcd/server/v3"},
    takes="a minute",
)
HELM = Group(
    name="helm",
    module="helm.sh/helm/v4",
    programs={"helm": "helm.sh/helm/v4/cmd/helm"},
    stamps={"helm.sh/helm/v4/internal/version.version": "{version}"},
    takes="2 to 4 minutes",
)
KWOK = Group(
    name="kwok",
    module="sigs.k8s.io/kwok",
    programs={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
    stamps={"sigs.k8s.io/kwok/pkg/consts.Version": "{version}"},
    takes="2 minutes",
)
ALWAYS = (ETCD, KUBERNETES, HELM)
EVERYTHING = (*ALWAYS, KWOK)


def built(group: Group, settings: Settings) -> bool:
    """Whether the cache has the group, as its sources say it now."""
    return group.folder(settings).is_dir()


def program(group: Group, name: str, settings: Settings) -> Path:
    """Return the path of one program of a group; it need not be built yet."""
    return group.folder(settings) / name


def ensure(group: Group, settings: Settings) -> None:
    """Build the group unless the cache has it.

    Raises MissingRequirement for a missing toolchain or a full disk, CommandFailed when the
    build itself fails.
    """
    if built(group, settings):
        return
    with workshop(settings.binaries, "building programs"):
        if not built(group, settings):
            _build(group, settings)


def _build(group: Group, settings: Settings) -> None:
    require_free_space(settings.binaries, gibibytes=4, purpose=f"building {group.name}")
    go = find_go(group.source / "go.mod", settings)
    target = group.folder(settings)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    say(f"  … building {group.name} {group.version} from source; about {group.takes}, once")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    command = [
        str(go), "build", "-v", *group.flags(), "-o", f"{temporary}/", *group.programs.values(),
    ]  # fmt: skip
    log = settings.binaries / f"{group.name}.build.log"
    with step(f"built {group.name} {group.version}"):
        try:
            _follow_build(command, group, environment, log)
            _name_programs(group, temporary)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _follow_build(command: list[str], group: Group, environment: Mapping[str, str], log: Path) -> None:
    last_said = time.monotonic()
    packages = 0
    for line in follow(command, cwd=group.source, env=environment, log=log):
        packages += not line.startswith("go: ")
        if time.monotonic() - last_said > 30:
            last_said = time.monotonic()
            say(f"    {group.name}: {packages} packages compiled, now {line}")


def _name_programs(group: Group, folder: Path) -> None:
    """`go build -o dir/` names a program after its package's last element; give it ours."""
    for name, package in group.programs.items():
        last = package.split("/")[-1]
        if re.fullmatch(r"v\d+", last):
            last = package.split("/")[-2]
        if last != name:
            (folder / last).rename(folder / name)
