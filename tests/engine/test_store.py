from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.engine.packs import PackState
from fairlead.engine.records import Call, JobRecord, PodRecord, WorkflowRecord
from fairlead.engine.shelf import Shelf
from fairlead.engine.store import Store
from fairlead.model.ids import Uid, WorkflowKey
from fairlead.model.phase import WorkflowPhase
from fairlead.model.report import LoggedOutputs
from fairlead.model.status import WorkflowStatus
from fairlead.plan import ContainerTerminated, JobFailure
from fairlead.plan.observed import Podless
from tests.builders import KEY, UID, a_resource, a_run, at, attempt_at, called, ended, name_of, pod, reported

if TYPE_CHECKING:
    from fairlead.model.report import Report
    from fairlead.plan import KubernetesJob, Pod

A, B = ("team", "a"), ("other", "b")


def a_record(name: str = "ci", version: int = 1, namespace: str = "team") -> WorkflowRecord:
    """Give a Workflow of a version."""
    return WorkflowRecord(a_resource(key=WorkflowKey(namespace, name)), {}, {}, version)


def a_job(job: str, version: int = 1, *, owner: Uid = UID, key: WorkflowKey = KEY) -> JobRecord:
    """Give a Kubernetes Job of a version."""
    return JobRecord(owner, key, attempt_at(job), version)


def a_pod(
    name: str, job: str, version: int = 1, *, owner: Uid = UID, key: WorkflowKey = KEY, born: float = 0
) -> PodRecord:
    """Give a Pod of a version."""
    return PodRecord(owner, key, attempt_at(job).name, at(born), pod(name=name), version)


def shelf() -> tuple[Shelf[WorkflowRecord], list[int]]:
    """Give an empty shelf, and the versions that it told of."""
    told: list[int] = []
    return Shelf(lambda item: told.append(item.version)), told


def test_podless() -> None:
    """Why a Job has no Pod is kept through the Job's later versions, until a Pod of it is seen, or it is gone."""
    told: list[WorkflowKey] = []
    store = Store(told.append)
    store.jobs.put(("team", name_of("build")), a_job("build"))
    found: list[Podless | None] = []

    def see() -> None:
        found.extend(job.podless for job in store.jobs_of("team", UID))

    store.keep_podless(a_record(), name_of("build"), "no", at(5))
    store.keep_podless(a_record(), name_of("test"), "not known", at(5))
    store.jobs.put(("team", name_of("build")), a_job("build", 2))
    see()
    store.keep_podless(a_record(), name_of("build"), None, at(15))
    see()
    store.pods.put(("team", "p"), a_pod("p", "build", 3))
    see()
    store.pods.drop(("team", "p"), 4)
    see()
    assert found == [Podless("no", at(5), 1), Podless(None, at(15), 2), None, None]
    assert set(told) == {KEY}


# One shelf


def test_newest() -> None:
    """The newest version is kept, whichever order they come in, and only that is told."""
    found, told = shelf()
    for version in (5, 3, 5, 7, 6):
        found.put(A, a_record(version=version))
    assert (found.get(A), found.keys(), len(found), told) == (a_record(version=7), (A,), 1, [5, 7])


def test_nothing_new() -> None:
    """A newer version of a Job or a Pod that says nothing new is kept, and nobody is told of it."""
    told: list[WorkflowKey] = []
    store = Store(told.append)
    for version in (1, 2):
        store.jobs.put(A, a_job("build", version))
        store.pods.put(B, a_pod("build-x", "build", version))
    kept = [each.version for shelf in (store.jobs, store.pods) for each in shelf.values()]
    store.jobs.put(A, replace(a_job("build", 3), job=replace(a_job("build").job, complete=True)))
    assert (told, kept) == ([KEY, KEY, KEY], [2, 2])


def test_deleted() -> None:
    """What was deleted is gone, and told once more."""
    found, told = shelf()
    found.put(A, a_record(version=5))
    found.drop(A, 6)
    found.drop(A, 6)
    assert (found.get(A), found.values(), told) == (None, (), [5, 5])


def test_late_answer() -> None:
    """The late answer to an earlier write doesn't bring back what was deleted; what was made anew since is there."""
    found, _ = shelf()
    found.put(A, a_record(version=5))
    found.drop(A, 8)
    found.put(A, a_record(version=7))
    late = found.get(A)
    found.put(A, a_record(version=9))
    assert (late, found.get(A)) == (None, a_record(version=9))


