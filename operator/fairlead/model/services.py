"""What is known of services by their image: the ports that they listen on, and how to tell that they are ready.

An image is known by the last part of its name, whatever its registry and its tag. A check has to fail as long as an
image's entry point prepares the data with a server of its own: those of databases then listen on a socket in the file
system, or on 127.0.0.1 alone. The kubelet's own checks, by HTTP and TCP, come from outside of the Pod.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fairlead.model.containers import HealthCheck, service_name

if TYPE_CHECKING:
    from collections.abc import Sequence

_RETRIES: Final = 120
"""Checks of a known image, one a second: databases prepare their data first, and what is broken mostly exits."""


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image's ports, the first one to be checked: by a command, by HTTP, or, where neither is given, by TCP.

    `{port}` in the command stands for the first port. `other_port` tells how it is given another one.
    """

    ports: tuple[int, ...]
    command: tuple[str, ...] = ()
    http: str | None = None
    other_port: str | None = None


# With the container's user and database, because the server logs an error for those that it doesn't have.
_PG_ISREADY: Final = (
    'exec pg_isready -q -h 127.0.0.1 -p {port} -U "${POSTGRES_USER:-postgres}"'
    ' -d "${POSTGRES_DB:-${POSTGRES_USER:-postgres}}"'
)
_POSTGRES: Final = KnownImage((5432,), command=("sh", "-c", _PG_ISREADY), other_port="env PGPORT")
# Exits with 0 as soon as the server answers, be it that access is denied. `localhost` would mean the socket.
_MYSQL: Final = KnownImage(
    (3306,),
    command=(
        "sh",
        "-c",
        'admin=$(command -v mariadb-admin || command -v mysqladmin) && exec "$admin" ping -s -h 127.0.0.1 -P {port}',
    ),
    other_port="args [--port=…]",
)
_REDIS: Final = KnownImage((6379,), command=("redis-cli", "-p", "{port}", "ping"), other_port="command or args")
# Where it is secured, an answer without a login is that one is needed.
_CLUSTER_HEALTH: Final = (
    "for scheme in http https; do case $(curl -sk -o /dev/null -w '%{http_code}'"
    ' "$scheme://127.0.0.1:{port}/_cluster/health") in 200 | 401 | 403) exit 0 ;; esac; done; exit 1'
)
_ELASTICSEARCH: Final = KnownImage((9200,), command=("sh", "-c", _CLUSTER_HEALTH), other_port="env http.port")

_KNOWN: Final = {
    "postgres": _POSTGRES,
    "postgresql": _POSTGRES,
    "postgis": _POSTGRES,
    "pgvector": _POSTGRES,
    "timescaledb": _POSTGRES,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "percona": _MYSQL,
    "redis": _REDIS,
    "redis-stack": _REDIS,
    "redis-stack-server": _REDIS,
    "valkey": KnownImage((6379,), command=("valkey-cli", "-p", "{port}", "ping"), other_port="command or args"),
    "mongo": KnownImage((27017,), other_port="args [--port, …]"),
    "mongodb": KnownImage((27017,), other_port="args [--port, …]"),
    "rabbitmq": KnownImage((5672,)),
    "elasticsearch": _ELASTICSEARCH,
    "opensearch": _ELASTICSEARCH,
    "memcached": KnownImage((11211,), other_port="args [-p, …]"),
    "nats": KnownImage((4222,), other_port="args [-p, …]"),
    "minio": KnownImage((9000,), http="/minio/health/live", other_port="args [server, /data, --address, :…]"),
    "clickhouse": KnownImage((8123, 9000), http="/ping"),
    "clickhouse-server": KnownImage((8123, 9000), http="/ping"),
    "influxdb": KnownImage((8086,), http="/ping"),
    "couchdb": KnownImage((5984,), http="/_up"),
    "etcd": KnownImage((2379,), http="/health"),
    "localstack": KnownImage((4566,), http="/_localstack/health"),
    "kafka": KnownImage((9092,)),
    "zookeeper": KnownImage((2181,)),
    "cassandra": KnownImage((9042,)),
    "neo4j": KnownImage((7687, 7474)),
    "mailpit": KnownImage((1025, 8025)),
    "mailhog": KnownImage((1025, 8025)),
    "registry": KnownImage((5000,)),
    "nginx": KnownImage((80,)),
    "httpd": KnownImage((80,)),
}


def known_image(image: str) -> KnownImage | None:
    """Give what is known of an image."""
    return _KNOWN.get(service_name(image))


def ports_of(image: str, ports: Sequence[int]) -> tuple[int, ...]:
    """Give the ports of a service: those that it names, else those of its image."""
    known = _KNOWN.get(service_name(image))
    return tuple(ports) or (known.ports if known else ())


def check_of(image: str, ports: Sequence[int], check: HealthCheck | None) -> HealthCheck | None:
    """Give how to tell that a service is ready, with exactly one of command, http and tcp; None: it is once it runs.

    A check that names none of them has the image's own way, or TCP, at its own pace. HTTP and TCP need a port.
    """
    if check is not None and check.command:
        return check
    found = ports_of(image, ports)
    if not found:
        return None
    if check is not None and names_way(check):
        return check
    known = known_image(image)
    if known is None:
        return (check or HealthCheck()).model_copy(update={"tcp": True})
    pace = check or HealthCheck(retries=_RETRIES)
    if known.command:
        command = tuple(word.replace("{port}", str(found[0])) for word in known.command)
        return pace.model_copy(update={"command": command})
    return pace.model_copy(update={"http": known.http, "tcp": known.http is None})


def names_way(check: HealthCheck) -> bool:
    """Whether a check says how, and not only how often."""
    return bool(check.command) or check.http is not None or check.tcp


def shortest_time(check: HealthCheck) -> int:
    """Give the seconds that a service lives at least until the kubelet gives it up for not getting ready."""
    return max(1, check.interval) * (check.retries - 1)


def longest_time(check: HealthCheck) -> int:
    """Give the seconds that this may take at most, as each check may use up its timeout."""
    return max(1, check.interval, check.timeout) * check.retries
