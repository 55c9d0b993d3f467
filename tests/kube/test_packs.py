"""Packs on a cluster: made, read, and ended with as little as that takes."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.errors import ConflictError, NotOwnedError, RefusedError
from fairlead.engine.ports import Packs
from fairlead.engine.runs import Log
from fairlead.engine.store import Store
from fairlead.kube.client import MERGE_PATCH, Client
from fairlead.kube.cluster import KubernetesCluster
from fairlead.kube.reduce import job_record, pod_record, watched_job_record, workflow_record
from fairlead.kube.runs import KubernetesRuns
from fairlead.model.ids import Attempt, JobId, RunNumber
from fairlead.plan import CreatePack, DeletePod, EndPack, JobFailure
from fairlead.plan.names import pack_name
from fairlead.render.pack import pack_manifest
from tests.builders import DIGEST, KEY, NOW, UID, a_creation, a_resource, node_of
from tests.kube.apiserver import ApiServer
from tests.kube.documents import container, job_document, labels_of, pod_document, workflow_document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairlead.plan import KubernetesJob

Json = dict[str, Any]

JOBS = "/apis/batch/v1/namespaces/team/jobs"
PODS = "/api/v1/namespaces/team/pods"
NAME = pack_name(a_resource(), DIGEST, RunNumber(1), JobId("build"), 0)
COMBINATIONS = {"fairlead.dev/combinations": "0-1,5"}
INDEX = "batch.kubernetes.io/job-completion-index"
ENDED = {"terminated": {"exitCode": 0, "message": "fairlead 2\ns 0\nend 0\n"}}


def a_pack() -> CreatePack:
    """Give three combinations that are to be made together."""
    members = tuple(replace(a_creation(combination=index), name=NAME) for index in (0, 1, 5))
    return CreatePack(NAME, members)


def pack_document(status: Json | None = None, **metadata: Any) -> Json:  # noqa: ANN401  the metadata's own
    """Give its Kubernetes Job."""
    document = job_document(**{"name": NAME, "annotations": COMBINATIONS, **metadata})
    return {**document, "status": {**document["status"], **(status or {})}}


def member_document(index: int, status: Json | None = None) -> Json:
    """Give the Pod of one of them."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": NAME, "uid": "x", "controller": True}
    labels = {**labels_of(), "job-name": NAME, "batch.kubernetes.io/job-name": NAME, INDEX: str(index)}
    made: dict[str, Any] = {"labels": labels, "annotations": COMBINATIONS, "ownerReferences": [owner]}
    return pod_document(status, name=f"{NAME}-{index}-abcde", **made)


class Stage:
    """The adapter, with the server that it talks to."""

    def __init__(self, server: ApiServer, client: Client) -> None:
        self.server = server
        self.store = Store(lambda _: None)
        self.mine = True
        self.cluster = KubernetesCluster(client, self.store, lambda: NOW, keep_seconds=60, owns=lambda _: self.mine)
        self.record = workflow_record(server.put("/apis/fairlead.dev/v1alpha1", "workflows", workflow_document()))

    def see(self, *documents: Json) -> Stage:
        """Take note of Jobs and Pods."""
        for document in documents:
            key = (KEY.namespace, document["metadata"]["name"])
            if document["kind"] == "Job":
                self.store.jobs.put(key, of_job(document))
            elif (pod := pod_record(document)) is not None:
                self.store.pods.put(key, pod)
        return self

    @property
    def attempts(self) -> dict[int | None, KubernetesJob]:
        """Give what the engine sees, by combination."""
        return {job.node.combination: job for job in self.store.jobs_of(KEY.namespace, UID)}


