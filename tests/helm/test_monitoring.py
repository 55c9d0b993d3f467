from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import promql_parser as promql
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fairlead.model.phase import WorkflowPhase
from fairlead.telemetry.metrics import Metrics, exposition
from scripts.render_manifests import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helm.rendering import Chart, Object, Objects

    Shown = dict[str, set[str]]

OPERATIONS = Path("docs/operations.md")
OURS = ("fairlead_", "cicd_")
ADDED_BY_PROMETHEUS = {"namespace", "service", "pod"}


@pytest.fixture
def shown() -> Iterator[Shown]:
    """Give what /metrics shows of an operator that has done everything once: the labels of each series' name."""
    metrics = Metrics(queue_depth=lambda: 1, active=lambda: {"Running": 1})
    metrics.run_ended("ci", "team", WorkflowPhase.SUCCEEDED, 1)
    metrics.job_failed("ci", "team", "StepFailed")
    metrics.look_failed("UnavailableError")
    metrics.look_waited(0.1)
    metrics.loop_lagged(0.1)
    metrics.job_created(0.1)
    metrics.watch_broke("pods")
    metrics.asked("POST", "jobs", 201, 0.1)
    metrics.lease_moved("taken")
    found: Shown = {}

    async def read() -> str:
        # Something is asked of the running event loop.
        return exposition()[0].decode()

    for family in text_string_to_metric_families(asyncio.run(read())):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    yield found
    metrics.close()


@pytest.fixture(scope="module")
def monitored(chart: Chart) -> Objects:
    """Give the chart with all that watches the operator."""
    return chart.render({"metrics": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}})


def rules_of(objects: Objects) -> list[Object]:
    """Give the alerts."""
    (group,) = objects.the("PrometheusRule")["spec"]["groups"]
    rules: list[Object] = group["rules"]
    return rules


def dashboard_of(objects: Objects) -> Object:
    """Give the dashboard, as Grafana reads it."""
    (text,) = objects.the("ConfigMap")["data"].values()
    dashboard: Object = json.loads(text)
    return dashboard


def queries_of(objects: Objects) -> list[str]:
    """Give all that Prometheus is asked, with values for Grafana's variables."""
    panels = dashboard_of(objects)["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    return [rule["expr"] for rule in rules_of(objects)] + [
        each.replace("$__rate_interval", "5m").replace("$namespace", "fairlead-system") for each in queries
    ]


def used_in(query: str) -> Shown:
    """Parse a query; give the labels by which each series in it is chosen, or put together."""
    found: Shown = {}
    grouped: set[str] = set()

    def visit(expression: promql.Expr) -> None:
        if isinstance(expression, promql.AggregateExpr) and expression.modifier is not None:
            grouped.update(expression.modifier.labels)
        if isinstance(expression, promql.MatrixSelector):
            expression = expression.vector_selector
        if isinstance(expression, promql.VectorSelector):
            found[expression.name or ""] = {each.name for each in expression.matchers.matchers}

    promql.walk(promql.parse(query), visit)
    return {name: labels | grouped for name, labels in found.items()}


def test_what_is_asked_for_is_there(monitored: Objects, shown: Shown) -> None:
    """Every query parses, and every series and label in it is one that /metrics shows."""
    missing = {
        f"{name}{{{label}}}"
        for query in queries_of(monitored)
        for name, labels in used_in(query).items()
        for label in {"", *labels} - ADDED_BY_PROMETHEUS
        if name not in shown or (label and label not in shown[name])
    }
    assert missing == set()


def test_each_alert_has_its_runbook(monitored: Objects) -> None:
    """Each alert leads to a heading of the page on operations, and each heading of the kind is an alert's."""
    headings = re.findall(r"^### (Fairlead\w+)$", OPERATIONS.read_text(), re.MULTILINE)
    links = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules_of(monitored)}
    assert links == {name: f"docs/operations.md#{name.lower()}" for name in headings}


def test_every_metric_is_documented(shown: Shown) -> None:
    """The page on operations lists what /metrics shows of ours, and nothing else."""
    listed = re.findall(r"^\| `((?:fairlead|cicd)_\w+)` \|", OPERATIONS.read_text(), re.MULTILINE)
    families = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in shown if name.startswith(OURS)}
    assert sorted(listed) == sorted(families)


@pytest.mark.usefixtures("shown")
def test_memory_is_shown() -> None:
    """What the process takes up is told by Prometheus' own client."""
    assert b"process_resident_memory_bytes" in exposition()[0]


def test_nothing_of_it_without_being_asked(default: Objects) -> None:
    """Clusters without the Prometheus operator, or Grafana, see none of it."""
    assert not {"PrometheusRule", "ConfigMap", "ServiceMonitor"} & set(default.kinds())


def test_grafana_finds_the_dashboard(chart: Chart) -> None:
    """It is found by its label, in the namespace that the sidecar looks at, under a title of its own."""
    values = {"enabled": True, "namespace": "monitoring", "annotations": {"grafana_folder": "CI"}}
    rendered = chart.render({"metrics": {"dashboard": values}})
    metadata = rendered.the("ConfigMap")["metadata"]
    found = (metadata["namespace"], metadata["labels"]["grafana_dashboard"], metadata["annotations"])
    assert (found, dashboard_of(rendered)["title"]) == (("monitoring", "1", {"grafana_folder": "CI"}), "Fairlead")


def test_panels_are_told_apart() -> None:
    """No two panels have the same number or place, and each says what it shows."""
    panels = json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    numbers = {panel["id"] for panel in panels}
    assert (len(places), len(numbers), all(panel["description"] for panel in panels)) == (len(panels),) * 2 + (True,)


def test_alerts_know_their_release(chart: Chart) -> None:
    """Another release in another namespace has alerts of its own, and as many Leases to hold as it has shards."""
    rendered = chart.render({"metrics": {"prometheusRule": {"enabled": True, "labels": {"team": "ci"}}}})
    queries = [used_in(rule["expr"]) for rule in rules_of(rendered)]
    assert all({"namespace", "service"} <= labels for query in queries for labels in query.values())
    assert rendered.the("PrometheusRule")["metadata"]["labels"]["team"] == "ci"
