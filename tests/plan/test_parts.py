"""Of a matrix that goes on only what has changed is looked at. The drill compares each plan with one of everything."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.ids import JobId
from fairlead.plan import ContainerRunning, JobFailure, Observed, Planner, Pod, Policy
from fairlead.syntax import parse_spec
from tests.plan.drill import Drill, a_job
from tests.plan.test_any_run import live, terminated

if TYPE_CHECKING:
    from fairlead.plan import Decision, KubernetesJob

PERHAPS = [{}, {"retry": {"limit": 1}}, {"retry": {"limit": 1, "delay": "20s"}}, {"continueOnError": True}]
KINDS = ["run", "end", "end", "end", "fail", "lose", "evict", "unschedulable", "time", "cancel", "refuse", "welcome"]


def wide(width: int, *, fail_fast: bool = False, **fields: object) -> dict[str, Any]:
    """Give a workflow with a matrix of so many combinations, and a job after it."""
    strategy = {"matrix": {"n": list(range(width))}, "failFast": fail_fast}
    after = a_job(needs=["m"], **{"if": "always()"})
    return {"jobs": {"m": a_job(strategy=strategy, **fields), "after": after}}


@given(
    st.integers(2, 9),
    st.booleans(),
    st.booleans(),
    st.sampled_from(PERHAPS),
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 20), st.booleans()), max_size=30),
)
def test_whatever_happens(
    width: int,
    packs: bool,  # noqa: FBT001  drawn
    fail_fast: bool,  # noqa: FBT001  drawn
    fields: dict[str, object],
    events: list[tuple[str, int, bool]],
) -> None:
    """Whatever happens to some combinations, as much is decided as by a look at all of them."""
    drill = Drill(wide(width, fail_fast=fail_fast, **fields), policy=Policy(packs=packs)).look()
    for kind, which, seen in events:
        happen(drill, kind, which)
        if seen:
            drill.carry_out(drill.decide())
    drill.look()


def test_a_large_run_tells_only_of_the_steps_that_matter() -> None:
    """Of thousands of nodes, those that went well are recorded without their steps, or a status couldn't hold them."""
    found = {}
    for width in (1998, 1999):
        drill = Drill(wide(width), policy=Policy(packs=True, combinations=width)).look()
        drill.end("m[7]", code=1).end("m[8]")
        states = drill.status.jobs[JobId("m")].combinations
        found[width] = {(each.phase, len(each.steps)) for each in states if each.phase.ended}
    assert found == {1998: {("Failed", 1), ("Succeeded", 1)}, 1999: {("Failed", 1), ("Succeeded", 0)}}


def happen(drill: Drill, kind: str, which: int) -> None:
    """Let something happen to one of the attempts that work, which nobody has seen yet."""
    working = [job for job in drill.jobs.values() if job.pods and live(job)]
    if kind == "time":
        drill.now = drill.now.replace(minute=(drill.now.minute + 1) % 60)
    elif kind == "cancel" and which == 0:
        drill.mark(cancel=str(drill.status.run))
    elif working:
        to_one(drill, kind, working[which % len(working)])


def to_one(drill: Drill, kind: str, job: KubernetesJob) -> None:
    """Let something happen to an attempt."""
    match kind:
        case "run":
            drill.set(job, ContainerRunning(drill.now))
        case "end" | "fail":
            drill.set(job, terminated(drill, int(kind == "fail")))
        case "lose" if job.index is None:
            drill.jobs[job.slot] = replace(job, pods=(), failure=JobFailure("BackoffLimitExceeded"))
        case "evict":
            drill.jobs[job.slot] = replace(job, pods=(*job.pods, Pod(f"{job.slot}-again")))
        case "unschedulable":
            drill.jobs[job.slot] = replace(job, pods=(replace(job.pods[-1], trouble="0/3 nodes are available"),))
        case _:
            pass


def test_a_failure_among_them_is_heeded() -> None:
    """Once one has failed that may not, the others are ended, though only that one was looked at before."""
    drill = Drill(wide(5, fail_fast=True)).look().run("m[0]", "m[1]").end("m[0]").end("m[3]", code=1)
    assert list(drill.combinations("m").values()) == [
        "Succeeded",
        "Cancelled FailFast",
        "Cancelled FailFast",
        "Failed StepFailed",
        "Cancelled FailFast",
    ]


def test_a_wide_matrix_is_planned_in_the_time_that_its_change_takes() -> None:
    """After one ending of a matrix of 3,000, the plan takes a small part of the time that one of all of it takes."""
    drill = Drill(wide(3000), policy=Policy(combinations=3000))
    workflow = parse_spec(drill.spec)
    for _ in range(3):
        drill.carry_out(_plan(drill, Planner(), workflow)[0])
    planner = Planner()
    whole = min(_plan(drill, Planner(), workflow)[1] for _ in range(3))
    _plan(drill, planner, workflow)
    took = []
    for place in range(5):
        drill.set(drill.newest(f"m[{place}]"), terminated(drill, 0))
        decision, seconds = _plan(drill, planner, workflow)
        took.append(seconds)
        drill.carry_out(decision)
    assert (drill.job("m").summary, min(took) < whole / 4) == ("5/3000 passed", True)


def _plan(drill: Drill, planner: Planner, workflow: Any) -> tuple[Decision, float]:  # noqa: ANN401  what parse_spec gives
    observed = Observed(tuple(drill.jobs.values()))
    began = time.process_time()
    decision = planner.plan(workflow, drill.resource, observed, drill.now, drill.policy)
    return decision, time.process_time() - began


def test_its_neighbours_outputs_are_counted() -> None:
    """What the others have put out leaves the less room, whether they are looked at or not."""
    large = "x" * 250_000
    spec = wide(4, outputs={"o": "${{ steps.s.outputs.o }}"}, steps=[{"id": "s", "run": "true"}])
    del spec["jobs"]["m"]["commands"]
    drill = Drill(spec).look()
    for place in range(4):
        drill.end(f"m[{place}]", outputs={"s": {"o": large}})
    ends = [each.reason for each in drill.job("m").combinations]
    assert [reason and str(reason) for reason in ends] == [None, None, "OutputsTooLarge", "OutputsTooLarge"]
    assert drill.status.jobs[JobId("m")].summary == "2/4 passed"
