from __future__ import annotations

from datetime import timedelta
from typing import Any

from fairlead.model.report import LoggedOutputs, Report, StepReport
from fairlead.model.status import StepStatus
from fairlead.plan import ContainerTerminated, JobRequest
from tests.plan.drill import START, Drill, a_job

OUT = {
    "image": "busybox",
    "steps": [{"id": "s", "run": "true"}],
    "outputs": {"v": "${{ steps.s.outputs.v }}", "w": "${{ steps.s.outputs.w }}"},
}


def ended(drill: Drill, job: str, report: Report) -> Drill:
    """Let the newest attempt end with a report."""
    code = 0 if report.exit_code is None else report.exit_code
    drill.set(drill.newest(job), ContainerTerminated(code, "", "", drill.now, drill.now, report))
    return drill.look()


def out(**outputs: str) -> dict[str, dict[str, str]]:
    """Give the outputs of the step."""
    return {"s": outputs}


def test_steps() -> None:
    """What a step did, and what it counts as where that is something else; what was skipped has no times."""
    steps = [
        {"id": "one", "run": "true"},
        {"name": "Try ${{ workflow.run }}", "run": "false", "continueOnError": True},
        {"run": "true", "if": "failure()"},
        {"run": "false"},
        {"run": "true", "if": "always()"},
    ]
    report = Report(
        (
            StepReport(0, 0, 1),
            StepReport(1, 1, 2, allowed=True),
            StepReport(None),
            StepReport(3, 2, 3.5),
            StepReport(143, 3.5, 4, cancelled=True),
        ),
        {},
        3,
    )
    drill = ended(Drill({"jobs": {"a": {"image": "busybox", "steps": steps}}}).look(), "a", report)

    def told(name: str, result: str, code: int | None, *times: float, **fields: Any) -> StepStatus:  # noqa: ANN401
        started, finished = (START + timedelta(seconds=each) for each in times) if times else (None, None)
        said = {"name": name, "result": result, "exit_code": code, "started_at": started, "finished_at": finished}
        return StepStatus(**said, **fields)

    assert drill.job("a").steps == (
        told("true", "success", 0, 0, 1, id="one"),
        told("Try 1", "success", 1, 1, 2, outcome="failure"),
        told("true", "skipped", None),
        told("false", "failure", 3, 2, 3.5),
        told("true", "cancelled", 143, 3.5, 4),
    )
    assert (drill.job("a").exit_code, drill.job("a").message) == (3, 'step "false" failed with exit code 3')


def test_outputs_of_a_matrix() -> None:
    """Each output is what the combination that ended last set; an empty one sets nothing."""
    build = {**OUT, "strategy": {"matrix": {"x": [1, 2, 3]}, "failFast": False}}
    use = a_job(
        needs="build",
        env={
            "V": "${{ needs.build.outputs.v }}-${{ needs.build.outputs.w }}",
            "ALL": "${{ join(needs.build.combinations.*.outputs.v, ',') }}",
            "FIRST": "${{ needs.build.combinations[0].name }} ${{ needs.build.combinations[0].result }}",
        },
    )
    drill = Drill({"jobs": {"build": build, "use": use}}).look()

    drill.now += timedelta(seconds=5)
    drill.end("build[2]", outputs=out(v="three", w="w3"))
    drill.now += timedelta(seconds=5)
    drill.end("build[0]", outputs=out(v="one", w=""))
    drill.now += timedelta(seconds=5)
    drill.end("build[1]", outputs=out(v=""))

    assert drill.job("build").outputs == {"v": "one", "w": "w3"}
    request = drill.requests[drill.newest("use").name].request
    assert request.env == {"V": "one-w3", "ALL": "one,,three", "FIRST": "build (1) success"}  # type: ignore[union-attr]


def test_outputs_of_a_failed_job() -> None:
    """They are there for what runs nevertheless."""
    use = a_job(needs="a", env={"V": "${{ needs.a.outputs.v }} ${{ needs.a.result }}"}, onComplete="always")
    drill = Drill({"jobs": {"a": OUT, "use": use}}).look().end("a", code=1, outputs=out(v="1"))

    request = drill.requests[drill.newest("use").name].request
    assert request.env == {"V": "1 failure"}  # type: ignore[union-attr]


def test_outputs_of_a_check() -> None:
    """A check has outputs as well, from what it looks at."""
    check = {"needs": "a", "check": "needs.a.outputs.v > 1", "outputs": {"twice": "${{ needs.a.outputs.v }}0"}}
    spec = {"jobs": {"a": OUT, "b": check}, "outputs": {"r": "${{ jobs.b.outputs.twice }}"}}

    drill = Drill(spec).look().end("a", outputs=out(v="2"))

    assert (drill.status.phase, drill.status.outputs) == ("Succeeded", {"r": "20"})


def test_large_outputs_are_read_first() -> None:
    """What follows from a job waits until its outputs were read from its log."""
    drill = Drill({"jobs": {"a": OUT, "b": a_job(needs="a")}}).look()
    steps = (StepReport(0, 0, 1),)

    report = Report(steps, {}, 0, log=LoggedOutputs(3, 5000, "f" * 64))
    drill.set(drill.newest("a"), ContainerTerminated(0, "", "", drill.now, drill.now, report))
    decision = drill.decide()
    assert [type(action).__name__ for action in decision.actions] == ["ReadOutputs"]
    assert decision.status.jobs["a"].phase == "Running"  # type: ignore[index]

    ended(drill, "a", Report(steps, out(v="long"), 0))
    assert (drill.job("a").outputs["v"], drill.log) == ("long", ["start a", "start b"])


def test_lost_outputs() -> None:
    """A job whose outputs can't be read has failed, and says why."""
    drill = Drill({"jobs": {"a": OUT}}).look()

    ended(drill, "a", Report((StepReport(0, 0, 1),), {}, 0, error="its log is gone", outputs_lost=True))

    assert (drill.phases, drill.job("a").message) == ({"a": "Failed OutputsLost"}, "its log is gone")


def test_workflow_outputs_that_cannot_be_told() -> None:
    """The run has failed, though its jobs succeeded; a rerun keeps those."""
    spec = {"jobs": {"a": OUT}, "outputs": {"r": "${{ fromJSON(jobs.a.outputs.v) }}"}}
    drill = Drill(spec).look().end("a", outputs=out(v="{"))

    assert (drill.status.phase, drill.status.outputs, drill.phases) == ("Failed", {}, {"a": "Succeeded"})
    assert (drill.status.message or "").startswith("outputs: ")


def test_needs_whose_end_was_lost() -> None:
    """What was decided without a Pod, and got lost with the status, is decided again before what comes after it."""
    check = {"check": "true", "outputs": {"version": "3"}}
    build = a_job(needs=["pick"], env={"V": "${{ needs.pick.outputs.version }}"}, retry={"limit": 1})
    drill = Drill({"jobs": {"pick": check, "build": build}})
    for act in drill.acts(drill.decide())[:-1]:
        act()
    drill.end("build", code=1)

    requests = [made.request for made in drill.requests.values()]
    assert [made.env for made in requests if isinstance(made, JobRequest)] == [{"V": "3"}] * 2
