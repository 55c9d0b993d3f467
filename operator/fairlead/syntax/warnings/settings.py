"""Settings that do less than they seem to: services that nobody checks, timeouts that nothing reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.model.duration import format_duration
from fairlead.model.services import check_of
from fairlead.syntax.finding import Remark, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.problem import Path
    from fairlead.model.spec import Body


def no_health_check(spec: Body, document: Mapping[str, Any]) -> Iterator[Remark]:
    """Find the services that count as ready as soon as they run."""
    for job_id, job in spec.jobs.items():
        at: Path = ("spec", "jobs", job_id, "services")
        listed = document.get("jobs", {}).get(job_id, {}).get("services")
        for index, (name, service) in enumerate(job.services.items()):
            if "${{" in service.image or check_of(service.image, service.ports, service.health_check) is not None:
                continue
            said = (
                "steps may start before this service answers: nothing is known of its image; "
                "name its ports, or say how to check it in healthCheck"
            )
            yield Remark(Rule.NO_HEALTH_CHECK, (*at, index if isinstance(listed, list) else name), said)


def useless_timeouts(spec: Body, _: Mapping[str, Any]) -> Iterator[Remark]:
    """Find the timeouts that another one always comes before."""
    for job_id, job in spec.jobs.items():
        at: Path = ("spec", "jobs", job_id)
        own = job.timeout or spec.defaults.timeout
        if job.timeout is not None and spec.timeout is not None and job.timeout > spec.timeout:
            yield _longer((*at, "timeout"), job.timeout, spec.timeout, "the workflow's")
        for index, step in enumerate(job.steps):
            around = own if own is not None else spec.timeout
            if step.timeout is not None and around is not None and step.timeout > around:
                yield _longer((*at, "steps", index, "timeout"), step.timeout, around, "its job's")


def _longer(path: Path, own: int, around: int, whose: str) -> Remark:
    said = f"never comes: {format_duration(own)} is longer than {whose} {format_duration(around)}"
    return Remark(Rule.USELESS_TIMEOUT, path, said)
