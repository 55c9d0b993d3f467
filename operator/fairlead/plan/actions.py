"""What a plan asks for. A closed union: whoever carries it out handles every case."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from fairlead.model.workflow import PodSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fairlead.model.containers import EnvReference, HealthCheck, Resources
    from fairlead.model.ids import Attempt, NodeId, RunNumber, SpecDigest, StepId
    from fairlead.model.report import JobState
    from fairlead.model.status import WorkflowStatus
    from fairlead.model.workflow import StepPlan
    from fairlead.plan.observed import KubernetesJob


@dataclass(frozen=True, slots=True)
class Mixed:
    """A variable's value put together from texts and references, in this order."""

    parts: tuple[str | EnvReference, ...]


EnvValue: TypeAlias = "str | EnvReference | Mixed"


@dataclass(frozen=True, slots=True)
class StepRequest:
    """A step with its expressions filled in; references to Secrets and ConfigMaps stay references.

    `runs_in`: what the job's state has to be so that the step runs. `timeout` is in seconds.
    """

    label: str
    run: str
    id: StepId | None = None
    shell: str | None = None
    working_directory: str | None = None
    env: Mapping[str, EnvValue] = field(default_factory=dict)
    runs_in: frozenset[JobState] = frozenset()
    timeout: int | None = None
    continue_on_error: bool = False


@dataclass(frozen=True, slots=True)
class LateStep:
    """A step of which something is known only when the steps before it have run: the agent fills it in then.

    `references`: those of the plan's variables that no expression reads, as they stand in the container.
    """

    plan: StepPlan
    references: Mapping[str, EnvReference | Mixed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """A container beside the job's, with its expressions filled in."""

    image: str
    env: Mapping[str, EnvValue] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    health_check: HealthCheck | None = None
    resources: Resources | None = None


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A node with its expressions filled in.

    `wanted` has the step outputs that the job's own outputs are made of, as (step id, output), None for all of a
    step's. `contexts` is what late steps may name of what is known already. `timeout` is in seconds.
    """

    image: str
    steps: tuple[StepRequest | LateStep, ...]
    env: Mapping[str, EnvValue]
    timeout: int
    wanted: tuple[tuple[StepId, str | None], ...] = ()
    contexts: Mapping[str, object] = field(default_factory=dict)
    services: Mapping[str, ServiceRequest] = field(default_factory=dict)
    resources: Resources | None = None
    pod: PodSettings = field(default_factory=PodSettings)


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A WorkflowTemplate to be run as a Workflow of its own. `depth` counts the calls that lead to it, from 1."""

    template: str
    inputs: Mapping[str, str | int | float | bool]
    depth: int
    priority: int = 0


R = TypeVar("R", JobRequest, CallRequest)


@dataclass(frozen=True, slots=True)
class _Creation(Generic[R]):
    """Make what runs one attempt at a node, under `name`; if it is there already, all is well.

    `instead_of`: what was recorded under another name and isn't seen any more. Not to be seen isn't to be gone, so
    whoever carries this out asks the cluster first, and makes nothing while it is there. `lost`: the attempt before,
    as it was seen, which is over though no Pod of it has done its work; the same goes for its Pods. `retries` counts
    the attempts before this one that failed by themselves. `group` is its concurrency group, `run_group` its run's:
    what works in a group holds it, though the record has gone on.
    """

    name: str
    node: NodeId
    run: RunNumber
    digest: SpecDigest
    attempt: Attempt
    request: R
    retries: int = 0
    group: str | None = None
    instead_of: str | None = None
    lost: KubernetesJob | None = None
    run_group: str | None = None


@dataclass(frozen=True, slots=True)
class CreateJob(_Creation[JobRequest]):
    """Make a Kubernetes Job."""


@dataclass(frozen=True, slots=True)
class CallWorkflow(_Creation[CallRequest]):
    """Make a Workflow out of a WorkflowTemplate."""


@dataclass(frozen=True, slots=True)
class CreatePack:
    """Make the first attempts of several combinations as one Indexed Job; if it is there already, all is well.

    The place in `members` is the completion index. They have the pack's name, and differ in texts alone: those of
    their steps, and the values of variables that are texts.
    """

    name: str
    members: tuple[CreateJob, ...]


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """End the Kubernetes Job `name` and its Pods; if it is gone already, all is well."""

    name: str


@dataclass(frozen=True, slots=True)
class EndPack:
    """End what still works of the Indexed Job `name`, and keep the Pods that have ended; nothing where it is gone."""

    name: str


@dataclass(frozen=True, slots=True)
class DeletePod:
    """End the Pod `name`, which is one attempt of several in an Indexed Job; if it is gone already, all is well."""

    name: str


@dataclass(frozen=True, slots=True)
class CancelWorkflow:
    """Cancel the run of the called Workflow `name`; if it is gone or over already, all is well."""

    name: str
    run: RunNumber


@dataclass(frozen=True, slots=True)
class ReadOutputs:
    """Read a job's outputs from the end of its log, where they were too large for its report."""

    pod: str
    node: NodeId


@dataclass(frozen=True, slots=True)
class ReadEvents:
    """Read why the Kubernetes Job `name` has no Pod."""

    name: str
    node: NodeId


@dataclass(frozen=True, slots=True)
class DeleteWorkflow:
    """Delete the Workflow itself: its time after the end is over."""


Creation = CreateJob | CallWorkflow
Making = Creation | CreatePack
Removal = DeleteJob | EndPack | DeletePod
Ending = Removal | CancelWorkflow
Action = Making | Ending | ReadOutputs | ReadEvents | DeleteWorkflow


def attempts_of(making: Making) -> tuple[Creation, ...]:
    """Give the single attempts that are made."""
    return making.members if isinstance(making, CreatePack) else (making,)


@dataclass(frozen=True, slots=True)
class Demand:
    """How many nodes of the run wait for room alone, and how urgent they are."""

    waiting: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, what the status is once it is done, and when to look again though nothing happens.

    `record_first`: nothing else is done before the status is written, because others rely on what it says.
    """

    actions: tuple[Action, ...]
    status: WorkflowStatus
    look_again: datetime | None = None
    demand: Demand = Demand()
    record_first: bool = False
