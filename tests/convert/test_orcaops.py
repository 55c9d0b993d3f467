"""OrcaOps' workflows, converted: what each part becomes, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.convert import orcaops
from fairlead.convert.conversion import Options, Outcome
from fairlead.convert.formats import FormatName, guess, read
from tests.convert.trial import Trial
from tests.plan.drill import Drill

PIPELINE = """
name: shop
description: Build and test the shop
env: {VERSION: "2.0"}
timeout: 1800
jobs:
  build:
    image: golang:1.24
    commands: ["go build -o shop .", "./shop --version"]
    timeout: 600
    artifacts: [/out/shop]
  unit:
    image: golang:1.24
    requires: [build]
    commands: [go test ./...]
  database:
    image: golang:1.24
    requires: [build]
    parallel_with: [unit]
    services: [postgres:15, "redis:7"]
    env: {LEVEL: debug}
    commands: [go test -tags db ./...]
  alarm:
    image: alpine:3
    requires: [unit, database]
    on_complete: failure
    commands: [./alarm.sh]
"""


def converted(text: str, **options: Any) -> Trial:  # noqa: ANN401  those of Options
    """Convert a text of the format."""
    return Trial(FormatName.ORCAOPS, text, **options)


def one_job(fields: str, others: str = "") -> Trial:
    """Convert a workflow with one job besides those that it comes after."""
    return converted(f"""
jobs:
  build: {{image: alpine, commands: [make]}}
  lint: {{image: alpine, commands: [make lint]}}
  test: {{image: alpine, commands: [make test], {fields}}}
{others}
""")


def test_a_pipeline() -> None:
    """Jobs, their order, services, variables and times are kept; the defaults are OrcaOps' own."""
    assert converted(PIPELINE).conversion.resources == (
        {
            "apiVersion": "fairlead.dev/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": "shop", "annotations": {"fairlead.dev/description": "Build and test the shop"}},
            "spec": {
                "env": {"VERSION": "2.0"},
                "defaults": {"timeout": "5m"},
                "timeout": 1800,
                "jobs": {
                    "build": {
                        "image": "golang:1.24",
                        "timeout": 600,
                        "commands": ["go build -o shop .", "./shop --version"],
                    },
                    "unit": {"needs": ["build"], "image": "golang:1.24", "commands": ["go test ./..."]},
                    "database": {
                        "needs": ["build"],
                        "image": "golang:1.24",
                        "env": {"LEVEL": "debug"},
                        "services": ["postgres:15", "redis:7"],
                        "commands": ["go test -tags db ./..."],
                    },
                    "alarm": {
                        "needs": ["unit", "database"],
                        "onComplete": "failure",
                        "image": "alpine:3",
                        "commands": ["./alarm.sh"],
                    },
                },
            },
        },
    )


def test_the_report() -> None:
    """What isn't written, and what is read differently, is told with its line."""
    assert converted(PIPELINE).told() == [
        "3 description: kept as the annotation fairlead.dev/description",
        "6 where nothing is said a job may take 5m and a run 1h, as in OrcaOps",
        "11 artifacts: files aren't kept after a job; copy what is needed somewhere in a last command",
        "19 parallel_with: nothing keeps the two from running at the same time, so that isn't written",
    ]


def test_it_runs() -> None:
    """The order is that of OrcaOps: what fails skips what requires it, and the alarm goes off."""
    drill = Drill(converted(PIPELINE).spec).look().end("build").end("unit", code=1).end("database").end("alarm")

    assert (drill.log, drill.phases) == (
        ["start build", "start unit", "start database", "start alarm"],
        {"build": "Succeeded", "unit": "Failed StepFailed", "database": "Succeeded", "alarm": "Succeeded"},
    )


