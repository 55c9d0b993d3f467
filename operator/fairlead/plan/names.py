"""Deterministic names: making the same thing twice meets itself."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.model.ids import Attempt, JobId, NodeId, RunNumber, SpecDigest
    from fairlead.plan.observed import Resource

_MOST = 63
_MOST_OF_A_PACK = 60
"""The host names of an Indexed Job's Pods are its name and the completion index, and labels, too."""
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
    return _fitting(resource, node.job, tail, _MOST)


def pack_name(resource: Resource, digest: SpecDigest, run: RunNumber, job: JobId, chunk: int) -> str:
    """Name the Indexed Job of the first attempts at a job's combinations of one chunk: as `node_name`, but shorter."""
    identity = f"{resource.uid}/{digest}/{run}/{job}/pack {chunk}"
    mark = sha256(identity.encode()).hexdigest()[:8]
    return _fitting(resource, job, f"-p{chunk}-{run}-{mark}", _MOST_OF_A_PACK)


def _fitting(resource: Resource, job: JobId, tail: str, most: int) -> str:
    room = most - len(tail) - 1
    short_job = _slug(job)[: max(room // 2, room - len(resource.key.name))]
    short_workflow = _slug(resource.key.name)[: room - len(short_job)]
    return f"{short_workflow.rstrip('-')}-{short_job.strip('-')}{tail}"


def _slug(text: str) -> str:
    return _NOT_DNS.sub("-", text.lower()).strip("-")
