"""Each job by itself: something to run, an image to run it in, ids that are one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.model.problem import Path, Problem, quote
from fairlead.model.spec import WorkflowSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.containers import Env
    from fairlead.model.spec import Body, Defaults, Job

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


def check(spec: Body, document: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong inside of jobs. `document` tells what stood there before parts were left out."""
    yield from _something(spec, document)
    yield from _env(spec.env, ("spec", "env"))
    seen: dict[str, str] = {}
    for job_id, job in spec.jobs.items():
        at: Path = ("spec", "jobs", job_id)
        twin = seen.setdefault(job_id.casefold(), job_id)
        if twin != job_id:
            yield Problem(at, f"duplicate id: {quote(twin)} differs only in case")
        written = document["jobs"].get(job_id) or {}
        yield from _content(job, at, written)
        if not (
            job.check or job.uses or _has_image(job, written) or _has_image(spec.defaults, document.get("defaults"))
        ):
            yield Problem(at, "has no image; set image here, or for all jobs in spec.defaults.image")
        yield from _env(job.env, (*at, "env"))
        yield from _steps(job, at)


def _has_image(part: Job | Defaults, written: object) -> bool:
    # One of a wrong shape was reported as such already.
    return part.image is not None or (isinstance(written, dict) and written.get("image") is not None)


def _something(spec: Body, document: Mapping[str, Any]) -> Iterator[Problem]:
    # Jobs of a wrong shape were reported as such already.
    nothing = not (spec.jobs or document.get("jobs"))
    if not isinstance(spec, WorkflowSpec):
        if nothing:
            yield Problem(("spec", "jobs"), "there are no jobs; a template has at least one")
        return
    if nothing and not spec.uses:
        yield Problem(("spec", "jobs"), "there are no jobs; a workflow has at least one, or uses a template")
    if spec.jobs and spec.uses:
        yield Problem(("spec", "uses"), "write jobs or uses, not both; a job can use a template, too")
    if spec.with_ and not spec.uses:
        yield Problem(("spec", "with"), "there is nothing to give values to; write uses: TEMPLATE, or inputs")


_KINDS = ("steps", "commands", "check", "uses")
_ONLY_STEPS = ("services", "env", "retry", "podTemplate", "volumes", "image", "shell", "resources", "timeout")


def _content(job: Job, at: Path, written: Mapping[str, Any]) -> Iterator[Problem]:
    kinds = [kind for kind in _KINDS if getattr(job, kind)]
    if not kinds:
        # Steps of a wrong shape were reported as such already.
        if not any(written.get(kind) for kind in _KINDS):
            yield Problem(at, "nothing to run; give it steps, commands, a check or uses")
    elif kinds == ["steps", "commands"]:
        yield Problem((*at, "commands"), "write steps or commands, not both: commands are short for steps")
    elif len(kinds) > 1:
        kind = "check" if job.check else "uses"
        said = "a check is decided without a Pod" if job.check else "a template brings its own jobs"
        others = " and ".join(each for each in kinds if each != kind)
        yield Problem((*at, kind), f"{said}, so it can't stand beside {others}")
    if job.check or job.uses:
        said = "a check is decided without a Pod" if job.check else "a template brings its own"
        for field in _ONLY_STEPS:
            if written.get(field) and not (field == "retry" and job.uses):
                yield Problem((*at, field), f"means nothing here: {said}")
    if job.with_ and not job.uses:
        yield Problem((*at, "with"), "there is nothing to give values to; write uses: TEMPLATE")
    if job.uses and job.outputs:
        yield Problem((*at, "outputs"), "means nothing here: the outputs are the template's own")


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