def of_job(document: Json) -> Any:  # noqa: ANN401  what the store takes
    """Read a Job that is ours."""
    found = job_record(document)
    assert found is not None
    return found


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Give the stage, for one test."""
    async with ApiServer() as server, Client(server.connection, user_agent="test") as client:
        yield Stage(server, client)


async def test_create(stage: Stage) -> None:
    """A pack is one request, and each of its attempts is known at once."""
    assert isinstance(stage.cluster, Packs)
    await stage.cluster.create_pack(stage.record, a_pack())

    (request,) = stage.server.asked
    expected = pack_manifest(a_pack(), stage.record.resource, keep_seconds=60)
    assert (request.verb, request.path, request.body) == ("POST", JOBS, expected)
    assert {at: (job.name, job.index, job.node) for at, job in stage.attempts.items()} == {
        0: (NAME, 0, node_of("build", 0)),
        1: (NAME, 1, node_of("build", 1)),
        5: (NAME, 2, node_of("build", 5)),
    }


async def test_create_again(stage: Stage) -> None:
    """What is there counts, whatever one would have put into it now."""
    stage.server.put("/apis/batch/v1", "jobs", pack_document({"completedIndexes": "0,2"}))
    await stage.cluster.create_pack(stage.record, CreatePack(NAME, a_pack().members[:2]))

    assert {at: job.complete for at, job in stage.attempts.items()} == {0: True, 1: False, 5: True}


async def test_create_where_a_stranger_is(stage: Stage) -> None:
    """A name that somebody else has taken is told."""
    stage.server.put("/apis/batch/v1", "jobs", pack_document(ownerReferences=[]))
    with pytest.raises(RefusedError, match="that isn't this Workflow's"):
        await stage.cluster.create_pack(stage.record, a_pack())


async def test_create_after_one_whose_pod_is_lost(stage: Stage) -> None:
    """Only Pods of the same combination are in the way of its next attempt: those of others change all the time."""
    stage.server.put("/api/v1", "pods", member_document(0))
    stage.see(pack_document({"failedIndexes": "1"}))
    again = replace(a_creation("build", 2, combination=1), lost=stage.attempts[1])
    await stage.cluster.create_job(stage.record, again)
    stage.server.put("/api/v1", "pods", member_document(1))
    with pytest.raises(ConflictError):
        await stage.cluster.create_job(stage.record, again)

    assert stage.server.requests() == [f"GET {PODS}", f"POST {JOBS}", f"GET {PODS}"]


@pytest.mark.parametrize(("combination", "asked"), [(1, ["GET"]), (2, ["GET", "POST"])])
async def test_create_instead_of_one_that_is_not_in_it(stage: Stage, combination: int, asked: list[str]) -> None:
    """A pack that is there takes the place of its members alone, whoever was thought to be one."""
    stage.server.put("/apis/batch/v1", "jobs", pack_document())
    again = replace(a_creation("build", 2, combination=combination), instead_of=NAME)
    with nullcontext() if "POST" in asked else pytest.raises(ConflictError):
        await stage.cluster.create_job(stage.record, again)

    assert [each.split()[0] for each in stage.server.requests()] == asked


async def test_end(stage: Stage) -> None:
    """The rest of a pack is ended by a deadline that is over, and nothing is asked of it any more."""
    stage.server.put("/apis/batch/v1", "jobs", pack_document({"completedIndexes": "1"}))
    await stage.cluster.end_pack(stage.record, EndPack(NAME))

    (request,) = stage.server.asked
    said = (request.verb, request.path, request.body, request.headers["Content-Type"])
    assert said == ("PATCH", f"{JOBS}/{NAME}", {"spec": {"activeDeadlineSeconds": 1}}, MERGE_PATCH)
    assert [job.deleting for job in stage.attempts.values()] == [True, True, True]


async def test_end_what_is_gone(stage: Stage) -> None:
    """A pack that is gone is known to be gone."""
    stage.see(pack_document())
    await stage.cluster.end_pack(stage.record, EndPack(NAME))

    assert stage.attempts == {}


async def test_delete_a_pod(stage: Stage) -> None:
    """One member is ended by its Pod, whose end is known at once; the others stay as they are."""
    stage.server.put("/api/v1", "pods", member_document(1))
    stage.see(pack_document(), member_document(0), member_document(1))
    await stage.cluster.delete_pod(stage.record, DeletePod(f"{NAME}-1-abcde"))

    assert stage.server.requests() == [f"DELETE {PODS}/{NAME}-1-abcde"]
    assert [pod.taken for job in stage.attempts.values() for pod in job.pods] == [False, True]


async def test_delete_a_pod_that_is_gone(stage: Stage) -> None:
    """A Pod that is gone is known to be gone."""
    stage.see(pack_document(), member_document(1))
    await stage.cluster.delete_pod(stage.record, DeletePod(f"{NAME}-1-abcde"))

    assert stage.attempts[1].pods == ()


async def test_delete_nobody_elses_pod(stage: Stage) -> None:
    """A Pod that isn't known to be the workflow's is let alone."""
    await stage.cluster.delete_pod(stage.record, DeletePod("other"))

    assert stage.server.requests() == []


async def test_of_another_replica(stage: Stage) -> None:
    """What another replica works on is let alone."""
    stage.see(pack_document(), member_document(1))
    stage.mine = False
    with pytest.raises(NotOwnedError):
        await stage.cluster.create_pack(stage.record, a_pack())
    with pytest.raises(NotOwnedError):
        await stage.cluster.end_pack(stage.record, EndPack(NAME))
    with pytest.raises(NotOwnedError):
        await stage.cluster.delete_pod(stage.record, DeletePod(f"{NAME}-1-abcde"))

    assert stage.server.requests() == []


async def test_each_has_its_own_pods(stage: Stage) -> None:
    """A Pod belongs to the combination of its index, also where it is seen before its Job."""
    over = {"phase": "Running", "containerStatuses": [container(ENDED)]}
    stage.see(member_document(2, over), pack_document({"failedIndexes": "0", "completedIndexes": "2"}))

    found = {at: (job.complete, job.failure, [pod.name for pod in job.pods]) for at, job in stage.attempts.items()}
    assert found == {
        0: (False, JobFailure("FailedIndexes"), []),
        1: (False, None, []),
        5: (True, None, [f"{NAME}-2-abcde"]),
    }
    assert [pod.lingers for pod in stage.attempts[5].pods] == [True]


async def test_a_job_that_is_given_up(stage: Stage) -> None:
    """What the whole Job says goes for those that aren't complete."""
    conditions = [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "late"}]
    stage.see(pack_document({"completedIndexes": "0-1", "conditions": conditions}))

    late = JobFailure("DeadlineExceeded", "late")
    assert [job.failure for job in stage.attempts.values()] == [None, None, late]


