"""Requests to the API server as they are, past kubectl's own checks."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fairlead.kube.jsontext import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.support.kubectl import Json, Kubectl

GROUP: Final = "/apis/fairlead.dev/v1alpha1"
MERGE_PATCH: Final = "application/merge-patch+json"
_SERVES: Final = re.compile(rb"127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; `document` is its JSON."""

    code: int
    document: Json

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked for."""
        return self.code < 300

    @property
    def message(self) -> str:
        """Why it didn't."""
        return str(self.document.get("message", ""))


@dataclass(frozen=True, slots=True)
class RawApi:
    """A way to the API server, as its admin, with bytes that nobody looks at before."""

    port: int

    def ask(self, verb: str, path: str, body: bytes | Json | None = None, kind: str = "application/json") -> Answer:
        """Send one request."""
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(verb, path, content, {"Content-Type": kind})
            response = connection.getresponse()
            return Answer(response.status, read_json(response.read() or b"{}"))
        finally:
            connection.close()


@contextmanager
def open_raw_api(kubectl: Kubectl) -> Iterator[RawApi]:
    """Have a `kubectl proxy` for as long as it lasts."""
    process = kubectl.start("proxy", "--port=0", "--reject-paths=^$", stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        found = _SERVES.search(process.stdout.readline())
        assert found is not None, "kubectl proxy doesn't say where it serves"
        yield RawApi(int(found[1]))
    finally:
        process.terminate()
        process.communicate()