def test_late_deletion() -> None:
    """The late news of a deletion doesn't remove what was made anew since."""
    found, _ = shelf()
    found.put(A, a_record(version=9))
    found.drop(A, 8)
    assert found.get(A) == a_record(version=9)


def test_list() -> None:
    """A list drops what it doesn't have, except for what came after it."""
    found, told = shelf()
    for name, version in (("a", 3), ("b", 4), ("c", 12)):
        found.put(("team", name), a_record(name, version))
    told.clear()
    found.keep_only([("team", "b")], version=10)
    assert (found.keys(), told) == ((("team", "b"), ("team", "c")), [3])


def test_list_of_a_namespace() -> None:
    """The list of one namespace says nothing of the others."""
    found, _ = shelf()
    found.put(A, a_record(version=3))
    found.put(B, a_record(version=4))
    found.keep_only([], version=10, namespace="team")
    assert found.keys() == (B,)


def test_deletions_are_bounded() -> None:
    """The memory for deletions doesn't grow without end."""
    found, _ = shelf()
    for index in range(10_050):
        found.put(("team", str(index)), a_record(version=2 * index))
        found.drop(("team", str(index)), 2 * index + 1)
    assert len(found._gone) == 10_000  # noqa: SLF001  there is nothing else to see it by


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20))))
def test_any_order(news: list[tuple[bool, int]]) -> None:
    """Whatever the order of news: what is kept was told, and no older than the newest that came since it was gone."""
    found, _ = shelf()
    for gone, version in news:
        before = found.get(A)
        if gone:
            found.drop(A, version)
        else:
            found.put(A, a_record(version=version))
        after = found.get(A)
        if before is not None and after is not None:
            assert after.version >= before.version
        if gone:
            assert after is None or after.version > version


# The store


def a_store() -> tuple[Store, list[WorkflowKey]]:
    """Give an empty store, and the keys that it told of."""
    told: list[WorkflowKey] = []
    return Store(told.append), told


def with_pods(job: KubernetesJob, *pods: Pod) -> KubernetesJob:
    """Add Pods to a Job."""
    return replace(job, pods=pods)


def test_told_of_the_workflow() -> None:
    """Whatever changes, it is the workflow that has to be looked at."""
    store, told = a_store()
    store.workflows.put(A, a_record("a"))
    store.jobs.put(("team", "j"), a_job("build"))
    store.pods.put(("team", "p"), a_pod("p", "build"))
    store.pods.drop(("team", "p"), 2)
    assert told == [WorkflowKey("team", "a"), KEY, KEY, KEY]


def test_lookup() -> None:
    """A workflow is found by its key."""
    store, _ = a_store()
    store.workflows.put(("team", "ci"), a_record())
    assert (store.workflow(KEY), store.workflow(WorkflowKey("other", "ci"))) == (a_record(), None)


def test_what_stays() -> None:
    """A Job stays the same object until something of it or of its Pods changes; so does the list of all."""
    store, _ = a_store()
    for job in ("build", "test"):
        store.jobs.put(("team", attempt_at(job).name), a_job(job))
    before = store.jobs_of("team", UID)
    again = store.jobs_of("team", UID)
    store.pods.put(("team", "p"), a_pod("p", "test"))
    after = store.jobs_of("team", UID)

    assert (again is before, after[0] is before[0], after[1]) == (True, True, with_pods(before[1], pod(name="p")))


def test_at_work() -> None:
    """Those that aren't over are known by name, and of them those that work in a group."""
    store, _ = a_store()
    for name, fields in (("build", {}), ("test", {"run_group": "prod"}), ("lint", {"group": "prod", "complete": True})):
        record = a_job(name)
        store.jobs.put(("team", record.job.name), replace(record, job=replace(record.job, **fields)))

    build, test = attempt_at("build").name, attempt_at("test").name
    assert (set(store.working_of("team", UID)), set(store.holding_of("team", UID))) == ({build, test}, {test})


def test_jobs_of() -> None:
    """A workflow's Jobs come with their Pods, the oldest first."""
    store, _ = a_store()
    build, test = attempt_at("build"), attempt_at("test")
    for job in ("build", "test"):
        store.jobs.put(("team", attempt_at(job).name), a_job(job))
    for name, job, born in (("p2", "build", 20), ("p1", "build", 10), ("p3", "test", 5)):
        store.pods.put(("team", name), a_pod(name, job, born=born))
    store.pods.put(("team", "stray"), a_pod("stray", "gone"))
    assert store.jobs_of("team", UID) == (
        with_pods(build, pod(name="p1"), pod(name="p2")),
        with_pods(test, pod(name="p3")),
    )


