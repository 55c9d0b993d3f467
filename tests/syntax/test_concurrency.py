from __future__ import annotations

from typing import Any

import pytest

from fairlead.model.problem import InvalidWorkflowError
from fairlead.syntax import parse_spec


def problems(whole: object, job: object) -> list[str]:
    """Give what is wrong with the group of a workflow, and with that of its job `deploy`."""
    deploy: dict[str, Any] = {"image": "a", "commands": ["a"]}
    document: dict[str, Any] = {"inputs": {"x": 1, "y": 2}}
    if whole is not None:
        document["concurrency"] = {"group": whole}
    if job is not None:
        deploy["concurrency"] = {"group": job}
    document["jobs"] = {"deploy": deploy}
    try:
        parse_spec(document)
    except InvalidWorkflowError as error:
        return [str(problem) for problem in error.problems]
    return []


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
