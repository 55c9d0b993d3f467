from __future__ import annotations

from typing import Any

import orjson
import pytest

from fairlead.model.ids import Attempt, JobId, StepId
from fairlead.model.phase import JobPhase, Reason, Result
from fairlead.model.status import CombinationStatus, JobStatus, StepStatus, WorkflowStatus
from fairlead.plan.compact import compact
from tests.builders import NOW, queued, running
from tests.plan.drill import Drill

MIB = 2**20
ID = JobId("test")


def steps(count: int) -> tuple[StepStatus, ...]:
    """Give steps that ran."""
    said = {"result": Result.SUCCESS, "exit_code": 0, "started_at": NOW, "finished_at": NOW}
    return tuple(StepStatus(name=f"pip install number {at}", id=StepId(f"s{at}"), **said) for at in range(count))


def node(at: int, *, fails: bool = False, step_count: int = 5) -> dict[str, Any]:
    """Give the fields of a node that has ended."""
    failed = {"reason": Reason.STEP_FAILED, "message": f'step "pytest tests/unit" failed with exit code {at}'}
    return {
        "phase": JobPhase.FAILED if fails else JobPhase.SUCCEEDED,
        "result": Result.FAILURE if fails else Result.SUCCESS,
        "attempt": Attempt(1),
        "exit_code": 0,
        "kubernetes_job": f"some-workflow-some-job-{at}-1-0123abcd",
        "started_at": NOW,
        "finished_at": NOW,
        "steps": steps(step_count),
        **(failed if fails else {}),
    }


def matrix(count: int, *, fails: int = 0, **fields: Any) -> dict[JobId, JobStatus]:  # noqa: ANN401  of each node
    """Give a job of so many combinations, some of which failed."""
    nodes = tuple(
        CombinationStatus(name=f"test (3.13, linux, {at})", **{**node(at, fails=at < fails), **fields})
        for at in range(count)
    )
    return {ID: JobStatus(phase=JobPhase.SUCCEEDED, summary=f"{count - fails}/{count} passed", combinations=nodes)}


def size(jobs: dict[JobId, JobStatus]) -> int:
    """Give how large a status with these jobs is."""
    return len(orjson.dumps(WorkflowStatus(jobs=jobs).to_json()))


@pytest.mark.parametrize("fails", [0, 10, 5_000])
@pytest.mark.parametrize("step_count", [1, 20])
def test_five_thousand_combinations(fails: int, step_count: int) -> None:
    """However many of them failed, the status stays under a MiB; and doing it again changes nothing."""
    jobs = matrix(5_000, fails=fails, steps=steps(step_count))

    shown, said = compact(jobs)

    assert size(shown) < MIB * 0.95
    assert said is not None
    assert compact(shown, said) == (shown, said)
    phases = [(each.phase, each.result, each.reason, each.name) for each in jobs[ID].combinations]
    assert [(each.phase, each.result, each.reason, each.name) for each in shown[ID].combinations] == phases


def test_five_thousand_jobs() -> None:
    """The same without a matrix."""
    jobs = {JobId(f"a-job-with-a-name-{at}"): JobStatus(**node(at, fails=at % 2 == 0)) for at in range(5_000)}

    shown, said = compact(jobs)

    assert (size(shown) < MIB * 0.95, compact(shown, said)) == (True, (shown, said))


def test_few_nodes() -> None:
    """Nothing is left out where there is room; nothing is copied either."""
    jobs = matrix(200, fails=3)
    shown, said = compact(jobs)
    assert said is None
    assert shown[ID] is jobs[ID]


def test_what_failed_stays_longest() -> None:
    """Steps go first, and those of what failed last."""
    shown, said = compact(matrix(1_000, fails=3))

    assert said == "left out: steps of what didn't fail"
    assert [len(each.steps) for each in shown[ID].combinations[:5]] == [5, 5, 5, 0, 0]
    assert all(each.started_at and each.kubernetes_job for each in shown[ID].combinations)


def test_what_goes_on_stays_whole() -> None:
    """What hasn't ended is needed as it is."""
    jobs = matrix(5_000) | {JobId("a"): running(), JobId("b"): queued(2, message="tried again: " + "boom " * 40)}
    shown, _ = compact(jobs)
    assert {job_id: shown[job_id] for job_id in ("a", "b")} == {job_id: jobs[job_id] for job_id in ("a", "b")}  # type: ignore[index]


def test_what_was_left_out_stays_so() -> None:
    """Though there would be room again: the note would come and go with each that ends."""
    _, said = compact(matrix(1_000))
    shown, still = compact(matrix(10), said)
    assert (still, [len(each.steps) for each in shown[ID].combinations]) == (said, [0] * 10)


def test_note_of_another_version() -> None:
    """What another version has said of it isn't understood, and does no harm."""
    jobs = matrix(10)
    assert compact(jobs, "left out: the best") == (jobs, None)


def test_runs_of_much() -> None:
    """A run comes to rest after each step, compacted or not; the next run starts whole."""
    job = {
        "image": "busybox",
        "strategy": {"matrix": {"x": list(range(40))}},
        "steps": [{"id": "s", "run": "true"}, *({"run": "true"} for _ in range(70))],
        "outputs": {"v": "${{ steps.s.outputs.v }}"},
    }
    drill = Drill({"jobs": {"t": job}}).look()
    notes = []
    for at in range(40):
        drill.end(f"t[{at}]", outputs={"s": {"v": "x" * 12_000}})
        notes.append(drill.status.compacted)

    drill.annotate(rerun="1")

    assert (notes[0], notes[-1], notes) == (None, notes[-1] or "something", sorted(notes, key=lambda each: each or ""))
    assert (drill.status.compacted, drill.status.run) == (None, 2)
