"""A run in a nutshell: plan, carry out, plan again, with every attempt ending as the test says.

There is no cluster, no clock and no loop here; what is recorded goes through JSON as it does in the cluster.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, assert_never

from fairlead.model.ids import JobId, NodeId, Uid, WorkflowKey
from fairlead.model.problem import InvalidWorkflowError
from fairlead.model.report import Report, StepReport
from fairlead.model.status import Recorded, WorkflowStatus
from fairlead.plan import (
    CalledWorkflow,
    CallWorkflow,
    CancelWorkflow,
    ContainerRunning,
    ContainerTerminated,
    CreateJob,
    CreatePack,
    DeleteJob,
    DeletePod,
    DeleteWorkflow,
    EndPack,
    JobFailure,
    JobRequest,
    KubernetesJob,
    Making,
    Observed,
    Planner,
    Pod,
    Policy,
    ReadEvents,
    ReadOutputs,
    Refusal,
    Resource,
    plan,
)
from fairlead.plan.neighbours import ALONE
from fairlead.plan.observed import slot_of
from fairlead.plan.sweep import is_over
from fairlead.syntax import parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fairlead.model.status import JobStatus
    from fairlead.model.workflow import Workflow
    from fairlead.plan import Action, Decision
    from fairlead.plan.neighbours import Neighbours

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_job(**fields: object) -> dict[str, object]:
    """Give a job that runs `true`, with these fields."""
    return {"image": "busybox", "commands": ["true"], **fields}


@dataclass
class Drill:
    """One Workflow, and what exists for it. `log` has what was asked for, in words."""

    spec: Mapping[str, Any]
    policy: Policy = field(default_factory=Policy)
    now: datetime = START
    log: list[str] = field(default_factory=list)
    jobs: dict[str, KubernetesJob] = field(default_factory=dict)
    calls: dict[str, CalledWorkflow] = field(default_factory=dict)
    requests: dict[str, CreateJob | CallWorkflow] = field(default_factory=dict)
    refusals: dict[NodeId, Refusal] = field(default_factory=dict)
    statuses: list[WorkflowStatus] = field(default_factory=list)
    neighbours: Neighbours = ALONE
    remnants: tuple[KubernetesJob, ...] = ()
    planner: Planner = field(default_factory=lambda: Planner(few=0))
    resource: Resource = field(
        default_factory=lambda: Resource(WorkflowKey("default", "ci"), Uid("uid"), 1, WorkflowStatus())
    )

    def decide(self) -> Decision:
        """Plan once, and carry nothing out. What is remembered of the last plan makes no difference."""
        observed = Observed(
            jobs=tuple(self.jobs.values()),
            calls=tuple(self.calls.values()),
            refusals=self.refusals,
            neighbours=self.neighbours,
            remnants=self.remnants,
        )
        workflow = _parsed(json.dumps(self.spec))
        decision = self.planner.plan(workflow, self.resource, observed, self.now, self.policy)
        assert decision == plan(workflow, self.resource, observed, self.now, self.policy)
        return decision

    def look(self) -> Drill:
        """Plan and carry out, until nothing changes any more."""
        for _ in range(50):
            decision = self.decide()
            before = self.resource.status
            asked = [each for each in decision.actions if not self._is_refused(each)]
            if not asked and decision.status.to_json() == before.to_json():
                return self
            self.carry_out(decision)
        raise AssertionError(f"it never comes to rest: {self.log[-10:]}")

    def _is_refused(self, action: Action) -> bool:
        if isinstance(action, CreatePack):
            return any(member.node in self.refusals for member in action.members)
        return getattr(action, "node", None) in self.refusals

    def carry_out(self, decision: Decision) -> None:
        """Do all that a decision asks for."""
        for act in self.acts(decision):
            act()

    def acts(self, decision: Decision) -> list[Callable[[], None]]:
        """Give what a decision asks for, one call each, in the engine's order: what is made, the status, the rest."""
        made = [action for action in decision.actions if isinstance(action, Making)]
        rest = [action for action in decision.actions if not isinstance(action, Making)]
        status = [partial(self._record, decision.status)]
        return [*(partial(self._do, each) for each in made), *status, *(partial(self._do, each) for each in rest)]

    def _record(self, status: WorkflowStatus) -> None:
        before = Recorded(self.status, self.status.to_json())
        document = status.to_json(before)
        recorded = WorkflowStatus.from_json(document, before)
        assert recorded == WorkflowStatus.from_json(json.loads(json.dumps(document)))
        if recorded != self.status:
            self.statuses.append(recorded)
        self.resource = replace(self.resource, status=recorded)

    def _do(self, action: Action) -> None:
        match action:
            case CreateJob():
                if action.name in self.jobs or action.node in self.refusals:
                    return
                self.log.append(f"start {action.node}" + (f" {action.attempt}" if action.attempt > 1 else ""))
                facts = (action.node, action.attempt, action.run, action.digest, action.retries, action.group)
                self.jobs[action.name] = KubernetesJob(action.name, *facts, pods=(Pod(f"{action.name}-pod"),))
                self.requests[action.name] = action
            case CreatePack() | EndPack() | DeletePod():
                self._do_with_pack(action)
            case CallWorkflow():
                if action.name in self.calls or action.node in self.refusals:
                    return
                self.log.append(f"call {action.node} {action.request.template} {dict(action.request.inputs)}")
                made = (action.node, action.attempt, action.run, action.digest, WorkflowStatus(), action.retries)
                self.calls[action.name] = CalledWorkflow(action.name, *made)
                self.requests[action.name] = action
            case DeleteJob():
                self._delete(action.name)
            case CancelWorkflow():
                self.log.append(f"cancel {self.calls[action.name].node}")
                self.calls[action.name] = replace(self.calls[action.name], cancelling=True)
            case DeleteWorkflow():
                self.log.append("delete the workflow")
            case ReadOutputs() | ReadEvents():
                what = "outputs" if isinstance(action, ReadOutputs) else "Events"
                self.log.append(f"read the {what} of {action.node}")
            case _:
                assert_never(action)

    def _delete(self, name: str) -> None:
        found = [job for job in self.jobs.values() if job.name == name]
        if found:
            self.log.append(f"delete {_listed(found)}")
        for job in found:
            del self.jobs[job.slot]

    def _do_with_pack(self, action: CreatePack | EndPack | DeletePod) -> None:
        match action:
            case CreatePack():
                if slot_of(action.name, 0) in self.jobs or self._is_refused(action):
                    return
                self.log.append(f"start {_listed(action.members)} together")
                for index, made in enumerate(action.members):
                    facts = (made.node, made.attempt, made.run, made.digest, made.retries, made.group)
                    attempt = KubernetesJob(action.name, *facts, pods=(Pod(f"{made.node}-pod"),), index=index)
                    self.jobs[attempt.slot] = attempt
                    self.requests[attempt.slot] = made
            case EndPack():
                ended = [job for job in self.jobs.values() if job.name == action.name and not is_over(job)]
                self.log.append(f"end {_listed(ended)}")
                for job in ended:
                    self.jobs[job.slot] = replace(job, pods=(), failure=JobFailure("DeadlineExceeded"), deleting=True)
            case DeletePod():
                gone = next(job for job in self.jobs.values() if job.pods and job.pods[-1].name == action.name)
                self.log.append(f"delete the Pod of {gone.node}")
                self.jobs[gone.slot] = replace(gone, pods=(), failure=JobFailure("FailedIndexes"))

    # What happens meanwhile

    def run(self, *jobs: str) -> Drill:
        """Let the containers of the newest attempts run."""
        for job in jobs:
            found = self.newest(job)
            self.set(found, ContainerRunning(self.now))
        return self.look()

    def end(self, *jobs: str, code: int = 0, outputs: Mapping[str, Mapping[str, str]] | None = None) -> Drill:
        """Let the newest attempts end, one after another."""
        for job in jobs:
            found = self.newest(job)
            made = self.requests[found.slot].request
            count = len(made.steps) if code == 0 and isinstance(made, JobRequest) else 1
            report = Report((StepReport(code, 0, 1),) * count, outputs or {}, code)
            self.set(found, ContainerTerminated(code, "", "", self.now, self.now, report))
            self.look()
        return self

    def lose(self, job: str) -> Drill:
        """Let the newest attempt be deleted by somebody else."""
        del self.jobs[self.newest(job).slot]
        return self.look()

    def refuse(self, job: str, message: str = "no", *, final: bool = False) -> Drill:
        """Let the cluster refuse a node."""
        name, _, index = job.partition("[")
        self.refusals[NodeId(JobId(name), int(index[:-1]) if index else None)] = Refusal(message, final=final)
        return self.look()

    def welcome(self) -> Drill:
        """Let the cluster refuse nothing any more."""
        self.refusals.clear()
        return self.look()

    def answer(self, job: str, **status: object) -> Drill:
        """Let a called Workflow get to this status."""
        name = next(name for name, call in self.calls.items() if str(call.node) == job)
        known = WorkflowStatus.model_validate(status)
        self.calls[name] = replace(self.calls[name], status=known)
        return self.look()

    def pass_time(self, seconds: float) -> Drill:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        return self.look()

    def annotate(self, **annotations: str) -> Drill:
        """Set annotations: cancel="1" and rerun="1 failed"."""
        self.mark(**annotations)
        return self.look()

    def mark(self, **annotations: str) -> None:
        """Set annotations, which nobody has seen yet."""
        named = {f"fairlead.dev/{name}": value for name, value in annotations.items()}
        self.resource = replace(self.resource, annotations={**self.resource.annotations, **named})

    def edit(self, **fields: object) -> Drill:
        """Change fields of the spec, as an apply does."""
        return self.apply({**self.spec, **fields})

    def apply(self, spec: Mapping[str, Any]) -> Drill:
        """Give it another spec."""
        self.write(spec)
        return self.look()

    def write(self, spec: Mapping[str, Any]) -> None:
        """Give it another spec, which nobody has seen yet."""
        self.spec = spec
        self.resource = replace(self.resource, generation=self.resource.generation + 1)

    def set(self, job: KubernetesJob, container: ContainerRunning | ContainerTerminated) -> None:
        """Bring the container of an attempt into a state, which nobody has seen yet."""
        pods = (replace(job.pods[-1], container=container),)
        self.jobs[job.slot] = replace(job, pods=pods)

    # What came of it

    def job(self, job: str) -> JobStatus:
        """Give what is recorded of a job."""
        return self.status.jobs[JobId(job)]

    def newest(self, job: str) -> KubernetesJob:
        """Find the newest attempt at a node, as `test` or `test[1]`, of the current run."""
        found = [each for each in self.jobs.values() if str(each.node) == job]
        return max(found, key=lambda each: (each.run, each.attempt))

    @property
    def status(self) -> WorkflowStatus:
        """What is recorded."""
        return self.resource.status

    @property
    def phases(self) -> dict[str, str]:
        """Give the phase of each job, with its reason, if it has one."""
        return {
            job_id: " ".join(filter(None, (state.phase, state.reason))) for job_id, state in self.status.jobs.items()
        }

    def combinations(self, job: str) -> dict[str, str]:
        """Give the same of each combination, by name."""
        states = self.job(job).combinations
        return {state.name: " ".join(filter(None, (state.phase, state.reason))) for state in states}


def _listed(attempts: Sequence[CreateJob | KubernetesJob]) -> str:
    return ", ".join(str(attempt.node) for attempt in attempts)


@lru_cache(maxsize=64)
def _parsed(spec: str) -> Workflow | InvalidWorkflowError:
    try:
        return parse_spec(json.loads(spec))
    except InvalidWorkflowError as error:
        return error
