"""What kopf is asked to do: log in, bring Workflow events, answer admission reviews. Handlers only pass on."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import kopf

from fairlead.kube.reduce import version_of, workflow_record
from fairlead.model.crd import GROUP, KIND, PLURAL, TEMPLATE_KIND, TEMPLATE_PLURAL, VERSION
from fairlead.model.problem import InvalidWorkflowError
from fairlead.syntax import parse_spec
from fairlead.syntax.template import parse_template_spec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from fairlead.engine.store import Store
    from fairlead.kube.connection import Connection

UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True)
class Admission:
    """Where the admission webhook listens."""

    port: int
    certificate: Path
    key: Path


class _NoDiffBase(kopf.DiffBaseStorage):
    """Nothing is kept in annotations: no handler here asks what has changed."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ANN401, ARG002
        """Spare the deep copy of each object."""
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> None:
        """Know of nothing earlier."""

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:  # noqa: ANN401  kopf's signature
        """Keep nothing."""


class _NoProgress(kopf.ProgressStorage):
    """As `_NoDiffBase`, for the progress of handlers that could be repeated."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:  # noqa: ANN401  kopf's signature
        """Know of nothing earlier."""

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:  # noqa: ANN401
        """Keep nothing."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:  # noqa: ANN401
        """Remove nothing."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: Any) -> None:  # noqa: ANN401
        """Leave it."""

    def clear(self, *, essence: Any) -> Any:  # noqa: ANN401
        """Leave it."""
        return essence


def build_registry(
    connection: Connection,
    store: Store,
    admission: Admission | None,
    *,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
) -> kopf.OperatorRegistry:
    """Register the handlers. `start` and `stop` frame the life of everything that isn't kopf's."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**_: object) -> kopf.ConnectionInfo:
        configuration = connection.configuration
        return kopf.ConnectionInfo(
            server=connection.server,
            ca_path=configuration.ssl_ca_cert,
            insecure=not configuration.verify_ssl,
            scheme="Bearer" if connection.token else None,
            token=connection.token,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
        )

    @kopf.on.startup(registry=registry)
    async def on_startup(settings: kopf.OperatorSettings, **_: object) -> None:
        configure(settings, admission)
        await start()

    @kopf.on.cleanup(registry=registry)
    async def on_cleanup(**_: object) -> None:
        await stop()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    def on_workflow(event: kopf.RawEvent, **_: object) -> None:
        take_workflow(store, event["type"], event["object"])

    if admission is not None:
        # The chart's webhook has one path, which is the id of both.
        @kopf.on.validate(GROUP, VERSION, PLURAL, id="validate", registry=registry)
        def validate(spec: kopf.Spec, old: kopf.BodyEssence | None = None, **_: object) -> None:
            review(KIND, dict(spec), _spec_of(old))

        @kopf.on.validate(GROUP, VERSION, TEMPLATE_PLURAL, id="validate", registry=registry)
        def validate_template(spec: kopf.Spec, old: kopf.BodyEssence | None = None, **_: object) -> None:
            review(TEMPLATE_KIND, dict(spec), _spec_of(old))

    return registry


def configure(settings: kopf.OperatorSettings, admission: Admission | None) -> None:
    """Switch off what the engine does itself."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.networking.trust_env = False
    settings.watching.server_timeout = 300
    # Our handlers only pass on, so there is nothing to wait for at the end.
    settings.queueing.exit_timeout = 0.1
    settings.queueing.idle_timeout = 0.1
    if admission is not None:
        settings.admission.server = kopf.WebhookServer(
            addr="0.0.0.0",  # noqa: S104  in a Pod: the Service has to reach it
            port=admission.port,
            certfile=admission.certificate,
            pkeyfile=admission.key,
            verify_mode=ssl.CERT_NONE,
        )


def take_workflow(store: Store, kind: str | None, document: Any) -> None:  # noqa: ANN401  a JSON document
    """Put what a watch or a list says of a Workflow into the store. One that is on its way out counts as gone."""
    metadata = document["metadata"]
    key = (metadata["namespace"], metadata["name"])
    if kind == "DELETED" or "deletionTimestamp" in metadata:
        store.workflows.drop(key, version_of(document))
    else:
        store.workflows.put(key, workflow_record(document))


def review(kind: str, spec: dict[str, Any], old_spec: dict[str, Any] | None) -> None:
    """Refuse a wrong spec with all its problems; one that stays as it was may stay."""
    if old_spec is not None and spec == old_spec:
        return
    try:
        if kind == TEMPLATE_KIND:
            parse_template_spec(spec)
        else:
            parse_spec(spec)
    except InvalidWorkflowError as error:
        raise kopf.AdmissionError(f"this {kind} can't run:\n{error}", code=UNPROCESSABLE) from error


def _spec_of(old: kopf.BodyEssence | None) -> dict[str, Any] | None:
    return dict(old.get("spec") or {}) if old else None
