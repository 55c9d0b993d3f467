"""Deterministic names: making the same thing twice meets itself."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.model.ids import Attempt, NodeId, RunNumber, SpecDigest
    from fairlead.plan.observed import Resource

_MOST = 63
_NOT_DNS = re.compile(r"[^a-z0-9]+")


def node_name(resource: Resource, digest: SpecDigest, run: RunNumber, node: NodeId, attempt: Attempt) -> str:
    """Name the Kubernetes Job, or the Workflow, of one attempt: a DNS label of at most 63 characters.

    The readable part may be cut; the digest tells apart what it doesn't, a deleted and re-made Workflow included.
    """
    identity = f"{resource.uid}/{digest}/{run}/{node}/{attempt}"
    mark = sha256(identity.encode()).hexdigest()[:8]
    tail = f"-{run}-{mark}" if attempt == 1 else f"-{run}-{attempt}-{mark}"
    if node.combination is not None:
        tail = f"-{node.combination}{tail}"
    room = _MOST - len(tail) - 1
    short_job = _slug(node.job)[: max(room // 2, room - len(resource.key.name))]
    short_workflow = _slug(resource.key.name)[: room - len(short_job)]
    return f"{short_workflow.rstrip('-')}-{short_job.strip('-')}{tail}"


def _slug(text: str) -> str:
    return _NOT_DNS.sub("-", text.lower()).strip("-")
