from __future__ import annotations

from typing import Any

import pytest

from fairlead.model.spec import WorkflowSpec
from fairlead.syntax.concurrency import check
from fairlead.syntax.shape import check_shape


def problems(whole: object, job: object) -> list[str]:
    """Give what is wrong with the group of a workflow, and with that of its job `deploy`."""
    document: dict[str, Any] = {"jobs": {"deploy": {"image": "a", "commands": ["a"]}}}
    if whole is not None:
        document["concurrency"] = {"group": whole}
    if job is not None:
        document["jobs"]["deploy"]["concurrency"] = {"group": job}
    spec, wrong = check_shape(document, WorkflowSpec)
    return [str(problem) for problem in [*wrong, *(check(spec) if spec else ())]]


def itself(group: str) -> list[str]:
    """Say that a job would wait for its own run."""
    said = f'would wait for itself: the workflow\'s own run holds the group "{group}" until its jobs have ended'
    return [f"spec.jobs.deploy.concurrency.group: {said}; give the job another group, or leave it out"]


CASES: dict[str, tuple[object, object, list[str]]] = {
    "none": (None, None, []),
    "only the workflow's": ("main", None, []),
    "only the job's": (None, "main", []),
    "two": ("main", "deploy", []),
    "the same": ("main", "main", itself("main")),
    "the same but for case and space around": ("Main", " mAIN ", itself("mAIN")),
    "the same expression": ("ci-${{ inputs.x }}", "ci-${{ inputs.x }}", itself("ci-${{ inputs.x }}")),
    "another expression": ("ci-${{ inputs.x }}", "ci-${{ inputs.y }}", []),
    "blank": (
        " ",
        "\t",
        [
            "spec.concurrency.group: is empty; give the group a name",
            "spec.jobs.deploy.concurrency.group: is empty; give the group a name",
        ],
    ),
    "as long as may be": ("x" * 255, None, []),
    "too long": (
        "x" * 256,
        "y" * 300,
        [
            "spec.concurrency.group: a name of 256 characters is too long; it may have 255",
            "spec.jobs.deploy.concurrency.group: a name of 300 characters is too long; it may have 255",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_groups(case: str) -> None:
    """A group has a name of a bearable length, and no job waits for the group that its own run holds."""
    whole, job, expected = CASES[case]
    assert problems(whole, job) == expected
