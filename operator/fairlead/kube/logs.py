"""What a run's Pods have written: found by their labels, read from the kubelet through the API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote as in_path

from fairlead.engine.runs import Log, NotFoundError
from fairlead.kube.errors import ApiError, ExpiredError, UnreachableError
from fairlead.kube.errors import NotFoundError as ApiNotFoundError
from fairlead.kube.reduce import pod_record
from fairlead.render.agent import AGENT
from fairlead.render.job import LABEL_JOB_NAME, LABEL_WORKFLOW_UID, MAIN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from fairlead.engine.runs import Found
    from fairlead.kube.client import Client

_Pods = dict[str, dict[str, Any]]

_BATCH: Final = "/apis/batch/v1"
_CORE: Final = "/api/v1"
_BAD_REQUEST: Final = 400
_RESUMES: Final = 5


class PodLogs:
    """Reads logs. Its methods raise the client's errors, and `engine.runs.NotFoundError` where a log is gone."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def of(self, found: Found) -> Sequence[Log]:
        """Name all logs of a Workflow that still are there."""
        resource = found.record.resource
        selector = f"{in_path(LABEL_WORKFLOW_UID, safe='')}%3D{in_path(resource.uid, safe='')}"
        documents, _ = await self._client.list(_path(found), "pods", selector)
        order = {job_id: at for at, job_id in enumerate(resource.status.jobs)}
        logs = {log for document in documents for log in _logs_of(document)}
        return sorted(
            logs,
            key=lambda log: (
                log.run,
                order.get(log.node.job, len(order)),
                log.node.job,
                -1 if log.node.combination is None else log.node.combination,
                log.attempt,
                log.service or "",
            ),
        )

    async def read(self, found: Found, log: Log, *, follow: bool) -> AsyncIterator[bytes]:
        """Stream one. What breaks on the way is taken up again where it broke."""
        pod = await self._pod(found, log, wait=follow)
        query = f"container={in_path(log.service or MAIN, safe='')}" + ("&follow=true" if follow else "")
        path = f"{_path(found)}/{pod}/log?{query}"
        read = resumes = 0
        while True:
            skip = read
            try:
                async for piece in self._client.stream(path, "pods/log"):
                    rest = piece[skip:]
                    skip = max(0, skip - len(piece))
                    if rest:
                        read += len(rest)
                        resumes = 0
                        yield rest
            except UnreachableError:
                resumes += 1
                if resumes > _RESUMES:
                    raise
            except ApiNotFoundError as error:
                raise _gone(log) from error
            except ApiError as error:
                if error.status == _BAD_REQUEST:
                    # The kubelet says so of a container that hasn't started, or never will.
                    raise NotFoundError(f"{_title(log)} has no log: {error.message}") from error
                raise
            else:
                return

    async def _pod(self, found: Found, log: Log, *, wait: bool) -> str:
        """Name the newest Pod of the Kubernetes Job; with `wait` wait until its container has started."""
        selector = f"{in_path(LABEL_JOB_NAME, safe='')}%3D{in_path(log.job_name, safe='')}"
        while True:
            async for pods in self._pods(found, log, selector):
                if not pods and not (wait and await self._is_there(found, log)):
                    raise _gone(log)
                if not wait:
                    return _newest(pods)
                if (started := _started(pods, log.service or MAIN)) is not None:
                    return started

    async def _pods(self, found: Found, log: Log, selector: str) -> AsyncIterator[_Pods]:
        """Give the Pods by name, and again at every change, until a watch ends."""
        documents, version = await self._client.list(_path(found), "pods", selector)
        pods = {document["metadata"]["name"]: document for document in documents if _is_of(document, found, log)}
        yield pods
        try:
            async for kind, document in self._client.watch(_path(found), "pods", version, selector):
                if kind == "DELETED":
                    pods.pop(document["metadata"]["name"], None)
                elif kind != "BOOKMARK" and _is_of(document, found, log):
                    pods[document["metadata"]["name"]] = document
                yield pods
        except ExpiredError:
            return

    async def _is_there(self, found: Found, log: Log) -> bool:
        path = f"{_BATCH}/namespaces/{found.record.resource.key.namespace}/jobs/{in_path(log.job_name, safe='')}"
        try:
            job = await self._client.request("GET", path, "jobs")
        except ApiNotFoundError:
            return False
        ended = {each["type"] for each in (job.get("status") or {}).get("conditions") or () if each["status"] == "True"}
        return not ended & {"Complete", "Failed"} and "deletionTimestamp" not in job["metadata"]


def _path(found: Found) -> str:
    return f"{_CORE}/namespaces/{found.record.resource.key.namespace}/pods"


def _logs_of(document: Mapping[str, Any]) -> list[Log]:
    record = pod_record(dict(document))
    if record is None or record.of is None:
        return []
    job = record.of
    services = [
        str(each["name"])
        for each in document["spec"].get("initContainers") or ()
        if each.get("restartPolicy") == "Always" and each["name"] != AGENT
    ]
    return [Log(job.node, job.attempt, job.run, job.name, name) for name in (None, *services)]


def _is_of(document: Mapping[str, Any], found: Found, log: Log) -> bool:
    # The Pods of an Indexed Job are of several nodes.
    record = pod_record(dict(document))
    if record is None or record.owner != found.record.resource.uid:
        return False
    return record.of is None or record.index is None or record.of.node == log.node


def _newest(pods: Mapping[str, Mapping[str, Any]]) -> str:
    return max(pods, key=lambda name: (pods[name]["metadata"].get("creationTimestamp") or "", name))


def _started(pods: Mapping[str, Mapping[str, Any]], container: str) -> str | None:
    """Name the newest Pod if its container has begun, or the Pod is over."""
    if not pods:
        return None
    name = _newest(pods)
    status = pods[name].get("status") or {}
    statuses = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    state = next((each.get("state") or {} for each in statuses if each.get("name") == container), {})
    over = status.get("phase") in ("Succeeded", "Failed")
    return name if over or "running" in state or "terminated" in state else None


def _title(log: Log) -> str:
    service = f", service {log.service}" if log.service else ""
    return f"{log.node}{service}, attempt {log.attempt} of run {log.run}"


def _gone(log: Log) -> NotFoundError:
    return NotFoundError(f"the log of {_title(log)} is gone: its Pod was deleted")