@pytest.mark.parametrize(
    ("fields", "condition"),
    [
        pytest.param("if: \"${{ github.ref == 'refs/heads/main' }}\"", "github.ref == 'refs/heads/main'", id="plain"),
        pytest.param(
            "requires: [build], if: \"${{ jobs.build.status == 'success' }}\"",
            "needs.build.result == 'success'",
            id="success is what a job waits for anyway",
        ),
        pytest.param(
            "requires: [build], if: \"${{ jobs.build.status == 'failed' }}\"",
            "!cancelled() && (needs.build.result == 'failure')",
            id="a failure",
        ),
        pytest.param(
            "requires: [build, lint], if: \"${{ jobs.build.status != 'success' }}\"",
            "!cancelled() && needs.lint.result == 'success' && (needs.build.result != 'success')",
            id="the others have to succeed",
        ),
        pytest.param(
            "requires: [build, lint], "
            "if: \"${{ jobs.build.status == 'success' or jobs.lint.status == 'success' and 'and' != '' }}\"",
            "!cancelled() && (needs.build.result == 'success' || needs.lint.result == 'success' && 'and' != '')",
            id="words are operators",
        ),
        pytest.param(
            "requires: [build], unless: \"${{ jobs.build.status == 'cancelled' }}\"",
            """!cancelled() && !(contains(fromJSON('["cancelled","skipped"]'), needs.build.result))""",
            id="what OrcaOps skips is cancelled",
        ),
        pytest.param(
            "requires: [{job_name: build, condition: failure}, {job_name: lint, condition: always}]",
            "!cancelled() && needs.build.result == 'failure'",
            id="conditions of what is required",
        ),
    ],
)
def test_conditions(fields: str, condition: str) -> None:
    """A condition that wants to see more than success says all of it."""
    assert one_job(fields).job()["if"] == condition


def test_a_failure_is_seen() -> None:
    """A job that asks for a failure runs after one."""
    trial = one_job("requires: [build], if: \"${{ jobs.build.status == 'failed' }}\"")

    assert Drill(trial.spec).look().end("lint").end("build", code=1).end("test").phases["test"] == "Succeeded"


def test_a_job_that_is_asked_about_is_waited_for() -> None:
    """A status is known once the job has ended."""
    trial = one_job("if: \"${{ jobs.build.status == 'failed' }}\"")

    assert (trial.job()["needs"], trial.told(Outcome.APPROXIMATED)) == (
        ["build"],
        ['5 it asks for the job "build", which it doesn\'t require; it waits for that one, too'],
    )


def test_variables_in_conditions_are_inputs() -> None:
    """No variable is known before a job runs, so those of the workflow are inputs with the same value."""
    trial = converted("""
        env: {STAGE: production}
        jobs:
          deploy: {image: alpine, commands: [make], if: "${{ env.STAGE == 'production' }}"}
    """)

    assert (trial.spec["inputs"], trial.spec["env"], trial.job("deploy")["if"]) == (
        {"STAGE": "production"},
        {"STAGE": "${{ inputs.STAGE }}"},
        "inputs.STAGE == 'production'",
    )


@pytest.mark.parametrize(
    "matrix",
    [
        "matrix: {os: [debian, alpine], py: ['3.12', '3.13'], exclude: [{os: alpine, py: '3.12'}]}",
        "matrix: {os: [debian, alpine], py: ['3.12', '3.13']}, exclude: [{os: alpine, py: '3.12'}]",
        "matrix: {parameters: {os: [debian, alpine], py: ['3.12', '3.13']}, exclude: [{os: alpine, py: '3.12'}]}",
    ],
)
def test_a_matrix(matrix: str) -> None:
    """Its filters stand in it or beside it; a job finds its values in variables, too; one failure cancels nothing."""
    job = one_job(matrix).job()

    assert (job["strategy"], job["env"]) == (
        {
            "failFast": False,
            "matrix": {
                "os": ["debian", "alpine"],
                "py": ["3.12", "3.13"],
                "exclude": [{"os": "alpine", "py": "3.12"}],
            },
        },
        {"MATRIX_OS": "${{ matrix.os }}", "MATRIX_PY": "${{ matrix.py }}"},
    )


def test_an_include_that_would_be_merged() -> None:
    """In OrcaOps it is a combination of its own, so all of them are written."""
    job = one_job("matrix: {os: [debian, arch]}, include: [{os: arch}, {os: arch, docs: 'yes'}]").job()

    assert job["strategy"]["matrix"] == {"include": [{"os": "debian"}, {"os": "arch"}, {"os": "arch", "docs": "yes"}]}


def test_an_include_that_agrees_with_nothing() -> None:
    """It adds a combination here, too."""
    job = one_job("matrix: {os: [debian], include: [{os: arch}]}").job()

    assert job["strategy"]["matrix"] == {"os": ["debian"], "include": [{"os": "arch"}]}


def test_an_exclude_of_nothing() -> None:
    """One that names no list takes nothing away in OrcaOps; here it would be a mistake."""
    trial = one_job("matrix: {os: [debian]}, exclude: [{arch: arm}]")

    assert (trial.job()["strategy"]["matrix"], trial.told(Outcome.LEFT_OUT)) == (
        {"os": ["debian"]},
        ['5 the matrix has no list "arch", so this takes nothing away'],
    )


