"""What containers are given: variables, resources, and the services beside a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from fairlead.model.base import Model
from fairlead.model.fields import ANYTHING, Duration, Quantity, Script, Timeout, VariableName, scalar_text
from fairlead.model.problem import quote


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


class Resources(Model):
    """What a container asks of its node, and may use."""

    requests: dict[str, Quantity] = {}
    """What the scheduler sets aside, as cpu: 500m, memory: 512Mi."""
    limits: dict[str, Quantity] = {}
    """What the container can't go over."""


class HealthCheck(Model):
    """How to tell that a service is ready: one of command, http and tcp; where none is given, as its image knows."""

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


def service_name(image: str) -> str:
    """Give the last part of an image's name, without tag and digest: what a service of a list is called."""
    return image.rsplit("/", 1)[-1].split("@", 1)[0].split(":", 1)[0]


def _services(value: object) -> object:
    if isinstance(value, list | tuple) and all(isinstance(image, str) for image in value):
        named: dict[str, object] = {}
        for image in value:
            name = service_name(image)
            if name in named:
                raise ValueError(
                    f"two services are called {quote(name)}, by their images; "
                    "write a map from names of their own to images"
                )
            named[name] = {"image": image}
        return named
    if isinstance(value, Mapping):
        return {name: {"image": each} if isinstance(each, str) else each for name, each in value.items()}
    raise ValueError("services are a list of images, or a map from names to images or settings")


Services = Annotated[dict[str, Service], BeforeValidator(_services), Field(max_length=100), WithJsonSchema(ANYTHING)]
