"""The names by which everything else is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, NewType

JobId = NewType("JobId", str)
"""A key of `spec.jobs`."""

StepId = NewType("StepId", str)
"""A step's `id`, unique in its job."""

Uid = NewType("Uid", str)
"""`metadata.uid`: tells a resource from a later one of the same name."""

RunNumber = NewType("RunNumber", int)
"""Counts the runs of one Workflow resource, from 1."""

Attempt = NewType("Attempt", int)
"""Counts the tries at one node of one run, from 1."""

SpecDigest = NewType("SpecDigest", str)
"""Tells a spec from another one, but for the fields that only steer its runs: 12 hexadecimal digits."""


class NodeId(NamedTuple):
    """What is run: a job, or one combination of it, by its index from 0."""

    job: JobId
    combination: int | None = None

    def __str__(self) -> str:
        return self.job if self.combination is None else f"{self.job}[{self.combination}]"


@dataclass(frozen=True, slots=True, order=True)
class WorkflowKey:
    """Where a Workflow is found in the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
