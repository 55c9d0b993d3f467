"""What the agent of a job has to know, and what the driver asks it. docs/driver.md has how they talk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from fairlead.model.by_reference import holds_reference
from fairlead.model.report import JobState
from fairlead.model.workflow import StepPlan
from fairlead.plan.actions import LateStep
from fairlead.render.driver import Late, Script, carriers
from fairlead.render.report import parse_steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairlead.model.report import StepReport
    from fairlead.plan.actions import JobRequest

VARIABLE: Final = "FAIRLEAD_PROGRAM"
"""The variable of the agent's container that has its program; further parts are in `FAIRLEAD_PROGRAM_1` and so on."""

_PART: Final = 100_000
"""Bytes of one of them: Linux gives a variable 128 KiB (MAX_ARG_STRLEN), and `$$` for `$` must have room."""


@dataclass(frozen=True, slots=True)
class Program:
    """The late steps of a job, by index, and what is known when its Kubernetes Job is made; never a secret's value.

    `ids` are those of all steps. `references` has for each late step which container variable stands for which
    variable of its own. `carriers` and `outputs` are as in `render.driver`.
    """

    steps: Mapping[int, StepPlan]
    ids: Sequence[str | None]
    contexts: Mapping[str, object] = field(default_factory=dict)
    references: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    carriers: Sequence[str] = ()
    outputs: Sequence[tuple[str, str | None]] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """The driver asks for the step `index`. `steps` are those before it; `serial` counts the questions."""

    serial: int
    index: int
    state: JobState
    steps: tuple[StepReport, ...]


def program_of(
    request: JobRequest, scripts: Sequence[Script | Late], references: Mapping[int, Mapping[str, str]]
) -> Program:
    """Gather the program of a job with late steps. `scripts` is what its driver was assembled from."""
    late = {index: step.plan for index, step in enumerate(request.steps) if isinstance(step, LateStep)}
    return Program(
        steps={index: _without_references(step) for index, step in late.items()},
        ids=[step.plan.id if isinstance(step, LateStep) else step.id for step in request.steps],
        contexts=request.contexts,
        references={index: references.get(index, {}) for index in late},
        carriers=carriers(scripts),
        outputs=list(request.wanted),
    )


def _without_references(step: StepPlan) -> StepPlan:
    return replace(step, env={name: value for name, value in step.env.items() if not holds_reference(value)})


def program_variables(program: Program) -> dict[str, str]:
    """Write a program as variables of the agent's container, in ASCII."""
    document = {**asdict(program), "steps": {index: asdict(step) for index, step in program.steps.items()}}
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    parts = [text[start : start + _PART] for start in range(0, len(text), _PART)]
    return {f"{VARIABLE}_{index}" if index else VARIABLE: part for index, part in enumerate(parts)}


def parse_program(variables: Mapping[str, str]) -> Program:
    """Read it again. Raises ValueError for anything else."""
    parts = [variables.get(VARIABLE, "")]
    while (part := variables.get(f"{VARIABLE}_{len(parts)}")) is not None:
        parts.append(part)
    try:
        document: dict[str, Any] = json.loads("".join(parts))
        return Program(
            steps={int(index): StepPlan(**step) for index, step in document["steps"].items()},
            ids=document["ids"],
            contexts=document["contexts"],
            references={int(index): names for index, names in document["references"].items()},
            carriers=document["carriers"],
            outputs=[(step, name) for step, name in document["outputs"]],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{VARIABLE} holds no program: {error!r}") from error


def parse_question(text: str) -> Question | None:
    """Read what the driver wrote; None where it is not whole."""
    first, *lines = text.split("\n")
    if lines[-2:] != ["end", ""]:
        return None
    try:
        _, serial, index, state = first.split(" ")
        steps = [step for line in lines[:-2] for step in parse_steps(line)]
        return Question(int(serial), int(index), JobState(state), tuple(steps))
    except ValueError:
        return None
