"""Runs on a cluster: Workflows are read, watched and written, logs come from Pods."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote as in_path

import orjson

from fairlead.engine.errors import RefusedError, UnavailableError
from fairlead.engine.runs import Found, NotFoundError
from fairlead.kube.client import MERGE_PATCH, Client, in_namespace
from fairlead.kube.errors import ApiError, BusyError, ConflictError, KubeError
from fairlead.kube.errors import NotFoundError as ApiNotFoundError
from fairlead.kube.following import follow_one
from fairlead.kube.logs import PodLogs
from fairlead.kube.patch import merge_patch
from fairlead.kube.reduce import workflow_record
from fairlead.model.crd import API_VERSION, GROUP, KIND, PLURAL, VERSION
from fairlead.model.problem import closest, one_line, quote

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from fairlead.engine.runs import Log
    from fairlead.kube.connection import Connection

_TRIES: Final = 3
_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
"""What Kubernetes takes; anything else would be another path, or change the meaning of a selector."""

_MOST_LINES: Final = 100
_WEBHOOK: Final = re.compile(r'admission webhook "[^"]*" denied the request: ')
_COMPONENT: Final = "app.kubernetes.io%2Fname%3Dfairlead%2Capp.kubernetes.io%2Fcomponent%3Doperator"


@dataclass(frozen=True, slots=True)
class Versions:
    """What runs on a cluster; `operators` are the versions of all that are seen, None where none may be looked at."""

    server: str
    operators: tuple[str, ...] | None


class KubernetesRuns:
    """Implements `engine.runs.Runs` for one namespace, or for all of them where it is None (then only `list` works)."""

    def __init__(self, client: Client, *, cluster: str, namespace: str | None) -> None:
        self._client = client
        self.cluster = cluster
        self._namespace = namespace
        self._path = f"/apis/{GROUP}/{VERSION}{in_namespace(_or_none(namespace))}/{PLURAL}"
        self._logs = PodLogs(client)

    @property
    def where(self) -> str:
        """Name cluster and namespace."""
        namespace = "all namespaces" if self._namespace is None else f"namespace {one_line(self._namespace)}"
        return f"cluster {one_line(self.cluster)}, {namespace}"

    async def list(self) -> Sequence[Found]:
        """List them, in chunks; the newest first."""
        with self._translated():
            documents, _ = await self._client.list(self._path, PLURAL)
        found = [_found(document) for document in documents]
        return sorted(found, key=lambda each: (each.created_at is not None, each.created_at, each.name), reverse=True)

    async def get(self, name: str) -> Found:
        """GET one."""
        return await self._asked("GET", name)

    async def follow(self, name: str) -> AsyncIterator[Found]:
        """Watch the one."""
        seen = False
        with self._translated():
            if _NAME.fullmatch(name):
                async for document in follow_one(self._client, self._path, PLURAL, name):
                    seen = True
                    yield _found(document)
        if not seen:
            raise await self._unknown(name)

    async def logs(self, found: Found) -> Sequence[Log]:
        """Look for its Pods."""
        with self._translated():
            return await self._logs.of(found)

    async def read(self, found: Found, log: Log, *, follow: bool = False) -> AsyncIterator[bytes]:
        """Stream a container's log."""
        with self._translated():
            async for piece in self._logs.read(found, log, follow=follow):
                yield piece

    async def annotate(self, name: str, annotations: Mapping[str, str]) -> Found:
        """PATCH them."""
        return await self._asked("PATCH", name, orjson.dumps({"metadata": {"annotations": dict(annotations)}}))

    async def _asked(self, verb: str, name: str, body: bytes | None = None) -> Found:
        with self._translated():
            try:
                if _NAME.fullmatch(name):
                    return _found(await self._client.request(verb, self._one(name), PLURAL, body, MERGE_PATCH))
            except ApiNotFoundError as error:
                if error.reason != "NotFound":
                    raise
        raise await self._unknown(name)

    async def apply(self, resource: Mapping[str, Any]) -> Found:
        """POST it, or PATCH the spec of the one that has its name.

        A merge patch on exactly the version that was read, rather than a server-side apply: that would leave what
        another tool had put there and the new spec no longer has, so that a job that was taken out would still run.
        """
        given = resource.get("metadata") or {}
        metadata = {key: given[key] for key in ("name", "generateName", "labels", "annotations") if given.get(key)}
        made = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": resource.get("spec") or {}}
        with self._translated():
            if not _NAME.fullmatch(str(metadata.get("name", ""))):
                # One that can't be a name is the server's to refuse.
                return _found(await self._client.request("POST", self._path, PLURAL, orjson.dumps(made)))
            for left in reversed(range(_TRIES)):
                try:
                    return _found(await self._apply(made))
                except ConflictError:
                    if not left:
                        raise
        raise AssertionError  # the last try returns or raises

    async def _apply(self, made: dict[str, Any]) -> dict[str, Any]:
        metadata = made["metadata"]
        path = self._one(metadata["name"])
        try:
            before = await self._client.request("GET", path, PLURAL)
        except ApiNotFoundError as error:
            if error.reason != "NotFound":
                raise
            return await self._client.request("POST", self._path, PLURAL, orjson.dumps(made))
        known = before["metadata"]
        patch: dict[str, Any] = {"metadata": {"resourceVersion": known["resourceVersion"], "uid": known["uid"]}}
        for field in ("labels", "annotations"):
            patch["metadata"] |= {field: metadata[field]} if field in metadata else {}
        if spec := merge_patch(before.get("spec") or {}, made["spec"]):
            patch["spec"] = spec
        return await self._client.request("PATCH", path, PLURAL, orjson.dumps(patch), MERGE_PATCH)

    async def versions(self) -> Versions:
        """Ask the API server for its version, and its Deployments for the operator's."""
        with self._translated():
            server = await self._client.request("GET", "/version", "version")
            try:
                found, _ = await self._client.list("/apis/apps/v1/deployments", "deployments", _COMPONENT)
            except ApiError:
                return Versions(str(server.get("gitVersion", "")), None)
        return Versions(str(server.get("gitVersion", "")), tuple(sorted({_version_of(each) for each in found})))

    def _one(self, name: str) -> str:
        return f"{self._path}/{name}"

    async def _unknown(self, name: str) -> NotFoundError:
        """Say that there is none of a name, and which one was probably meant."""
        said = f"there is no Workflow {quote(name)} on {self.where}"
        try:
            names = [each.name for each in await self.list()]
        except (RefusedError, UnavailableError):
            return NotFoundError(said)
        meant = closest(name, names)
        return NotFoundError(f"{said}; did you mean {quote(meant)}?" if meant else said)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except KubeError as error:
            raise self._told(error) from error

    def _told(self, error: KubeError) -> RefusedError | UnavailableError:
        """Say in a user's words what went wrong."""
        said = _lines(error.message if isinstance(error, ApiError) and error.message else str(error))
        cluster = f"cluster {one_line(self.cluster)}"
        match error:
            case BusyError():
                return UnavailableError(f"{cluster} is too busy to answer: {said}", error.retry_after)
            case ApiError(status=404, reason=reason) if reason != "NotFound":
                return RefusedError(f"Fairlead isn't installed on {cluster}: it has no Workflows", final=True)
            case ApiError(status=401):
                return RefusedError(f"{cluster} doesn't accept your credentials: {said}", final=True)
            case ApiError(status=403):
                return RefusedError(f"{cluster} doesn't let you: {said}", final=True)
            case ApiError():
                return RefusedError(f"{cluster} refused: {said}", final=True)
            case _:
                return UnavailableError(f"{cluster} can't be reached: {said}")


