"""Where things are: the cache (expensive, kept), the state (one cluster's, thrown away)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = Path(__file__).resolve().parent
REPOSITORY = SOURCE.parent.parent


@dataclass(frozen=True)
class Settings:
    """What the environment says, read once at the start.

    FAIRLEAD_CACHE            binaries and images, which take minutes to make
    FAIRLEAD_E2E_STATE        everything about the running cluster
    FAIRLEAD_E2E_CLUSTER      `existing`: use the cluster of $KUBECONFIG and start nothing
    """

    cache: Path
    state: Path
    existing: bool = False
    kubeconfig_of_user: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings of this process; empty variables count as unset, as XDG wants it."""
        home = Path(environ.get("HOME") or "/root")
        xdg = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
        return cls(
            cache=Path(environ.get("FAIRLEAD_CACHE") or xdg / "fairlead").absolute(),
            state=Path(environ.get("FAIRLEAD_E2E_STATE") or "/var/lib/fairlead-e2e").absolute(),
            existing=environ.get("FAIRLEAD_E2E_CLUSTER") == "existing",
            kubeconfig_of_user=environ.get("KUBECONFIG", ""),
        )

    @property
    def binaries(self) -> Path:
        """Where the cluster's programs are kept."""
        return self.cache / "bin"

    @property
    def images(self) -> Path:
        """Where image archives are kept."""
        return self.cache / "images"

    @property
    def logs(self) -> Path:
        """The folder of all log files."""
        return self.state / "log"

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig of the cluster that we start."""
        return self.state / "admin.kubeconfig"

    def log(self, component: str) -> Path:
        """Return the log file of one component, whether it has been started or not."""
        return self.logs / f"{component}.log"
