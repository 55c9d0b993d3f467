from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.phase import JobPhase
from fairlead.plan.forecast import Forecast, Outlook, forecast
from fairlead.syntax import parse_spec
from tests.builders import a_resource, a_spec
from tests.plan.drill import Drill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.builders import SpecBuilder

OUTPUTS = {"steps": [{"id": "s", "run": "make"}], "outputs": {"list": "${{ steps.s.outputs.list }}"}}


def told(spec: SpecBuilder) -> Forecast:
    """Give what is known of a run of this spec."""
    return forecast(spec.workflow(), a_resource(), list(spec.jobs))


def outlooks(spec: SpecBuilder) -> dict[str, str]:
    """Give the outlook of each job, with what it depends on or why it is skipped."""
    return {job.id: " ".join(filter(None, (job.outlook, job.remainder, job.why))) for job in told(spec).jobs}


CONDITIONS: dict[str, tuple[SpecBuilder, dict[str, str]]] = {
    "none": (a_spec().job("a").job("b", "a"), {"a": "runs", "b": "runs"}),
    "inputs": (
        a_spec().but(inputs={"x": True}).job("a", **{"if": "inputs.x"}).job("b", unless="inputs.x"),
        {"a": "runs", "b": "skipped its condition does not hold"},
    ),
    "a need that is skipped": (
        a_spec().job("a", **{"if": "false"}).job("b", "a").job("c", "b").job("d", "c", **{"if": "always()"}),
        {
            "a": "skipped its condition does not hold",
            "b": 'skipped it needs "a", which is skipped',
            "c": 'skipped it needs "b", which is skipped',
            "d": "runs",
        },
    ),
    "a job that is left out": (
        a_spec().job("a", enabled=False).job("b", "a"),
        {"a": "skipped it is not enabled", "b": "runs"},
    ),
    "a job that is left out by an input": (
        a_spec().but(inputs={"x": 0}).job("a", enabled="${{ inputs.x }}").job("b", "a"),
        {"a": "skipped it is not enabled", "b": "runs"},
    ),
    "left out after what is skipped": (
        a_spec().job("a", **{"if": "false"}).job("b", "a", enabled=False).job("c", "b"),
        {
            "a": "skipped its condition does not hold",
            "b": "skipped it is not enabled",
            "c": 'skipped it needs "b", which is skipped',
        },
    ),
    "outputs": (
        a_spec()
        .but(inputs={"x": True})
        .job("a", **OUTPUTS)
        .job("b", "a", **{"if": "inputs.x && needs.a.outputs.list == 'x' && needs.a.result == 'success'"})
        .job("c", "b"),
        {"a": "runs", "b": "depends needs.a.outputs.list == 'x'", "c": "depends success()"},
    ),
    "failures": (
        a_spec().job("a").job("b", "a", onComplete="failure").job("c", "b").job("d", "a", **{"if": "!cancelled()"}),
        {"a": "runs", "b": "depends failure()", "c": "depends b runs", "d": "runs"},
    ),
    "failure() of nothing": (a_spec().job("a", **{"if": "failure()"}), {"a": "skipped its condition does not hold"}),
    "what only the run knows": (
        a_spec().job("a", **{"if": "workflow.run > 1"}).job("b", **{"if": "workflow.name == 'ci'"}),
        {"a": "depends workflow.run > 1", "b": "runs"},
    ),
    "the result of what is skipped": (
        a_spec().job("a", **{"if": "false"}).job("b", "a", **{"if": "always() && needs.a.result == 'skipped'"}),
        {"a": "skipped its condition does not hold", "b": "runs"},
    ),
}


@pytest.mark.parametrize(("spec", "expected"), CONDITIONS.values(), ids=CONDITIONS)
def test_outlook(spec: SpecBuilder, expected: dict[str, str]) -> None:
    """Conditions are decided as far as they are known before anything has run."""
    assert outlooks(spec) == expected


def test_waves() -> None:
    """Each wave needs only those before it, and has its jobs in the order in which they are written."""
    spec = a_spec().job("z").job("b", "a", "z").job("a").job("c", "a")
    assert [[job.id for job in wave] for wave in told(spec).waves] == [["z", "a"], ["b", "c"]]


