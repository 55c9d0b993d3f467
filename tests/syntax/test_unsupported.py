from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fairlead.model.problem import InvalidWorkflowError
from fairlead.model.spec import Defaults, Job, Step, WorkflowSpec
from fairlead.syntax import parse_spec, unsupported
from tests.builders import a_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairlead.model.base import Model

# What a field is set to, by the name that it has in a document.
VALUES: dict[str, Any] = {
    "concurrency": {"group": "a"},
    "continueOnError": True,
    "enabled": False,
    "failFast": True,
    "if": "${{ always() }}",
    "maxParallel": 2,
    "nodeSelector": {"a": "b"},
    "onComplete": "always",
    "podTemplate": {"spec": {}},
    "priority": 1,
    "retry": {"limit": 1},
    "serviceAccountName": "a",
    "services": ["postgres"],
    "strategy": {"matrix": {"a": [1]}},
    "suspend": True,
    "timeout": "1m",
    "tolerations": [{}],
    "ttlAfterFinished": "1h",
    "unless": "${{ false }}",
    "volumeMounts": [{}],
    "volumes": [{}],
}


def rows() -> Iterator[tuple[str, str]]:
    """Give each row of the tables: where the field stands, and its name."""
    tables: list[tuple[str, type[Model], frozenset[str]]] = [
        ("spec", WorkflowSpec, unsupported._WORKFLOW),  # noqa: SLF001  the table is what is tested
        ("spec.defaults", Defaults, unsupported._DEFAULTS),  # noqa: SLF001
        ("spec.jobs.build", Job, unsupported._JOB),  # noqa: SLF001
        ("spec.jobs.build.steps[0]", Step, unsupported._STEP),  # noqa: SLF001
    ]
    for place, model, names in tables:
        for name in sorted(names):
            yield place, str(model.model_fields[name].alias)


def spec_with(place: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Give a valid spec with more fields at a place."""
    spec = a_spec().job("build", steps=[{"run": "make"}]).document()
    job = spec["jobs"]["build"]
    at = {
        "spec": spec,
        "spec.defaults": spec["defaults"],
        "spec.jobs.build": job,
        "spec.jobs.build.steps[0]": job["steps"][0],
    }[place]
    at.update(fields)
    if "check" in fields:
        del job["steps"]
    return spec


def problems(spec: dict[str, Any]) -> list[str]:
    """Give what is wrong with a spec."""
    try:
        parse_spec(spec)
    except InvalidWorkflowError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize(("place", "name"), list(rows()))
def test_refused_by_name(place: str, name: str) -> None:
    """A field that does nothing yet is refused, never ignored."""
    value = {"check": "${{ true }}"}.get(name, VALUES.get(name))
    assert problems(spec_with(place, {name: value})) == [f"{place}.{name}: not supported yet"]


@pytest.mark.parametrize(
    ("place", "fields"),
    [
        ("spec", {"failFast": False, "priority": 0, "suspend": False, "historyLimit": 10}),
        ("spec.defaults", {"continueOnError": False}),
    ],
)
def test_defaults_say_nothing(place: str, fields: dict[str, Any]) -> None:
    """What the API server fills in by itself is no wish for the feature."""
    assert problems(spec_with(place, fields)) == []
