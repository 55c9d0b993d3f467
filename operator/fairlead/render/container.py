"""What a job's container runs and sees, wherever it runs: the driver's text, its variables, the agent's program."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fairlead.plan.actions import LateStep
from fairlead.render.driver import Late, Script, assemble
from fairlead.render.env import carriers_of, secret, variables
from fairlead.render.program import program_of
from fairlead.render.services import service_variables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fairlead.model.containers import EnvReference
    from fairlead.plan.actions import JobRequest, Mixed, StepRequest
    from fairlead.render.env import Env
    from fairlead.render.program import Program

_OF_JOB: Final = "FAIRLEAD_SECRET_JOB_"


def environment(request: JobRequest, service_host: str | None = None) -> Env:
    """Give the main container's variables: those of all steps, then what single steps are handed.

    `service_host` is where the services are, if they aren't found under their names.
    """
    env = variables({**service_variables(request.services, service_host), **request.env}, _OF_JOB)
    for index, step in enumerate(request.steps):
        prefix = _prefix(index)
        env += variables(_references(step), prefix, rename=prefix)
    return env


def attempt_variable(attempt: int | str) -> Env:
    """Tell a job which attempt at it this is, from 1: what a retry has to do otherwise, or a cache has to know."""
    return [{"name": "FAIRLEAD_ATTEMPT", "value": str(attempt)}]


def driver_text(request: JobRequest, *, room: int) -> str:
    """Write what `/bin/sh -c` is given to run all steps. `room`: the bytes that the driver's report may have."""
    return assemble(
        scripts_of(request),
        outputs=request.wanted,
        timeout=request.timeout,
        room=room,
        masks=secret(environment(request)),
    )


def program_for(request: JobRequest) -> Program | None:
    """Give the agent's program; None where no step is late, so that none is needed."""
    references = {
        index: {name: f"{_prefix(index)}{name}" for name in step.references}
        for index, step in enumerate(request.steps)
        if isinstance(step, LateStep)
    }
    return program_of(request, scripts_of(request), references) if references else None


def scripts_of(request: JobRequest) -> list[Script | Late]:
    """Give a job's steps as the driver runs them."""
    scripts = [_script(index, step) for index, step in enumerate(request.steps)]
    # What the job's own variables are made of is nobody's: named once, it is kept from all steps.
    return [_with_carriers(scripts[0], carriers_of(request.env, _OF_JOB)), *scripts[1:]]


def _script(index: int, step: StepRequest | LateStep) -> Script | Late:
    prefix = _prefix(index)
    references = _references(step)
    parts = carriers_of(references, prefix)
    if isinstance(step, LateStep):
        return Late(index, (*(f"{prefix}{name}" for name in references), *parts))
    script = Script(
        label=step.label,
        run=step.run,
        id=step.id,
        shell=step.shell,
        working_directory=step.working_directory,
        env={name: value for name, value in step.env.items() if isinstance(value, str)},
        env_from={name: f"{prefix}{name}" for name in references},
        runs_in=step.runs_in,
        continue_on_error=step.continue_on_error,
        timeout=step.timeout,
    )
    return _with_carriers(script, parts)


def _with_carriers(script: Script | Late, names: Iterable[str]) -> Script | Late:
    """Name variables of the container that no step may keep."""
    if isinstance(script, Late):
        return replace(script, sources=(*script.sources, *names))
    return replace(script, env_from={**script.env_from, **{name: name for name in names}})


def _references(step: StepRequest | LateStep) -> dict[str, EnvReference | Mixed]:
    """Give a step's variables that Kubernetes fills in."""
    if isinstance(step, LateStep):
        return dict(step.references)
    return {name: value for name, value in step.env.items() if not isinstance(value, str)}


def _prefix(index: int) -> str:
    """Begin the names of the container's variables that carry references to the one step whose they are."""
    return f"FAIRLEAD_SECRET_{index}_"
