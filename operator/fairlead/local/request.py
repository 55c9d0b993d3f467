"""What a user asks `fairlead run` for, turned into the Workflow that is recorded and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.model.crd import API_VERSION, KIND
from fairlead.model.problem import closest, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class RequestError(Exception):
    """The request doesn't fit the workflow. Words its own message."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


def prepared(
    resource: Mapping[str, Any], *, name: str, env: Mapping[str, str], jobs: Iterable[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Give the resource to be run at once, with a note for each thing of it that means nothing here.

    `name` is its own where it has neither a name nor a generateName. `jobs` are those to be run, with what they need;
    all where none is named. Raises RequestError for a job that there isn't. The spec is taken to be one that `syntax`
    accepts.
    """
    spec: dict[str, Any] = dict(resource["spec"])
    notes = []
    for field, said in _MEANINGLESS.items():
        if spec.pop(field, None) not in (None, False, []):
            notes.append(said)
    if env:
        spec["env"] = {**(spec.get("env") or {}), **env}
    wanted = list(jobs)
    if wanted:
        spec["jobs"] = only(spec.get("jobs") or {}, wanted)
    given = resource.get("metadata") or {}
    kept = ("name", "generateName", "namespace", "labels", "annotations")
    metadata = {key: given[key] for key in kept if given.get(key)}
    if not {"name", "generateName"} & metadata.keys():
        metadata["name"] = name
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}, notes


_MEANINGLESS = {
    "schedules": "schedules are left out: it runs now",
    "suspend": "suspend is left out: it runs now",
    "ttlAfterFinished": "ttlAfterFinished is left out: runs of this machine are kept",
}


def only(jobs: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """Leave out the jobs that aren't wanted nor needed by those that are. Raises RequestError."""
    needed: set[str] = set()
    left = list(wanted)
    while left:
        job = left.pop()
        if job not in jobs:
            raise RequestError(_unknown(job, jobs))
        if job not in needed:
            needed.add(job)
            left += needs_of(jobs[job])
    return {job: spec if job in needed else {**spec, "enabled": False} for job, spec in jobs.items()}


def needs_of(job: Mapping[str, Any]) -> list[str]:
    """Give what a job waits for, under either name."""
    found = [job.get(field) or [] for field in ("needs", "requires")]
    return [name for each in found for name in ([each] if isinstance(each, str) else each)]


def _unknown(name: str, known: Iterable[str]) -> str:
    near = closest(name, known)
    hint = f"did you mean {quote(near)}?" if near else f"it has {', '.join(list(known)[:20])}"
    return f"the workflow has no job {quote(name)}; {hint}"
