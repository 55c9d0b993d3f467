from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml

import fairlead
from scripts.render_manifests import CHART
from tests.helm.rendering import RefusedError

if TYPE_CHECKING:
    from tests.helm.rendering import Chart, Object

VALUES = (CHART / "values.yaml").read_text()
SCHEMA: Object = json.loads((CHART / "values.schema.json").read_text())


def paths_of_values(values: Object, schema: Object, prefix: str = "") -> set[str]:
    """Return the values that the chart itself defines, as far down as the schema names keys."""
    found = set()
    for key, value in values.items():
        described = schema["properties"].get(key, {})
        if isinstance(value, dict) and described.get("properties") and value:
            found |= paths_of_values(value, described, f"{prefix}{key}.")
        else:
            found.add(f"{prefix}{key}")
    return found


def paths_of_schema(values: Object, schema: Object, prefix: str = "") -> set[str]:
    """Return the values that the schema allows, as far down as values.yaml goes."""
    found = set()
    for key, described in schema["properties"].items():
        value = values.get(key)
        if isinstance(value, dict) and described.get("properties") and value:
            found |= paths_of_schema(value, described, f"{prefix}{key}.")
        else:
            found.add(f"{prefix}{key}")
    return found


def test_every_value_is_in_the_schema_and_every_schema_entry_is_a_value() -> None:
    """values.yaml and values.schema.json tell of the same values."""
    values: Object = yaml.safe_load(VALUES)
    # A parent chart's, and the one field of `resources` that has no default.
    only_in_schema = {"global", "resources.claims"}

    assert paths_of_schema(values, SCHEMA) - only_in_schema == paths_of_values(values, SCHEMA)


def test_every_value_is_explained() -> None:
    """Each value of values.yaml that isn't a mere group has a comment right above it."""
    lines = VALUES.splitlines()
    unexplained = [
        line.strip()
        for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False)
        if re.match(r" *[a-zA-Z]+:", line)
        and not before.lstrip().startswith("#")
        # A group, or a part of a default whose whole is explained.
        and not (line.endswith(":") and len(after) - len(after.lstrip()) > len(line) - len(line.lstrip()))
    ]

    defaults_of_the_pod = [
        "cpu: 50m",
        "memory: 96Mi",
        "memory: 256Mi",
        "runAsNonRoot: true",
        "runAsUser: 65532",
        "runAsGroup: 65532",
        "fsGroup: 65532",
        "type: RuntimeDefault",
        "allowPrivilegeEscalation: false",
        "readOnlyRootFilesystem: true",
        "drop: [ALL]",
        "operator: NotIn",
        "values: [disabled]",
    ]
    assert sorted(unexplained) == sorted(defaults_of_the_pod)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"imgae": {"tag": "1"}}, "additional properties 'imgae' not allowed"),
        ({"webhook": {"failurepolicy": "Fail"}}, "at '/webhook': additional properties 'failurepolicy'"),
        (
            {"webhook": {"certificate": {"existing": {"secret": "x"}}}},
            "at '/webhook/certificate/existing': additional properties 'secret'",
        ),
        (
            {"webhook": {"failurePolicy": "Deny"}},
            "'/webhook/failurePolicy': value must be one of 'Ignore', 'Fail'",
        ),
        ({"webhook": {"timeoutSeconds": 60}}, "at '/webhook/timeoutSeconds': maximum: got 60, want 30"),
        (
            {"webhook": {"certificate": {"source": "none"}}},
            "must be one of 'chart', 'certManager', 'existing'",
        ),
        ({"watchNamespaces": "a"}, "at '/watchNamespaces': got string, want array"),
        ({"watchNamespaces": ["ci-*"]}, "at '/watchNamespaces/0': 'ci-[*]' does not match pattern"),
        ({"replicas": 65}, "at '/replicas': maximum: got 65, want 64"),
        ({"shards": 0}, "at '/shards': minimum: got 0, want 1"),
        ({"shards": 2, "limits": {"jobs": 5}}, "limits.jobs count over all namespaces"),
        ({"image": {"digest": "abc"}}, "at '/image/digest': 'abc' does not match pattern"),
        ({"podLabels": {"a": 1}}, "'/podLabels/a': got number, want string"),
        ({"tolerations": [{"keyy": "a"}]}, "at '/tolerations/0': additional properties 'keyy'"),
    ],
)
def test_a_mistake_is_named_with_its_place(chart: Chart, values: Object, message: str) -> None:
    """A wrong value is refused by the schema, with the path and what is wrong about it."""
    with pytest.raises(RefusedError, match=message):
        chart.render(values)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"watchNamespaces": ["a"], "webhook": {"enabled": False}},
        {"networkPolicy": {"enabled": True}, "metrics": {"serviceMonitor": {"enabled": True}}},
        {"webhook": {"certificate": {"source": "certManager"}}},
    ],
)
def test_helm_has_nothing_to_complain_about(chart: Chart, values: Object) -> None:
    """`helm lint --strict` passes."""
    assert "0 chart(s) failed" in chart.run("lint", "--strict", str(chart.folder), values=values)


def test_the_chart_has_the_operators_version() -> None:
    """Chart, appVersion (and so the image's tag) and package are released together."""
    metadata: Object = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (metadata["version"], metadata["appVersion"]) == (fairlead.__version__, fairlead.__version__)


def test_objects_are_named_after_the_release(chart: Chart) -> None:
    """A release name without the chart's gets it appended; fullnameOverride has the last word."""
    command = ("template", "ci", str(chart.folder), "--show-only", "templates/deployment.yaml")
    named: Object = yaml.safe_load(chart.run(*command))
    overridden: Object = yaml.safe_load(chart.run(*command, values={"fullnameOverride": "x"}))

    assert (named["metadata"]["name"], overridden["metadata"]["name"]) == ("ci-fairlead", "x")
