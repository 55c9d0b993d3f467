"""A thin wrapper around the kubectl program: arguments in, text or JSON out."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

Json = dict[str, Any]


class KubectlError(Exception):
    """kubectl ended with an error; `said` is its standard error."""

    def __init__(self, arguments: tuple[str, ...], code: int, said: str) -> None:
        super().__init__(arguments, code, said)
        self.arguments = arguments
        self.code = code
        self.said = said

    def __str__(self) -> str:
        return f"kubectl {' '.join(self.arguments)}: exit code {self.code}\n{self.said.strip()}"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with an environment (KUBECONFIG and PATH count), in a namespace or in none."""

    environment: Mapping[str, str]
    namespace: str | None = None

    def within(self, namespace: str) -> Kubectl:
        """Give the same in a namespace."""
        return replace(self, namespace=namespace)

    def attempt(self, *arguments: str, stdin: str | None = None, seconds: float = 120) -> tuple[int, str, str]:
        """Give exit code, standard output and standard error, whatever they are."""
        done = subprocess.run(
            self._command(arguments),
            env=self.environment,
            input=stdin or "",
            timeout=seconds,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def run(self, *arguments: str, stdin: str | None = None, seconds: float = 120) -> str:
        """Give the standard output. Raises KubectlError."""
        code, output, said = self.attempt(*arguments, stdin=stdin, seconds=seconds)
        if code != 0:
            raise KubectlError(arguments, code, said)
        return output

    def start(self, *arguments: str, stdout: IO[bytes] | int, stdin: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Start one that goes on; its standard error is dropped."""
        return subprocess.Popen(
            self._command(arguments), env=self.environment, stdout=stdout, stdin=stdin, stderr=subprocess.DEVNULL
        )

    def apply(self, manifest: str | Json) -> str:
        """Apply YAML text or a document. Raises KubectlError."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self.run("apply", "-f", "-", stdin=text)

    def get(self, kind: str, name: str) -> Json | None:
        """Read one object; None where there is none."""
        text = self.run("get", kind, name, "-o", "json", "--ignore-not-found")
        return _document(text) if text.strip() else None

    def items(self, kind: str, selector: str = "") -> list[Json]:
        """Read objects of a kind, chosen by labels."""
        items: list[Json] = _document(self.run("get", kind, "-o", "json", "-l", selector))["items"]
        return items

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return ["kubectl", *(("--namespace", self.namespace) if self.namespace else ()), *arguments]


def _document(text: str) -> Json:
    document: Json = json.loads(text)
    return document
