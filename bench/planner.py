"""The planner alone: how its CPU time grows with the size of a workflow. No cluster is needed."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bench import shapes
from bench.stage import say
from fairlead.model.ids import Uid, WorkflowKey
from fairlead.model.report import Report, StepReport
from fairlead.model.spec import WorkflowSpec
from fairlead.model.status import WorkflowStatus
from fairlead.plan import (
    ContainerTerminated,
    CreateJob,
    KubernetesJob,
    Observed,
    Planner,
    Pod,
    Policy,
    Resource,
    plan,
)
from fairlead.syntax.compile import compile_workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.shapes import Jobs, Json
    from fairlead.model.workflow import Workflow

SIZES = (10, 100, 1000, 5000, 10_000)
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_MOST_JOBS = 5000
_POLICY = Policy(combinations=10_000)


def measure(sizes: Sequence[int] = SIZES) -> Json:
    """Time a full plan, and the plan after one ending, for each shape and size; milliseconds of CPU time."""
    return {name: _measured(name, make, sizes) for name, make in shapes.SHAPES.items()}


def _measured(name: str, make: Callable[[int], Jobs], sizes: Sequence[int]) -> Json:
    found: dict[str, Any] = {"sizes": list(sizes), "firstMs": [], "lookMs": [], "afterOneMs": []}
    for size in sizes:
        say(f"planner: {name} of {size}")
        bed = Bed(make(size))
        repeats = 15 if size <= 1000 else 5
        found["firstMs"].append(_median(bed.first, repeats))
        bed.half_way()
        found["lookMs"].append(_median(bed.look, repeats))
        found["afterOneMs"].append(_median(bed.after_one, repeats))
    # Small ones are all overhead, which would hide how the large ones grow.
    large = [at for at, size in enumerate(sizes) if size >= 100]
    for key in ("firstMs", "lookMs", "afterOneMs"):
        points = [(sizes[at], found[key][at]) for at in large]
        found[key.replace("Ms", "Exponent")] = round(exponent(points), 2) if len(points) > 1 else None
    return found


class Bed:
    """A workflow, and the moments of its run that are planned."""

    def __init__(self, jobs: Jobs) -> None:
        document = shapes.document("bench", jobs)
        self._workflow = _compiled(document["spec"])
        self._resource = Resource(WorkflowKey("bench", "bench"), Uid("bench"), 1, WorkflowStatus())
        self._jobs: tuple[KubernetesJob, ...] = ()
        self._one_more: tuple[KubernetesJob, ...] = ()

    def first(self) -> float:
        """Plan it for the first time; give the seconds."""
        return self._plan(self._resource, ())

    def look(self) -> float:
        """Plan it half way, with nothing remembered of earlier plans, as after a restart."""
        return self._plan(self._resource, self._jobs)

    def after_one(self) -> float:
        """Plan it when one job has ended since the last time, as the operator does."""
        planner = Planner()
        self._plan(self._resource, self._jobs, planner)
        return self._plan(self._resource, self._one_more, planner)

    def half_way(self) -> None:
        """Go on with the run until a third of the jobs have ended; of the next ones all run but one, which ends."""
        goal = max(1, len(self._workflow.jobs) // 3)
        ended = 0
        jobs: dict[str, KubernetesJob] = {}
        # A chain advances by one job a plan, so of long ones only a bit is walked.
        for _ in range(40):
            decision = plan(self._workflow, self._resource, Observed(jobs=tuple(jobs.values())), _NOW, _POLICY)
            made = [action for action in decision.actions if isinstance(action, CreateJob)]
            self._resource = replace(self._resource, status=decision.status)
            jobs |= {each.name: _job(each) for each in made}
            if ended >= goal or not made:
                break
            ending = made[: goal - ended]
            for each in ending:
                jobs[each.name] = _over(jobs[each.name])
            ended += len(ending)
        self._jobs = tuple(jobs.values())
        decision = plan(self._workflow, self._resource, Observed(jobs=self._jobs), _NOW, _POLICY)
        self._resource = replace(self._resource, status=decision.status)
        running = next((each for each in self._jobs if not each.pods), self._jobs[-1])
        self._one_more = tuple(_over(each) if each is running else each for each in self._jobs)

    def _plan(self, resource: Resource, jobs: tuple[KubernetesJob, ...], planner: Planner | None = None) -> float:
        planner, observed = planner or Planner(), Observed(jobs=jobs)
        start = time.process_time()
        planner.plan(self._workflow, resource, observed, _NOW + timedelta(seconds=5), _POLICY)
        return time.process_time() - start


def _compiled(spec: Json) -> Workflow:
    """Compile a spec, also one of more jobs than a Workflow may have: how it grows shows better there."""
    jobs = list(spec["jobs"].items())
    parts = [
        WorkflowSpec.model_validate({**spec, "jobs": dict(jobs[start : start + _MOST_JOBS])})
        for start in range(0, len(jobs), _MOST_JOBS)
    ]
    together = {job_id: job for part in parts for job_id, job in part.jobs.items()}
    return compile_workflow(parts[0].model_copy(update={"jobs": together}))


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Fit time = a · size^e by least squares over the logarithms; give e. 1 is linear."""
    xs = [math.log(size) for size, _ in points]
    ys = [math.log(max(milliseconds, 1e-3)) for _, milliseconds in points]
    x, y = statistics.fmean(xs), statistics.fmean(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def _median(measure: Callable[[], float], repeats: int) -> float:
    return round(1000 * statistics.median(measure() for _ in range(repeats)), 3)


def _job(create: CreateJob) -> KubernetesJob:
    return KubernetesJob(
        name=create.name,
        node=create.node,
        attempt=create.attempt,
        run=create.run,
        digest=create.digest,
        retries=create.retries,
    )


def _over(job: KubernetesJob) -> KubernetesJob:
    report = Report((StepReport(0, 0.0, 1.0),), {}, 0)
    container = ContainerTerminated(0, "Completed", "", _NOW, _NOW, report)
    return replace(job, pods=(Pod(name=f"{job.name}-x", container=container),))
