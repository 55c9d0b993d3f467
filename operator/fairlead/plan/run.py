"""A run while it is being planned: what was read, and what was decided so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from fairlead.model.phase import RESULTS, JobPhase, Reason, Result
from fairlead.model.status import CombinationStatus, JobStatus, NodeStatus
from fairlead.plan.compact import Shown
from fairlead.plan.tally import Tally

if TYPE_CHECKING:
    from datetime import datetime

    from fairlead.model.ids import Attempt, JobId, NodeId
    from fairlead.model.status import AdmissionStatus
    from fairlead.model.workflow import JobPlan, Workflow
    from fairlead.plan.actions import Action, Ending
    from fairlead.plan.alike import Alike
    from fairlead.plan.contexts import Contexts
    from fairlead.plan.env import Sources
    from fairlead.plan.gate import Lineage
    from fairlead.plan.matrix import Combination
    from fairlead.plan.observed import CalledWorkflow, KubernetesJob, Observed, Refusal, Resource
    from fairlead.plan.order import Order
    from fairlead.plan.parts import Matrix
    from fairlead.plan.runs import Current


@dataclass(frozen=True, slots=True)
class Policy:
    """What whoever runs the operator may decide.

    `grace`: how long an image or a Secret may be missing before it is an error. `restarts`: how often a node is made
    again after the cluster lost it. `combinations`: the most that a matrix may have. `depth`: how many templates may
    call each other in a row. `packs`: whether many combinations may be made as one Indexed Job (`plan.packing`).
    """

    grace: timedelta = timedelta(seconds=60)
    restarts: int = 5
    combinations: int = 256
    depth: int = 4
    packs: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run, or the rest of a matrix, ends early. Jobs whose condition holds nevertheless go on."""

    reason: Reason
    message: str
    phase: JobPhase = JobPhase.CANCELLED
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class RunAdmission:
    """Whether the run may start its jobs; `stop` where it has to end instead."""

    admitted: bool
    status: AdmissionStatus | None = None
    stop: Stop | None = None
    message: str | None = None


@dataclass(slots=True)
class Node:
    """One node of the run: a job, or one combination of it, and where it stands."""

    id: NodeId
    name: str
    combination: Combination | None
    state: NodeStatus
    again: Again | None = None

    @property
    def active(self) -> bool:
        """Whether it takes up room: something was started for it, and it hasn't ended."""
        state = self.state
        started = state.attempt is not None and state.retry_at is None and self.again is None
        return started and not state.phase.ended


@dataclass(frozen=True, slots=True)
class Again:
    """A node that has to be started once more."""

    attempt: Attempt
    retries: int
    reason: Reason
    message: str
    instead_of: str | None = None
    lost: KubernetesJob | None = None


@dataclass(slots=True)
class Ready:
    """A node that can be started as soon as there is room in the cluster; `refusal`: it has said no before."""

    job: JobPlan
    node: Node
    refusal: Refusal | None = None


Attempts: TypeAlias = "dict[JobId, dict[int | None, dict[Attempt, KubernetesJob | CalledWorkflow]]]"
"""What exists of a run, by job, combination and attempt."""


@dataclass(slots=True)
class Picture:
    """How a run stands, job by job: what one plan may take over from the one before it.

    `attempts`: what exists of the run; `strays`: what exists of others, by name. `states` has all jobs, in the
    workflow's order; `nodes` and `active`, the nodes of a job and how many of them take up room, those that have
    begun and not ended. `restless` are the jobs that have to be looked at again though nothing is seen to change:
    something of them waits for a moment or for somebody, or is yet to be recorded. `matrices` are those that can be
    looked at in parts (`plan.parts`), and `unsettled` the combinations of them that are restless. `leaving` are those
    that have ended while something works of them or before them, and when they count as gone at the latest. `waiting`
    are those that wait for room in the cluster alone, each with a single node, and `full` is what they were told.
    `refused` are those of which the cluster has refused something. `unwanted` is what has to be ended of a job;
    `outputs`, how many bytes of its outputs are recorded.
    """

    attempts: Attempts = field(default_factory=dict)
    strays: dict[str, KubernetesJob | CalledWorkflow] = field(default_factory=dict)
    states: dict[JobId, JobStatus] = field(default_factory=dict)
    nodes: dict[JobId, list[Node]] = field(default_factory=dict)
    active: dict[JobId, int] = field(default_factory=dict)
    lineages: dict[JobId, Lineage] = field(default_factory=dict)
    restless: set[JobId] = field(default_factory=set)
    leaving: dict[JobId, datetime] = field(default_factory=dict)
    matrices: dict[JobId, Matrix] = field(default_factory=dict)
    unsettled: dict[JobId, set[int]] = field(default_factory=dict)
    waiting: dict[JobId, Ready] = field(default_factory=dict)
    full: str = ""
    refused: frozenset[JobId] = frozenset()
    unwanted: dict[JobId, tuple[Ending, ...]] = field(default_factory=dict)
    outputs: dict[JobId, int] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    shown: Shown = field(default_factory=Shown)


