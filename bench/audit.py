"""Requests to the API server, counted in its audit log by who asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One finished request, or a watch that was begun."""

    agent: str
    verb: str
    resource: str
    namespace: str

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.verb in WRITES


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the log."""

    path: Path
    start: int

    @classmethod
    def now(cls, path: Path) -> Mark:
        """Give the present end of the log."""
        return cls(path, path.stat().st_size)

    def asked(self) -> Iterator[Asked]:
        """Give what was asked from there on; the last line may still be on its way."""
        with self.path.open("rb") as log:
            log.seek(self.start)
            for line in log:
                if line.endswith(b"\n") and (found := parse(orjson.loads(line))) is not None:
                    yield found


def parse(entry: dict[str, Any]) -> Asked | None:
    """Read an entry; None for what is about no resource, and for the end of a watch."""
    target = entry.get("objectRef")
    if target is None or (entry["verb"] == "watch" and entry["stage"] == "ResponseComplete"):
        return None
    subresource = f"/{target['subresource']}" if "subresource" in target else ""
    return Asked(
        agent_of(entry.get("userAgent", ""), entry["user"]["username"]),
        entry["verb"],
        target.get("resource", "") + subresource,
        target.get("namespace", ""),
    )


def agent_of(user_agent: str, user: str) -> str:
    """Name who asked: the controller by its service account, any other program by its own name.

    kopf's session inside of the operator goes by the name of its HTTP library.
    """
    if user.startswith("system:serviceaccount:kube-system:"):
        return user.rpartition(":")[2]
    name = user_agent.partition("/")[0].partition(" ")[0] or user
    return "fairlead" if name in ("Python", "kopf") else name


def counted(asked: Iterator[Asked], namespace: str) -> dict[str, dict[str, int]]:
    """Count by program what was asked in a namespace, or by the operator in all of them, as `verb resource`."""
    counts: dict[str, Counter[str]] = {}
    for each in asked:
        if each.namespace == namespace or (each.agent == "fairlead" and not each.namespace):
            counts.setdefault(each.agent, Counter())[f"{each.verb} {each.resource}"] += 1
    return {agent: dict(sorted(count.items())) for agent, count in sorted(counts.items())}


def is_write(verb_and_resource: str) -> bool:
    """Whether a count of `counted` is of writes to something else than a Lease."""
    verb, _, resource = verb_and_resource.partition(" ")
    return verb in WRITES and resource != "leases"


def writes(counts: dict[str, int]) -> int:
    """Add up the writes of one program; Leases are counted apart, since they cost the same at rest."""
    return sum(number for what, number in counts.items() if is_write(what))


def reads(counts: dict[str, int]) -> int:
    """Add up the reads of one program; a watch that is begun counts as one."""
    return sum(number for what, number in counts.items() if what.partition(" ")[0] not in WRITES)