@asynccontextmanager
async def open_runs(connection: Connection, *, user_agent: str, namespace: str | None) -> AsyncIterator[KubernetesRuns]:
    """Open a connection for as long as it lasts."""
    async with Client(connection, user_agent=user_agent) as client:
        yield KubernetesRuns(client, cluster=connection.cluster or connection.server, namespace=namespace)


def _lines(text: str) -> str:
    """Make what a server says harmless: a webhook has a line for each problem of a spec."""
    first, *others = [one_line(line, 1000) for line in text.splitlines()[:_MOST_LINES]] or [""]
    return "\n  ".join([_WEBHOOK.sub("", first), *others])


def _or_none(namespace: str | None) -> str | None:
    return None if namespace is None else in_path(namespace, safe="")


def _found(document: Mapping[str, Any]) -> Found:
    metadata = document["metadata"]
    created = metadata.get("creationTimestamp")
    record = workflow_record(document)
    return Found(record, datetime.fromisoformat(created) if created else None, record.resource.labels)


def _version_of(deployment: Mapping[str, Any]) -> str:
    containers = deployment["spec"]["template"]["spec"].get("containers") or [{}]
    tag = str(containers[0].get("image", "")).rpartition("/")[2].partition(":")[2]
    return str((deployment["metadata"].get("labels") or {}).get("app.kubernetes.io/version") or tag or "unknown")