def test_pods_first() -> None:
    """A Pod that is seen before its Job is found when the Job is."""
    store, _ = a_store()
    store.pods.put(("team", "p"), a_pod("p", "build"))
    before = store.jobs_of("team", UID)
    store.jobs.put(("team", attempt_at("build").name), a_job("build"))
    assert (before, store.jobs_of("team", UID)) == ((), (with_pods(attempt_at("build"), pod(name="p")),))


def test_jobs_go() -> None:
    """What was deleted is in no index any more."""
    store, _ = a_store()
    name = attempt_at("build").name
    store.jobs.put(("team", name), a_job("build"))
    store.pods.put(("team", "p"), a_pod("p", "build"))
    store.pods.drop(("team", "p"), 2)
    without_pod = store.jobs_of("team", UID)
    store.jobs.drop(("team", name), 2)
    store.accounted_for(KEY, [name])
    assert (without_pod, store.jobs_of("team", UID), store._belongings) == (  # noqa: SLF001  no leak
        (attempt_at("build"),),
        (),
        {},
    )


def test_owners_apart() -> None:
    """A Workflow that was made again under the same name doesn't see its predecessor's Jobs."""
    store, _ = a_store()
    store.jobs.put(("team", attempt_at("build").name), a_job("build", owner=Uid("old")))
    assert store.jobs_of("team", UID) == ()


def test_namespaces_apart() -> None:
    """Whoever claims another namespace's Workflow as the owner of a Job or a Pod has no say in it."""
    store, _ = a_store()
    name = attempt_at("build").name
    foreign = WorkflowKey("other", "ci")
    store.jobs.put(("team", name), a_job("build"))
    store.jobs.put(("other", "forged"), a_job("test", key=foreign))
    store.pods.put(("other", "forged"), a_pod("forged", "build", key=foreign))
    assert store.jobs_of("team", UID) == (attempt_at("build"),)


def test_order_of_twins() -> None:
    """Of two Pods of the same second, the one with the older version is the older."""
    store, _ = a_store()
    store.jobs.put(("team", attempt_at("build").name), a_job("build"))
    store.pods.put(("team", "b"), a_pod("b", "build", version=7))
    store.pods.put(("team", "a"), a_pod("a", "build", version=9))
    assert [each.name for each in store.jobs_of("team", UID)[0].pods] == ["b", "a"]


# Calls


CHILD = WorkflowKey("team", name_of("build"))
MAKE = ("team", name_of("make"))
OVER = attempt_at("make", complete=True)


def a_called(version: int = 2, *, owner: Uid = UID, status: WorkflowStatus | None = None, **of: Any) -> WorkflowRecord:  # noqa: ANN401
    """Give the Workflow that `build` has called, in a version."""
    seen = called("build", status, **of)
    resource = a_resource(key=CHILD, uid=Uid("child"), status=status or WorkflowStatus())
    return WorkflowRecord(resource, {}, {}, version, Call(owner, KEY, seen))


def put_call(store: Store, record: WorkflowRecord) -> None:
    """Put the called Workflow into a store."""
    store.workflows.put((CHILD.namespace, CHILD.name), record)


def test_remnants_of() -> None:
    """Pods whose Job is gone tell of it themselves; it counts as being deleted until they are gone, too."""
    store, job = Store(lambda _: None), attempt_at("build", group="main")
    left = replace(a_pod("left", "build"), of=job)
    store.jobs.put(("team", job.name), JobRecord(UID, KEY, job, 1))
    store.pods.put(("team", "left"), left)
    store.pods.put(("team", "stray"), a_pod("stray", "test"))
    found = [store.remnants_of("team", UID)]
    store.jobs.drop(("team", job.name), 2)
    found += [store.remnants_of("team", UID), store.remnants_of("other", UID)]
    store.pods.drop(("team", "left"), 3)
    found.append(store.remnants_of("team", UID))
    assert found == [(), (replace(job, deleting=True, pods=(left.pod,)),), (), ()]


def test_vanished() -> None:
    """A Job that goes while it works, before a Pod of it was seen, counts until its Pods are accounted for."""
    told: list[WorkflowKey] = []
    store, job = Store(told.append), attempt_at("build", group="main")
    gone = replace(job, deleting=True)
    store.jobs.put(("team", job.name), JobRecord(UID, KEY, job, 1))
    store.jobs.drop(("team", job.name), 2)
    found = [(dict(store.vanished), store.remnants_of("team", UID), dict(store.holding_of("team", UID)))]
    assert found == [({KEY: {job.name: UID}}, (gone,), {job.name: gone})]
    told.clear()
    store.accounted_for(KEY, [job.name])
    store.accounted_for(KEY, [job.name])
    assert (store.vanished, store.remnants_of("team", UID), store.holding_of("team", UID), told) == ({}, (), {}, [KEY])


