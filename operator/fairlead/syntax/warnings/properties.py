"""Properties that are always empty: of `github`, of services that there aren't, of outputs that a template hasn't."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fairlead.expressions import ANY, fold, references
from fairlead.model.containers import service_name
from fairlead.model.problem import closest, quote
from fairlead.syntax.finding import Remark, Rule
from fairlead.syntax.warnings.texts import expressions, folded, member

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_GITHUB: Final = (
    "ref",
    "ref_name",
    "sha",
    "repository",
    "actor",
    "event_name",
    "head_ref",
    "base_ref",
    "workflow",
    "run_id",
    "run_number",
    "run_attempt",
    "workspace",
    "job",
)
_Said = tuple[str, str | None]


def unknown_properties(
    resource: Mapping[str, Any], jobs: Mapping[str, Any], templates: Mapping[str, Mapping[str, Any]]
) -> Iterator[Remark]:
    """Find what is named in an expression and can't have a value. `templates`: their specs, by name."""
    spec = resource.get("spec")
    if not isinstance(spec, dict):
        return
    metadata = resource.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    for written in expressions({**spec, "jobs": {}}, ("spec",)):
        for found in references(written.node):
            said = _github(found.path) or _metadata(found.path, known)
            if said is not None:
                yield _remark(written, found.position, found.path, said)
    for job_id, job in jobs.items():
        if not isinstance(job, dict):
            continue
        for written in expressions(job, ("spec", "jobs", job_id)):
            for found in references(written.node):
                said = _github(found.path) or _metadata(found.path, known)
                said = said or _service(found.path, job) or _called(found.path, jobs, templates)
                if said is not None:
                    yield _remark(written, found.position, found.path, said)


def _remark(written: Any, position: int, path: Sequence[str], said: _Said) -> Remark:  # noqa: ANN401  an expression
    shown = ".".join(path)
    message, meant = said
    span = (position + written.shift, len(shown))
    return Remark(Rule.UNKNOWN_PROPERTY, written.path, f"{quote(shown)} is always empty: {message}", meant, span)


def _github(path: Sequence[str]) -> _Said | None:
    if len(path) < 2 or fold(path[0]) != "GITHUB" or path[1] == ANY:  # noqa: PLR2004  a context and a property
        return None
    if fold(path[1]) in map(fold, _GITHUB):
        return None
    if fold(path[1]) == "EVENT":
        return "there is no event here; hand over what you need of it in inputs", None
    return f"github has no {quote(path[1])} here", closest(path[1], _GITHUB)


def _metadata(path: Sequence[str], metadata: Mapping[str, Any]) -> _Said | None:
    """Find misspelled labels and annotations; others may be added when the workflow is applied."""
    match [fold(part) for part in path[:2]]:
        case ["WORKFLOW", "LABELS" | "ANNOTATIONS" as field] if len(path) > 2:  # noqa: PLR2004  a name
            given = metadata.get(field.lower())
            meant = _closest(path[2], given) if isinstance(given, dict) else None
            return (f"the workflow's {field.lower()} have no {quote(path[2])}", meant) if meant else None
        case _:
            return None


def _service(path: Sequence[str], job: Mapping[str, Any]) -> _Said | None:
    match [fold(part) for part in path[:2]]:
        case ["JOB", "SERVICES"] if len(path) > 2 and path[2] != ANY:  # noqa: PLR2004  a name
            services = job.get("services")
            if isinstance(services, list):
                services = {service_name(each): each for each in services if isinstance(each, str)}
            names = list(services) if isinstance(services, dict) else []
            if fold(path[2]) in map(fold, names):
                return None
            return f"the job has no service {quote(path[2])}", closest(path[2], names)
        case _:
            return None


def _called(path: Sequence[str], jobs: Mapping[str, Any], templates: Mapping[str, Mapping[str, Any]]) -> _Said | None:
    match folded(path):
        case ["NEEDS", need, "OUTPUTS", output, *_] if output != ANY:
            name = member(member(jobs, need), "uses")
            spec = templates.get(name) if isinstance(name, str) else None
            outputs = None if spec is None else spec.get("outputs") or {}
            if not isinstance(outputs, dict) or fold(output) in map(fold, outputs):
                return None
            return f"the template {quote(str(name))} has no output {quote(output)}", closest(output, outputs)
        case _:
            return None


def _closest(name: str, known: Iterable[str]) -> str | None:
    names = list(known)
    return None if fold(name) in map(fold, names) else closest(name, names)
