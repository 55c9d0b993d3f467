"""What kopf is asked to do: log in, bring Workflow events, answer admission reviews. Handlers only pass on."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import kopf
import structlog

from fairlead.controller.session import open_session
from fairlead.controller.webhook import WebhookServer
from fairlead.kube.client import SILENCE_SECONDS, WATCH_SECONDS
from fairlead.kube.reading import Reading
from fairlead.kube.reduce import version_of, workflow_record
from fairlead.model.crd import GROUP, KIND, PLURAL, TEMPLATE_KIND, TEMPLATE_PLURAL, VERSION
from fairlead.model.problem import InvalidWorkflowError
from fairlead.syntax import parse_spec
from fairlead.syntax.template import parse_template_spec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
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


class _Backoffs:
    """Seconds to wait before each try of a request; there is always another."""

    def __iter__(self) -> Iterator[float]:
        return chain((0.5, 1.0, 2.0, 4.0), repeat(8.0))


def build_registry(
    connection: Connection,
    store: Store,
    admission: Admission | None,
    *,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    read_all: Callable[[str | None], Awaitable[int]],
) -> kopf.OperatorRegistry:
    """Register the handlers. `start` and `stop` frame the life of everything that isn't kopf's.

    `read_all` reads all Workflows, or those of a namespace, and gives the version to watch from. Raises KubeError.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: object) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(
            server=connection.server, aiohttp_session=open_session(connection, read_all, partial(is_known, store))
        )

    @kopf.on.startup(registry=registry)
    async def on_startup(settings: kopf.OperatorSettings, **_: object) -> None:
        configure(settings, admission)
        await start()

    @kopf.on.cleanup(registry=registry)
    async def on_cleanup(**_: object) -> None:
        await stop()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def on_workflow(event: kopf.RawEvent, **_: object) -> None:
        # A coroutine, as kopf runs plain functions in threads, and the store belongs to the loop's.
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
    logging.getLogger("kopf.objects").addFilter(_is_worth_a_line)
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.networking.trust_env = False
    # It asks again for as long as it takes; its default ends the process after a minute of errors.
    settings.networking.error_backoffs = _Backoffs()
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    # Of what it lists it is told the version alone (see `open_session`).
    settings.watching.chunk_size = 1
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.inactivity_timeout = SILENCE_SECONDS
    # Our handlers only pass on, so there is nothing to wait for at the end.
    settings.queueing.exit_timeout = 0.1
    settings.queueing.idle_timeout = 0.1
    if admission is not None:
        settings.admission.server = WebhookServer(admission.port, admission.certificate, admission.key)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Leave out that a spec was refused, which its author is told; kopf calls it an error, with all of its settings."""
    record.__dict__.pop("settings", None)
    return not (str(record.msg).startswith("Webhook ") and " failed permanently: " in str(record.msg))


def _unread(name: str, error: Exception) -> None:
    structlog.get_logger("fairlead.watch").error("can't be read, passed over", workflow=name, exc_info=error)


_read_workflow = Reading(workflow_record, _unread)


def take_workflow(store: Store, kind: str | None, document: Any) -> None:  # noqa: ANN401  a JSON document
    """Put what a watch or a list says of a Workflow into the store. One that is on its way out counts as gone."""
    metadata = document["metadata"]
    key = (metadata["namespace"], metadata["name"])
    if kind == "DELETED" or "deletionTimestamp" in metadata:
        store.workflows.drop(key, version_of(document))
    elif is_known(store, "MODIFIED", document):
        # Most events tell of our own writes, and reading a large status takes long.
        return
    elif (record := _read_workflow(document)) is not None:
        store.workflows.put(key, record)


def is_known(store: Store, kind: str, document: Any) -> bool:  # noqa: ANN401  a JSON document
    """Whether an event of a watch tells of a version of a Workflow that the store has, or had."""
    if kind not in ("ADDED", "MODIFIED") or document.get("kind") != KIND:
        return False
    metadata = document["metadata"]
    known = store.workflows.get((metadata["namespace"], metadata["name"]))
    there = "deletionTimestamp" not in metadata
    return there and known is not None and known.version >= version_of(document)


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