def test_vanished_and_found() -> None:
    """Where a Pod of it turns out to work, that one counts from then on, until it has ended."""
    store, job = Store(lambda _: None), attempt_at("build", group="main")
    left = replace(a_pod("left", "build", 3), of=job)
    store.jobs.put(("team", job.name), JobRecord(UID, KEY, job, 1))
    store.jobs.drop(("team", job.name), 2)
    store.pods.put(("team", "left"), left)
    store.accounted_for(KEY, [job.name])
    found = [store.remnants_of("team", UID)]
    store.pods.drop(("team", "left"), 4)
    found.append(store.remnants_of("team", UID))
    assert found == [(replace(job, deleting=True, pods=(left.pod,)),), ()]


def test_vanished_and_made_again() -> None:
    """A Job that is there again counts by itself."""
    store, job = Store(lambda _: None), attempt_at("build", group="main")
    store.jobs.put(("team", job.name), JobRecord(UID, KEY, job, 1))
    store.jobs.drop(("team", job.name), 2)
    store.jobs.put(("team", job.name), JobRecord(UID, KEY, job, 3))
    assert (store.jobs_of("team", UID), store.remnants_of("team", UID)) == ((job,), ())


@pytest.mark.parametrize("of", [{"deleting": True}, {"complete": True}, {"failure": JobFailure("DeadlineExceeded")}])
def test_not_vanished(of: dict[str, Any]) -> None:
    """A Job that is over has no Pod that works, and one that is being deleted goes after its Pods."""
    store, job = Store(lambda _: None), attempt_at("build", **of)
    store.jobs.put(("team", job.name), JobRecord(UID, KEY, job, 1))
    store.jobs.drop(("team", job.name), 2)
    assert (store.vanished, store.remnants_of("team", UID)) == ({}, ())


def test_vanished_between_two_pods() -> None:
    """The Pod that was seen was taken, and the Job controller may have made another."""
    store, job = Store(lambda _: None), attempt_at("build")
    taken = replace(a_pod("taken", "build"), pod=pod(ended(), name="taken", taken=True), of=job)
    store.jobs.put(("team", job.name), JobRecord(UID, KEY, job, 1))
    store.pods.put(("team", "taken"), taken)
    store.jobs.drop(("team", job.name), 2)
    found = [dict(store.working_of("team", UID))]
    store.accounted_for(KEY, [job.name])
    found.append(dict(store.working_of("team", UID)))
    assert found == [{job.name: replace(job, deleting=True)}, {}]


def test_vanished_pack() -> None:
    """Of a pack those of its attempts count of which no Pod was seen."""
    store, pack = Store(lambda _: None), replace(a_job("build"), pack=PackState((0, 1)))
    store.jobs.put(("team", pack.job.name), pack)
    store.pods.put(("team", "p"), replace(a_pod("p", "build", 2), index=1))
    store.jobs.drop(("team", pack.job.name), 3)
    found = [[each.index for each in store.remnants_of("team", UID)]]
    store.accounted_for(KEY, [pack.job.name])
    assert [*found, store.remnants_of("team", UID)] == [[0], ()]


def test_calls_of() -> None:
    """A workflow's calls are found by their owner, in their newest version, and both sides are told of each."""
    store, told = a_store()
    put_call(store, a_called(2))
    put_call(store, a_called(3, status=a_run().status()))
    assert (store.calls_of("team", UID), store.calls_of("other", UID), store.calls_of("team", Uid("else")), told) == (
        (called("build", a_run().status()),),
        (),
        (),
        [CHILD, KEY, CHILD, KEY],
    )


def test_calls_go() -> None:
    """A called Workflow that was deleted is in no index any more, and its caller is told."""
    store, told = a_store()
    put_call(store, a_called(2))
    told.clear()
    store.workflows.drop((CHILD.namespace, CHILD.name), 3)
    assert (store.calls_of("team", UID), told, store._calls_by_owner, store._callers) == ((), [CHILD, KEY], {}, {})  # noqa: SLF001  no leak


