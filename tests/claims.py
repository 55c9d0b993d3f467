"""Claims for tests, made in a few words, and strategies that draw them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fairlead.model.ids import NodeId, RunNumber, Uid, WorkflowKey
from fairlead.model.spec import QueueKind
from fairlead.plan.neighbours import Caller, Claim
from tests.builders import at, node_of


def key_of(name: str, namespace: str = "team") -> WorkflowKey:
    """Give the key of a workflow."""
    return WorkflowKey(namespace, name)


def uid_of(name: str, namespace: str = "team") -> Uid:
    """Give the uid of a workflow."""
    return Uid(f"uid-of-{namespace}/{name}")


def a_node(node: str) -> NodeId:
    """Give a node, as `deploy` or `deploy[2]`."""
    job, _, index = node.rstrip("]").partition("[")
    return node_of(job, int(index) if index else None)


def a_claim(name: str, node: str | None = None, *, since: float = 0, namespace: str = "team", **fields: Any) -> Claim:  # noqa: ANN401  any of the claim's own
    """Give a claim of a workflow, or of a node of it, in the group `main`, that waits since so many seconds."""
    made: dict[str, Any] = {
        "workflow": key_of(name, namespace),
        "uid": uid_of(name, namespace),
        "run": RunNumber(1),
        "node": None if node is None else a_node(node),
        "since": at(since),
        "admitted": False,
        "group": "MAIN",
        "cancel_in_progress": False,
        "queue": QueueKind.ALL,
        "counted": node is None,
        **fields,
    }
    return Claim(**made)


def a_caller(name: str, node: str, *, namespace: str = "team") -> Caller:
    """Give a node that called a workflow."""
    return Caller(uid_of(name, namespace), RunNumber(1), a_node(node))


NAMES = [f"w{number}" for number in range(5)]
NAMESPACES = ["a", "b", "c"]


@st.composite
def claims_of_one(draw: st.DrawFn, name: str, namespace: str) -> tuple[Claim, ...]:
    """Draw what one workflow claims: a run that waits, or one that goes with some nodes."""
    groups = st.sampled_from([None, "G", "H", "I"])

    def one(node: str | None, *, admitted: bool, **fields: Any) -> Claim:  # noqa: ANN401  any of the claim's own
        return a_claim(
            name,
            node,
            namespace=namespace,
            admitted=admitted,
            since=draw(st.integers(0, 20)),
            cancel_in_progress=draw(st.integers(0, 3)) == 0,
            queue=draw(st.sampled_from([QueueKind.ALL, QueueKind.ALL, QueueKind.LATEST])),
            priority=draw(st.sampled_from([0, 0, 0, 1, -1])),
            **fields,
        )

    others = [other for other in NAMES if other < name]
    called = bool(others) and draw(st.integers(0, 3)) == 0
    caller = draw(st.sampled_from(others)) if called else None
    callers = () if caller is None else (a_caller(caller, draw(st.sampled_from(["x", "y"])), namespace=namespace),)
    run = draw(st.sampled_from(["none", "waits", "goes", "goes"]))
    found = []
    if run != "none":
        counted = caller is None
        found.append(one(None, admitted=run == "goes", group=draw(groups), counted=counted, callers=callers))
    if run == "goes":
        for node in draw(st.lists(st.sampled_from(["x", "y", "z[0]", "z[1]"]), unique=True, max_size=3)):
            group = draw(st.sampled_from(["G", "H", "I"]))
            found.append(one(node, admitted=draw(st.booleans()), group=group, callers=callers))
    return tuple(found)