def test_services_with_settings() -> None:
    """Health checks are docker's: its words, its durations, its start period."""
    trial = converted("""
        jobs:
          test:
            image: alpine
            commands: [make]
            services:
              db:
                image: postgres:15
                env: {POSTGRES_PASSWORD: x}
                ports: {"5432/tcp": 15432}
                health_check:
                  test: ["CMD", "pg_isready"]
                  interval: 1m30s
                  timeout: 500ms
                  retries: 3
                  start_period: 5m
              cache:
                image: redis:7
                command: redis-server --port 7000
                ports: ["17000:7000"]
                health_check: {test: redis-cli -p 7000 ping}
    """)

    assert trial.job()["services"] == {
        "db": {
            "image": "postgres:15",
            "env": {"POSTGRES_PASSWORD": "x"},
            "ports": [5432],
            "healthCheck": {"command": ["pg_isready"], "interval": 90, "timeout": 1, "retries": 7},
        },
        "cache": {
            "image": "redis:7",
            "args": ["redis-server", "--port", "7000"],
            "ports": [7000],
            "healthCheck": {"command": ["sh", "-c", "redis-cli -p 7000 ping"]},
        },
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("requires: [buil]", '5 no job "buil"; did you mean "build"?'),
        ("require: [build]", '5 a job has no "require"; did you mean "requires"?'),
        ("requires: [build], parallel_with: [build]", '5 they never run side by side: "test" requires "build"'),
        ("parallel_with: [biuld]", '5 no job "biuld"; did you mean "build"?'),
        ("on_complete: never", '5 "never" is not among success, failure, always'),
        (
            "if: \"${{ jobs.build.status == 'done' }}\"",
            (
                '5 this condition can\'t be kept: no job that has ended is "done"; '
                "ask for 'success', 'failed', 'timed_out' or 'cancelled'"
            ),
        ),
        (
            "if: \"${{ env.A }} == 'x'\"",
            "5 this condition can't be kept: text around ${{ }} always holds; put the whole condition inside",
        ),
        (
            "services: {My_DB: postgres:15}",
            "5 a service's name is a host: lower-case letters, digits and -, no - at the ends, at most 63 of them",
        ),
        ("timeout: soon", '5 "soon" is not a duration; write 90s, 10m, 1h30m or a whole number of seconds'),
    ],
)
def test_mistakes(fields: str, message: str) -> None:
    """What OrcaOps or Fairlead would refuse is refused at its place in the source."""
    assert one_job(fields).refused == [message]


def test_a_cycle() -> None:
    """It is found, although nothing of the format says so."""
    trial = converted("""
        jobs:
          a: {image: x, commands: [x], requires: [b]}
          b: {image: x, commands: [x], requires: [a]}
    """)

    assert trial.refused == ["3 a cycle: a → b → a"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("jobs: {a: {image: x, commands: [y]}}", FormatName.ORCAOPS),
        ("on: push\njobs: {a: {runs-on: x, steps: []}}", FormatName.GITHUB),
        ("apiVersion: fairlead.dev/v1alpha1\njobs: {a: {image: x, commands: [y]}}", None),
        ("jobs: {a: {steps: [{run: x}], image: x}}", None),
    ],
)
def test_what_it_is_told_by(text: str, found: FormatName | None) -> None:
    """Jobs with images or commands, and nothing of what others call jobs."""
    (document,) = read("x.yaml", text)

    assert (guess(document) is FormatName.ORCAOPS) is (found is FormatName.ORCAOPS)


_KEYS = st.sampled_from(
    [
        *("image", "commands", "requires", "parallel_with", "if", "unless", "services", "timeout", "on_complete"),
        *("env", "matrix", "exclude", "include", "parameters", "health_check", "test", "interval", "ports", "a", "b"),
    ]
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["a", "b", "", "5s", "5432:1", "CMD", "${{ jobs.a.status == 'success' }}", "${{ env.b", "always"]),
)
_TREES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5))
_JOBS = st.dictionaries(st.sampled_from("abc"), st.dictionaries(_KEYS, _TREES, max_size=6), max_size=3)


@given(st.dictionaries(_KEYS, _TREES, max_size=4), _JOBS)
def test_any_document_is_converted_or_refused(top: dict[str, object], jobs: dict[str, object]) -> None:
    """Whatever stands in it, there is a conversion, whose resource says nothing that isn't JSON."""
    (document,) = read("x.yaml", repr({**top, "jobs": jobs}).replace("None", "null"))

    assert orcaops.convert(document, Options()).resources[0]["kind"] == "Workflow"
