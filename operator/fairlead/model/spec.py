"""The `spec` of a Workflow, whole: also what the engine doesn't run yet (`syntax.unsupported` says what).

Defaults that a field's meaning doesn't inherit stand here, and so in the CRD. What a job takes over from
`spec.defaults` has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from fairlead.model.base import Model
from fairlead.model.containers import Env, Resources, Services
from fairlead.model.fields import (
    ANYTHING,
    Duration,
    Expression,
    Flag,
    JobKey,
    Label,
    Name,
    Needs,
    Raw,
    Script,
    StepKey,
    Timeout,
)

DEFAULT_TIMEOUT = 6 * 3600
"""Seconds that a job may take where nothing else is said: as in GitHub Actions."""

MOST_STEPS = 1000
"""Steps that a job may have. Each adds some hundred bytes to the argument that a job's scripts travel in."""


def _rules(*rules: tuple[str, str]) -> ConfigDict:
    found: list[JsonValue] = [{"rule": rule, "message": message} for rule, message in rules]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": found})


def _input_value(value: object) -> str | int | float | bool:
    if isinstance(value, str | int | float | bool):
        return value
    raise ValueError("an input is a text, a number, true or false; write a list as JSON text and read it by fromJSON")


InputValue = Annotated[str | int | float | bool, PlainValidator(_input_value), WithJsonSchema(ANYTHING)]


class RetryOn(StrEnum):
    """What counts as a reason to try again."""

    FAILURE = "failure"
    TIMEOUT = "timeout"
    INFRASTRUCTURE = "infrastructure"


class Retry(Model):
    """How often, and after how long, a job that failed is tried again."""

    limit: Annotated[int, Field(ge=0, le=100)] = 0
    """How many times it is tried again."""
    delay: Duration = 0
    """How long to wait before the first retry."""
    multiplier: Annotated[float, Field(ge=1, le=100)] = 1
    """What the delay is multiplied with for each further retry."""
    max_delay: Duration = 300
    """The longest delay."""
    on: tuple[RetryOn, ...] = (RetryOn.FAILURE, RetryOn.TIMEOUT)
    """What is tried again; what the cluster lost is restarted in any case."""

    @model_validator(mode="before")
    @classmethod
    def _on(cls, value: object) -> object:
        """Take `on` for what is meant: YAML 1.1 reads it as true where it isn't quoted, and JSON makes that a text."""
        if not isinstance(value, Mapping) or "on" in value:
            return value
        return {"on" if key in (True, "true") else key: each for key, each in value.items()}


class QueueKind(StrEnum):
    """What happens to the runs that wait in a group."""

    ALL = "all"
    LATEST = "latest"


class Concurrency(Model):
    """One at a time in a group of this namespace."""

    group: Annotated[str, Field(min_length=1)]
    """The group's name, expressions allowed; case doesn't matter."""
    cancel_in_progress: Flag = False
    """Cancel the one that runs, instead of waiting for it: true, false or an expression."""
    queue: QueueKind = QueueKind.ALL
    """Keep all that wait (`all`), or only the newest (`latest`)."""


class Defaults(Model):
    """What jobs and steps have where they say nothing themselves."""

    image: Script | None = None
    """The image of jobs that name none."""
    shell: Script | None = None
    """The shell of steps that name none."""
    working_directory: Script | None = None
    """Where steps start that name no directory, relative to the workspace."""
    timeout: Timeout | None = None
    """How long a job may take, as 90s, 10m or 1h30m."""
    continue_on_error: bool = False
    """Let the workflow go on when a job fails."""
    retry: Retry | None = None
    """How failed jobs are tried again."""


class Schedule(Model):
    """Times at which a run starts."""

    cron: Annotated[str, Field(min_length=1, max_length=200)]
    """Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly."""
    timezone: Annotated[str, Field(min_length=1, max_length=100)] = "UTC"
    """The zone that the times are in, as Europe/Berlin."""
    suspend: bool = False
    """Pass the times over while this is true."""
    starting_deadline: Duration | None = None
    """How late a run may start; what is later counts as missed."""


