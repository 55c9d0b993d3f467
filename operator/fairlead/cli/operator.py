"""`fairlead operator`: puts the operator together and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import secrets
import socket
import time
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
from fairlead.controller.webhook import DRAIN
from fairlead.engine.clock import SteadyClock
from fairlead.engine.engine import Engine
from fairlead.engine.keeper import Keeper, Ownership
from fairlead.engine.shards import Holder, Roster
from fairlead.kube.client import Client
from fairlead.kube.cluster import KubernetesCluster
from fairlead.kube.connection import connect
from fairlead.kube.errors import ConfigurationError
from fairlead.kube.leases import KubernetesLeases
from fairlead.kube.reading import Reading
from fairlead.kube.reduce import pod_record, watched_job_record
from fairlead.kube.reflector import Reflector
from fairlead.model.duration import parse_duration
from fairlead.plan import Policy
from fairlead.plan.admission import Limits
from fairlead.render.job import MANAGED_BY
from fairlead.telemetry.lag import measure_lag
from fairlead.telemetry.logs import FORMATS, configure_logs
from fairlead.telemetry.metrics import Metrics, exposition
from fairlead.telemetry.observer import TelemetryObserver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from fairlead.engine.records import JobRecord, PodRecord
    from fairlead.engine.store import Store
    from fairlead.kube.connection import Connection
    from fairlead.model.ids import WorkflowKey

_ALLOCATIONS = 20_000
"""After how many new objects Python looks for garbage that is a circle. We leave few, and what is read at the start is
hundreds of thousands: after every 700, its default, looking took half of the time of reading."""

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
class Sharing:
    """How the work is shared with other replicas: Leases in a namespace, under a name, for so many shards."""

    namespace: str
    name: str
    identity: str
    shards: int


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
    sharing: Sharing | None


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
    "--max-unstarted-jobs",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="The most Kubernetes Jobs at a time that the Job controller hasn't taken up yet; 0: any number.",
)
@click.option(
    "--agent-image",
    help="An image with this program: the sidecar of jobs whose later steps depend on what earlier ones did.",
)
@click.option(
    "--lease-namespace",
    help="Where the Leases are by which several replicas share the work. [none: this one does all, and is alone]",
)
@click.option(
    "--lease-name",
    default="fairlead",
    show_default=True,
    help="What the Leases' names begin with: the same for all replicas, and for no other operator of the namespace.",
)
@click.option(
    "--identity",
    help="This replica's name, as its Pod's: no other one may have it. A restarted one goes on at once. [made up]",
)
@click.option(
    "--shards",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Into how many parts the namespaces are divided; each is one replica's at a time. More than one: all work.",
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
    max_unstarted_jobs: int,
    agent_image: str | None,
    lease_namespace: str | None,
    lease_name: str,
    identity: str | None,
    shards: int,
    log_format: str,
    log_level: str,
) -> None:
    """Run the operator: reconcile Workflows until a signal says to stop."""
    configure_logs(log_format, log_level)
    admission = _admission(webhook_port, webhook_certificate, webhook_key)
    sharing = _sharing(lease_namespace, lease_name, identity, shards)
    if shards > 1 and (max_workflows, max_jobs) != (None, None):
        said = "--max-workflows and --max-jobs count over all namespaces, which takes one replica that knows of all"
        raise click.UsageError(f"{said}; use --max-workflows-per-namespace and --max-jobs-per-namespace, or --shards=1")
    try:
        connection = connect(context)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    limits = Limits(
        max_workflows, max_workflows_per_namespace, max_jobs, max_jobs_per_namespace, max_unstarted_jobs or None
    )
    settings = Settings(
        namespaces, http_address, admission, grace, restarts, keep_jobs, max_combinations, agent_image, limits, sharing
    )
    failure = asyncio.run(_run(connection, settings))
    if failure is not None:
        raise click.ClickException(f"stopped by a failure: {failure}")


def _sharing(namespace: str | None, name: str, identity: str | None, shards: int) -> Sharing | None:
    if namespace is None:
        if shards > 1:
            raise click.UsageError("--shards needs --lease-namespace: without Leases one operator does all")
        return None
    return Sharing(namespace, name, identity or f"{socket.gethostname()}-{secrets.token_hex(4)}", shards)


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
    gc.set_threshold(_ALLOCATIONS)
    log = structlog.get_logger("fairlead.operator")
    log.info("starting", version=__version__, server=connection.server, namespaces=settings.namespaces or "all")
    now = SteadyClock(lambda: datetime.now(UTC), time.monotonic)
    roster = _roster(settings.sharing)
    owns = Ownership(roster) if roster is not None else _all
    metrics = Metrics(
        queue_depth=lambda: len(engine.queue),
        active=lambda: _active(engine.store, owns),
        leases=lambda: len(roster.acting()) if roster is not None else 0,
        unstarted=lambda: engine.unstarted,
        waiting=lambda: engine.waiting,
    )
    observer = TelemetryObserver(metrics)
    engine = Engine(
        clock=now,
        owns=owns,
        observer=observer,
        limits=settings.limits,
        # A limit on jobs counts them one by one, and so they are made.
        policy=Policy(
            timedelta(seconds=settings.grace),
            settings.restarts,
            settings.combinations,
            packs=not settings.limits.on_jobs,
        ),
    )
    ended = asyncio.Event()
    agent = f"fairlead/{__version__}"
    async with Client(connection, user_agent=agent, asked=metrics.asked, compressed=False) as client:

        def keep(refresh: Callable[[], Awaitable[int]]) -> Keeper:
            assert roster is not None and settings.sharing is not None  # noqa: S101, PT018  for the type checker
            leases = KubernetesLeases(client, settings.sharing.namespace, settings.sharing.name)
            return Keeper(leases=leases, roster=roster, engine=engine, refresh=refresh, wall=now, observer=observer)

        life = OperatorLife(
            engine=engine,
            cluster=KubernetesCluster(
                client, engine.store, now, keep_seconds=settings.keep, agent_image=settings.agent_image, owns=owns
            ),
            client=client,
            reflectors=[
                each
                for namespace in settings.namespaces or (None,)
                for each in _reflectors(client, engine.store, namespace, metrics.watch_broke)
            ],
            namespaces=settings.namespaces,
            ended=ended,
            keep=keep if roster is not None else None,
            drain=DRAIN if settings.admission is not None else 0.0,
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
        registry = build_registry(
            connection, engine.store, settings.admission, start=life.start, stop=life.stop, read_all=life.read_all
        )
        lag = asyncio.create_task(measure_lag(metrics.loop_lagged))
        await run_kopf(registry, settings.namespaces, ended)
        lag.cancel()
        await http.stop()
    metrics.close()
    log.info("stopped")
    return life.failure


def _reflectors(
    client: Client, store: Store, namespace: str | None, broke: Callable[[str], None]
) -> tuple[Reflector[JobRecord], Reflector[PodRecord]]:
    log = structlog.get_logger("fairlead.watch")

    def troubled(resource: str, error: Exception, pause: float) -> None:
        broke(resource)
        log.warning("watch broken", resource=resource, error=str(error), retry_in=pause)

    def unread(name: str, error: Exception) -> None:
        log.error("can't be read, passed over", object=name, exc_info=error)

    jobs = Reflector(
        client,
        api="/apis/batch/v1",
        resource="jobs",
        namespace=namespace,
        selector=_SELECTOR,
        reduce=Reading(watched_job_record, unread),
        shelf=store.jobs,
        troubled=troubled,
    )
    pods = Reflector(
        client,
        api="/api/v1",
        resource="pods",
        namespace=namespace,
        selector=_SELECTOR,
        reduce=Reading(pod_record, unread),
        shelf=store.pods,
        troubled=troubled,
    )
    return jobs, pods


def _roster(sharing: Sharing | None) -> Roster | None:
    if sharing is None:
        return None
    # What tells one process of a replica from the one before it, which is dead.
    return Roster(Holder(sharing.identity, secrets.token_hex(4)), sharing.shards)


def _all(_: WorkflowKey) -> bool:
    return True


def _active(store: Store, owns: Callable[[WorkflowKey], bool]) -> Mapping[str, int]:
    phases = (record.resource.status.phase for record in store.workflows.values() if owns(record.resource.key))
    return Counter(str(phase) for phase in phases if phase is not None and not phase.ended)
