"""A decided call as a Workflow: what its template says, with the caller's values, in the caller's name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from fairlead.model.crd import API_VERSION, KIND
from fairlead.model.ids import JobId, NodeId, RunNumber, Uid
from fairlead.plan.neighbours import Caller
from fairlead.render.job import metadata_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.plan import CallWorkflow, Resource

ANNOTATION_CALLERS: Final = "fairlead.dev/callers"
"""Who waits for a called Workflow's end: a JSON list of nodes, the nearest last."""

_MOST_CALLERS: Final = 100
"""More than may ever call each other; a forged chain must not cost memory."""


def call_manifest(
    call: CallWorkflow, resource: Resource, spec: Mapping[str, Any], *, keep_seconds: int
) -> dict[str, Any]:
    """Render the Workflow. `spec` is the template's with its inputs filled in.

    `keep_seconds`: how long it is kept after it has ended, as a job's log is. It goes with its caller's priority where
    the template has none of its own.
    """
    metadata = metadata_of(call, resource)
    callers = [_written(each) for each in (*resource.callers, Caller(resource.uid, call.run, call.node))]
    annotation = {ANNOTATION_CALLERS: json.dumps(callers, separators=(",", ":"))}
    metadata["annotations"] = metadata.get("annotations", {}) | annotation
    steering = {"priority": spec.get("priority") or call.request.priority, "ttlAfterFinished": keep_seconds}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": {**spec, **steering}}


def parse_callers(text: str) -> tuple[Caller, ...] | None:
    """Read the annotation back; None for any other text."""
    try:
        found = json.loads(text)
        return tuple(_read(each) for each in found) if 0 < len(found) <= _MOST_CALLERS else None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _written(caller: Caller) -> dict[str, object]:
    written: dict[str, object] = {"uid": caller.uid, "run": caller.run, "job": caller.node.job}
    if caller.node.combination is not None:
        written["combination"] = caller.node.combination
    return written


def _read(caller: Mapping[str, Any]) -> Caller:
    combination = caller.get("combination")
    node = NodeId(JobId(str(caller["job"])), None if combination is None else int(combination))
    return Caller(Uid(str(caller["uid"])), RunNumber(int(caller["run"])), node)
