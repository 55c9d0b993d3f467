from __future__ import annotations

from typing import Any

import pytest

from fairlead.model.containers import EnvReference, KeyRef, Resources
from fairlead.model.ids import JobId, StepId
from fairlead.model.spec import DEFAULT_TIMEOUT, Retry, RetryOn
from fairlead.model.workflow import JobPlan, StepPlan, Workflow
from fairlead.syntax import parse_spec
from tests.builders import a_spec, chain

SECRET = EnvReference(secret_key_ref=KeyRef(name="ci", key="token"))


def test_whole_spec() -> None:
    """Short forms are expanded, defaults applied, inner variables laid over outer ones, jobs in order."""
    workflow = parse_spec(
        {
            "inputs": {"who": "world", "times": 3, "loud": True},
            "env": {"A": "workflow", "B": "workflow", "N": 1.0, "T": True},
            "defaults": {"image": "python:3.13", "shell": "bash", "workingDirectory": "src", "timeout": "10m"},
            "historyLimit": 3,
            "outputs": {"v": "${{ jobs.build.outputs.v }}"},
            "jobs": {
                "test": {
                    "name": "Unit tests",
                    "requires": "build",
                    "image": "alpine",
                    "shell": "sh",
                    "commands": ["\n\n  pip install\n", "x" * 100],
                    "timeout": 60,
                },
                "build": {
                    "env": {"B": "job", "TOKEN": {"secretKeyRef": {"name": "ci", "key": "token"}}},
                    "steps": [
                        {
                            "id": "v",
                            "name": "Version",
                            "run": "make",
                            "shell": "python",
                            "workingDirectory": "a",
                            "env": {"C": 1.5},
                        }
                    ],
                    "outputs": {"v": "${{ steps.v.outputs.v }}"},
                    "resources": {"requests": {"cpu": 2, "memory": "1Gi"}},
                },
            },
        }
    )
    env = {"A": "workflow", "B": "workflow", "N": "1", "T": "true"}
    build = JobPlan(
        id=JobId("build"),
        label="build",
        needs=(),
        image="python:3.13",
        env={**env, "B": "job", "TOKEN": SECRET},
        steps=(StepPlan("Version", "make", StepId("v"), "python", "a", {"C": "1.5"}),),
        outputs={"v": "${{ steps.v.outputs.v }}"},
        resources=Resources(requests={"cpu": "2", "memory": "1Gi"}),
        timeout=600,
    )
    test = JobPlan(
        id=JobId("test"),
        label="Unit tests",
        needs=(JobId("build"),),
        image="alpine",
        env=env,
        steps=(
            StepPlan("pip install", "\n\n  pip install\n", None, "sh", "src", {}),
            StepPlan("x" * 79 + "…", "x" * 100, None, "sh", "src", {}),
        ),
        outputs={},
        resources=None,
        timeout=60,
    )
    assert (workflow, list(workflow.jobs)) == (
        Workflow(
            jobs={build.id: build, test.id: test},
            digest=workflow.digest,
            env=env,
            inputs={"who": "world", "times": 3, "loud": True},
            outputs={"v": "${{ jobs.build.outputs.v }}"},
            history_limit=3,
        ),
        ["build", "test"],
    )


def test_least() -> None:
    """A job that says nothing has six hours and the workspace."""
    job = a_spec().job("build", commands=["make"]).workflow().jobs[JobId("build")]
    assert (job.timeout, job.steps) == (DEFAULT_TIMEOUT, (StepPlan("make", "make", None, None, None, {}),))


def test_order_of_equals() -> None:
    """Jobs that don't wait for each other stay as they are written."""
    spec = a_spec().job("z").job("b", "z").job("a", "z").job("c", "a", "b")
    assert list(spec.workflow().jobs) == ["z", "b", "a", "c"]


def test_long_chain() -> None:
    """A chain as long as a workflow may be is no deeper for the program than a short one."""
    spec = chain()
    jobs = {"j0": {"commands": ["a"]}} | {f"j{n}": {"commands": ["a"], "needs": [f"j{n - 1}"]} for n in range(1, 5000)}
    workflow = parse_spec({**spec.document(), "jobs": dict(reversed(jobs.items()))})
    assert list(workflow.jobs) == list(jobs)


def test_digest_tells_what_runs_from_what_steers() -> None:
    """Pausing a workflow makes it no other one; a default that is spelled out neither; an edit of a job does."""
    one = chain().workflow().digest
    steered = chain().but(suspend=True, priority=3, ttlAfterFinished="1h", historyLimit=1, failFast=False)

    assert steered.workflow().digest == one
    assert chain().job("test", "build", commands=["false"]).workflow().digest != one


def test_conditions_say_the_implicit_success() -> None:
    """All three forms come together in one; a status function takes the place of success()."""
    spec = (
        a_spec().job("a", **{"if": "${{ inputs.x }}", "unless": "inputs.y"}).job("b", onComplete="always", unless="1")
    )
    steps = [{"run": "x", "if": "env.A"}, {"run": "x", "if": " ${{ always() }} "}, {"run": "x", "if": True}]
    jobs = spec.job("c", steps=steps).but(inputs={"x": 1, "y": 2}, env={"A": "1"}).workflow().jobs

    assert [job.condition for job in jobs.values()] == [
        "success() && (inputs.x) && !(inputs.y)",
        "!(1) && always()",
        "success()",
    ]
    assert [step.condition for step in jobs[JobId("c")].steps] == [
        "success() && (env.A)",
        "(always())",
        "success() && (true)",
    ]


def test_a_workflow_that_uses_a_template() -> None:
    """It has one job, which calls it."""
    workflow = parse_spec({"uses": "build", "with": {"a": 1}})

    assert workflow.jobs == {JobId("call"): JobPlan(id=JobId("call"), label="build", uses="build", with_={"a": 1})}


@pytest.mark.parametrize("key", ["on", "true", True])
def test_on_is_meant_where_yaml_read_true(key: object) -> None:
    """An unquoted `on` is a boolean in YAML 1.1; nothing else can be meant."""
    retry: Any = {"limit": 1, key: ["timeout"]}

    job = a_spec().job("a", retry=retry).workflow().jobs[JobId("a")]

    assert job.retry == Retry(limit=1, on=(RetryOn.TIMEOUT,))
