from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.model.ids import RunNumber, WorkflowKey
from fairlead.model.phase import WorkflowPhase
from fairlead.model.spec import QueueKind
from fairlead.model.status import AdmissionStatus, CombinationStatus
from fairlead.plan.admission import Limits, claims_of, remains_of, working, works
from fairlead.plan.neighbours import Caller, Claim
from tests.builders import (
    KEY,
    UID,
    a_run,
    at,
    attempt_at,
    called,
    ended,
    going,
    node_of,
    pod,
    queued,
    reported,
    running,
    succeeded,
    waiting,
)

if TYPE_CHECKING:
    from fairlead.plan import KubernetesJob

OVER = pod(ended(reported(0)))
LONG_AGO = datetime.min.replace(tzinfo=UTC)


def admission(group: str | None = "Main", *, admitted: bool = True, since: float = 0) -> AdmissionStatus:
    """Give how a run or a job stands."""
    return AdmissionStatus(admitted=admitted, since=at(since), group=group)


def claim(node: str | None = None, combination: int | None = None, **fields: Any) -> Claim:  # noqa: ANN401  any of the claim's own
    """Give what is claimed by the run, or a node of it, for the group `main`."""
    made = Claim(
        workflow=KEY,
        uid=UID,
        run=RunNumber(1),
        node=None if node is None else node_of(node, combination),
        since=at(0),
        admitted=True,
        group="MAIN",
        cancel_in_progress=False,
        queue=QueueKind.ALL,
        counted=node is None,
    )
    return replace(made, **fields)


def held(node: str | None = None, **fields: Any) -> Claim:  # noqa: ANN401  any of the claim's own
    """Give what is held by something that works on, though the record has gone on."""
    return claim(node, **{"since": LONG_AGO, "counted": False, **fields})


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (attempt_at("build"), True),
        (attempt_at("build", pod()), True),
        (attempt_at("build", pod(waiting())), True),
        (attempt_at("build", pod(going())), True),
        (attempt_at("build", OVER), False),
        (attempt_at("build", OVER, complete=True), False),
        (attempt_at("build", pod(going()), deleting=True), True),
        (attempt_at("build", deleting=True), True),
        (attempt_at("build", OVER, deleting=True), False),
        (attempt_at("build", pod(ended(), taken=True)), True),
        (attempt_at("build", pod(ended(), taken=True), deleting=True), False),
        (attempt_at("build", pod(ended(), taken=True), pod(going())), True),
        (attempt_at("build", pod(going(), taken=True), failure="DeadlineExceeded"), True),
        (attempt_at("build", pod(waiting(), taken=True), failure="BackoffLimitExceeded"), False),
    ],
)
def test_what_works(job: KubernetesJob, expected: bool) -> None:  # noqa: FBT001  a table's column
    """A Kubernetes Job works until its Pods have ended, whatever was said about it, and while it may have another."""
    assert works(job) is expected


def test_what_the_limits_on_jobs_count() -> None:
    """Kubernetes Jobs that work are counted, by name."""
    going_on = attempt_at("build", pod(going()))
    assert working([going_on, attempt_at("test", OVER)]) == {going_on.name}


def test_a_run_claims_what_it_recorded() -> None:
    """The recorded run and each of its nodes that isn't over claim their groups, in one case, as they recorded it."""
    latest = AdmissionStatus(since=at(5), group="Deploy", cancel_in_progress=True, queue=QueueKind.LATEST, priority=7)
    resource = (
        a_run()
        .but(admission=admission())
        .with_job("build", succeeded(admission=admission("Done")))
        .with_job("deploy", queued(admission=latest))
        .with_job(
            "test",
            running(combinations=(CombinationStatus(name="a", admission=admission("T")), CombinationStatus(name="b"))),
        )
        .resource()
    )
    asked = claim("deploy", since=at(5), admitted=False, group="DEPLOY")
    asked = replace(asked, cancel_in_progress=True, queue=QueueKind.LATEST, priority=7)
    assert claims_of(resource, ()) == (claim(), asked, claim("test", 0, group="T"))


