"""A workflow that is ready to be planned: checked, short forms expanded, defaults applied, order known.

Made by `syntax`, from a spec, once for each generation. Texts still hold their `${{ }}`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairlead.model.spec import Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from fairlead.model.containers import EnvReference, Resources, Service
    from fairlead.model.ids import JobId, SpecDigest, StepId
    from fairlead.model.spec import Concurrency, InputValue, Schedule


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One script, with everything that its job and the defaults say about it.

    `condition` is an expression without `${{ }}`, with the implicit success() in it. `timeout` is in seconds.
    """

    label: str
    run: str
    id: StepId | None = None
    shell: str | None = None
    working_directory: str | None = None
    env: Mapping[str, str | EnvReference] = field(default_factory=dict)
    condition: str = "success()"
    timeout: int | None = None
    continue_on_error: bool | str = False


@dataclass(frozen=True, slots=True)
class StrategyPlan:
    """How a job becomes many combinations; `matrix` is a map, or a template that gives one."""

    matrix: str | Mapping[str, JsonValue]
    fail_fast: bool | str = True
    max_parallel: int | None = None


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What a job says about its Pod beyond its container, as Kubernetes has it."""

    service_account_name: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, JsonValue], ...] = ()
    volumes: tuple[Mapping[str, JsonValue], ...] = ()
    volume_mounts: tuple[Mapping[str, JsonValue], ...] = ()
    template: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One node of the graph, or with a strategy many. `env` has the workflow's variables, too; `timeout` is in seconds.

    `condition` is an expression without `${{ }}`, with the implicit success() in it. A job either has steps, or is a
    `check` (an expression decides it), or `uses` a WorkflowTemplate.
    """

    id: JobId
    label: str
    needs: tuple[JobId, ...] = ()
    condition: str = "success()"
    enabled: bool | str = True
    check: str | None = None
    uses: str | None = None
    with_: Mapping[str, InputValue] = field(default_factory=dict)
    image: str = ""
    env: Mapping[str, str | EnvReference] = field(default_factory=dict)
    steps: tuple[StepPlan, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    strategy: StrategyPlan | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    resources: Resources | None = None
    timeout: int = 6 * 3600
    retry: Retry = field(default_factory=Retry)
    continue_on_error: bool | str = False
    concurrency: Concurrency | None = None
    pod: PodSettings = field(default_factory=PodSettings)


@dataclass(frozen=True, slots=True)
class Workflow:
    """The whole graph. `jobs` is in an order in which each job comes after its needs. Durations are in seconds."""

    jobs: Mapping[JobId, JobPlan]
    digest: SpecDigest
    inputs: Mapping[str, InputValue] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str | EnvReference] = field(default_factory=dict)
    secrets_from: str = "fairlead-secrets"
    vars_from: str = "fairlead-vars"
    concurrency: Concurrency | None = None
    timeout: int | None = None
    max_parallel: int | None = None
    fail_fast: bool = False
    priority: int = 0
    suspend: bool = False
    ttl_after_finished: int | None = None
    history_limit: int = 10
    schedules: tuple[Schedule, ...] = ()
