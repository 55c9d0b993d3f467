from __future__ import annotations

import re
from typing import Any

import pytest

from fairlead.local.request import RequestError, prepared

JOBS: dict[str, Any] = {
    "build": {"steps": [{"run": "make"}]},
    "test": {"needs": ["build"], "steps": [{"run": "make test"}]},
    "lint": {"steps": [{"run": "make lint"}]},
    "ship": {"requires": "test", "steps": [{"run": "make ship"}]},
}


def a_resource(metadata: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:  # noqa: ANN401  a spec's fields
    """Give a Workflow as a file has it."""
    return {"kind": "Workflow", "metadata": metadata or {"name": "ci"}, "spec": {"jobs": JOBS, **spec}}


def asked(resource: dict[str, Any], **options: Any) -> tuple[dict[str, Any], list[str]]:  # noqa: ANN401  as above
    """Prepare it with nothing else asked for."""
    return prepared(resource, **{"name": "ci", "env": {}, **options})


def test_as_it_is() -> None:
    """A Workflow is recorded as it is written."""
    labels = {"name": "ci", "labels": {"branch": "main"}, "annotations": {"a": "b"}}
    assert asked(a_resource(labels)) == (
        {
            "apiVersion": "fairlead.dev/v1alpha1",
            "kind": "Workflow",
            "metadata": {"labels": {"branch": "main"}, "annotations": {"a": "b"}, "name": "ci"},
            "spec": {"jobs": JOBS},
        },
        [],
    )


def test_generated_name() -> None:
    """One with a generateName gets a name of its own each time; one without any is called after its file."""
    assert asked(a_resource({"generateName": "ci-"}))[0]["metadata"] == {"generateName": "ci-"}
    assert asked(a_resource({"labels": {"a": "b"}}), name="file")[0]["metadata"] == {
        "labels": {"a": "b"},
        "name": "file",
    }


def test_what_means_nothing_here() -> None:
    """What steers runs on a cluster is left out, and said; what isn't set isn't spoken of."""
    resource, notes = asked(a_resource(schedules=[{"cron": "@daily"}], suspend=True, ttlAfterFinished=60))
    assert (sorted(resource["spec"]), notes) == (
        ["jobs"],
        [
            "schedules are left out: it runs now",
            "suspend is left out: it runs now",
            "ttlAfterFinished is left out: runs of this machine are kept",
        ],
    )
    assert asked(a_resource(schedules=[], suspend=False))[1] == []


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("tset", 'the workflow has no job "tset"; did you mean "test"?'),
        ("zzz", 'the workflow has no job "zzz"; it has build, test, lint, ship'),
    ],
)
def test_no_such_job(job: str, said: str) -> None:
    """What there isn't is told with what there is."""
    with pytest.raises(RequestError, match=f"^{re.escape(said)}$"):
        asked(a_resource(), jobs=[job])


def test_single_jobs() -> None:
    """Jobs that aren't asked for, nor needed, are left out."""
    spec = asked(a_resource(), jobs=["ship"])[0]["spec"]
    assert {name for name, job in spec["jobs"].items() if job.get("enabled") is False} == {"lint"}
    spec = asked(a_resource(), jobs=["lint", "build"])[0]["spec"]
    assert {name for name, job in spec["jobs"].items() if job.get("enabled") is False} == {"test", "ship"}


def test_variables() -> None:
    """Given variables are the workflow's own, and win over those that it has."""
    spec = asked(a_resource(env={"A": "1", "B": "2"}), env={"B": "3", "C": "4"})[0]["spec"]
    assert spec["env"] == {"A": "1", "B": "3", "C": "4"}
