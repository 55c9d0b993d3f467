"""What one event of a large workflow costs the operator, piece by piece, in CPU milliseconds; no cluster is needed.

    python -m bench.hotpath [SHAPE ...] [--size N]

A workflow is brought to where half of its jobs have ended, as the API server would show it. Then one more container
ends, and each piece of the look that follows is timed: the median of several, by the process's own clock.
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from bench import shapes
from fairlead.engine.desk import Desk
from fairlead.engine.filing import Filing
from fairlead.engine.records import JobRecord, PodRecord, WorkflowRecord
from fairlead.engine.store import Store
from fairlead.kube.patch import merge_patch
from fairlead.kube.reduce import with_status, workflow_record
from fairlead.model.crd import API_VERSION, KIND
from fairlead.model.ids import Attempt, JobId, NodeId, RunNumber, Uid, WorkflowKey
from fairlead.model.phase import JobPhase, Result
from fairlead.model.report import Report, StepReport
from fairlead.model.status import JobStatus
from fairlead.plan import (
    ContainerRunning,
    ContainerTerminated,
    CreateJob,
    Decision,
    KubernetesJob,
    Observed,
    Planner,
    Pod,
    Policy,
    plan,
)
from fairlead.plan.admission import Limits
from fairlead.plan.announcements import announce
from fairlead.plan.names import node_name
from fairlead.syntax import parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fairlead.model.status import WorkflowStatus
    from fairlead.model.workflow import Workflow

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICY = Policy(combinations=20_000)
KEY, UID = WorkflowKey("bench", "large"), Uid("5d3a1f6e-0000-4000-8000-000000000001")
ROUNDS = 5


class Scene:
    """One workflow in the midst of its run, and what exists for it."""

    def __init__(self, jobs: shapes.Jobs) -> None:
        self.spec: dict[str, Any] = shapes.document(KEY.name, jobs)["spec"]
        self.now = START
        self.version = 1
        self.store = Store(lambda _: None)
        self.filing = Filing(Desk(Limits()), self.store)
        self.workflow: Workflow = parse_spec(self.spec)
        self.live: dict[NodeId, str] = {}
        self.planner = Planner()
        document = self.document({})
        self.store.workflows.put((KEY.namespace, KEY.name), workflow_record(document))
        self.fresh = self.record.resource
        self.go_on()

    def halve(self) -> Scene:
        """Have half of the nodes succeed, and as many of the others run as may."""
        status = self.record.resource.status
        half = list(self.workflow.jobs)[: len(self.workflow.jobs) // 2]
        ended = {job: self._succeeded(JobStatus(), NodeId(job)) for job in half}
        self.write(status.model_copy(update={"jobs": {**status.jobs, **ended}}))
        decision = self.go_on()
        if "m" in self.workflow.jobs:
            job = decision.status.jobs[JobId("m")]
            nodes = [
                self._succeeded(each, NodeId(JobId("m"), at)) if at % 2 else each
                for at, each in enumerate(job.combinations)
            ]
            jobs = {JobId("m"): job.model_copy(update={"combinations": tuple(nodes)})}
            self.write(decision.status.model_copy(update={"jobs": jobs}))
        self.go_on()
        return self

    def go_on(self) -> Decision:
        """Let what is asked for be made, and run, and be recorded."""
        decision = self.plan()
        for action in decision.actions:
            if isinstance(action, CreateJob):
                self.observe(action.node, action.name, ContainerRunning(self.now))
        self.write(decision.status)
        self.write(self.plan().status)
        return decision

    def _succeeded(self, state: Any, node: NodeId) -> Any:  # noqa: ANN401  what is given comes back changed
        digest, attempt = self.workflow.digest, Attempt(1)
        name = node_name(self.record.resource, digest, RunNumber(1), node, attempt)
        self.observe(node, name, _ended(self.now))
        ended = {"phase": JobPhase.SUCCEEDED, "result": Result.SUCCESS, "attempt": attempt, "kubernetes_job": name}
        return state.model_copy(update={**ended, "started_at": self.now, "finished_at": self.now, "exit_code": 0})

    def observe(self, node: NodeId, name: str, container: ContainerRunning | ContainerTerminated) -> None:
        """Let an attempt and its Pod be seen."""
        self.version += 1
        over = isinstance(container, ContainerTerminated)
        job = KubernetesJob(name, node, Attempt(1), RunNumber(1), self.workflow.digest, complete=over)
        self.store.jobs.put((KEY.namespace, name), JobRecord(UID, KEY, job, self.version))
        pod = Pod(f"{name}-pod", container, scheduled_at=self.now)
        record = PodRecord(UID, KEY, name, self.now, pod, self.version, job)
        self.store.pods.put((KEY.namespace, pod.name), record)
        if over:
            self.live.pop(node, None)
        else:
            self.live[node] = name

    def end_one(self) -> None:
        """Let a container end that runs, once all is recorded that ended before."""
        self.go_on()
        self.now += timedelta(seconds=1)
        node = next(iter(self.live))
        self.observe(node, self.live[node], _ended(self.now))

    def document(self, status: dict[str, Any]) -> dict[str, Any]:
        """Give the Workflow as the API server does: keys in alphabetical order."""
        self.version += 1
        metadata = {"name": KEY.name, "namespace": KEY.namespace, "uid": UID, "generation": 1}
        metadata |= {"resourceVersion": str(self.version), "creationTimestamp": "2026-01-01T12:00:00Z"}
        found: dict[str, Any] = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata}
        return found | {"spec": self.spec, "status": status}

    def write(self, status: WorkflowStatus) -> None:
        """Have a status written, as the engine does."""
        self.version += 1
        written = with_status(self.record, status.to_json(self.record.recorded), self.version)
        self.store.workflows.put((KEY.namespace, KEY.name), written)

    @property
    def record(self) -> WorkflowRecord:
        """What is known of it."""
        found = self.store.workflow(KEY)
        if found is None:
            raise LookupError(KEY)
        return found

    def observed(self) -> Observed:
        """Give what exists of it."""
        return Observed(jobs=self.store.jobs_of(KEY.namespace, UID))

    def plan(self) -> Decision:
        """Plan once, going on from the last time."""
        return self.planner.plan(self.workflow, self.record.resource, self.observed(), self.now, POLICY)

    def plan_in_full(self) -> Decision:
        """Plan once, from nothing."""
        return plan(self.workflow, self.record.resource, self.observed(), self.now, POLICY)


def _ended(now: datetime) -> ContainerTerminated:
    return ContainerTerminated(0, "Completed", "", now, now, Report((StepReport(0, 0, 1),), {}, 0))


def cost(work: Callable[[], object], rounds: int = ROUNDS, before: Callable[[], object] = lambda: None) -> float:
    """Time something, in milliseconds of CPU: the median. `before` each time, something else is done."""
    took = []
    for _ in range(rounds):
        before()
        began = time.process_time()
        work()
        took.append((time.process_time() - began) * 1000)
    return statistics.median(took)


def pieces(scene: Scene) -> Iterator[tuple[str, float]]:
    """Give what each piece of a look costs after one ending."""
    store = scene.store
    yield "first plan", cost(lambda: plan(scene.workflow, scene.fresh, Observed(), scene.now, POLICY))
    yield "full plan", cost(scene.plan_in_full)
    yield "plan after one ending", cost(scene.plan, before=scene.end_one)
    name, node = next((job.name, job.node) for job in scene.observed().jobs)
    yield "Job and Pod seen", cost(lambda: scene.observe(node, name, _ended(scene.now)))
    yield "jobs of the store", cost(lambda: store.jobs_of(KEY.namespace, UID))
    yield "filing", cost(lambda: scene.filing.file(scene.record))
    scene.end_one()
    record, after = scene.record, scene.plan().status
    before = record.resource.status
    yield "compare", cost(lambda: after.says_the_same_as(before))
    document = after.to_json(record.recorded)
    patch = merge_patch(record.status, document)
    yield "document", cost(lambda: after.to_json(record.recorded))
    yield "patch", cost(lambda: merge_patch(record.status, document))
    yield "patch: orjson", cost(lambda: orjson.dumps(patch))
    yield "read back", cost(lambda: with_status(record, document, 1))
    yield "announce", cost(lambda: announce(before, after))
    scene.write(after)
    yield "plan after the write", cost(scene.plan)
    yield "KiB", len(orjson.dumps(document)) / 1024
    yield "KiB of the patch", len(orjson.dumps(patch)) / 1024
    whole = scene.document(dict(scene.record.status))
    yield "once: read it all", cost(lambda: workflow_record(whole))
    yield "once: parse the spec", cost(lambda: parse_spec(scene.spec), 1)


def main() -> None:
    """Measure the shapes that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", nargs="*", default=list(shapes.SHAPES))
    parser.add_argument("--size", type=int, default=5000)
    options = parser.parse_args()
    found = {shape: dict(pieces(Scene(shapes.SHAPES[shape](options.size)).halve())) for shape in options.shape}
    print(f"| {'piece':25} |" + "".join(f" {shape:>9} |" for shape in found))
    for piece in next(iter(found.values())):
        print(f"| {piece:25} |" + "".join(f" {each[piece]:9.2f} |" for each in found.values()))


if __name__ == "__main__":
    main()
