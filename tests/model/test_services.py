from __future__ import annotations

import pytest

from fairlead.model.containers import HealthCheck, service_name
from fairlead.model.services import check_of, known_image, longest_time, ports_of, shortest_time

PACE = HealthCheck(interval=2, retries=3)
READY = (
    'exec pg_isready -q -h 127.0.0.1 -p {} -U "${{POSTGRES_USER:-postgres}}"'
    ' -d "${{POSTGRES_DB:-${{POSTGRES_USER:-postgres}}}}"'
)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("postgres", "postgres"),
        ("postgres:15", "postgres"),
        ("docker.io/library/postgres:15-alpine", "postgres"),
        ("localhost:5000/team/postgres", "postgres"),
        ("localhost:5000/team/postgres@sha256:00", "postgres"),
        ("postgres:15@sha256:00", "postgres"),
        ("postgres:${{ matrix.version }}", "postgres"),
        ("${{ inputs.registry }}/postgres:15", "postgres"),
    ],
)
def test_name(image: str, name: str) -> None:
    """A service is known by the last part of its image's name, whatever registry and tag."""
    assert (service_name(image), known_image(image)) == (name, known_image("postgres"))


@pytest.mark.parametrize(
    ("image", "ports", "expected"),
    [("redis:7", (), (6379,)), ("redis:7", (7000, 7001), (7000, 7001)), ("mine", (), ()), ("mine", (80,), (80,))],
)
def test_ports(image: str, ports: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """A service's own ports go before those of its image."""
    assert ports_of(image, ports) == expected


CHECKS: dict[str, tuple[str, tuple[int, ...], HealthCheck | None, HealthCheck | None]] = {
    "postgres": ("postgres:15", (), None, HealthCheck(command=("sh", "-c", READY.format(5432)), retries=120)),
    "another port": ("postgres:15", (5433,), None, HealthCheck(command=("sh", "-c", READY.format(5433)), retries=120)),
    "redis": ("redis", (), None, HealthCheck(command=("redis-cli", "-p", "6379", "ping"), retries=120)),
    "by HTTP": ("minio/minio", (), None, HealthCheck(http="/minio/health/live", retries=120)),
    "by TCP": ("mongo:7", (), None, HealthCheck(tcp=True, retries=120)),
    "another pace": (
        "redis",
        (),
        PACE,
        HealthCheck(command=("redis-cli", "-p", "6379", "ping"), interval=2, retries=3),
    ),
    "another way": ("redis", (), HealthCheck(tcp=True), HealthCheck(tcp=True)),
    "unknown": ("mine", (), None, None),
    "unknown, with a pace": ("mine", (), PACE, None),
    "unknown, with a port": ("mine", (80,), None, HealthCheck(tcp=True)),
    "unknown, with a port and a pace": ("mine", (80,), PACE, HealthCheck(tcp=True, interval=2, retries=3)),
    "unknown, with a command": ("mine", (), HealthCheck(command=("true",)), HealthCheck(command=("true",))),
    "no port to ask": ("mine", (), HealthCheck(http="/"), None),
}


@pytest.mark.parametrize(("image", "ports", "check", "expected"), CHECKS.values(), ids=CHECKS)
def test_check(image: str, ports: tuple[int, ...], check: HealthCheck | None, expected: HealthCheck | None) -> None:
    """A service is checked as it says, else as its image is known to be, else by its first port, else not at all."""
    assert check_of(image, ports, check) == expected


@pytest.mark.parametrize(
    ("check", "times"),
    [
        (HealthCheck(interval=2, timeout=5, retries=10), (18, 50)),
        (HealthCheck(interval=0, timeout=1, retries=1), (0, 1)),
    ],
)
def test_times(check: HealthCheck, times: tuple[int, int]) -> None:
    """The kubelet checks at most once a second; each check takes its interval, or its timeout where that is longer."""
    assert (shortest_time(check), longest_time(check)) == times
