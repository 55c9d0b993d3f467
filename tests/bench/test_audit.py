from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from bench.audit import Asked, Mark, agent_of, counted, parse, reads, writes

if TYPE_CHECKING:
    from pathlib import Path


def entry(verb: str, resource: str, namespace: str = "team", **more: object) -> dict[str, Any]:
    """Write an entry of the log."""
    return {
        "verb": verb,
        "stage": "ResponseComplete",
        "user": {"username": "admin"},
        "userAgent": "fairlead/0.1.0",
        "objectRef": {"resource": resource, "namespace": namespace},
        **more,
    }


def test_parse() -> None:
    """A request is kept with its subresource; what is about no resource isn't, nor is the end of a watch."""
    status = entry("patch", "workflows")
    status["objectRef"]["subresource"] = "status"
    found = [
        parse(status),
        parse({**entry("get", ""), "objectRef": None}),
        parse(entry("watch", "jobs")),
        parse(entry("watch", "jobs", stage="ResponseStarted")),
    ]
    assert found == [
        Asked("fairlead", "patch", "workflows/status", "team"),
        None,
        None,
        Asked("fairlead", "watch", "jobs", "team"),
    ]


@pytest.mark.parametrize(
    ("user_agent", "user", "agent"),
    [
        ("fairlead/0.1.0", "system:serviceaccount:fairlead-system:fairlead", "fairlead"),
        ("Python/3.11 aiohttp/3.14.1", "admin", "fairlead"),
        ("fairlead-bench", "admin", "fairlead-bench"),
        ("kube-controller-manager/v1.36.3", "system:serviceaccount:kube-system:job-controller", "job-controller"),
        ("kwok/v0.8.0 (linux/amd64)", "fairlead-kwok", "kwok"),
    ],
)
def test_agent(user_agent: str, user: str, agent: str) -> None:
    """A controller goes by its account, a program by its name, and kopf's session is the operator's."""
    assert agent_of(user_agent, user) == agent


def test_counted() -> None:
    """Counted is what happened in the namespace, and what the operator asked of all of them; Leases are no writes."""
    asked = [
        Asked("fairlead", "create", "jobs", "team"),
        Asked("fairlead", "create", "jobs", "team"),
        Asked("fairlead", "create", "jobs", "other"),
        Asked("fairlead", "list", "workflows", ""),
        Asked("fairlead", "update", "leases", ""),
        Asked("kwok", "patch", "pods/status", "team"),
    ]
    counts = counted(iter(asked), "team")
    assert (counts, writes(counts["fairlead"]), reads(counts["fairlead"])) == (
        {"fairlead": {"create jobs": 2, "list workflows": 1, "update leases": 1}, "kwok": {"patch pods/status": 1}},
        2,
        1,
    )


def test_log_from_a_mark_on(tmp_path: Path) -> None:
    """Only what was logged after the mark counts, and no line that isn't whole yet."""
    log = tmp_path / "audit"
    log.write_bytes(orjson.dumps(entry("create", "jobs")) + b"\n")
    mark = Mark.now(log)
    with log.open("ab") as file:
        file.write(orjson.dumps(entry("delete", "jobs")) + b"\n" + orjson.dumps(entry("get", "jobs"))[:20])
    assert list(mark.asked()) == [Asked("fairlead", "delete", "jobs", "team")]
