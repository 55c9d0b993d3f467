"""Metrics by the OpenTelemetry SDK, under the names of its CI/CD semantic conventions where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from fairlead import __version__
from fairlead.model.phase import WorkflowPhase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.metrics import CallbackOptions

RESULTS: Mapping[WorkflowPhase, str] = {
    WorkflowPhase.SUCCEEDED: "success",
    WorkflowPhase.PARTIAL: "success",
    WorkflowPhase.FAILED: "failure",
    WorkflowPhase.CANCELLED: "cancellation",
    WorkflowPhase.INVALID: "error",
}

_RUN_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
_REQUEST_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The instruments. `queue_depth` and `active` (runs by phase) are asked when somebody reads the metrics."""

    def __init__(self, *, queue_depth: Callable[[], int], active: Callable[[], Mapping[str, int]]) -> None:
        views = [
            _buckets("cicd.pipeline.run.duration", _RUN_SECONDS),
            _buckets("fairlead.api.duration", _REQUEST_SECONDS),
        ]
        self._provider = MeterProvider(
            metric_readers=[PrometheusMetricReader()],
            resource=Resource.create({"service.name": "fairlead", "service.version": __version__}),
            views=views,
        )
        meter = self._provider.get_meter("fairlead", __version__)

        def runs(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(count, {"cicd.pipeline.run.state": state}) for state, count in active().items()]

        def depth(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(queue_depth())]

        meter.create_observable_gauge("cicd.pipeline.run.active", [runs], "{run}", "Runs that haven't ended, by state")
        meter.create_observable_gauge("fairlead.queue.depth", [depth], "{workflow}", "Workflows that wait for a look")
        self._duration = meter.create_histogram("cicd.pipeline.run.duration", "s", "How long runs took")
        self._errors = meter.create_counter("cicd.pipeline.run.errors", "{error}", "Jobs that failed, by reason")
        self._system = meter.create_counter("cicd.system.errors", "{error}", "Looks at a workflow that failed")
        self._jobs = meter.create_counter("fairlead.jobs.created", "{job}", "Kubernetes Jobs made")
        self._requests = meter.create_histogram("fairlead.api.duration", "s", "Requests to the API server")

    def run_ended(self, name: str, namespace: str, phase: WorkflowPhase, seconds: float) -> None:
        """Count a run that has ended."""
        attributes = {
            "cicd.pipeline.name": name,
            "k8s.namespace.name": namespace,
            "cicd.pipeline.result": RESULTS.get(phase, "error"),
        }
        self._duration.record(seconds, attributes)

    def job_failed(self, name: str, reason: str) -> None:
        """Count a job that failed."""
        self._errors.add(1, {"cicd.pipeline.name": name, "error.type": reason})

    def look_failed(self, kind: str) -> None:
        """Count a look at a workflow that failed."""
        self._system.add(1, {"cicd.system.component": "controller", "error.type": kind})

    def job_created(self) -> None:
        """Count a Kubernetes Job."""
        self._jobs.add(1)

    def asked(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """Count a request to the API server; status 0 where there was no answer."""
        attributes: dict[str, str | int] = {
            "http.request.method": verb,
            "resource": resource,
            "http.response.status_code": status,
        }
        self._requests.record(seconds, attributes)

    def close(self) -> None:
        """Stop collecting."""
        self._provider.shutdown()


def exposition() -> tuple[bytes, str]:
    """Give the metrics as Prometheus reads them, with their content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


def _buckets(name: str, bounds: tuple[float, ...]) -> View:
    return View(instrument_name=name, aggregation=ExplicitBucketHistogramAggregation(bounds))