def test_condition_as_written() -> None:
    """A condition is told as it is written, without what is put before it."""
    spec = a_spec().job("a").job("b", "a", **{"if": "${{ 1 == 1 }}"}, unless="false").job("c", onComplete="always")
    assert {job.id: job.condition for job in told(spec).jobs} == {
        "a": None,
        "b": "1 == 1 && !false",
        "c": "always()",
    }


def test_matrices() -> None:
    """Matrices are expanded where they are known; else what they depend on is told."""
    spec = (
        a_spec()
        .but(inputs={"versions": "[1, 2]"})
        .job("a", strategy={"matrix": {"v": "${{ fromJSON(inputs.versions) }}"}, "maxParallel": 1})
        .job("b", name="at ${{ matrix.v }}", strategy={"matrix": {"v": [1]}})
        .job("c", **OUTPUTS)
        .job("d", "c", strategy={"matrix": "${{ fromJSON(needs.c.outputs.list) }}"})
        .job("e", strategy={"matrix": {"v": "${{ fromJSON('x') }}"}})
        .job("f", strategy={"matrix": {"v": [1], "exclude": [{"v": 1}]}})
    )
    assert {
        job.id: ([(node.name, node.matrix) for node in job.nodes], job.matrix_from, job.trouble is not None)
        for job in told(spec).jobs
    } == {
        "a": ([("a (1)", {"v": 1}), ("a (2)", {"v": 2})], None, False),
        "b": ([("at 1", {"v": 1})], None, False),
        "c": ([("c", None)], None, False),
        "d": ([], "${{ fromJSON(needs.c.outputs.list) }}", False),
        "e": ([], None, True),
        "f": ([], None, True),
    }


def test_texts() -> None:
    """Texts are filled in as far as they are known."""
    spec = (
        a_spec()
        .but(inputs={"v": "1.2"}, concurrency={"group": "ci-${{ workflow.name }}"}, maxParallel=2)
        .job(
            "a",
            image="x:${{ inputs.v }}-${{ workflow.run }}",
            concurrency={"group": "g-${{ inputs.v }}"},
            services={"db": "postgres:15", "redis": "redis:7"},
        )
    )
    found = told(spec)
    (job,) = found.jobs
    assert (found.group, found.max_parallel, job.image, job.group, job.services) == (
        "ci-ci",
        2,
        "x:1.2-${{ workflow.run }}",
        "g-1.2",
        ("db (postgres:15)", "redis"),
    )


# Against the planner itself

PARTS = (None, "always()", "failure()", "success()", "false", "inputs.yes", "!inputs.yes", "!failure()")


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a spec of a few jobs with conditions."""
    spec = a_spec().but(inputs={"yes": True})
    names: list[str] = []
    for index in range(draw(st.integers(1, 6))):
        needs = draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else []
        conditions = [*PARTS, *(f"needs.{need}.result == 'success'" for need in needs)]
        conditions += [f"always() && needs.{need}.result != 'skipped'" for need in needs]
        condition = draw(st.sampled_from(conditions))
        fields: dict[str, object] = {} if condition is None else {"if": condition}
        if draw(st.integers(0, 5)) == 0:
            fields["enabled"] = False
        names.append(f"j{index}")
        spec = spec.job(names[-1], *needs, **fields)
    return spec.document()


def ends(spec: Mapping[str, Any], failing: set[str]) -> dict[str, bool]:
    """Run a spec to its end; tell which jobs ran."""
    drill = Drill(spec).look()
    for _ in range(20):
        working = [job_id for job_id, state in drill.status.jobs.items() if not state.phase.ended and state.attempt]
        if not working:
            break
        drill.end(working[0], code=1 if working[0] in failing else 0)
    return {job_id: state.phase is not JobPhase.SKIPPED for job_id, state in drill.status.jobs.items()}


@given(specs(), st.sets(st.sampled_from([f"j{index}" for index in range(6)]), max_size=3))
def test_comes_true(spec: dict[str, Any], failing: set[str]) -> None:
    """What is said to be skipped is, whatever fails; where nothing fails, what is expected runs and nothing else."""
    jobs = forecast(parse_spec(spec), a_resource()).jobs
    good, bad = ends(spec, set()), ends(spec, failing)
    skipped = {job.id for job in jobs if job.outlook is Outlook.SKIPPED}
    assert ({job_id for job_id in skipped if good[job_id] or bad[job_id]}, {job.id: job.expected for job in jobs}) == (
        set(),
        good,
    )
