"""`fairlead operator`: puts the operator together and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
import structlog

from fairlead import __version__
from fairlead.controller.handlers import Admission, build_registry
from fairlead.controller.http import HttpServer
from fairlead.controller.life import OperatorLife, run_kopf
from fairlead.engine.engine import Engine
from fairlead.kube.client import Client
from fairlead.kube.cluster import KubernetesCluster
from fairlead.kube.connection import connect
from fairlead.kube.errors import ConfigurationError
from fairlead.kube.reduce import job_record, pod_record
from fairlead.kube.reflector import Reflector
from fairlead.model.duration import parse_duration
from fairlead.plan import Policy
from fairlead.plan.admission import Limits
from fairlead.render.job import MANAGED_BY
from fairlead.telemetry.logs import FORMATS, configure_logs
from fairlead.telemetry.metrics import Metrics, exposition
from fairlead.telemetry.observer import TelemetryObserver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.engine.store import JobRecord, PodRecord, Store
    from fairlead.kube.connection import Connection

_SELECTOR = ",".join(f"{name}%3D{value}" for name, value in MANAGED_BY.items())


class DurationType(click.ParamType[int]):
    """Seconds, written as 90s, 10m or 1h30m."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read one, or say what is wrong with it."""
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class AddressType(click.ParamType[tuple[str, int]]):
    """HOST:PORT."""

    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Read one, or say what is wrong with it."""
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004  the highest port
            self.fail(f'"{value}" is not an address; write HOST:PORT, as 127.0.0.1:8080', param, ctx)
        return host.strip("[]"), int(port)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says; durations in seconds."""

    namespaces: tuple[str, ...]
    address: tuple[str, int]
    admission: Admission | None
    grace: int
    restarts: int
    keep: int
    combinations: int
    agent_image: str | None
    limits: Limits


@click.command("operator")
@click.option("--namespace", "namespaces", multiple=True, help="Watch this namespace only; may be repeated. [all]")
@click.option("--context", help="The kubeconfig's context to use. [its current one]")
@click.option(
    "--http-address",
    type=AddressType(),
    default="127.0.0.1:8080",
    show_default=True,
    help="Where /healthz, /readyz and /metrics are served.",
)
@click.option("--webhook-port", type=click.IntRange(1, 65_535), help="Answer admission reviews on this port.")
@click.option("--webhook-certificate", type=click.Path(path_type=Path), help="Its certificate, a PEM file.")
@click.option("--webhook-key", type=click.Path(path_type=Path), help="Its key, a PEM file.")
@click.option(
    "--grace",
    type=DurationType(),
    default="60s",
    show_default=True,
    help="How long an image or a Secret may be missing before its job fails.",
)
@click.option(
    "--restarts",
    type=click.IntRange(0, 100),
    default=5,
    show_default=True,
    help="How often a job is made again after the cluster lost it.",
)
@click.option(
    "--keep-jobs",
    type=DurationType(),
    default="24h",
    show_default=True,
    help="How long Kubernetes Jobs, and so their logs, are kept after they ended.",
)
@click.option(
    "--max-combinations",
    type=click.IntRange(1, 5000),
    default=256,
    show_default=True,
    help="The most combinations that a matrix may have.",
)
@click.option("--max-workflows", type=click.IntRange(1), help="The most Workflows that run at a time. [no limit]")
@click.option("--max-workflows-per-namespace", type=click.IntRange(1), help="The same in each namespace. [no limit]")
@click.option("--max-jobs", type=click.IntRange(1), help="The most Kubernetes Jobs that work at a time. [no limit]")
@click.option("--max-jobs-per-namespace", type=click.IntRange(1), help="The same in each namespace. [no limit]")
@click.option(
    "--agent-image",
    help="An image with this program: the sidecar of jobs whose later steps depend on what earlier ones did.",
)
@click.option("--log-format", type=click.Choice(FORMATS), default="auto", show_default=True, help="How logs look.")
@click.option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error")),
    default="info",
    show_default=True,
    help="Which logs are written.",
)
def operator_command(
    *,
    namespaces: tuple[str, ...],
    context: str | None,
    http_address: tuple[str, int],
    webhook_port: int | None,
    webhook_certificate: Path | None,
    webhook_key: Path | None,
    grace: int,
    restarts: int,
    keep_jobs: int,
    max_combinations: int,
    max_workflows: int | None,
    max_workflows_per_namespace: int | None,
    max_jobs: int | None,
    max_jobs_per_namespace: int | None,
    agent_image: str | None,
    log_format: str,
    log_level: str,
) -> None:
    """Run the operator: reconcile Workflows until a signal says to stop."""
    configure_logs(log_format, log_level)
    admission = _admission(webhook_port, webhook_certificate, webhook_key)
    try:
        connection = connect(context)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    limits = Limits(max_workflows, max_workflows_per_namespace, max_jobs, max_jobs_per_namespace)
    settings = Settings(
        namespaces, http_address, admission, grace, restarts, keep_jobs, max_combinations, agent_image, limits
    )
    failure = asyncio.run(_run(connection, settings))
    if failure is not None:
        raise click.ClickException(f"stopped by a failure: {failure}")


