"""A thin wrapper around the kubectl program: arguments in, text or JSON out.

Most of what tests ask is what has become of something, again and again, and a kubectl takes a tenth of a second of a
processor to begin. So objects are read straight from the API server where there is a way to it.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

    from e2e.support.raw import Answer, RawApi

Json = dict[str, Any]

_FAIRLEAD: Final = "/apis/fairlead.dev/v1alpha1"
_PLACES: Final = {
    "workflows.fairlead.dev": (_FAIRLEAD, "workflows"),
    "fwf": (_FAIRLEAD, "workflows"),
    "jobs": ("/apis/batch/v1", "jobs"),
    "pods": ("/api/v1", "pods"),
    "events": ("/api/v1", "events"),
    "serviceaccount": ("/api/v1", "serviceaccounts"),
    "leases": ("/apis/coordination.k8s.io/v1", "leases"),
}
"""Where the API server has what is asked for often."""


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
    """kubectl with an environment (KUBECONFIG and PATH count), in a namespace or in none; and a way past it to read."""

    environment: Mapping[str, str]
    namespace: str | None = None
    api: RawApi | None = None

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
        """Read one object; None where there is none. Raises KubectlError."""
        if self.api is not None and self.namespace is not None and kind in _PLACES:
            answer = self._ask(self.api, kind, f"/{name}")
            # One that is just starting doesn't find the resource itself, and says so without a name.
            if answer.code == HTTPStatus.NOT_FOUND and answer.document.get("details", {}).get("name") == name:
                return None
            return _document_of(answer, kind, name)
        text = self.run("get", kind, name, "-o", "json", "--ignore-not-found")
        return _document(text) if text.strip() else None

    def items(self, kind: str, selector: str = "") -> list[Json]:
        """Read objects of a kind, chosen by labels. Raises KubectlError."""
        if self.api is None or self.namespace is None or kind not in _PLACES:
            listed: list[Json] = _document(self.run("get", kind, "-o", "json", "-l", selector))["items"]
            return listed
        found = _document_of(self._ask(self.api, kind, f"?labelSelector={quote(selector)}"), kind, selector)
        # In a list, the server leaves out of each item what it is.
        what = {"apiVersion": found["apiVersion"], "kind": found["kind"].removesuffix("List")}
        return [{**what, **item} for item in found["items"]]

    def _ask(self, api: RawApi, kind: str, rest: str) -> Answer:
        group, plural = _PLACES[kind]
        try:
            return api.ask("GET", f"{group}/namespaces/{self.namespace}/{plural}{rest}")
        except (OSError, HTTPException, ValueError) as error:
            raise KubectlError(("get", kind, rest), 1, repr(error)) from error

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return ["kubectl", *(("--namespace", self.namespace) if self.namespace else ()), *arguments]


def _document(text: str) -> Json:
    document: Json = json.loads(text)
    return document


def _document_of(answer: Answer, kind: str, which: str) -> Json:
    if not answer.ok:
        raise KubectlError(("get", kind, which), answer.code, answer.message)
    return answer.document
