"""The names by which everything else is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

JobId = NewType("JobId", str)
"""A key of `spec.jobs`."""

StepId = NewType("StepId", str)
"""A step's `id`, unique in its job."""

Uid = NewType("Uid", str)
"""`metadata.uid`: tells a resource from a later one of the same name."""

RunNumber = NewType("RunNumber", int)
"""Counts the runs of one Workflow resource, from 1."""

Attempt = NewType("Attempt", int)
"""Counts the Kubernetes Jobs made for one job of one run, from 1."""


@dataclass(frozen=True, slots=True, order=True)
class WorkflowKey:
    """Where a Workflow is found in the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