async def test_a_pod_whose_time_was_over(stage: Stage) -> None:
    """The kubelet's deadline is told as the Job controller's is of a Job that has one Pod."""
    stage.see(pack_document(), member_document(1, {"phase": "Failed", "reason": "DeadlineExceeded"}))

    assert (stage.attempts[1].failure, stage.attempts[1].pods[0].taken, stage.attempts[0].failure) == (
        JobFailure("DeadlineExceeded"),
        True,
        None,
    )


async def test_a_pack_that_is_gone(stage: Stage) -> None:
    """When the Job goes, so do all of its attempts; Pods that are left, or weren't seen, still count as working."""
    stage.see(pack_document(), member_document(0), member_document(1))
    stage.store.jobs.drop((KEY.namespace, NAME), 100)
    remnants = [[job.node for job in stage.store.remnants_of(KEY.namespace, UID)]]
    stage.store.accounted_for(KEY, [NAME])
    remnants.append([job.node for job in stage.store.remnants_of(KEY.namespace, UID)])

    zero, one, five = (node_of("build", at) for at in (0, 1, 5))
    assert (stage.attempts, remnants) == ({}, [[zero, one, five], [zero, one]])


@pytest.mark.parametrize("text", ["", "0-9999999", "x"])
async def test_what_claims_to_be_a_pack(stage: Stage, text: str) -> None:
    """An annotation that can't be a pack's makes none."""
    stage.see(pack_document(annotations={"fairlead.dev/combinations": text}))

    assert [job.index for job in stage.attempts.values()] == [None]


async def test_logs(stage: Stage) -> None:
    """Each combination has its own log, though all of them are of one Job."""
    for index in range(3):
        over = {"phase": "Succeeded", "containerStatuses": [container(ENDED)]}
        stage.server.put("/api/v1", "pods", member_document(index, over))
        stage.server.logs[KEY.namespace, f"{NAME}-{index}-abcde"] = f"log {index}\n".encode()
    async with Client(stage.server.connection, user_agent="test") as client:
        runs = KubernetesRuns(client, cluster="here", namespace=KEY.namespace)
        found = await runs.get("ci")
        logs = await runs.logs(found)
        texts = [b"".join([piece async for piece in runs.read(found, log)]) for log in logs]

    names = [Log(node_of("build", each), Attempt(1), RunNumber(1), NAME) for each in (0, 1, 5)]
    assert (list(logs), texts) == (names, [b"log 0\n", b"log 1\n", b"log 2\n"])


FORGED = {
    "another name": {"name": "ci-build-p0-1-00000000"},
    "combinations of two chunks": {"annotations": {"fairlead.dev/combinations": "62-65"}},
    "a later attempt": {"labels": labels_of(attempt=2)},
}


@pytest.mark.parametrize("metadata", FORGED.values(), ids=FORGED)
def test_who_claims_to_be_ours(metadata: Json) -> None:
    """A watch is believed of a pack that is called as we call it, and of no other."""
    assert watched_job_record(pack_document()) == of_job(pack_document())
    assert watched_job_record(pack_document(**metadata)) is None
