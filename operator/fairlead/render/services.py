"""A job's services: native sidecars (init containers that go on running), each ready before what follows it starts.

All containers of a Pod share one network, so a service is found at 127.0.0.1, under its name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fairlead.model.services import check_of, longest_time, ports_of
from fairlead.render.env import literal, variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.model.containers import HealthCheck
    from fairlead.plan.actions import ServiceRequest

_SECURITY: Final = {
    "allowPrivilegeEscalation": False,
    # Databases' entry points start as root, take over their data folder and become another user, so not all can go.
    # What is left is the default of CRI-O, with which images of all kinds run.
    "capabilities": {"drop": ["AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SYS_CHROOT"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}

_NO_RIGHTS: Final = {**_SECURITY, "capabilities": {"drop": ["ALL"]}}
"""Of who isn't root, whom capabilities are no use to, and which the `restricted` Pod Security Standard asks for."""

_GRACE: Final = 5
"""Seconds that a service has to end when it never became healthy: somebody waits to be told."""

_NO_LETTER: Final = re.compile(r"[^A-Z0-9]")


def service_container(name: str, service: ServiceRequest, *, root: bool = True) -> dict[str, Any]:
    """Render a service. Its container has its name: `kubectl logs job/… -c NAME`. `root`: it may start as that."""
    container: dict[str, Any] = {
        "name": name,
        "image": service.image,
        "restartPolicy": "Always",
        "securityContext": _SECURITY if root else _NO_RIGHTS,
        # The last lines of one that died come into its status.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if service.command:
        container["command"] = [literal(word) for word in service.command]
    if service.args:
        container["args"] = [literal(word) for word in service.args]
    if service.env:
        container["env"] = variables(service.env, "FAIRLEAD_SECRET_")
    ports = ports_of(service.image, service.ports)
    if ports:
        container["ports"] = [{"containerPort": port} for port in ports]
    check = check_of(service.image, service.ports, service.health_check)
    if check is not None:
        container["startupProbe"] = _probe(check, ports)
    if service.resources is not None:
        container["resources"] = service.resources.model_dump(by_alias=True, exclude_defaults=True)
    return container


def host_aliases(services: Mapping[str, ServiceRequest]) -> list[dict[str, Any]]:
    """Give the names under which the services are found."""
    return [{"ip": "127.0.0.1", "hostnames": list(services)}] if services else []


def service_variables(services: Mapping[str, ServiceRequest], host: str | None = None) -> dict[str, str]:
    """Give the job's variables that tell where its services are: NAME_HOST and, of the first port, NAME_PORT.

    `host` is where all of them are, if they aren't found under their names.
    """
    found = {}
    for name, service in services.items():
        prefix = _NO_LETTER.sub("_", name.upper())
        found[f"{prefix}_HOST"] = host or name
        ports = ports_of(service.image, service.ports)
        if ports:
            found[f"{prefix}_PORT"] = str(ports[0])
    return found


def time_to_start(services: Mapping[str, ServiceRequest]) -> int:
    """Give the seconds that the services may take until the last one is ready: they start one after another."""
    checks = (check_of(each.image, each.ports, each.health_check) for each in services.values())
    return sum(longest_time(check) for check in checks if check is not None)


def _probe(check: HealthCheck, ports: tuple[int, ...]) -> dict[str, Any]:
    if check.command:
        # The kubelet expands $(NAME) here, too.
        how: dict[str, Any] = {"exec": {"command": [literal(word) for word in check.command]}}
    elif check.http is not None:
        how = {"httpGet": {"path": check.http, "port": ports[0]}}
    else:
        how = {"tcpSocket": {"port": ports[0]}}
    return {
        **how,
        "periodSeconds": max(1, check.interval),
        "timeoutSeconds": check.timeout,
        "failureThreshold": check.retries,
        "terminationGracePeriodSeconds": _GRACE,
    }
