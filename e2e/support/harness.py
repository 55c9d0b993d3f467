"""The cluster that `e2e/cluster` gives, its programs, and what of it is on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from e2e.testcluster import binaries, existing
from e2e.testcluster.settings import REPOSITORY, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class HarnessError(Exception):
    """`e2e/cluster` couldn't do what was asked; the message is what it said, unless it said it aloud."""


@dataclass(frozen=True, slots=True)
class Harness:
    """`e2e/cluster`, for the settings of this process's environment.

    `aloud`: let the user read along what takes minutes the first time.
    """

    settings: Settings
    aloud: bool = False

    @classmethod
    def of_this_process(cls, *, aloud: bool = False) -> Harness:
        """Read the environment."""
        return cls(Settings.from_environment(os.environ), aloud)

    @property
    def ours(self) -> bool:
        """Whether the cluster runs on this machine, with its audit log and its processes."""
        return not self.settings.existing

    @property
    def audit_log(self) -> Path:
        """The API server's log of requests; only of a cluster that is ours."""
        return self.settings.log("audit")

    def cluster(self, *arguments: str) -> str:
        """Run one of its commands, as `up` or `operator-image`, and give its output. Raises HarnessError."""
        command = [sys.executable, str(REPOSITORY / "e2e" / "cluster"), *arguments]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if self.aloud else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise HarnessError(f"e2e/cluster {' '.join(arguments)} failed\n{done.stdout}{done.stderr or ''}".rstrip())
        return done.stdout

    def environment(self) -> Mapping[str, str]:
        """Give an environment in which kubectl and helm are found, and find the cluster."""
        settings = self.settings
        kubeconfig = existing.kubeconfig(settings) if settings.existing else settings.kubeconfig
        groups = (binaries.KUBERNETES, binaries.HELM)
        folders = [str(group.folder(settings)) for group in groups if binaries.built(group, settings)]
        path = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
        return {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path}
