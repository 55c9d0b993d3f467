"""Runs on a cluster, against a server that speaks the API's protocol."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.errors import RefusedError, UnavailableError
from fairlead.engine.runs import Log, NotFoundError
from fairlead.kube.client import Client
from fairlead.kube.runs import KubernetesRuns, Versions
from fairlead.model.ids import Attempt, RunNumber
from tests.builders import KEY, a_run, name_of, node_of, succeeded
from tests.kube.apiserver import ApiServer, until
from tests.kube.documents import container, job_document, labels_of, pod_document, workflow_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairlead.engine.runs import Found

API = "/apis/fairlead.dev/v1alpha1"
PLURAL = "workflows"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """Have a server."""
    async with ApiServer() as server:
        yield server


@pytest.fixture
async def runs(server: ApiServer) -> AsyncIterator[KubernetesRuns]:
    """Have the runs of a namespace."""
    async with Client(server.connection, user_agent="test") as client:
        yield KubernetesRuns(client, cluster="here", namespace=KEY.namespace)


def put(server: ApiServer, name: str = "ci", **metadata: Any) -> dict[str, Any]:  # noqa: ANN401  the metadata's own
    """Have a Workflow with a status."""
    document = workflow_document(name=name, **metadata)
    return server.put(API, PLURAL, {**document, "status": a_run().with_job("build", succeeded()).status().to_json()})


def put_pod(server: ApiServer, job: str = "build", status: dict[str, Any] | None = None, **fields: Any) -> str:  # noqa: ANN401  a Pod's own
    """Have a Pod of a job, and give its name."""
    labels = {**labels_of(job), "batch.kubernetes.io/job-name": name_of(job)}
    over = {"phase": "Succeeded", "containerStatuses": [container({"terminated": {"exitCode": 0}})]}
    made = server.put("/api/v1", "pods", pod_document(status or over, job=job, labels=labels, **fields))
    return str(made["metadata"]["name"])


def log_of(job: str = "build", service: str | None = None) -> Log:
    """Name the log of a job's first attempt."""
    return Log(node_of(job), Attempt(1), RunNumber(1), name_of(job), service)


async def collect(pieces: AsyncIterator[bytes]) -> bytes:
    """Read a log to its end."""
    return b"".join([piece async for piece in pieces])


async def test_list(server: ApiServer, runs: KubernetesRuns) -> None:
    """All of the namespace are given, the newest first, with what they were made by."""
    put(server, "old", creationTimestamp="2026-03-01T10:00:00Z")
    put(server, "new", creationTimestamp="2026-03-01T11:00:00Z", labels={"branch": "main"})
    put(server, "elsewhere", namespace="other")
    found = await runs.list()
    assert [(each.name, str(each.created_at), each.labels) for each in found] == [
        ("new", "2026-03-01 11:00:00+00:00", {"branch": "main"}),
        ("old", "2026-03-01 10:00:00+00:00", {}),
    ]


async def test_where(server: ApiServer, runs: KubernetesRuns) -> None:
    """What is talked to can be said, for one namespace and for all."""
    async with Client(server.connection, user_agent="test") as client:
        everywhere = KubernetesRuns(client, cluster="here", namespace=None)
        assert (runs.where, everywhere.where) == ("cluster here, namespace team", "cluster here, all namespaces")