@pytest.mark.parametrize("call", [None, Call(Uid("other"), WorkflowKey("team", "other"), called("build"))])
def test_call_changes_hands(call: Call | None) -> None:
    """A Workflow that is somebody else's from now on, or nobody's, isn't its caller's any more."""
    store, _ = a_store()
    put_call(store, a_called(2))
    put_call(store, replace(a_called(3), call=call))
    others = (called("build"),) if call is not None else ()
    assert (store.calls_of("team", UID), store.calls_of("team", Uid("other"))) == ((), others)


def test_call_works_on() -> None:
    """A caller sees, and is told, that Kubernetes Jobs still work though the run that it called is over."""
    store, told = a_store()
    ended_run = a_run(WorkflowPhase.CANCELLED).status()
    put_call(store, a_called(2, status=ended_run))
    store.workflows.put(("team", "ci"), a_record())
    told.clear()
    store.jobs.put(MAKE, a_job("make", owner=Uid("child"), key=CHILD))
    working = store.calls_of("team", UID)
    store.jobs.put(MAKE, replace(a_job("make", 2, owner=Uid("child"), key=CHILD), job=OVER))
    assert (working, store.calls_of("team", UID), told) == (
        (called("build", ended_run, works=True),),
        (called("build", ended_run),),
        [CHILD, KEY, CHILD, KEY],
    )


def test_caller_is_spared() -> None:
    """While the run that it called goes on, its Kubernetes Jobs don't concern the caller."""
    store, told = a_store()
    put_call(store, a_called(2, status=a_run().status()))
    told.clear()
    store.jobs.put(MAKE, a_job("make", owner=Uid("child"), key=CHILD))
    assert told == [CHILD]


def test_circle_of_calls() -> None:
    """Workflows that claim to have called each other do no harm."""
    store, told = a_store()
    run = a_run(WorkflowPhase.SUCCEEDED).status()
    put_call(store, a_called(2, status=run))
    own = WorkflowRecord(a_resource(status=run), {}, {}, 3, Call(Uid("child"), CHILD, called("build", run)))
    store.workflows.put(("team", "ci"), own)
    told.clear()
    store.jobs.put(MAKE, replace(a_job("make"), job=OVER))
    assert (store.calls_of("team", UID), told) == ((called("build", run),), [KEY, CHILD])


# What was read from logs


def logging_pod(name: str, log: LoggedOutputs, version: int = 1) -> PodRecord:
    """Give a Pod whose report tells of outputs in its log."""
    return replace(a_pod(name, "build", version), pod=pod(ended(reported(0, log=log)), name=name))


def reports_in(store: Store) -> list[Report | None]:
    """Give the reports of the Pods of `build`, as the engine sees them."""
    (job,) = store.jobs_of("team", UID)
    return [each.container.report for each in job.pods if isinstance(each.container, ContainerTerminated)]


def test_kept_report() -> None:
    """A report that was completed stands in for the one in the Pod, through all its versions, until the Pod goes."""
    store, told = a_store()
    log, read = LoggedOutputs(3, 10, "aa"), reported(0, outputs={"v": {"a": "b"}})
    store.jobs.put(("team", attempt_at("build").name), a_job("build"))
    store.pods.put(("team", "p"), logging_pod("p", log))
    told.clear()
    store.keep_report(logging_pod("p", log), log, read)
    at_once = reports_in(store)
    store.pods.put(("team", "p"), logging_pod("p", log, version=2))
    later = reports_in(store)
    store.pods.put(("team", "p"), logging_pod("p", replace(log, checksum="bb"), version=3))
    of_others = reports_in(store)
    store.pods.drop(("team", "p"), 4)
    assert (at_once, later, of_others, told, store._read, store._bytes_read) == (  # noqa: SLF001  no leak
        [read],
        [read],
        [reported(0, log=replace(log, checksum="bb"))],
        [KEY] * 3,
        {},
        0,
    )


def test_kept_reports_are_bounded() -> None:
    """What was read is forgotten where it gets too much, the oldest first: it can be read again."""
    store, _ = a_store()
    log, read = LoggedOutputs(3, 30 * 2**20, "aa"), reported(0)
    store.jobs.put(("team", attempt_at("build").name), a_job("build"))
    for name in "abc":
        store.pods.put(("team", name), logging_pod(name, log))
        store.keep_report(logging_pod(name, log), log, read)
    store.keep_report(logging_pod("c", log), log, read)
    assert (reports_in(store), store._bytes_read) == ([reported(0, log=log), read, read], 60 * 2**20)  # noqa: SLF001
