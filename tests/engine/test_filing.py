from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.desk import Desk
from fairlead.engine.filing import Filing
from fairlead.engine.records import Call, JobRecord, PodRecord, WorkflowRecord
from fairlead.engine.store import Store
from fairlead.model.ids import Uid, WorkflowKey
from fairlead.model.phase import WorkflowPhase
from fairlead.model.status import AdmissionStatus
from fairlead.plan.admission import Limits
from fairlead.plan.neighbours import Admitted, Waits
from tests.builders import NOW, a_run, at, attempt_at, called, going, pod
from tests.claims import a_claim, key_of, uid_of

if TYPE_CHECKING:
    from fairlead.plan.neighbours import Standing

WAITING = a_claim("waiting", since=9)
WAITS = Waits('waits for first (run 1) in the concurrency group "main"')
ENDING = attempt_at("x", run_group="Main", deleting=True)
FIRST = key_of("first")


class Office:
    """A store, what is filed of it, and a claim that waits for the group of the workflow `first`."""

    def __init__(self) -> None:
        self.told: list[WorkflowKey] = []
        self.store = Store(self.told.append)
        self.desk = Desk(Limits())
        self.filing = Filing(self.desk, self.store)
        self.version = 0

    def put_workflow(self, phase: WorkflowPhase, uid: str = uid_of("first"), **fields: Any) -> WorkflowRecord:  # noqa: ANN401  any of the status's own
        """Take note of a workflow that says so in its status."""
        resource = a_run(phase).but(**fields).resource(key=FIRST, uid=Uid(uid))
        self.version += 1
        record = WorkflowRecord(resource, {}, {}, self.version)
        self.store.workflows.put(("team", "first"), record)
        return record

    def put_job(self) -> None:
        """Take note of a Kubernetes Job that is being deleted."""
        self.store.jobs.put(("team", ENDING.name), JobRecord(uid_of("first"), FIRST, ENDING, 1))

    def put_pod(self) -> None:
        """Take note of a Pod of it that works."""
        made = PodRecord(uid_of("first"), FIRST, ENDING.name, NOW, pod(going()), 1, of=ENDING)
        self.store.pods.put(("team", "pod"), made)

    def stands(self) -> Standing:
        """Tell how the one stands that waits."""
        return self.desk.standing(WAITING)


def test_what_was_there_before() -> None:
    """What is recorded, and what works, is filed before anything is decided, of workflows that are gone as well."""
    recorded, left_job, left_pod = Office(), Office(), Office()
    recorded.put_workflow(WorkflowPhase.RUNNING, admission=AdmissionStatus(admitted=True, since=at(0), group="Main"))
    left_job.put_job()
    left_pod.put_pod()
    offices = [Office(), recorded, left_job, left_pod]
    for office in offices:
        office.filing.file_all()
    assert [office.stands() for office in offices] == [Admitted(), WAITS, WAITS, WAITS]


def test_pods_outlive_their_job() -> None:
    """A run that was cancelled holds its group until its Pods have ended, though their Jobs are gone already."""
    office = Office()
    record = office.put_workflow(WorkflowPhase.CANCELLED)
    office.put_job()
    office.put_pod()
    office.filing.file(record)
    found = [office.stands()]
    office.store.jobs.drop(("team", ENDING.name), 2)
    office.filing.file(record)
    found.append(office.stands())
    office.store.pods.drop(("team", "pod"), 3)
    office.filing.file(record)
    found.append(office.stands())
    assert found == [WAITS, WAITS, Admitted()]


@pytest.mark.parametrize("before", [True, False])
def test_a_job_vanishes(*, before: bool) -> None:
    """A Job that goes before a Pod of it was seen holds its group until that is accounted for."""
    office, job = Office(), attempt_at("x", run_group="Main")
    office.store.jobs.put(("team", job.name), JobRecord(uid_of("first"), FIRST, job, 1))
    if before:
        office.store.jobs.drop(("team", job.name), 2)
    office.filing.file_all()
    office.store.jobs.drop(("team", job.name), 2)
    office.filing.forget(FIRST)
    kept = office.stands()
    office.store.accounted_for(FIRST, [job.name])
    office.filing.forget(FIRST)
    assert (kept, office.stands()) == (WAITS, Admitted())


def test_a_workflow_is_made_again() -> None:
    """What a deleted workflow left behind holds its group, though another has its name; then the next may look."""
    office = Office()
    office.filing.file(office.put_workflow(WorkflowPhase.RUNNING))
    office.put_pod()
    again = office.put_workflow(WorkflowPhase.SUCCEEDED, uid="another")
    office.desk.update(WAITING.workflow, [WAITING], version=1)
    office.filing.file(again)
    kept = office.stands()
    office.store.pods.drop(("team", "pod"), 2)
    assert (kept, office.filing.file(again), office.stands()) == (WAITS, {WorkflowKey("team", "waiting")}, Admitted())


def test_a_workflow_is_gone() -> None:
    """A deleted workflow holds its group until nothing of it works, and is forgotten then."""
    office = Office()
    office.filing.file(office.put_workflow(WorkflowPhase.RUNNING))
    office.put_job()
    office.filing.forget(FIRST)
    kept = office.stands()
    office.store.jobs.drop(("team", ENDING.name), 2)
    office.filing.forget(FIRST)
    assert (kept, office.stands()) == (WAITS, Admitted())


def test_what_a_deleted_workflow_had_called_holds_its_group() -> None:
    """The garbage collector takes it away, and its Jobs, and its Pods last; whoever waits may go then."""
    office, call = Office(), called("a", run_group="Main")
    below = WorkflowRecord(
        a_run().resource(key=WorkflowKey("team", call.name), uid=Uid("below")),
        {},
        {},
        7,
        Call(uid_of("first"), FIRST, call),
    )
    office.store.workflows.put(("team", call.name), below)
    made = PodRecord(Uid("below"), below.resource.key, ENDING.name, NOW, pod(going()), 1, of=attempt_at("x"))
    office.store.pods.put(("team", "pod"), made)
    office.filing.file(office.put_workflow(WorkflowPhase.RUNNING))
    office.filing.forget(FIRST)
    found = [office.stands()]
    office.store.workflows.drop(("team", call.name), 8)
    office.filing.forget(FIRST)
    found.append(office.stands())
    office.told.clear()
    office.store.pods.drop(("team", "pod"), 9)
    told = list(office.told)
    office.filing.forget(FIRST)
    found.append(office.stands())
    assert (found, FIRST in told) == ([WAITS, WAITS, Admitted()], True)