class Step(Model):
    """One script in the job's container."""

    id: StepKey | None = None
    """How `steps.ID.outputs` finds it; unique in the job."""
    name: Label | None = None
    """What the log and the status call it; its command where there is none."""
    if_: Annotated[Expression | None, Field(alias="if")] = None
    """Run it only if this holds."""
    run: Script
    """The script; `${{ }}` is filled in before it runs."""
    shell: Script | None = None
    """`bash`, `sh`, `python`, or a command with `{0}` for the script's file; bash where the image has it, else sh."""
    working_directory: Script | None = None
    """Where it starts, relative to the workspace."""
    env: Env = {}
    """Variables of this step alone: texts, or references as {secretKeyRef: {name, key}}."""
    timeout: Timeout | None = None
    """How long it may take, as 90s, 10m or 1h30m."""
    continue_on_error: Flag = False
    """Go on with the next step when it fails: true, false or an expression."""


def _matrix(value: object) -> object:
    if isinstance(value, str | Mapping):
        return value
    raise ValueError("a matrix is a map from names to lists, or an expression that gives one")


Matrix = Annotated[str | dict[str, JsonValue], PlainValidator(_matrix), WithJsonSchema(ANYTHING)]


class Strategy(Model):
    """Many combinations of one job."""

    matrix: Matrix
    """Lists whose product is run, with `include` and `exclude`; or an expression that gives such a map."""
    fail_fast: Flag = True
    """Cancel the other combinations when one fails: true, false or an expression."""
    max_parallel: Annotated[int, Field(ge=1)] | None = None
    """How many combinations may run at a time."""


class Job(Model):
    """One node of the graph: a list of steps in one container."""

    model_config = _rules(
        (
            "!(has(self.steps) && has(self.commands))",
            "write steps or commands, not both: commands are short for steps",
        ),
    )

    name: Label | None = None
    """What people call it; its id where there is none."""
    needs: Needs = ()
    """The jobs that have to succeed before it starts: one id or a list."""
    requires: Needs = ()
    """The same as needs, in other words."""
    if_: Annotated[Expression | None, Field(alias="if")] = None
    """Run it only if this holds; without a status function it holds only after success."""
    unless: Expression | None = None
    """Run it only if this doesn't hold."""
    on_complete: Literal["success", "failure", "always"] | None = None
    """Run it after its needs' success, after a failure, or always."""
    enabled: Flag = True
    """Leave it out where false: true, false or an expression."""
    check: Expression | None = None
    """An expression that decides success or failure, without a Pod."""
    uses: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """The WorkflowTemplate of this namespace that it runs instead of steps."""
    with_: Annotated[dict[Name, InputValue], Field(alias="with")] = {}
    """Values for the template's inputs."""
    image: Script | None = None
    """The container's image; it needs a /bin/sh."""
    shell: Script | None = None
    """The shell of its steps."""
    working_directory: Script | None = None
    """Where its steps start, relative to the workspace."""
    env: Env = {}
    """Variables of all its steps: texts, or references as {secretKeyRef: {name, key}}."""
    commands: Annotated[tuple[Script, ...], Field(max_length=MOST_STEPS)] = ()
    """Short for steps: each command is one."""
    steps: Annotated[tuple[Step, ...], Field(max_length=MOST_STEPS)] = ()
    """What it runs, one after another, in one container."""
    outputs: dict[Name, Script] = {}
    """Texts for other jobs, as NAME: ${{ steps.ID.outputs.NAME }}."""
    strategy: Strategy | None = None
    """Run it in many combinations."""
    services: Services = {}
    """Containers that it needs beside it: a list of images, or a map."""
    resources: Resources | None = None
    """What its container asks of the node, and may use."""
    timeout: Timeout | None = None
    """How long it may take, as 90s, 10m or 1h30m; 6h where nothing is said."""
    retry: Retry | None = None
    """How it is tried again after a failure."""
    continue_on_error: Flag | None = None
    """Let the workflow go on when it fails: true, false or an expression."""
    concurrency: Concurrency | None = None
    """One at a time in a group."""
    service_account_name: str | None = None
    """The service account of its Pod; its token is mounted only if this is set."""
    node_selector: dict[str, str] = {}
    """Labels that its node must have."""
    tolerations: tuple[Raw, ...] = ()
    """Taints of nodes that it bears."""
    volumes: tuple[Raw, ...] = ()
    """Volumes of its Pod."""
    volume_mounts: tuple[Raw, ...] = ()
    """Where its container sees them."""
    pod_template: Raw | None = None
    """Laid over its Pod's template as a strategic merge, for all the rest."""


