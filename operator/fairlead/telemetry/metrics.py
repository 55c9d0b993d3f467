"""Metrics by the OpenTelemetry SDK, under the names of its CI/CD semantic conventions where there are any."""

from __future__ import annotations

import asyncio
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
_MOST_NAMES = 200
"""Names of workflows that are told apart. Each makes a series for each bucket, and generated names have no end."""

_OTHER = "other"
_WAIT_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_LAG_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_REQUEST_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


def _tasks(_: CallbackOptions) -> Iterable[Observation]:
    """Count tasks, where the metrics are read in the event loop: what never ends shows here first."""
    try:
        return [Observation(len(asyncio.all_tasks()))]
    except RuntimeError:
        return []


class Metrics:
    """The instruments. What is passed is asked when somebody reads the metrics; `active` gives runs by phase."""

    def __init__(
        self,
        *,
        queue_depth: Callable[[], int],
        active: Callable[[], Mapping[str, int]],
        leases: Callable[[], int] = lambda: 0,
        unstarted: Callable[[], int] = lambda: 0,
        waiting: Callable[[], int] = lambda: 0,
    ) -> None:
        views = [
            _buckets("cicd.pipeline.run.duration", _RUN_SECONDS),
            _buckets("fairlead.api.duration", _REQUEST_SECONDS),
            _buckets("fairlead.queue.wait", _WAIT_SECONDS),
            _buckets("fairlead.jobs.delay", _WAIT_SECONDS),
            _buckets("fairlead.loop.lag", _LAG_SECONDS),
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

        def held(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(leases())]

        meter.create_observable_gauge("fairlead.leases.held", [held], "{lease}", "Leases that this replica acts on")
        meter.create_observable_gauge("cicd.pipeline.run.active", [runs], "{run}", "Runs that haven't ended, by state")

        def starts(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(unstarted())]

        def waits(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(waiting())]

        meter.create_observable_gauge("fairlead.jobs.unstarted", [starts], "{job}", "Jobs that are made, not taken up")
        meter.create_observable_gauge("fairlead.jobs.waiting", [waits], "{job}", "Jobs that wait for room")
        meter.create_observable_gauge("fairlead.loop.tasks", [_tasks], "{task}", "Tasks of the event loop")
        meter.create_observable_gauge("fairlead.queue.depth", [depth], "{workflow}", "Workflows that wait for a look")
        self._lease_moves = meter.create_counter("fairlead.leases.moves", "{event}", "Leases taken, left and lost")
        self._duration = meter.create_histogram("cicd.pipeline.run.duration", "s", "How long runs took")
        self._errors = meter.create_counter("cicd.pipeline.run.errors", "{error}", "Jobs that failed, by reason")
        self._system = meter.create_counter("cicd.system.errors", "{error}", "Looks at a workflow that failed")
        self._jobs = meter.create_counter("fairlead.jobs.created", "{job}", "Kubernetes Jobs made")
        self._waits = meter.create_histogram("fairlead.queue.wait", "s", "How long looks were waited for")
        self._delays = meter.create_histogram("fairlead.jobs.delay", "s", "From what made a Job due to the Job")
        self._lags = meter.create_histogram("fairlead.loop.lag", "s", "How late the event loop was")
        self._watches = meter.create_counter("fairlead.watch.errors", "{error}", "Lists and watches that broke")
        self._names: set[tuple[str, str]] = set()
        self._requests = meter.create_histogram("fairlead.api.duration", "s", "Requests to the API server")

    def lease_moved(self, what: str) -> None:
        """Count what became of a Lease: taken, taken up, left or lost."""
        self._lease_moves.add(1, {"event": what})

    def run_ended(self, name: str, namespace: str, phase: WorkflowPhase, seconds: float) -> None:
        """Count a run that has ended."""
        attributes = {
            "cicd.pipeline.name": self._told_apart(namespace, name),
            "k8s.namespace.name": namespace,
            "cicd.pipeline.result": RESULTS.get(phase, "error"),
        }
        self._duration.record(seconds, attributes)

    def job_failed(self, name: str, namespace: str, reason: str) -> None:
        """Count a job that failed."""
        self._errors.add(1, {"cicd.pipeline.name": self._told_apart(namespace, name), "error.type": reason})

    def look_failed(self, kind: str) -> None:
        """Count a look at a workflow that failed."""
        self._system.add(1, {"cicd.system.component": "controller", "error.type": kind})

    def job_created(self, seconds: float) -> None:
        """Count a Kubernetes Job, or a combination in one, so long after what made it due was heard of."""
        self._jobs.add(1)
        self._delays.record(seconds)

    def look_waited(self, seconds: float) -> None:
        """Measure how long a look at a workflow was waited for."""
        self._waits.record(seconds)

    def loop_lagged(self, seconds: float) -> None:
        """Measure how late the event loop was."""
        self._lags.record(seconds)

    def watch_broke(self, resource: str) -> None:
        """Count a list or a watch that broke."""
        self._watches.add(1, {"resource": resource})

    def asked(self, verb: str, resource: str, status: int, seconds: float) -> None:
        """Count a request to the API server; status 0 where there was no answer."""
        attributes: dict[str, str | int] = {
            "http.request.method": verb,
            "resource": resource,
            "http.response.status_code": status,
        }
        self._requests.record(seconds, attributes)

    def _told_apart(self, namespace: str, name: str) -> str:
        if (namespace, name) not in self._names:
            if len(self._names) >= _MOST_NAMES:
                return _OTHER
            self._names.add((namespace, name))
        return name

    def close(self) -> None:
        """Stop collecting."""
        self._provider.shutdown()


def exposition() -> tuple[bytes, str]:
    """Give the metrics as Prometheus reads them, with their content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


def _buckets(name: str, bounds: tuple[float, ...]) -> View:
    return View(instrument_name=name, aggregation=ExplicitBucketHistogramAggregation(bounds))
