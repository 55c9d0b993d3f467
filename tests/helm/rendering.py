"""The chart as a function from values to objects."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# YAML's edge: what helm prints, as Python has it.
Object: TypeAlias = dict[str, Any]

RELEASE = "fairlead"
NAMESPACE = "fairlead-system"


class RefusedError(Exception):
    """Helm wouldn't render; the text is what it said."""


@dataclass(frozen=True)
class Objects:
    """What one rendering holds."""

    all: Sequence[Object]

    def of_kind(self, kind: str) -> list[Object]:
        """Return the objects of a kind, in the order of the rendering."""
        return [found for found in self.all if found["kind"] == kind]

    def the(self, kind: str, name: str | None = None) -> Object:
        """Return the only object of a kind, or the only one of that name."""
        (found,) = (found for found in self.of_kind(kind) if name is None or found["metadata"]["name"] == name)
        return found

    def kinds(self) -> Counter[str]:
        """Count the objects of each kind."""
        return Counter(found["kind"] for found in self.all)

    def pod_spec(self) -> Object:
        """Return the operator's Pod spec."""
        spec: Object = self.the("Deployment")["spec"]["template"]["spec"]
        return spec

    def container(self) -> Object:
        """Return the operator's container."""
        container: Object
        (container,) = self.pod_spec()["containers"]
        return container


@dataclass(frozen=True)
class Chart:
    """A chart in a folder, rendered without a cluster."""

    helm: Path
    folder: Path

    def run(self, *arguments: str, values: Object | None = None) -> str:
        """Return what helm prints. Raises RefusedError when it fails."""
        done = subprocess.run(  # noqa: S603 - no shell, and the tests' own arguments
            [str(self.helm), *arguments, "--values", "-"],
            input=json.dumps(values or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RefusedError(done.stderr)
        return done.stdout

    def render(self, values: Object | None = None) -> Objects:
        """Return the objects that these values give. Raises RefusedError."""
        command = ("template", RELEASE, str(self.folder), "--namespace", NAMESPACE)
        rendered = self.run(*command, values=values)
        return Objects([document for document in yaml.safe_load_all(rendered) if document])
