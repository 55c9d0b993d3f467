"""What a plan asks for. A closed union: whoever carries it out handles every case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fairlead.model.ids import Attempt, JobId, RunNumber, StepId
    from fairlead.model.spec import EnvReference, Resources
    from fairlead.model.status import WorkflowStatus


@dataclass(frozen=True, slots=True)
class StepRequest:
    """A step with its expressions filled in; references to Secrets and ConfigMaps stay references."""

    label: str
    run: str
    id: StepId | None
    shell: str | None
    working_directory: str | None
    env: Mapping[str, str | EnvReference]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job with its expressions filled in.

    `wanted` has the step outputs that the job's own outputs are made of, as (step id, output), None for all of a
    step's. `timeout` is in seconds.
    """

    image: str
    steps: tuple[StepRequest, ...]
    env: Mapping[str, str | EnvReference]
    wanted: tuple[tuple[StepId, str | None], ...]
    resources: Resources | None
    timeout: int


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Make the Kubernetes Job `name`; if it is there already, all is well.

    `instead_of`: a Kubernetes Job that was recorded and isn't seen any more. Not to be seen isn't to be gone, so
    whoever carries this out asks the cluster first, and makes nothing while it is there.
    """

    name: str
    job: JobId
    run: RunNumber
    attempt: Attempt
    request: JobRequest
    instead_of: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """End the Kubernetes Job `name` and its Pods; if it is gone already, all is well."""

    name: str


Action = CreateJob | DeleteJob


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, what the status is once it is done, and when to look again though nothing happens."""

    actions: tuple[Action, ...]
    status: WorkflowStatus
    look_again: datetime | None = None
