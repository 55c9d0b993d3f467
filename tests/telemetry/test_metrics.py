from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fairlead.model.phase import WorkflowPhase
from fairlead.telemetry.metrics import Metrics, exposition

if TYPE_CHECKING:
    from collections.abc import Iterator

Sample = tuple[str, dict[str, str], float]


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    """Give the metrics of an operator with three workflows to look at, and two that run."""
    made = Metrics(queue_depth=lambda: 3, active=lambda: {"Running": 2})
    yield made
    made.close()


def shown(prefix: str) -> list[Sample]:
    """Give the samples that Prometheus reads, without buckets and without what is the same for all."""
    text = exposition()[0].decode()
    return [
        (
            sample.name,
            {name: value for name, value in sample.labels.items() if not name.startswith("otel_")},
            sample.value,
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(prefix) and not sample.name.endswith(("_bucket", "_created", "_info"))
    ]


@pytest.mark.parametrize(
    ("phase", "result"),
    [
        (WorkflowPhase.SUCCEEDED, "success"),
        (WorkflowPhase.PARTIAL, "success"),
        (WorkflowPhase.FAILED, "failure"),
        (WorkflowPhase.CANCELLED, "cancellation"),
        (WorkflowPhase.INVALID, "error"),
    ],
)
def test_duration(metrics: Metrics, phase: WorkflowPhase, result: str) -> None:
    """A run's duration is counted under its pipeline and its result, in the words of the semantic conventions."""
    metrics.run_ended("ci", "team", phase, 12.5)
    labels = {"cicd_pipeline_name": "ci", "cicd_pipeline_result": result, "k8s_namespace_name": "team"}
    assert shown("cicd_pipeline_run_duration") == [
        ("cicd_pipeline_run_duration_seconds_count", labels, 1),
        ("cicd_pipeline_run_duration_seconds_sum", labels, 12.5),
    ]


def test_counters(metrics: Metrics) -> None:
    """Failed jobs, failed looks and made Jobs are counted."""
    metrics.job_failed("ci", "StepFailed")
    metrics.job_failed("ci", "StepFailed")
    metrics.look_failed("UnavailableError")
    metrics.job_created()
    errors = {"cicd_pipeline_name": "ci", "error_type": "StepFailed"}
    system = {"cicd_system_component": "controller", "error_type": "UnavailableError"}
    assert [*shown("cicd_pipeline_run_errors"), *shown("cicd_system"), *shown("fairlead_jobs")] == [
        ("cicd_pipeline_run_errors_total", errors, 2),
        ("cicd_system_errors_total", system, 1),
        ("fairlead_jobs_created_total", {}, 1),
    ]


@pytest.mark.usefixtures("metrics")
def test_gauges() -> None:
    """What is active and what waits is asked when somebody reads it."""
    assert [*shown("cicd_pipeline_run_active"), *shown("fairlead_queue")] == [
        ("cicd_pipeline_run_active", {"cicd_pipeline_run_state": "Running"}, 2),
        ("fairlead_queue_depth", {}, 3),
    ]


def test_requests(metrics: Metrics) -> None:
    """Requests to the API server are counted by verb, resource and answer, those without one as 0."""
    metrics.asked("POST", "jobs", 201, 0.003)
    metrics.asked("GET", "jobs", 0, 1.5)
    names = ("http_request_method", "resource", "http_response_status_code")
    post, get = (dict(zip(names, row, strict=True)) for row in (("POST", "jobs", "201"), ("GET", "jobs", "0")))
    assert shown("fairlead_api") == [
        ("fairlead_api_duration_seconds_count", post, 1),
        ("fairlead_api_duration_seconds_sum", post, 0.003),
        ("fairlead_api_duration_seconds_count", get, 1),
        ("fairlead_api_duration_seconds_sum", get, 1.5),
    ]


def test_closed() -> None:
    """An operator that has ended leaves nothing behind for the next one in the process."""
    Metrics(queue_depth=lambda: 1, active=dict).close()
    assert shown("fairlead_queue") == []