class InputType(StrEnum):
    """What kind of value an input takes."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"


class Input(Model):
    """An input that a template takes."""

    type: InputType = InputType.STRING
    """string, number, boolean or choice."""
    required: bool = False
    """Whether the caller has to give it."""
    default: InputValue | None = None
    """Its value where the caller gives none; without it an empty text, 0 or false, or the first option."""
    options: tuple[str, ...] = ()
    """The values of a choice."""
    description: str | None = None
    """What it is for."""


class Body(Model):
    """A graph of jobs, and how it is run."""

    env: Env = {}
    """Variables of all jobs: texts, or references as {secretKeyRef: {name, key}}; a job's and a step's own win."""
    secrets_from: Annotated[str, Field(min_length=1, max_length=253)] = "fairlead-secrets"
    """The Secret of this namespace whose keys `secrets.NAME` stands for."""
    vars_from: Annotated[str, Field(min_length=1, max_length=253)] = "fairlead-vars"
    """The ConfigMap of this namespace whose keys `vars.NAME` stands for."""
    defaults: Defaults = Defaults()
    """What jobs and steps have where they say nothing themselves."""
    concurrency: Concurrency | None = None
    """One run at a time in a group."""
    timeout: Timeout | None = None
    """How long a run may take, as 90s, 10m or 1h30m."""
    max_parallel: Annotated[int, Field(ge=1)] | None = None
    """How many of its jobs may run at a time."""
    fail_fast: bool = False
    """Stop the rest at the first failure that isn't allowed."""
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    """Who goes first where there isn't room for all: the higher one."""
    outputs: dict[Name, str] = {}
    """Texts that the status shows in the end, as NAME: ${{ jobs.ID.outputs.NAME }}."""
    jobs: Annotated[dict[JobKey, Job], Field(max_length=5000)] = {}
    """The jobs, by id."""


class WorkflowSpec(Body):
    """A graph of jobs, and how it is run."""

    inputs: dict[Name, InputValue] = {}
    """Values that expressions find as inputs.NAME."""
    uses: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """The WorkflowTemplate of this namespace that it runs instead of jobs."""
    with_: Annotated[dict[Name, InputValue], Field(alias="with")] = {}
    """Values for the template's inputs."""
    schedules: Annotated[tuple[Schedule, ...], Field(max_length=100)] = ()
    """When it runs; without one it runs when it is applied."""
    suspend: bool = False
    """Start nothing new while this is true."""
    ttl_after_finished: Duration | None = None
    """Delete the Workflow this long after it finished."""
    history_limit: Annotated[int, Field(ge=0, le=100)] = 10
    """How many earlier runs the status remembers."""


STEERING = frozenset({"suspend", "priority", "ttl_after_finished", "history_limit", "schedules"})
"""Fields of a Workflow that steer its runs: changing them starts no other run."""


class WorkflowTemplateSpec(Body):
    """A workflow that others call, with the inputs that it takes."""

    inputs: dict[Name, Input] = {}
    """What callers may, or have to, give; expressions find it as inputs.NAME."""
