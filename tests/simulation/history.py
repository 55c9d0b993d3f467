"""How what happens is put into words, a line each."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.simulation.server import Change, Json


def line_of(change: Change) -> str:
    """Say who wrote what, and how it stands then."""
    request = change.request
    who = request.process if request is not None else "-"
    late = " (late)" if request is not None and request.given_up else ""
    described = _described(change, change.after or change.before or {})
    return f"{who}{late} {change.kind} {'/'.join(change.place)} {change.version}{described}"


def _described(change: Change, document: Json) -> str:
    status = document.get("status") or {}
    match change.place.resource, change.kind:
        case "workflows", "MODIFIED":
            jobs = " ".join(f"{job}={_phase(state)}" for job, state in status.get("jobs", {}).items())
            waits = " admitted" if (status.get("admission") or {}).get("admitted") else ""
            generation = f"{document['metadata']['generation']}/{status.get('observedGeneration')}"
            return f" run {status.get('run')} ({generation}) {status.get('phase')}{waits} {jobs}"
        case "pods", "MODIFIED":
            containers: list[Any] = status.get("containerStatuses") or [{"state": {}}]
            leaving = " leaving" if "deletionTimestamp" in document["metadata"] else ""
            return f" {status.get('phase')} {'/'.join(containers[0]['state'])}{leaving}"
        case "jobs", "MODIFIED":
            leaving = " leaving" if "deletionTimestamp" in document["metadata"] else ""
            return " " + ",".join(each["type"] for each in status.get("conditions", ())) + leaving
        case _:
            return ""


def _phase(state: Json) -> str:
    inner = [_phase(each) for each in state.get("combinations", ())]
    return f"{state.get('phase', 'Pending')[:4]}{state.get('attempt', '')}" + (f"[{','.join(inner)}]" if inner else "")


@contextmanager
def logs_to(tell: Callable[[str, Mapping[str, Any]], None]) -> Iterator[None]:
    """Have what the operator logs written down in the history instead."""

    def write_down(_logger: object, method: str, event: Any) -> Any:  # noqa: ANN401  structlog's own types
        tell(method, event)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[write_down], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
