from __future__ import annotations

from typing import Any

import pytest

from fairlead.model.problem import InvalidWorkflowError
from fairlead.syntax import parse_spec


def problems(**job: object) -> list[str]:
    """Give what is wrong with a job's services and Pod settings, without the place of the job."""
    strategy = {"matrix": {"db": ["pg"], "version": [15]}}
    document = {"jobs": {"test": {"image": "a", "commands": ["a"], "strategy": strategy, **job}}}
    try:
        parse_spec(document)
    except InvalidWorkflowError as error:
        return [str(problem).removeprefix("spec.jobs.test.") for problem in error.problems]
    return []


def services(**each: object) -> list[str]:
    """Give what is wrong with a job's services, without their place."""
    return [text.removeprefix("services.") for text in problems(services=each)]


def web(**fields: object) -> list[str]:
    """Give what is wrong with one service of an image that nobody knows."""
    return [text.removeprefix("web.") for text in services(web={"image": "mine", **fields})]


NAMES = "a service's name is a host: lower-case letters, digits and -, no - at the ends, at most 63 of them"
NETWORK = "and a job's containers share one network; have one of them listen on another port"


def test_nothing_wrong() -> None:
    """Services that can run are no problem, as a list or as a map."""
    assert (
        problems(services=["postgres:15", "redis:7"]),
        services(
            db="postgres:15",
            other={"image": "postgres:16", "ports": [5433], "env": {"PGPORT": 5433}},
            web={"image": "mine", "ports": [80], "healthCheck": {"http": "/up", "interval": "2s"}},
            worker={"image": "mine", "healthCheck": {"command": ["check"]}},
            slow={"image": "mysql", "healthCheck": {"retries": 500}},
        ),
    ) == ([], [])


NAMED: dict[str, tuple[str, list[str]]] = {
    "no host": ("my_db", [f"my_db: {NAMES}"]),
    "capitals": ("Web", [f"Web: {NAMES}"]),
    "too long": ("a" * 64, [f"{'a' * 64}: {NAMES}"]),
    "a hyphen at the end": ("a-", [f"a-: {NAMES}"]),
    "our container": ("main", ['main: the name "main" is taken by a container of Fairlead\'s own; choose another one']),
    "our prefix": (
        "fairlead-agent",
        ['fairlead-agent: the name "fairlead-agent" is taken by a container of Fairlead\'s own; choose another one'],
    ),
    "nearly ours": ("fairleader", []),
}


@pytest.mark.parametrize(("name", "expected"), NAMED.values(), ids=NAMED)
def test_names(name: str, expected: list[str]) -> None:
    """A service's name is that of a host and of a container."""
    assert services(**{name: "mine"}) == expected


LISTS: dict[str, tuple[list[str], list[str]]] = {
    "the same image twice": (
        ["postgres:14", "docker.io/postgres:15"],
        [
            (
                'services: two services are called "postgres", by their images; '
                "write a map from names of their own to images"
            )
        ],
    ),
    "an expression": (
        ["${{ matrix.db }}"],
        [
            (
                'services["${{ matrix.db }}"]: a service of a list is called after its image; '
                "write a map from a name to this image"
            )
        ],
    ),
    "an expression for the tag": (["postgres:${{ matrix.version }}"], []),
}


@pytest.mark.parametrize(("images", "expected"), LISTS.values(), ids=LISTS)
def test_list(images: list[str], expected: list[str]) -> None:
    """A list of images has a name for each of them."""
    assert problems(services=images) == expected


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (
            "postgres:16",
            f'port 5432 is that of "first", too, {NETWORK} (env PGPORT) and name it in ports',
        ),
        ({"image": "mine", "ports": [80, 5432]}, f'port 5432 is that of "first", too, {NETWORK} and name it in ports'),
    ],
)
def test_shared_port(second: object, expected: str) -> None:
    """Two services on one port can't be told apart, be it their images' port or their own."""
    assert services(first="postgres:15", second=second) == [f"second: {expected}"]


CHECKS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a port twice": ({"ports": [80, 81, 80]}, ["ports[2]: port 80 is in the list already"]),
    "two ways": (
        {"ports": [80], "healthCheck": {"http": "/", "tcp": True}},
        ["healthCheck: has http and tcp; a check is made in one way"],
    ),
    "HTTP without a port": (
        {"healthCheck": {"http": "/"}},
        ["healthCheck: http needs a port; name the service's port in ports"],
    ),
    "TCP without a port": (
        {"healthCheck": {"tcp": True}},
        ["healthCheck: tcp needs a port; name the service's port in ports"],
    ),
    "no way": (
        {"healthCheck": {"retries": 3}},
        [
            (
                "healthCheck: this image is not among those that Fairlead knows how to check; "
                "add command, http or tcp, or ports"
            )
        ],
    ),
    "a URL": (
        {"ports": [80], "healthCheck": {"http": "http://localhost/up"}},
        ["healthCheck.http: write a path such as /health; it is asked for on the first port"],
    ),
    "no interval": (
        {"ports": [80], "healthCheck": {"interval": 0}},
        ["healthCheck.interval: an interval is at least 1s"],
    ),
}


@pytest.mark.parametrize(("fields", "expected"), CHECKS.values(), ids=CHECKS)
def test_health_check(fields: dict[str, Any], expected: list[str]) -> None:
    """A check that can't be made is found before it is."""
    assert web(**fields) == expected