@dataclass(slots=True)
class Run:
    """A run while it is being planned.

    `touched` are the jobs that are looked at; None: all. `order` is known where they are few. Of those in `parts` only
    the combinations named there are looked at. `asking` are those that are to be looked at the next time, too.
    """

    workflow: Workflow
    resource: Resource
    observed: Observed
    now: datetime
    policy: Policy
    current: Current
    base: Contexts
    sources: Sources
    order: Order | None = None
    picture: Picture = field(default_factory=Picture)
    touched: set[JobId] | None = None
    parts: dict[JobId, set[int]] = field(default_factory=dict)
    asking: dict[JobId, set[int]] = field(default_factory=dict)
    stop: Stop | None = None
    actions: list[Action] = field(default_factory=list)
    ready: list[Ready] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=list)
    admission: RunAdmission = RunAdmission(admitted=True)
    needed: dict[JobId, Contexts] = field(default_factory=dict)
    alike: dict[JobId, Alike] = field(default_factory=dict)
    busy: int = 0
    outputs: int | None = None
    waiting: int = 0
    held: bool = False
    record_first: bool = False

    @property
    def states(self) -> dict[JobId, JobStatus]:
        """How each job stands, as far as that is decided."""
        return self.picture.states

    @property
    def nodes(self) -> dict[JobId, list[Node]]:
        """The nodes of jobs that have begun."""
        return self.picture.nodes

    @property
    def over(self) -> bool:
        """Whether it is recorded as over, so that nothing is left to be decided."""
        return self.resource.status.ended and not self.current.fresh

    def recorded(self, job: JobPlan) -> JobStatus:
        """Give what is recorded of a job."""
        return self.current.jobs.get(job.id, _NOTHING)

    def drop_what_is_used_up(self) -> None:
        """Let go of what only this plan needed: the contexts of thousands of jobs, maybe, and what was asked for."""
        self.needed, self.alike, self.asking, self.parts = {}, {}, {}, {}
        self.actions, self.ready, self.looks = [], [], []

    def asked(self) -> int:
        """Count what the jobs have asked for: it has grown where one wants something, or to be looked at again."""
        return len(self.actions) + len(self.looks)


_NOTHING: Final = JobStatus()

N = TypeVar("N", bound=NodeStatus)


def end(
    state: N,
    phase: JobPhase,
    reason: Reason | None,
    message: str | None = None,
    *,
    now: datetime,
    result: Result | None = None,
) -> N:
    """Record the end of a node. `result` is given where it isn't what the phase says."""
    outcome = RESULTS[phase]
    return state.model_copy(
        update={
            "phase": phase,
            "result": result or outcome,
            "outcome": outcome if result not in (None, outcome) else None,
            "reason": reason,
            "message": message,
            "retry_at": None,
            "finished_at": now,
        }
    )


def gather(nodes: list[Node], recorded: JobStatus) -> JobStatus:
    """Put a job's status together from its nodes'; one that isn't of a matrix has a single node."""
    if len(nodes) == 1 and nodes[0].combination is None:
        state = nodes[0].state
        assert isinstance(state, JobStatus)  # noqa: S101  it was begun as one
        return state
    states = [node.state for node in nodes]
    passed = sum(state.result is Result.SUCCESS for state in states)
    combinations = tuple(state for state in states if isinstance(state, CombinationStatus))
    whole = going_on(combinations, {state.phase for state in states}, passed, recorded)
    if not all(state.phase.ended for state in states):
        return whole
    first = next((node for node in nodes if node.state.result is Result.FAILURE), None)
    return whole.model_copy(
        update={
            "result": _worst([state.result for state in states]),
            "outcome": _outcome(states),
            "reason": first.state.reason if first else None,
            "message": f"{first.name}: {first.state.message}" if first else None,
            "finished_at": max((state.finished_at for state in states if state.finished_at), default=None),
            "outputs": _outputs(states),
        }
    )


def going_on(
    combinations: tuple[CombinationStatus, ...], phases: set[JobPhase], passed: int, recorded: JobStatus
) -> JobStatus:
    """Put the status of a matrix together, as far as that goes before it has ended; `phases` are those of its nodes."""
    started_at = recorded.started_at
    if started_at is None:
        started_at = min([each.started_at for each in combinations if each.started_at is not None], default=None)
    # They are statuses already, thousands of them maybe.
    return _NOTHING.model_copy(
        update={
            "phase": _phase(phases),
            "started_at": started_at,
            "summary": f"{passed}/{len(combinations)} passed",
            "combinations": combinations,
            "kept_from": recorded.kept_from,
        }
    )


def _phase(phases: set[JobPhase]) -> JobPhase:
    if all(phase.ended for phase in phases):
        for phase in (JobPhase.FAILED, JobPhase.CANCELLED, JobPhase.SUCCEEDED):
            if phase in phases:
                return phase
        return JobPhase.SKIPPED
    if phases == {JobPhase.PENDING}:
        return JobPhase.PENDING
    started = any(phase is JobPhase.RUNNING or phase.ended for phase in phases)
    return JobPhase.RUNNING if started else JobPhase.QUEUED


def _worst(results: list[Result | None]) -> Result:
    for result in (Result.FAILURE, Result.CANCELLED, Result.SUCCESS):
        if result in results:
            return result
    return Result.SKIPPED


def _outcome(states: list[NodeStatus]) -> Result | None:
    outcome = _worst([state.outcome or state.result for state in states])
    return outcome if outcome is not _worst([state.result for state in states]) else None


def _outputs(states: list[NodeStatus]) -> dict[str, str]:
    """Give each output as the combination that ended last set it; one that is empty sets nothing, as in GitHub."""
    found: dict[str, str] = {}
    for state in sorted(states, key=lambda each: (each.finished_at is not None, each.finished_at)):
        found |= {name: value for name, value in state.outputs.items() if value or name not in found}
    return found
