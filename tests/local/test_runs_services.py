"""Services as processes of this machine, beside jobs that use them."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest

from tests.local.processes import alive
from tests.local.running import job, phases, spec, state_of

if TYPE_CHECKING:
    from tests.local.running import Machine


@pytest.fixture
def port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number = found.getsockname()[1]
        assert isinstance(number, int)
        return number


SERVE = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]
GET = """
import os, urllib.request
print(urllib.request.urlopen("http://{WEB_HOST}:{WEB_PORT}".format(**os.environ)).status)
"""


@pytest.mark.parametrize("check", [{"http": "/"}, {"tcp": True}, {"command": ["true"]}, None])
async def test_service(machine: Machine, port: int, check: dict[str, object] | None) -> None:
    """A service is ready before the steps start, is found by its variables, and is gone after them."""
    web = {"image": "x", "command": [*SERVE, str(port)], "ports": [port], "env": {"PYTHONUNBUFFERED": "1"}}
    if check is not None:
        web["healthCheck"] = check
    a = job('echo "$WEB_HOST $WEB_PORT" | grep -c 127.0.0.1', services={"web": web})
    if check != {"command": ["true"]}:
        a["steps"] = [{"run": GET, "shell": "python"}]
    status = await machine.run(spec({"a": a}))
    assert (phases(status), machine.lines()[0] in ("200", "1")) == ({"a": "Succeeded"}, True)
    assert alive(str(port)) == []
    (document,) = machine.state.jobs("ci")
    assert (machine.state.job_folder("ci", document["metadata"]["name"]) / "services" / "web.log").exists()


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (
            {"command": ["sh", "-c", "echo no room >&2; exit 4"], "ports": [1]},
            "service db ended with exit code 4: no room",
        ),
        (
            {"command": ["sleep", "60"], "healthCheck": {"command": ["false"], "retries": 1}},
            "service db never became healthy in 1s, checked by false",
        ),
        (
            {"command": ["sleep", "60"], "healthCheck": {"command": ["no-such-check"]}},
            'service db: CreateContainerError: its check: "no-such-check": No such file or directory',
        ),
        ({"command": ["no-such-db"]}, "db"),
        ({}, 'the service "db" needs a container engine, or a command that runs here; see --engine'),
    ],
)
async def test_broken_service(machine: Machine, service: dict[str, object], said: str) -> None:
    """A job whose service doesn't get ready fails, and says why."""
    status = await machine.run(spec({"a": job("echo never", services={"db": {"image": "own/db", **service}})}))
    assert (machine.lines(), said in (state_of(status).message or "")) == ([], True), state_of(status).message


async def test_service_that_dies_later(machine: Machine) -> None:
    """A job that fails after its service has died says so."""
    service = {"image": "own/db", "command": ["sh", "-c", "sleep 0.2; exit 9"]}
    status = await machine.run(spec({"a": job("sleep 1.3; exit 1", services={"db": service})}))
    assert (
        state_of(status).message
        == 'step "sleep 1.3; exit 1" failed with exit code 1; service db ended with exit code 9 meanwhile'
    )


async def test_deaf_service(machine: Machine) -> None:
    """The steps' end is the job's: a service that takes its time to end holds up nothing but the run's end."""
    service = {"image": "own/db", "command": ["sh", "-c", "trap 'sleep 0.3; exit' TERM; while :; do sleep 0.02; done"]}
    jobs = {"a": job("true", services={"db": service}), "b": job("true", needs=["a"])}
    status = await machine.run(spec(jobs))
    assert phases(status) == {"a": "Succeeded", "b": "Succeeded"}


async def test_services_start_in_their_order(machine: Machine) -> None:
    """The second service finds the first one ready."""
    place = machine.workspace
    services = {
        "one": {
            "image": "x",
            "command": ["sh", "-c", f"sleep 0.1; touch {place}/one; exec sleep 60"],
            "healthCheck": {"command": ["test", "-e", f"{place}/one"]},
        },
        "two": {
            "image": "x",
            "command": ["sh", "-c", f"ls {place} > {place}/seen; exec sleep 60"],
            "healthCheck": {"command": ["test", "-e", f"{place}/seen"]},
        },
    }
    await machine.run(spec({"a": job("cat seen", services=services)}))
    assert machine.lines() == ["file", "one", "seen"]
