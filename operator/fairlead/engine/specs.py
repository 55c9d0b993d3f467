"""The specs of workflows, parsed: each generation once, and one that many workflows have in common once for all."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from fairlead.model.problem import InvalidWorkflowError
from fairlead.syntax import parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fairlead.engine.records import WorkflowRecord
    from fairlead.model.ids import Uid, WorkflowKey
    from fairlead.model.workflow import Workflow

_SHARED: Final = 64
"""Specs that are remembered for the next workflow that has the same: runs of one pipeline often come together."""


@dataclass(frozen=True, slots=True)
class ParsedSpec:
    """One generation of a Workflow's spec; `at`: when it was first looked at."""

    uid: Uid
    generation: int
    workflow: Workflow | InvalidWorkflowError
    at: datetime


class Specs:
    """What is known of the specs of workflows. `clock` gives the present moment, in UTC."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._parsed: dict[WorkflowKey, ParsedSpec] = {}
        self._shared: OrderedDict[bytes | None, Workflow] = OrderedDict()

    def __contains__(self, key: WorkflowKey) -> bool:
        """Whether some generation of a workflow's spec was looked at."""
        return key in self._parsed

    def knows(self, record: WorkflowRecord) -> bool:
        """Whether this generation of the spec was looked at."""
        resource, known = record.resource, self._parsed.get(record.resource.key)
        return known is not None and (known.uid, known.generation) == (resource.uid, resource.generation)

    def of(self, record: WorkflowRecord) -> ParsedSpec:
        """Give the spec as it is parsed, or what is wrong with it."""
        resource = record.resource
        if not self.knows(record):
            parsed = ParsedSpec(resource.uid, resource.generation, self._parse(record), self._clock())
            self._parsed[resource.key] = parsed
        return self._parsed[resource.key]

    def forget(self, key: WorkflowKey) -> None:
        """Forget a workflow."""
        self._parsed.pop(key, None)

    def _parse(self, record: WorkflowRecord) -> Workflow | InvalidWorkflowError:
        digest = _digest(record)
        workflow = self._shared.pop(digest, None)
        if workflow is None:
            try:
                workflow = parse_spec(record.spec)
            except InvalidWorkflowError as error:
                return error
        if digest is not None:
            self._shared[digest] = workflow
        if len(self._shared) > _SHARED:
            self._shared.popitem(last=False)
        return workflow


def _digest(record: WorkflowRecord) -> bytes | None:
    """Tell a spec from all others; None for what no JSON can be, which is an error of that spec."""
    try:
        # The order of its keys counts: it is that in which jobs are shown.
        return sha256(json.dumps(record.spec).encode()).digest()
    except (TypeError, ValueError, RecursionError):
        return None
