"""Whole runs of any small workflow, where anything may happen between any two calls: pure, with no engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from fairlead.model.ids import JobId, NodeId
from fairlead.model.phase import JOB_TRANSITIONS, WORKFLOW_TRANSITIONS, WorkflowPhase
from fairlead.model.report import Report, StepReport
from fairlead.plan import ContainerRunning, ContainerTerminated, CreateJob, Refusal
from tests.plan.drill import Drill, a_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.status import JobStatus, NodeStatus, WorkflowStatus
    from fairlead.plan import Decision, KubernetesJob

Spec = dict[str, Any]

# Any workflow

CONDITIONS: list[Spec] = [
    {"if": "always()"},
    {"if": "failure()"},
    {"if": "cancelled() || failure()"},
    {"unless": "workflow.annotations['fairlead.dev/go'] == 'no'"},
    {"enabled": False},
]
ALLOWANCES: list[Spec] = [{"continueOnError": True}, {"retry": {"limit": 1}}, {"retry": {"limit": 2, "delay": "10s"}}]


@st.composite
def strategies(draw: st.DrawFn) -> Spec:
    """Draw a matrix, and how its combinations are treated."""
    made: Spec = {"matrix": {"x": list(range(draw(st.integers(1, 3))))}, "failFast": draw(st.booleans())}
    if draw(st.booleans()):
        made["maxParallel"] = draw(st.integers(1, 2))
    soft = {"continueOnError": "${{ matrix.x == 1 }}"} if draw(st.booleans()) else {}
    return {"strategy": made, **soft}


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Draw a workflow of a few jobs, each after what it needs."""
    jobs: dict[str, Spec] = {}
    for index in range(draw(st.integers(1, 5))):
        made: Spec = {"needs": draw(st.lists(st.sampled_from(sorted(jobs)), unique=True, max_size=2))} if jobs else {}
        made |= draw(st.sampled_from([{}, {}, {}, *CONDITIONS])) | draw(st.sampled_from([{}, {}, *ALLOWANCES]))
        made |= draw(strategies()) if draw(st.booleans()) else {}
        check = draw(st.sampled_from([None] * 6 + ["true", "false"]))
        jobs[f"j{index}"] = a_job(**made) if check is None or "retry" in made else {**made, "check": check}
    spec: Spec = {"jobs": jobs}
    for name, values in (("failFast", [True]), ("maxParallel", [1, 2]), ("timeout", [60]), ("suspend", [True])):
        value = draw(st.sampled_from([None] * 3 + values))
        spec |= {} if value is None else {name: value}
    return spec


# What happens to it


@dataclass
class Trial:
    """A workflow, and what is wrong with what is done for it."""

    drill: Drill
    made: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def look(self, dies_after: int | None = None) -> None:
        """Plan, and carry out so much of it."""
        decision = self.drill.decide()
        for create in decision.actions:
            if isinstance(create, CreateJob) and create.node not in self.drill.refusals:
                self.wrong += [f"{create.node} {create.attempt} {why}" for why in self._faults(create, decision)]
        for act in self.drill.acts(decision)[:dies_after]:
            before = self.drill.status
            act()
            self.made |= self.drill.jobs.keys()
            self.wrong += [*misstep(before, self.drill.status), *self._too_many()]

    def _faults(self, create: CreateJob, decision: Decision) -> Iterator[str]:
        status, drill = decision.status, self.drill
        if create.name in drill.jobs:
            return
        if create.name in self.made:
            yield "is made twice"
        if any(each.node == create.node and each.run == create.run and live(each) for each in self.mine()):
            yield "is made beside another of its node"
        needs = drill.spec["jobs"][create.node.job].get("needs", [])
        if not all(status.jobs[need].phase.ended for need in needs):
            yield "is made before its needs ended"
        if recorded(status, create.node).phase.ended:
            yield "is made though its node has ended"
        if drill.spec.get("suspend") and not stopping(drill):
            yield "is made though the workflow is suspended"

    def mine(self) -> list[KubernetesJob]:
        """Give the attempts of the recorded run."""
        status = self.drill.status
        return [job for job in self.drill.jobs.values() if (job.run, job.digest) == (status.run, status.spec_digest)]

    def _too_many(self) -> Iterator[str]:
        """Say so when more is at work than may be; what was ended and isn't gone yet doesn't count."""
        spec, status = self.drill.spec, self.drill.status
        if self.drill.resource.generation != status.observed_generation:
            return
        busy = {job.node for job in self.mine() if live(job) and not recorded(status, job.node).phase.ended}
        if len(busy) > spec.get("maxParallel", 99):
            yield f"{len(busy)} nodes at a time"
        for name, job in spec["jobs"].items():
            most = job.get("strategy", {}).get("maxParallel", 99)
            if sum(node.job == name for node in busy) > most:
                yield f"too many combinations of {name} at a time"

    def to_rest(self) -> None:
        """Look until nothing is left to do."""
        for _ in range(30):
            decision = self.drill.decide()
            asked = [each for each in decision.actions if getattr(each, "node", None) not in self.drill.refusals]
            if not asked and decision.status.to_json() == self.drill.status.to_json():
                return
            self.look()
        raise AssertionError("it never comes to rest")

    def to_the_end(self) -> None:
        """Let nothing go wrong any more, and every attempt end."""
        self.drill.refusals.clear()
        if self.drill.spec.get("suspend"):
            self.drill.write({**self.drill.spec, "suspend": False})
        self.to_rest()
        for _ in range(60):
            if self.drill.status.ended and not any(map(live, self.drill.jobs.values())):
                return
            for job in [job for job in self.mine() if live(job)][:1]:
                self.drill.set(job, terminated(self.drill, 0))
            self.drill.now += timedelta(seconds=20)
            self.to_rest()
        raise AssertionError(f"it never ends: {self.drill.status.to_json()}")


