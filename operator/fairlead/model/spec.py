"""The `spec` of a Workflow, whole: also what the engine doesn't run yet (`syntax.unsupported` says what).

Defaults that a field's meaning doesn't inherit stand here, and so in the CRD. What a job takes over from
`spec.defaults` has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    PlainValidator,
    Tag,
    WithJsonSchema,
)

from fairlead.model.base import Model
from fairlead.model.fields import (
    ANYTHING,
    Duration,
    Expression,
    Flag,
    JobKey,
    Label,
    Name,
    Needs,
    Quantity,
    Raw,
    Script,
    StepKey,
    Timeout,
    VariableName,
    scalar_text,
)

DEFAULT_TIMEOUT = 6 * 3600
"""Seconds that a job may take where nothing else is said: as in GitHub Actions."""


def _rules(*rules: tuple[str, str]) -> ConfigDict:
    found: list[JsonValue] = [{"rule": rule, "message": message} for rule, message in rules]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": found})


class KeyRef(Model):
    """A key of a Secret or ConfigMap in the Workflow's namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The Secret's or ConfigMap's name."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
    """The key in it."""
    optional: bool = False
    """Go on without the variable where the key is missing."""


class EnvReference(Model):
    """A variable whose value stays in the cluster: exactly one of the two."""

    secret_key_ref: KeyRef | None = None
    """Take the value from a Secret."""
    config_map_key_ref: KeyRef | None = None
    """Take the value from a ConfigMap."""


# No key of a document looks like these, so they can be told from one in the place of an error.
_TEXT, _REFERENCE = "\0text", "\0reference"


def _env_kind(value: object) -> str | None:
    match value:
        case str() | bool() | int() | float():
            return _TEXT
        case EnvReference():
            return _REFERENCE
        case Mapping() if set(value) & {"secretKeyRef", "configMapKeyRef"}:
            return _REFERENCE
        case _:
            return None


def _one_reference(reference: EnvReference) -> EnvReference:
    if (reference.secret_key_ref is None) == (reference.config_map_key_ref is None):
        raise ValueError("a reference is either to a Secret or to a ConfigMap")
    return reference


EnvText = Annotated[Script, BeforeValidator(scalar_text)]
EnvValue = Annotated[
    Annotated[EnvText, Tag(_TEXT)] | Annotated[EnvReference, AfterValidator(_one_reference), Tag(_REFERENCE)],
    Discriminator(
        _env_kind,
        custom_error_type="env_value",
        custom_error_message="write a text, a number, true, false, {secretKeyRef: …} or {configMapKeyRef: …}",
    ),
    WithJsonSchema(ANYTHING),
]
UNION_TAGS = frozenset({_TEXT, _REFERENCE})
"""What pydantic puts into an error's place that is no part of the document."""

Env = dict[VariableName, EnvValue]


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


class Resources(Model):
    """What a container asks of its node, and may use."""

    requests: dict[str, Quantity] = {}
    """What the scheduler sets aside, as cpu: 500m, memory: 512Mi."""
    limits: dict[str, Quantity] = {}
    """What the container can't go over."""


class HealthCheck(Model):
    """How to tell that a service is ready: exactly one of command, http and tcp."""

    command: tuple[str, ...] = ()
    """Healthy when this exits with 0 in the service's container."""
    http: str | None = None
    """Healthy when a GET of this path on the first port answers with a status below 400."""
    tcp: bool = False
    """Healthy when the first port accepts a connection."""
    interval: Duration = 1
    """How long to wait between two checks."""
    timeout: Timeout = 5
    """How long one check may take."""
    retries: Annotated[int, Field(ge=1, le=10_000)] = 60
    """How many checks may fail before the service counts as broken."""


class Service(Model):
    """A container beside the job's, ready before the first step starts."""

    image: Script
    """Its image."""
    env: Env = {}
    """Its variables."""
    ports: tuple[Annotated[int, Field(ge=1, le=65_535)], ...] = ()
    """Its ports; well-known images know theirs."""
    command: tuple[Script, ...] = ()
    """Instead of the image's entry point."""
    args: tuple[Script, ...] = ()
    """Instead of the image's command."""
    health_check: HealthCheck | None = None
    """How to tell that it is ready; well-known images know theirs."""
    resources: Resources | None = None
    """What it asks of the node, and may use."""


def _services(value: object) -> object:
    if isinstance(value, list | tuple) and all(isinstance(image, str) for image in value):
        names = [image.rsplit("/", 1)[-1].split("@", 1)[0].split(":", 1)[0] for image in value]
        return {name: {"image": image} for name, image in zip(names, value, strict=True)}
    if isinstance(value, Mapping):
        return {name: {"image": each} if isinstance(each, str) else each for name, each in value.items()}
    raise ValueError("services are a list of images, or a map from names to images or settings")


Services = Annotated[dict[str, Service], BeforeValidator(_services), WithJsonSchema(ANYTHING)]


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
        (
            "!has(self.check) || !(has(self.steps) || has(self.commands))",
            "a check is decided without a Pod, so it takes neither steps nor commands",
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
    check: str | None = None
    """An expression that decides success or failure, without a Pod."""
    image: Script | None = None
    """The container's image; it needs a /bin/sh."""
    shell: Script | None = None
    """The shell of its steps."""
    working_directory: Script | None = None
    """Where its steps start, relative to the workspace."""
    env: Env = {}
    """Variables of all its steps: texts, or references as {secretKeyRef: {name, key}}."""
    commands: tuple[Script, ...] = ()
    """Short for steps: each command is one."""
    steps: tuple[Step, ...] = ()
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
    continue_on_error: Flag = False
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


class WorkflowSpec(Model):
    """A graph of jobs, and how it is run."""

    inputs: dict[Name, InputValue] = {}
    """Values that expressions find as inputs.NAME."""
    env: Env = {}
    """Variables of all jobs: texts, or references as {secretKeyRef: {name, key}}; a job's and a step's own win."""
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
    suspend: bool = False
    """Start nothing new while this is true."""
    ttl_after_finished: Duration | None = None
    """Delete the Workflow this long after it finished."""
    history_limit: Annotated[int, Field(ge=0, le=100)] = 10
    """How many earlier runs the status remembers."""
    outputs: dict[Name, str] = {}
    """Texts that the status shows in the end, as NAME: ${{ jobs.ID.outputs.NAME }}."""
    jobs: Annotated[dict[JobKey, Job], Field(min_length=1, max_length=5000)]
    """The jobs, by id."""
