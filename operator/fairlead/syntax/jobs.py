"""Each job by itself: something to run, an image to run it in, ids that are one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.model.problem import Path, Problem, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.spec import Defaults, Env, Job, WorkflowSpec

MOST_SCRIPT_BYTES = 100 * 1024
"""What a job's scripts may take together: they travel in one argument, and Linux takes 128 KiB there."""

_TAKEN = (
    "FAIRLEAD_",
    "GITHUB_OUTPUT",
    "GITHUB_ENV",
    "GITHUB_PATH",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_WORKSPACE",
    "_F_",
)


def check(spec: WorkflowSpec, document: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong inside of jobs. `document` tells what stood there before parts were left out."""
    yield from _env(spec.env, ("spec", "env"))
    seen: dict[str, str] = {}
    for job_id, job in spec.jobs.items():
        at: Path = ("spec", "jobs", job_id)
        twin = seen.setdefault(job_id.casefold(), job_id)
        if twin != job_id:
            yield Problem(at, f"duplicate id: {quote(twin)} differs only in case")
        written = document["jobs"].get(job_id) or {}
        yield from _content(job, at, written)
        if not (job.check or _has_image(job, written) or _has_image(spec.defaults, document.get("defaults"))):
            yield Problem(at, "has no image; set image here, or for all jobs in spec.defaults.image")
        yield from _env(job.env, (*at, "env"))
        yield from _steps(job, at)


def _has_image(part: Job | Defaults, written: object) -> bool:
    # One of a wrong shape was reported as such already.
    return part.image is not None or (isinstance(written, dict) and written.get("image") is not None)


def _content(job: Job, at: Path, written: Mapping[str, Any]) -> Iterator[Problem]:
    if job.steps and job.commands:
        yield Problem((*at, "commands"), "write steps or commands, not both: commands are short for steps")
    elif not (job.steps or job.commands or job.check):
        # Steps of a wrong shape were reported as such already.
        if not (written.get("steps") or written.get("commands") or written.get("check")):
            yield Problem(at, "nothing to run; give it steps or commands")
    elif job.check and (job.steps or job.commands):
        yield Problem((*at, "check"), "a check is decided without a Pod, so it takes neither steps nor commands")


def _steps(job: Job, at: Path) -> Iterator[Problem]:
    ids: dict[str, int] = {}
    size = 0
    for index, step in enumerate(job.steps):
        here = (*at, "steps", index)
        if step.id is not None:
            first = ids.setdefault(step.id.casefold(), index)
            if first != index:
                yield Problem((*here, "id"), f"duplicate id: {quote(step.id)} is the id of steps[{first}], too")
        if not step.run.strip():
            yield Problem((*here, "run"), "nothing to run; write a script")
        yield from _env(step.env, (*here, "env"))
        size += len(step.run.encode(errors="replace"))
    for index, command in enumerate(job.commands):
        if not command.strip():
            yield Problem((*at, "commands", index), "nothing to run; write a command")
        size += len(command.encode(errors="replace"))
    if size > MOST_SCRIPT_BYTES:
        said = f"scripts of {size} bytes are not supported yet; a job's may have {MOST_SCRIPT_BYTES} together"
        yield Problem((*at, "steps" if job.steps else "commands"), said)


def _env(env: Env, at: Path) -> Iterator[Problem]:
    for name in env:
        if name.upper().startswith(_TAKEN):
            yield Problem(
                (*at, name),
                "names that start with FAIRLEAD_ or _f_, and those of GITHUB_'s files, are the engine's own",
            )