def _admission(port: int | None, certificate: Path | None, key: Path | None) -> Admission | None:
    if port is None:
        return None
    for option, path in (("--webhook-certificate", certificate), ("--webhook-key", key)):
        if path is None or not path.is_file():
            raise click.UsageError(f"--webhook-port needs {option} with a file that exists")
    assert certificate is not None and key is not None  # noqa: S101, PT018  what the loop has checked
    return Admission(port, certificate, key)


async def _run(connection: Connection, settings: Settings) -> BaseException | None:
    """Put the parts together, and run them until the end; give what ended them, if it was a failure."""
    log = structlog.get_logger("fairlead.operator")
    log.info("starting", version=__version__, server=connection.server, namespaces=settings.namespaces or "all")
    metrics = Metrics(queue_depth=lambda: len(engine.queue), active=lambda: _active(engine.store))
    engine = Engine(
        clock=_now,
        observer=TelemetryObserver(metrics),
        limits=settings.limits,
        policy=Policy(timedelta(seconds=settings.grace), settings.restarts, settings.combinations),
    )
    ended = asyncio.Event()
    async with Client(connection, user_agent=f"fairlead/{__version__}", asked=metrics.asked) as client:
        life = OperatorLife(
            engine=engine,
            cluster=KubernetesCluster(
                client, engine.store, _now, keep_seconds=settings.keep, agent_image=settings.agent_image
            ),
            client=client,
            reflectors=[
                each
                for namespace in settings.namespaces or (None,)
                for each in _reflectors(client, engine.store, namespace)
            ],
            namespaces=settings.namespaces,
            ended=ended,
        )
        host, port = settings.address
        http = HttpServer(host=host, port=port, alive=life.alive, ready=life.ready, metrics=exposition)
        try:
            await http.start()
        except OSError as error:
            metrics.close()
            # asyncio puts the address before it, once more.
            why = (error.strerror or str(error)).rpartition(": ")[2]
            raise click.ClickException(f"can't listen on {host}:{port}: {why}") from error
        registry = build_registry(connection, engine.store, settings.admission, start=life.start, stop=life.stop)
        await run_kopf(registry, settings.namespaces, ended)
        await http.stop()
    metrics.close()
    log.info("stopped")
    return life.failure


def _reflectors(
    client: Client, store: Store, namespace: str | None
) -> tuple[Reflector[JobRecord], Reflector[PodRecord]]:
    log = structlog.get_logger("fairlead.watch")

    def troubled(resource: str, error: Exception, pause: float) -> None:
        log.warning("watch broken", resource=resource, error=str(error), retry_in=pause)

    jobs = Reflector(
        client,
        api="/apis/batch/v1",
        resource="jobs",
        namespace=namespace,
        selector=_SELECTOR,
        reduce=job_record,
        shelf=store.jobs,
        troubled=troubled,
    )
    pods = Reflector(
        client,
        api="/api/v1",
        resource="pods",
        namespace=namespace,
        selector=_SELECTOR,
        reduce=pod_record,
        shelf=store.pods,
        troubled=troubled,
    )
    return jobs, pods


def _active(store: Store) -> Mapping[str, int]:
    phases = (record.resource.status.phase for record in store.workflows.values())
    return Counter(str(phase) for phase in phases if phase is not None and not phase.ended)


def _now() -> datetime:
    return datetime.now(UTC)