def test_a_run_that_is_over_holds_its_group_while_something_works() -> None:
    """A run or a node that is recorded as over holds its group until its Pods have ended, and asks for nothing."""
    run = a_run(WorkflowPhase.CANCELLED).but(admission=admission()).with_job("x", succeeded(admission=admission("X")))
    ending = attempt_at("x", pod(going(), taken=True), deleting=True, group="X", run_group="Main")
    found = [claims_of(run.resource(), [ending]), claims_of(run.resource(), [replace(ending, pods=(OVER,))])]
    assert found == [(held(), held("x", group="X")), ()]


def test_an_earlier_run_holds_the_groups_that_its_jobs_name() -> None:
    """Of an earlier run nothing is recorded any more; its Kubernetes Jobs say themselves in which groups they work."""
    resource = a_run(run=2).but(admission=admission(admitted=False)).resource()
    before = attempt_at("x", pod(going()), group="X", run_group="Main")
    waits = claim(run=RunNumber(2), admitted=False)
    assert claims_of(resource, [before]) == (waits, held(), held("x", group="X"))


def test_whatever_works_holds() -> None:
    """Something that works in a group holds it, though its claim is recorded as waiting."""
    resource = a_run().but(admission=admission(admitted=False)).resource()
    assert claims_of(resource, [attempt_at("x", pod(going()), run_group="Main")]) == (claim(),)


def test_a_caller_holds_its_groups_while_a_called_workflow_works() -> None:
    """A called workflow that isn't over, or of which something still works, holds its caller's groups."""
    resource = a_run(WorkflowPhase.CANCELLED).but(admission=admission()).resource()
    over = a_run(WorkflowPhase.CANCELLED).status()
    calls = [called("x", a_run().status()), replace(called("x", over), works=True), called("x", over)]
    calls = [replace(call, run_group="Main") for call in calls]
    assert [claims_of(resource, (), [call]) for call in calls] == [(held(),), (held(),), ()]


def test_a_called_workflow_isnt_counted() -> None:
    """A workflow that was called claims its groups as any other, but takes no place in the limits."""
    callers = (Caller(UID, RunNumber(1), node_of("deploy")),)
    resource = a_run().but(admission=admission()).resource(callers=callers)
    assert claims_of(resource, ()) == (claim(counted=False, callers=callers),)


def test_a_run_that_began_without_limits_counts() -> None:
    """A run that was running before workflows were limited counts, as admitted; one that had not begun waits."""
    claims = [claims_of(a_run(phase).resource(), ()) for phase in (WorkflowPhase.RUNNING, WorkflowPhase.PENDING)]
    assert claims == [(held(group=None, counted=True),), ()]


def test_what_is_left_of_a_deleted_workflow() -> None:
    """A workflow that is gone holds what its Kubernetes Jobs name, as long as they work."""
    jobs = [attempt_at("x", pod(going()), run_group="Main"), attempt_at("y", OVER, group="Y"), attempt_at("z")]
    assert remains_of(KEY, UID, jobs) == (held(),)


def test_a_record_that_was_lost_makes_no_claims() -> None:
    """What works without a group holds none, though a later run of the same number waits for one."""
    resource = a_run().but(admission=admission(admitted=False)).resource()
    assert claims_of(resource, [attempt_at("x", pod(going()))]) == (claim(admitted=False),)


def test_nothing_is_claimed_without_a_group() -> None:
    """A workflow without groups claims nothing before it runs, nor after."""
    statuses = [a_run(WorkflowPhase.PENDING), a_run(WorkflowPhase.SUCCEEDED), a_run(WorkflowPhase.INVALID)]
    jobs = [attempt_at("x", pod(going()))]
    found = [claims_of(each.with_job("x", queued()).resource(key=WorkflowKey("a", "b")), jobs) for each in statuses]
    assert found == [(), (), ()]


def test_limits_are_on_one_or_the_other() -> None:
    """Workflows and jobs are limited apart."""
    limits = [
        Limits(),
        Limits(workflows=1),
        Limits(workflows_per_namespace=1),
        Limits(jobs=1),
        Limits(jobs_per_namespace=1),
    ]
    assert [(each.on_workflows, each.on_jobs) for each in limits] == [
        (False, False),
        (True, False),
        (True, False),
        (False, True),
        (False, True),
    ]
