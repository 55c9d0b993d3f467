from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.ids import JobId, NodeId, RunNumber, Uid
from fairlead.plan.neighbours import Caller
from fairlead.render.call import call_manifest, parse_callers
from tests.builders import KEY, UID, a_call, a_resource, name_of

if TYPE_CHECKING:
    from fairlead.plan import CallWorkflow

SPEC = {"inputs": {"level": 1}, "jobs": {"make": {"image": "a", "commands": ["make"]}}}
OUTER = Caller(Uid("far"), RunNumber(7), NodeId(JobId("outer"), 3))


def rendered(call: CallWorkflow, *callers: Caller, **spec: object) -> dict[str, Any]:
    """Render a call."""
    return call_manifest(call, a_resource(callers=callers), {**SPEC, **spec}, keep_seconds=3600)


def test_call() -> None:
    """A called Workflow says whose it is, by owner, labels and callers, and has the template's spec."""
    manifest = rendered(a_call("build", 2, combination=1, retries=1, group="g"), OUTER)
    callers = manifest["metadata"]["annotations"].pop("fairlead.dev/callers")
    assert manifest == {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": name_of("build", 2, combination=1),
            "namespace": KEY.namespace,
            "labels": {
                "app.kubernetes.io/managed-by": "fairlead",
                "fairlead.dev/workflow": KEY.name,
                "fairlead.dev/workflow-uid": UID,
                "fairlead.dev/spec": "0123456789ab",
                "fairlead.dev/run": "1",
                "fairlead.dev/job": "build",
                "fairlead.dev/combination": "1",
                "fairlead.dev/attempt": "2",
                "fairlead.dev/retries": "1",
            },
            "annotations": {"fairlead.dev/concurrency-group": "g"},
            "ownerReferences": [
                {
                    "apiVersion": "fairlead.dev/v1alpha1",
                    "kind": "Workflow",
                    "name": KEY.name,
                    "uid": UID,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {**SPEC, "priority": 0, "ttlAfterFinished": 3600},
    }
    assert json.loads(callers) == [
        {"uid": "far", "run": 7, "job": "outer", "combination": 3},
        {"uid": UID, "run": 1, "job": "build", "combination": 1},
    ]


@pytest.mark.parametrize(("own", "callers", "expected"), [(None, 5, 5), (0, 5, 5), (-3, 5, -3), (9, 5, 9)])
def test_priority(own: int | None, callers: int, expected: int) -> None:
    """A called Workflow goes with its caller's priority, unless its template has one of its own."""
    spec = {} if own is None else {"priority": own}
    assert rendered(a_call(priority=callers), **spec)["spec"]["priority"] == expected


def test_callers() -> None:
    """The chain of callers is read back as it was written."""
    written = rendered(a_call("build"), OUTER)["metadata"]["annotations"]["fairlead.dev/callers"]
    assert parse_callers(written) == (OUTER, Caller(UID, RunNumber(1), NodeId(JobId("build"))))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"uid":"a"}',
        "[1]",
        '["a"]',
        '[{"uid":"a","run":1}]',
        '[{"uid":"a","run":"x","job":"b"}]',
        '[{"uid":"a","run":null,"job":"b"}]',
        '[{"uid":"a","run":Infinity,"job":"b"}]',
        '[{"uid":"a","run":1,"job":"b","combination":1e400}]',
        json.dumps([{"uid": "a", "run": 1, "job": "b"}] * 101),
        "[" * 100_000,
    ],
)
def test_no_callers(text: str) -> None:
    """Anything else is no chain, and does no harm."""
    assert parse_callers(text) is None


@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text(),
        lambda some: st.lists(some) | st.dictionaries(st.text(), some),
    )
)
def test_any_callers(document: object) -> None:
    """Whatever stands in the annotation, reading it gives a chain or nothing."""
    assert parse_callers(json.dumps(document)) is None
