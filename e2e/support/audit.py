"""The API server's audit log: which requests were made, counted instead of believed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Request:
    """One request, finished or (a watch) begun. `allowed` is the authorizer's word, `code` the answer's."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str | None
    name: str | None
    code: int
    allowed: bool

    @property
    def access(self) -> tuple[str, str, str]:
        """What a role has to allow: group, resource (with its subresource), verb."""
        return self.group, self.resource, self.verb


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The log from a byte on."""

    path: Path
    start: int = 0

    def from_now(self) -> AuditLog:
        """Give what is logged after this moment."""
        return AuditLog(self.path, self.path.stat().st_size)

    def of(self, user: str, namespace: str | None = None) -> list[Request]:
        """Give the requests of a user, to resources, in a namespace or in all places."""
        return [each for each in self._read(user) if each.user == user and namespace in (None, each.namespace)]

    def within(self, namespace: str) -> list[Request]:
        """Give everybody's requests in a namespace."""
        return [each for each in self._read(f'"{namespace}"') if each.namespace == namespace]

    def _read(self, word: str) -> Iterator[Request]:
        marker = word.encode()
        with self.path.open("rb") as log:
            log.seek(self.start)
            # The last line may still be on its way.
            lines = (line for line in log if marker in line and line.endswith(b"\n"))
            for line in lines:
                entry = json.loads(line)
                if "objectRef" in entry and not _repeats(entry):
                    yield _request(entry)


def count(requests: list[Request]) -> Counter[str]:
    """Count requests as `verb resource`."""
    return Counter(f"{each.verb} {each.resource}" for each in requests)


def _repeats(entry: dict[str, Any]) -> bool:
    # A watch is logged when it begins and when it ends; everything else once.
    return bool(entry["verb"] == "watch" and entry["stage"] == "ResponseComplete")


def _request(entry: dict[str, Any]) -> Request:
    target = entry["objectRef"]
    subresource = f"/{target['subresource']}" if "subresource" in target else ""
    return Request(
        user=entry["user"]["username"],
        verb=entry["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", "") + subresource,
        namespace=target.get("namespace"),
        name=target.get("name"),
        code=entry.get("responseStatus", {}).get("code", 0),
        allowed=entry.get("annotations", {}).get("authorization.k8s.io/decision") == "allow",
    )
