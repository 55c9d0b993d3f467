"""A workflow that is ready to be planned: checked, short forms expanded, defaults applied, order known.

Made by `syntax`, from a spec, once for each generation. Texts still hold their `${{ }}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.model.ids import JobId, StepId
    from fairlead.model.spec import EnvReference, InputValue, Resources


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One script, with everything that its job and the defaults say about it."""

    label: str
    run: str
    id: StepId | None
    shell: str | None
    working_directory: str | None
    env: Mapping[str, str | EnvReference]


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One node of the graph. `env` has the workflow's variables, too; `timeout` is in seconds."""

    id: JobId
    label: str
    needs: tuple[JobId, ...]
    image: str
    env: Mapping[str, str | EnvReference]
    steps: tuple[StepPlan, ...]
    outputs: Mapping[str, str]
    resources: Resources | None
    timeout: int


@dataclass(frozen=True, slots=True)
class Workflow:
    """The whole graph. `jobs` is in an order in which each job comes after its needs."""

    jobs: Mapping[JobId, JobPlan]
    inputs: Mapping[str, InputValue]
    outputs: Mapping[str, str]
    history_limit: int
