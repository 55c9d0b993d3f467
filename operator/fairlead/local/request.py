"""What a user asks `fairlead run` for, turned into the Workflow that is recorded and run."""

from __future__ import annotations

import json
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
    resource: Mapping[str, Any],
    *,
    name: str,
    inputs: Mapping[str, str],
    env: Mapping[str, str],
    jobs: Iterable[str] = (),
) -> tuple[dict[str, Any], list[str]]:
    """Give the resource to be run at once, with a note for each thing of it that means nothing here.

    `jobs` are those to be run, with what they need; all where none is named. Raises RequestError for an input or a job
    that there isn't. The spec is taken to be one that `syntax` accepts.
    """
    spec: dict[str, Any] = dict(resource["spec"])
    notes = []
    for field, said in _MEANINGLESS.items():
        if spec.pop(field, None) not in (None, False, []):
            notes.append(said)
    spec["inputs"] = with_inputs(spec.get("inputs") or {}, inputs)
    if env:
        spec["env"] = {**(spec.get("env") or {}), **env}
    wanted = list(jobs)
    if wanted:
        spec["jobs"] = only(spec["jobs"], wanted)
    given = resource.get("metadata") or {}
    metadata = {key: given[key] for key in ("generateName", "namespace", "labels", "annotations") if given.get(key)}
    if "generateName" not in metadata or given.get("name"):
        metadata.pop("generateName", None)
        metadata["name"] = name
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}, notes


_MEANINGLESS = {
    "schedules": "schedules are left out: it runs now",
    "suspend": "suspend is left out: it runs now",
    "ttlAfterFinished": "ttlAfterFinished is left out: runs of this machine are kept",
}


def with_inputs(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Give the inputs with the values given; one that is a number or a boolean stays so. Raises RequestError."""
    found = dict(declared)
    for name, text in given.items():
        known = next((each for each in declared if each.casefold() == name.casefold()), None)
        if known is None:
            raise RequestError(_unknown("input", name, declared))
        found[known] = text if isinstance(declared[known], str) else _as(declared[known], text, known)
    return found


def _as(value: object, text: str, name: str) -> object:
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    wants_boolean = isinstance(value, bool)
    if wants_boolean != isinstance(parsed, bool) or not isinstance(parsed, int | float):
        kind = "true or false" if wants_boolean else "a number"
        raise RequestError(f"the input {quote(name)} is {kind}, which {quote(text)} is not")
    return parsed


def only(jobs: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """Leave out the jobs that aren't wanted nor needed by those that are. Raises RequestError."""
    needed: set[str] = set()
    left = list(wanted)
    while left:
        job = left.pop()
        if job not in jobs:
            raise RequestError(_unknown("job", job, jobs))
        if job not in needed:
            needed.add(job)
            left += needs_of(jobs[job])
    return {job: spec if job in needed else {**spec, "enabled": False} for job, spec in jobs.items()}


def needs_of(job: Mapping[str, Any]) -> list[str]:
    """Give what a job waits for, under either name."""
    found = [job.get(field) or [] for field in ("needs", "requires")]
    return [name for each in found for name in ([each] if isinstance(each, str) else each)]


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = closest(name, known)
    names = ", ".join(list(known)[:20])
    hint = f"did you mean {quote(near)}?" if near else f"it has {names}" if names else f"it has no {what}s"
    return f"the workflow has no {what} {quote(name)}; {hint}"
