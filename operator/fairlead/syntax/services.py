"""A job's services: names that are hosts, ports that nobody else has, health checks that can be carried out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fairlead.model.problem import Path, Problem, quote
from fairlead.model.services import known_image, names_way, ports_of
from fairlead.syntax.pods import reserved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.containers import HealthCheck, Service
    from fairlead.model.spec import Body

_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


def check(spec: Body) -> Iterator[Problem]:
    """Find what is wrong with the services of jobs."""
    for job_id, job in spec.jobs.items():
        at: Path = ("spec", "jobs", job_id)
        for name, service in job.services.items():
            here = (*at, "services", name)
            yield from _name(name, here)
            yield from _ports(service, here)
            if service.health_check is not None:
                yield from _health(service, service.health_check, (*here, "healthCheck"))
        yield from _shared_ports(job.services, (*at, "services"))


def _name(name: str, at: Path) -> Iterator[Problem]:
    if "${{" in name:
        yield Problem(at, "a service of a list is called after its image; write a map from a name to this image")
    elif not _HOST.fullmatch(name):
        said = "a service's name is a host: lower-case letters, digits and -, no - at the ends, at most 63 of them"
        yield Problem(at, said)
    elif reserved(name):
        yield Problem(at, f"the name {quote(name)} is taken by a container of Fairlead's own; choose another one")


def _ports(service: Service, at: Path) -> Iterator[Problem]:
    for index, port in enumerate(service.ports):
        if port in service.ports[:index]:
            yield Problem((*at, "ports", index), f"port {port} is in the list already")


def _shared_ports(services: Mapping[str, Service], at: Path) -> Iterator[Problem]:
    owners: dict[int, str] = {}
    for name, service in services.items():
        for port in dict.fromkeys(ports_of(service.image, service.ports)):
            owner = owners.setdefault(port, name)
            if owner == name:
                continue
            known = known_image(service.image)
            how = f" ({known.other_port})" if known and known.other_port else ""
            said = (
                f"port {port} is that of {quote(owner)}, too, and a job's containers share one network; "
                f"have one of them listen on another port{how} and name it in ports"
            )
            yield Problem((*at, name), said)


def _health(service: Service, health: HealthCheck, at: Path) -> Iterator[Problem]:
    ways = [name for name, given in (("command", health.command), ("http", health.http), ("tcp", health.tcp)) if given]
    if len(ways) > 1:
        yield Problem(at, f"has {' and '.join(ways)}; a check is made in one way")
    if health.http is not None and not health.http.startswith("/"):
        yield Problem((*at, "http"), "write a path such as /health; it is asked for on the first port")
    if health.interval == 0:
        yield Problem((*at, "interval"), "an interval is at least 1s")
    if not health.command and not ports_of(service.image, service.ports):
        if names_way(health):
            yield Problem(at, f"{ways[0] if ways else 'http'} needs a port; name the service's port in ports")
        else:
            said = "this image is not among those that Fairlead knows how to check; add command, http or tcp, or ports"
            yield Problem(at, said)
