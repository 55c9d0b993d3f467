from __future__ import annotations

from typing import Any

import pytest

from fairlead.model.containers import EnvReference, HealthCheck, KeyRef, Resources
from fairlead.plan.actions import Mixed, ServiceRequest
from fairlead.render.services import host_aliases, service_container, service_variables, time_to_start

PASSWORD = EnvReference(secret_key_ref=KeyRef(name="ci", key="password"))
SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SYS_CHROOT"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def test_plain() -> None:
    """A service is a sidecar with its own name, whose last lines come into its status."""
    assert service_container("web", ServiceRequest("mine")) == {
        "name": "web",
        "image": "mine",
        "restartPolicy": "Always",
        "securityContext": SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def test_whole() -> None:
    """All that a service says is in its container, and nothing of it is expanded that is no reference."""
    service = ServiceRequest(
        image="mine",
        env={"HOME_OF": "$(HOME)", "URL": Mixed(("a:", PASSWORD))},
        ports=(80, 81),
        command=("serve", "$(X)"),
        args=("--at=$HOME",),
        health_check=HealthCheck(command=("check", "$(X)"), interval=2, timeout=3, retries=4),
        resources=Resources(limits={"memory": "1Gi"}),
    )
    assert service_container("web", service) == {
        "name": "web",
        "image": "mine",
        "restartPolicy": "Always",
        "securityContext": SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "command": ["serve", "$$(X)"],
        "args": ["--at=$$HOME"],
        "env": [
            {
                "name": "FAIRLEAD_SECRET_0_URL",
                "valueFrom": {"secretKeyRef": {"name": "ci", "key": "password"}},
            },
            {"name": "HOME_OF", "value": "$$(HOME)"},
            {"name": "URL", "value": "a:$(FAIRLEAD_SECRET_0_URL)"},
        ],
        "ports": [{"containerPort": 80}, {"containerPort": 81}],
        "startupProbe": {
            "exec": {"command": ["check", "$$(X)"]},
            "periodSeconds": 2,
            "timeoutSeconds": 3,
            "failureThreshold": 4,
            "terminationGracePeriodSeconds": 5,
        },
        "resources": {"limits": {"memory": "1Gi"}},
    }


PACE = {"periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 60, "terminationGracePeriodSeconds": 5}
LONG = {**PACE, "failureThreshold": 120}


@pytest.mark.parametrize(
    ("service", "ports", "probe"),
    [
        (ServiceRequest("redis:7"), [6379], {"exec": {"command": ["redis-cli", "-p", "6379", "ping"]}, **LONG}),
        (ServiceRequest("nats"), [4222], {"tcpSocket": {"port": 4222}, **LONG}),
        (ServiceRequest("mine", ports=(80, 81)), [80, 81], {"tcpSocket": {"port": 80}, **PACE}),
        (
            ServiceRequest("mine", ports=(80,), health_check=HealthCheck(http="/up", interval=0)),
            [80],
            {"httpGet": {"path": "/up", "port": 80}, **PACE},
        ),
    ],
    ids=["known", "known, by TCP", "a port", "HTTP"],
)
def test_probe(service: ServiceRequest, ports: list[int], probe: dict[str, Any]) -> None:
    """What follows a service waits for its check: its own, its image's, or that its first port is open."""
    found = service_container("a", service)
    assert (found["ports"], found["startupProbe"]) == ([{"containerPort": port} for port in ports], probe)


def test_where() -> None:
    """Services are found by their names, and by variables."""
    services = {
        "postgres": ServiceRequest("postgres:15"),
        "my-web-2": ServiceRequest("mine", ports=(80, 81)),
        "worker": ServiceRequest("mine"),
    }
    assert (host_aliases(services), service_variables(services)) == (
        [{"ip": "127.0.0.1", "hostnames": ["postgres", "my-web-2", "worker"]}],
        {
            "POSTGRES_HOST": "postgres",
            "POSTGRES_PORT": "5432",
            "MY_WEB_2_HOST": "my-web-2",
            "MY_WEB_2_PORT": "80",
            "WORKER_HOST": "worker",
        },
    )


def test_no_services() -> None:
    """Without services there is nothing to find."""
    assert (host_aliases({}), service_variables({}), time_to_start({})) == ([], {}, 0)


def test_time_to_start() -> None:
    """Services start one after another, so their times add up."""
    services = {
        "a": ServiceRequest("redis"),
        "b": ServiceRequest("mine", ports=(1,), health_check=HealthCheck(interval=3, timeout=1, retries=10)),
        "c": ServiceRequest("mine"),
    }
    assert time_to_start(services) == 120 * 5 + 3 * 10