async def test_get(server: ApiServer, runs: KubernetesRuns) -> None:
    """One is given with its status."""
    put(server)
    found = await runs.get("ci")
    assert (found.name, list(found.record.resource.status.jobs)) == ("ci", ["build"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [("cci", '; did you mean "ci"?'), ("xyz", ""), ("../pods", ""), ("ci,x=y", "")],
)
async def test_unknown(server: ApiServer, runs: KubernetesRuns, name: str, hint: str) -> None:
    """A name that there isn't is told, with what was probably meant, by whatever asks for it; it's never a path."""
    put(server)
    said = re.escape(f'there is no Workflow "{name}" on cluster here, namespace team{hint}') + "$"
    with pytest.raises(NotFoundError, match=said):
        await runs.get(name)
    with pytest.raises(NotFoundError, match=said):
        await anext(aiter(runs.follow(name)))
    with pytest.raises(NotFoundError, match=said):
        await runs.annotate(name, {"a": "b"})


REFUSALS: dict[str, tuple[int, Any, type[Exception], str]] = {
    "no rights": (
        403,
        {"reason": "Forbidden", "message": 'User "me" cannot list resource "workflows"'},
        RefusedError,
        'cluster here doesn\'t let you: User "me" cannot list resource "workflows"',
    ),
    "not known": (
        401,
        {"reason": "Unauthorized", "message": "Unauthorized"},
        RefusedError,
        "cluster here doesn't accept your credentials: Unauthorized",
    ),
    "not installed": (
        404,
        b"404 page not found\n",
        RefusedError,
        "Fairlead isn't installed on cluster here: it has no Workflows",
    ),
    "too busy": (
        503,
        {"reason": "ServiceUnavailable", "message": "later"},
        UnavailableError,
        "cluster here is too busy to answer: later",
    ),
    "something to be obeyed": (
        400,
        {"reason": "BadRequest", "message": "\x1b[2Jgone"},
        RefusedError,
        "cluster here refused: [2Jgone",
    ),
}


@pytest.mark.parametrize(("status", "body", "kind", "said"), REFUSALS.values(), ids=REFUSALS)
async def test_refused(
    server: ApiServer,
    runs: KubernetesRuns,
    status: int,
    body: object,
    kind: type[Exception],
    said: str,
) -> None:
    """What the cluster says no with is said in a user's words."""
    server.answer("GET", status, body)
    with pytest.raises(kind) as caught:
        await runs.list()
    assert str(caught.value) == said


async def test_unreachable() -> None:
    """Where nobody answers, that is said, with the server's address."""
    async with ApiServer() as server:
        connection = server.connection
    async with Client(connection, user_agent="test") as client:
        with pytest.raises(UnavailableError, match=r"cluster here can't be reached: http://127\.0\.0\.1"):
            await KubernetesRuns(client, cluster="here", namespace="team").list()


class Follower:
    """Collects what is followed, in the background."""

    def __init__(self, changes: AsyncIterator[Found]) -> None:
        self.versions: list[int] = []
        self.task = asyncio.create_task(self._go(changes))

    async def _go(self, changes: AsyncIterator[Found]) -> None:
        async for found in changes:
            self.versions.append(found.record.version)


async def test_follow(server: ApiServer, runs: KubernetesRuns) -> None:
    """The one is watched, through a cut, an expiry and a server's pause, each version once, until it is gone."""
    put(server)
    put(server, "another")
    follower = Follower(runs.follow("ci"))
    await until(lambda: server.watching)
    server.cut_watches()
    await until(lambda: not server.watching)
    put(server)
    await until(lambda: server.watching)
    put(server, "another")
    server.forget_the_past()
    server.end_watches()
    await until(lambda: not server.watching)
    server.refuse("WATCH", 503, "ServiceUnavailable", "later")
    put(server)
    await until(lambda: len(follower.versions) == 3)
    await until(lambda: server.watching)
    server.remove(API, PLURAL, KEY.namespace, "ci")
    await asyncio.wait_for(follower.task, 10)
    asked = {each.query.get("fieldSelector") for each in server.asked if not each.path.endswith("/ci")}
    assert (follower.versions, asked) == (sorted(set(follower.versions)), {"metadata.name=ci"})


async def test_follow_ends_where_another_took_its_name(server: ApiServer, runs: KubernetesRuns) -> None:
    """One that was deleted and made again while nobody looked is another one."""
    put(server)
    follower = Follower(runs.follow("ci"))
    await until(lambda: server.watching)
    server.remove(API, PLURAL, KEY.namespace, "ci")
    await asyncio.wait_for(follower.task, 10)
    assert len(follower.versions) == 1


async def test_annotate(server: ApiServer, runs: KubernetesRuns) -> None:
    """A request is an annotation; those that are there stay."""
    put(server, annotations={"a": "b"})
    found = await runs.annotate("ci", {"fairlead.dev/cancel": "1"})
    assert found.record.resource.annotations == {"a": "b", "fairlead.dev/cancel": "1"}


async def test_apply(server: ApiServer, runs: KubernetesRuns) -> None:
    """A spec is made, then replaced whole: what it no longer has is gone; labels of others stay."""
    first = {"metadata": {"name": "ci", "labels": {"a": "b"}}, "spec": {"jobs": {"one": {"image": "x"}, "two": {}}}}
    await runs.apply(first)
    await runs.apply({"metadata": {"name": "ci", "labels": {"c": "d"}}, "spec": {"jobs": {"one": {"image": "y"}}}})
    made = server.objects[API, PLURAL, KEY.namespace, "ci"]
    assert (made["spec"], made["metadata"]["labels"]) == ({"jobs": {"one": {"image": "y"}}}, {"a": "b", "c": "d"})


async def test_apply_of_no_change(server: ApiServer, runs: KubernetesRuns) -> None:
    """The same spec again leaves the spec alone."""
    resource = {"metadata": {"name": "ci"}, "spec": {"jobs": {"one": {"image": "x"}}}}
    await runs.apply(resource)
    await runs.apply(resource)
    (patch,) = [each.body for each in server.asked if each.verb == "PATCH"]
    assert patch.keys() == {"metadata"}


async def test_apply_meets_somebody_else(server: ApiServer, runs: KubernetesRuns) -> None:
    """Whoever was faster is not undone unseen: the spec is compared again."""
    put(server)
    server.refuse("PATCH", 409, "Conflict", "the object has been modified")
    found = await runs.apply({"metadata": {"name": "ci"}, "spec": {"jobs": {"one": {}}}})
    assert (found.record.spec, len(server.requests("PATCH"))) == ({"jobs": {"one": {}}}, 2)


async def test_apply_of_a_generated_name(runs: KubernetesRuns) -> None:
    """Without a name each is a new one."""
    resource = {"metadata": {"generateName": "ci-", "uid": "forged"}, "spec": {"jobs": {}}}
    names = [(await runs.apply(resource)).name for _ in range(2)]
    assert (len(set(names)), all(name.startswith("ci-") for name in names)) == (2, True)


async def test_apply_of_what_is_wrong(server: ApiServer, runs: KubernetesRuns) -> None:
    """What a webhook says no with has a line for each problem."""
    said = 'admission webhook "workflows.fairlead.dev" denied the request: this can\'t run:\nspec.a: b\nspec.c: \x07d'
    server.refuse("POST", 403, "Forbidden", said)
    with pytest.raises(RefusedError) as caught:
        await runs.apply({"metadata": {"name": "ci"}, "spec": {}})
    assert str(caught.value).splitlines()[1:] == ["  spec.a: b", "  spec.c: d"]


async def test_logs(server: ApiServer, runs: KubernetesRuns) -> None:
    """The logs are those of the Workflow's Pods and of the services in them, but not the agent's."""
    put(server)
    put_pod(server, "test", sidecars=("postgres", "fairlead-agent"))
    put_pod(server, "build")
    put_pod(server, "strange", ownerReferences=[])
    found = await runs.get("ci")
    assert await runs.logs(found) == [log_of("build"), log_of("test"), log_of("test", "postgres")]


async def test_read(server: ApiServer, runs: KubernetesRuns) -> None:
    """A log is read from the Pod of its Kubernetes Job, with the container that is asked for."""
    put(server)
    pod = put_pod(server)
    server.logs[KEY.namespace, pod] = b"one\ntwo\n"
    found = await runs.get("ci")
    read = await collect(runs.read(found, log_of()))
    await collect(runs.read(found, log_of(service="db")))
    asked = [each.query for each in server.asked if each.path.endswith("/log")]
    assert (read, asked) == (b"one\ntwo\n", [{"container": "main"}, {"container": "db"}])


async def test_read_of_what_is_gone(server: ApiServer, runs: KubernetesRuns) -> None:
    """Where the Pod is gone that is said, also to who would follow; nothing is waited for."""
    put(server)
    found = await runs.get("ci")
    said = "the log of build, attempt 1 of run 1 is gone: its Pod was deleted"
    for follow in (False, True):
        with pytest.raises(NotFoundError, match=said):
            await collect(runs.read(found, log_of(), follow=follow))
    put_pod(server)
    server.refuse("GET", 404, "NotFound", "no pods")
    # The list of Pods is the first GET, so it is refused as a whole.
    with pytest.raises((NotFoundError, RefusedError)):
        await collect(runs.read(found, log_of()))


async def test_read_waits_for_the_container(server: ApiServer, runs: KubernetesRuns) -> None:
    """Who follows waits for the Pod, then for its container."""
    put(server)
    server.put("/apis/batch/v1", "jobs", job_document())
    found = await runs.get("ci")
    reading = asyncio.create_task(collect(runs.read(found, log_of(), follow=True)))
    await until(lambda: server.watching)
    pod = put_pod(server, status={"phase": "Pending"})
    server.logs[KEY.namespace, pod] = b"at last\n"
    assert not any(each.path.endswith("/log") for each in server.asked)
    put_pod(server, status={"phase": "Running", "containerStatuses": [container({"running": {}})]})
    assert await asyncio.wait_for(reading, 10) == b"at last\n"
    assert [each.query for each in server.asked if each.path.endswith("/log")] == [
        {"container": "main", "follow": "true"}
    ]


async def test_read_of_somebody_elses_pod(server: ApiServer, runs: KubernetesRuns) -> None:
    """A Pod that has the Job's name, but is of another Workflow, isn't read."""
    put(server)
    put_pod(server)
    put(server, uid="another")
    with pytest.raises(NotFoundError):
        await collect(runs.read(await runs.get("ci"), log_of()))


async def test_versions(server: ApiServer, runs: KubernetesRuns) -> None:
    """The server's version is given, and the operator's by its Deployment; None where that may not be seen."""
    labels = {"app.kubernetes.io/version": "0.2.0"}
    deployment = {"metadata": {"labels": labels}, "spec": {"template": {"spec": {"containers": []}}}}
    server.answer("GET", 200, {"gitVersion": "v1.36.3"})
    server.answer("GET", 200, {"metadata": {"resourceVersion": "1"}, "items": [deployment]})
    assert await runs.versions() == Versions("v1.36.3", ("0.2.0",))
    server.answer("GET", 200, {"gitVersion": "v1.36.3"})
    server.refuse("GET", 403, "Forbidden", "no")
    assert await runs.versions() == Versions("v1.36.3", None)
