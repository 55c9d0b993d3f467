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
    made = Metrics(queue_depth=lambda: 3, active=lambda: {"Running": 2}, unstarted=lambda: 4, waiting=lambda: 5)
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
    metrics.job_failed("ci", "team", "StepFailed")
    metrics.job_failed("ci", "team", "StepFailed")
    metrics.look_failed("UnavailableError")
    metrics.job_created(0.2)
    errors = {"cicd_pipeline_name": "ci", "error_type": "StepFailed"}
    system = {"cicd_system_component": "controller", "error_type": "UnavailableError"}
    assert [*shown("cicd_pipeline_run_errors"), *shown("cicd_system"), *shown("fairlead_jobs_created")] == [
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


@pytest.mark.usefixtures("metrics")
def test_what_waits() -> None:
    """Jobs that aren't taken up, and what waits to become one, are told apart."""
    assert [*shown("fairlead_jobs_unstarted"), *shown("fairlead_jobs_waiting")] == [
        ("fairlead_jobs_unstarted", {}, 4),
        ("fairlead_jobs_waiting", {}, 5),
    ]


def test_times(metrics: Metrics) -> None:
    """Waits, delays and the loop's lag are measured in seconds."""
    metrics.look_waited(0.2)
    metrics.job_created(0.4)
    metrics.loop_lagged(0.6)
    metrics.loop_lagged(0.1)
    assert [each for name in ("queue_wait", "jobs_delay", "loop_lag") for each in shown(f"fairlead_{name}")] == [
        ("fairlead_queue_wait_seconds_count", {}, 1),
        ("fairlead_queue_wait_seconds_sum", {}, 0.2),
        ("fairlead_jobs_delay_seconds_count", {}, 1),
        ("fairlead_jobs_delay_seconds_sum", {}, 0.4),
        ("fairlead_loop_lag_seconds_count", {}, 2),
        ("fairlead_loop_lag_seconds_sum", {}, 0.7),
    ]


def test_broken_watches(metrics: Metrics) -> None:
    """Watches that broke are counted by what they are of."""
    metrics.watch_broke("pods")
    assert shown("fairlead_watch") == [("fairlead_watch_errors_total", {"resource": "pods"}, 1)]


def test_names_without_end(metrics: Metrics) -> None:
    """However many workflows there are, only so many are told apart: the rest share a series."""
    for index in range(300):
        metrics.run_ended(f"ci-{index}", "team", WorkflowPhase.SUCCEEDED, 1)
        metrics.job_failed(f"ci-{index}", "team", "StepFailed")
    runs = [sample for sample in shown("cicd_pipeline_run_duration") if sample[0].endswith("count")]
    others = [value for _, labels, value in runs if labels["cicd_pipeline_name"] == "other"]
    assert (len(runs), others, len(shown("cicd_pipeline_run_errors"))) == (201, [100], 201)


def test_closed() -> None:
    """An operator that has ended leaves nothing behind for the next one in the process."""
    Metrics(queue_depth=lambda: 1, active=dict).close()
    assert shown("fairlead_queue") == []