def terminated(drill: Drill, code: int) -> ContainerTerminated:
    """Give a container that has ended just now."""
    return ContainerTerminated(code, "", "", drill.now, drill.now, Report((StepReport(code, 0, 1),), {}, code))


def live(job: KubernetesJob) -> bool:
    """Whether an attempt is at work, or may be soon."""
    return not isinstance(job.pods[-1].container, ContainerTerminated)


def stopping(drill: Drill) -> bool:
    """Whether the run may be ending early."""
    return bool(drill.resource.annotations) or "timeout" in drill.spec or "failFast" in drill.spec


def recorded(status: WorkflowStatus, node: NodeId) -> JobStatus | NodeStatus:
    """Find what is recorded of a node."""
    job = status.jobs[node.job]
    return job if node.combination is None or not job.combinations else job.combinations[node.combination]


def misstep(before: WorkflowStatus, after: WorkflowStatus) -> Iterator[str]:
    """Say what may not follow on what was recorded before."""
    if after is before or before.phase in (None, WorkflowPhase.INVALID):
        return
    if (before.run, before.spec_digest) != (after.run, after.spec_digest):
        if after.run != (before.run or 0) + 1:
            yield f"run {after.run} after {before.run}"
        return
    if before.ended and before.model_copy(update={"observed_generation": after.observed_generation}) != after:
        yield "an ended run's status changes"
    assert before.phase is not None
    assert after.phase is not None
    if after.phase is not before.phase and after.phase not in WORKFLOW_TRANSITIONS[before.phase]:
        yield f"from {before.phase} to {after.phase}"
    nodes = dict(named(after.jobs))
    for name, node in named(before.jobs):
        then = nodes[name]
        if then.phase is not node.phase and then.phase not in JOB_TRANSITIONS[node.phase]:
            yield f"{name} from {node.phase} to {then.phase}"
        if node.phase.ended and then != node:
            yield f"{name} changes after its end"
        if (then.attempt or 0) < (node.attempt or 0) or then.retries < node.retries:
            yield f"{name} counts back"


def named(jobs: Mapping[Any, JobStatus]) -> Iterator[tuple[str, NodeStatus]]:
    """Give all nodes, and the jobs that have several."""
    for job_id, state in jobs.items():
        yield job_id, state
        for index, each in enumerate(state.combinations):
            yield f"{job_id}[{index}]", each


def something(trial: Trial, data: st.DataObject) -> None:
    """Let one thing happen that nobody has seen yet."""
    working = [job for job in trial.mine() if live(job)]
    inside = data.draw(st.sampled_from([False, True]))
    if working and inside:
        in_the_cluster(trial.drill, data, working)
    else:
        by_people(trial.drill, data)


def in_the_cluster(drill: Drill, data: st.DataObject, working: list[KubernetesJob]) -> None:
    """Let an attempt run, end or get lost."""
    job = data.draw(st.sampled_from(working))
    kind = data.draw(st.sampled_from(["run", "end", "end", "fail", "lose"]))
    note(f"{kind} {job.node}")
    if kind == "run":
        drill.set(job, ContainerRunning(drill.now))
    elif kind != "lose":
        drill.set(job, terminated(drill, int(kind == "fail")))
    elif (recorded(drill.status, job.node).attempt or 0) >= job.attempt:
        # Nobody could know of what was never recorded and is gone.
        del drill.jobs[job.name]


def by_people(drill: Drill, data: st.DataObject) -> None:
    """Let time pass, the cluster's administrator do something, or the workflow's owner."""
    kind = data.draw(st.sampled_from(["time", "refuse", "welcome", "edit", "suspend", "rerun", "cancel", "annotate"]))
    note(kind)
    match kind:
        case "time":
            drill.now += timedelta(seconds=data.draw(st.sampled_from([0, 10, 30, 90])))
        case "refuse":
            job_id = data.draw(st.sampled_from(sorted(drill.spec["jobs"])))
            node = NodeId(JobId(job_id), 0 if "strategy" in drill.spec["jobs"][job_id] else None)
            drill.refusals[node] = Refusal("quota", final=data.draw(st.sampled_from([False, False, True])))
        case "welcome":
            drill.refusals.clear()
        case "edit":
            drill.write(data.draw(specs()))
        case "suspend":
            drill.write({**drill.spec, "suspend": not drill.spec.get("suspend", False)})
        case "rerun":
            words = ["", " failed", *(f" from {job}" for job in drill.spec["jobs"])]
            drill.mark(rerun=f"{drill.status.run}{data.draw(st.sampled_from(words))}")
        case "cancel":
            drill.mark(cancel=str(drill.status.run))
        case _:
            drill.mark(go=data.draw(st.sampled_from(["no", "yes"])))


@settings(max_examples=4 * settings().max_examples)
@given(specs(), st.data())
def test_any_run(spec: Spec, data: st.DataObject) -> None:
    """Whatever happens, and wherever the operator dies: each node runs as it should, and every run comes to its end."""
    trial = Trial(Drill(spec))
    for _ in range(data.draw(st.integers(0, 25))):
        dies_after = data.draw(st.none() | st.integers(0, 3))
        trial.look(dies_after)
        if dies_after is None:
            something(trial, data)
        assert trial.wrong == []
    trial.to_the_end()
    assert trial.wrong == []
    status = trial.drill.status
    count = len(dict(named(status.jobs))) - sum(bool(job.combinations) for job in status.jobs.values())
    assert status.progress == f"{count}/{count}"
