"""A cluster and an operator whose calls are in flight as long as the test likes, and lost when it likes.

A look at a workflow is what the engine does: tell the desk, plan, reserve, then one call after the other. Each call is
sent, may be carried out, and is answered or lost, and between any two of these anything else may happen.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from fairlead.engine.desk import Desk
from fairlead.engine.errors import ConflictError, UnavailableError
from fairlead.model.ids import Uid
from fairlead.model.status import WorkflowStatus
from fairlead.plan import CreateJob, DeleteJob, KubernetesJob, Observed, Pod, Resource, plan
from fairlead.plan.admission import claims_of, remains_of, working, works
from fairlead.syntax import parse_spec
from tests.builders import at, ended, going, reported

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from fairlead.model.ids import WorkflowKey
    from fairlead.model.workflow import Workflow
    from fairlead.plan.admission import Limits

Json: TypeAlias = "dict[str, Any]"
Call: TypeAlias = "CreateJob | DeleteJob | WorkflowStatus"
Look: TypeAlias = "Generator[tuple[View, Call], None, None]"


class Answer(Enum):
    """What becomes of a call: carried out or not, and whether somebody hears of it."""

    DONE = auto()
    DONE_UNHEARD = auto()
    LOST = auto()


@dataclass(frozen=True, slots=True)
class View:
    """What is known of one workflow: the resource (None: it is gone), its version, and what exists of it."""

    resource: Resource | None
    spec: Json
    version: int
    jobs: Mapping[str, KubernetesJob]
    remains: Mapping[Uid, Mapping[str, KubernetesJob]]


@dataclass(slots=True)
class Cluster:
    """What is recorded and runs. `remains` are the Kubernetes Jobs of deleted workflows that haven't ended."""

    version: int = 0
    views: dict[WorkflowKey, View] = field(default_factory=dict)

    def apply(self, key: WorkflowKey, spec: Json) -> None:
        """Make a workflow, or edit it."""
        known = self.views.get(key)
        if known is None or known.resource is None:
            resource = Resource(key, Uid(f"{key}-{self.version}"), 1, WorkflowStatus())
        else:
            resource = replace(known.resource, generation=known.resource.generation + 1)
        base = known or View(None, spec, 0, {}, {})
        self._put(key, replace(base, resource=resource, spec=spec))

    def cancel(self, key: WorkflowKey) -> None:
        """Ask for the end of the recorded run."""
        resource = self.views[key].resource
        if resource is not None:
            asked = {"fairlead.dev/cancel": str(resource.status.run or 1)}
            self._put(key, replace(self.views[key], resource=replace(resource, annotations=asked)))

    def delete(self, key: WorkflowKey) -> None:
        """Delete a workflow; the garbage collector ends its Jobs."""
        view = self.views[key]
        if view.resource is not None:
            ending = {name: replace(job, deleting=True) for name, job in view.jobs.items()}
            remains = {**view.remains, view.resource.uid: ending}
            self._put(key, replace(view, resource=None, jobs={}, remains=remains))

    def move(self, key: WorkflowKey, name: str) -> None:
        """Let a Kubernetes Job come one step further: its Pod starts, ends, or is gone at last."""
        view = self.views[key]
        remains = {uid: _moved(jobs, name) for uid, jobs in view.remains.items()}
        self.views[key] = replace(view, jobs=_moved(view.jobs, name), remains=remains)

    def carry_out(self, key: WorkflowKey, view: View, call: Call) -> None:
        """Do what is asked, as the API server would. Raises ConflictError."""
        known = self.views[key]
        resource = known.resource
        if resource is None or view.resource is None or resource.uid != view.resource.uid:
            raise ConflictError
        match call:
            case WorkflowStatus():
                if known.version != view.version:
                    raise ConflictError
                read = WorkflowStatus.from_json(call.to_json())
                self._put(key, replace(known, resource=replace(resource, status=read)))
            case CreateJob():
                if call.instead_of in known.jobs:
                    raise ConflictError
                made = KubernetesJob(
                    name=call.name,
                    node=call.node,
                    attempt=call.attempt,
                    run=call.run,
                    digest=call.digest,
                    retries=call.retries,
                    group=call.group,
                    run_group=call.run_group,
                )
                self.views[key] = replace(known, jobs={call.name: made, **known.jobs})
            case DeleteJob():
                if call.name in known.jobs:
                    gone = replace(known.jobs[call.name], deleting=True)
                    self.views[key] = replace(known, jobs={**known.jobs, call.name: gone})

    def at_work(self) -> dict[tuple[str, str], set[object]]:
        """Tell who works in each group: runs by the run's group, nodes by their own."""
        found: dict[tuple[str, str], set[object]] = {}
        for key, view in self.views.items():
            everything = [(view.resource.uid, view.jobs)] if view.resource is not None else []
            everything += [*view.remains.items()]
            for uid, jobs in everything:
                for job in filter(works, jobs.values()):
                    if job.run_group is not None:
                        found.setdefault((key.namespace, job.run_group), set()).add((uid, job.run))
                    if job.group is not None:
                        found.setdefault((key.namespace, job.group), set()).add((uid, job.run, job.node))
        return found

    def admitted(self) -> Counter[str]:
        """Count the runs that are recorded as admitted and go on, by namespace."""
        return Counter(
            key.namespace
            for key, view in self.views.items()
            if view.resource is not None
            and (status := view.resource.status).admission is not None
            and status.admission.admitted
            and not status.ended
        )

    def _put(self, key: WorkflowKey, view: View) -> None:
        self.version += 1
        self.views[key] = replace(view, version=self.version)


def _moved(jobs: Mapping[str, KubernetesJob], name: str) -> dict[str, KubernetesJob]:
    """Take one Kubernetes Job further; one that is being deleted vanishes once its Pod has ended."""
    found = dict(jobs)
    job = found.get(name)
    if job is None:
        return found
    if not job.pods and not job.deleting:
        found[name] = replace(job, pods=(Pod("pod", going()),))
    elif job.deleting:
        del found[name]
    elif not job.complete:
        found[name] = replace(job, complete=True, pods=(Pod("pod", ended(reported(0))),))
    return found


@dataclass(slots=True)
class Flight:
    """A look that waits for the answer to a call, which was made on the ground of a view."""

    look: Look
    view: View
    call: Call


@dataclass(slots=True)
class Operator:
    """The engine's loop, as far as the desk goes. `now` is in seconds."""

    cluster: Cluster
    limits: Limits
    now: int = 0
    desk: Desk = field(init=False)
    views: dict[WorkflowKey, View] = field(init=False)
    queue: dict[WorkflowKey, None] = field(init=False)
    flights: dict[WorkflowKey, Flight] = field(init=False)
    late: list[tuple[WorkflowKey, Flight]] = field(init=False)
    unheard: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Start."""
        self.start()

    def start(self) -> None:
        """Start with nothing in memory: list everything, then begin to look."""
        self.desk, self.flights, self.late = Desk(self.limits), {}, []
        self.views = dict(self.cluster.views)
        for key in self.views:
            self._tell(key)
        self.queue = dict.fromkeys(self.views)

    def hear(self, key: WorkflowKey) -> None:
        """Let the watch of workflows bring what is true of one."""
        known, true = self.views.get(key), self.cluster.views[key]
        jobs, remains = (known.jobs, known.remains) if known is not None else ({}, {})
        if known is not None and known.resource is not None and known.resource.uid != _uid(true):
            # What it leaves behind is told apart from what its successor does.
            jobs, remains = {}, {**remains, known.resource.uid: jobs}
        self.views[key] = replace(true, jobs=jobs, remains=remains)
        self.queue[key] = None

    def hear_of_jobs(self, key: WorkflowKey) -> None:
        """Let the watches of Jobs and Pods bring what is true of a workflow's."""
        known, true = self.views.get(key), self.cluster.views[key]
        if known is not None and _uid(known) == _uid(true):
            self.views[key] = replace(known, jobs=true.jobs, remains=true.remains)
            self.queue[key] = None

    def begin(self, key: WorkflowKey) -> None:
        """Begin to look at a workflow that waits for it."""
        del self.queue[key]
        self._go_on(key, self._look(key), None)

    def answer(self, key: WorkflowKey, answer: Answer) -> None:
        """Let a call be carried out, or get lost."""
        flight = self.flights.pop(key)
        error: Exception | None = None
        if answer is not Answer.LOST:
            try:
                self.cluster.carry_out(key, flight.view, flight.call)
            except ConflictError as conflict:
                error = conflict
        elif isinstance(flight.call, WorkflowStatus):
            self.late.append((key, flight))
        if isinstance(flight.call, CreateJob):
            self.unheard.add(flight.call.name)
            if answer is Answer.DONE:
                self.unheard.remove(flight.call.name)
        if answer is not Answer.DONE:
            error = UnavailableError("connection reset")
        if error is None and isinstance(flight.call, WorkflowStatus):
            self.hear(key)
        elif error is None:
            self.hear_of_jobs(key)
        self._go_on(key, flight.look, error)

    def working(self) -> Counter[str]:
        """Count the Kubernetes Jobs that aren't over, by namespace, but for those that nobody answered for."""
        found = Counter[str]()
        for key, view in self.cluster.views.items():
            there = working([job for jobs in (view.jobs, *view.remains.values()) for job in jobs.values()])
            found[key.namespace] += len(there - self.unheard)
        return found

    def arrive_late(self) -> None:
        """Let a status be written after all that was given up as lost."""
        key, flight = self.late.pop(0)
        with suppress(ConflictError):
            self.cluster.carry_out(key, flight.view, flight.call)

    def _go_on(self, key: WorkflowKey, look: Look, error: Exception | None) -> None:
        try:
            view, call = look.throw(error) if error is not None else next(look)
        except StopIteration:
            return
        except (ConflictError, UnavailableError):
            self.queue[key] = None
        else:
            self.flights[key] = Flight(look, view, call)

    def _wake(self, keys: set[WorkflowKey]) -> None:
        self.queue |= dict.fromkeys(sorted(keys))

    def _tell(self, key: WorkflowKey) -> set[WorkflowKey]:
        """Tell the desk what is known of a workflow, and give who has to look again."""
        view = self.views[key]
        remains = [claim for uid, jobs in view.remains.items() for claim in remains_of(key, uid, jobs.values())]
        names = {name for jobs in view.remains.values() for name in working(jobs.values())}
        if view.resource is None:
            return self.desk.forget(key, remains, names)
        claims = (*claims_of(view.resource, view.jobs.values()), *remains)
        names |= working(view.jobs.values())
        return self.desk.update(key, claims, version=view.version, working=names)

    def _look(self, key: WorkflowKey) -> Look:
        # What concerns this one is looked at right now.
        self._wake(self._tell(key) - {key})
        view = self.views[key]
        resource = view.resource
        if resource is None:
            return
        observed = Observed(tuple(view.jobs.values()), neighbours=self.desk.neighbours(key))
        decision = plan(_parsed(orjson.dumps(view.spec)), resource, observed, at(self.now))
        creations = [action for action in decision.actions if isinstance(action, CreateJob)]
        names = {create.name for create in creations}
        if decision.record_first:
            claims = claims_of(replace(resource, status=decision.status), view.jobs.values())
            self._wake(self.desk.reserve(key, claims, version=view.version))
        self._wake(self.desk.starting(key, names))
        self._wake(self.desk.demand(key, decision.demand))
        for create in creations:
            # One of which nobody heard may be there: it counts until the next look has asked again.
            yield view, create
            self._wake(self._tell(key) | self.desk.started(key, {create.name}))
        if decision.status.to_json() != resource.status.to_json():
            yield view, decision.status
            self._wake(self._tell(key))
        for action in decision.actions:
            if isinstance(action, DeleteJob):
                yield view, action


@lru_cache
def _parsed(spec: bytes) -> Workflow:
    return parse_spec(orjson.loads(spec))


def _uid(view: View) -> Uid | None:
    return view.resource.uid if view.resource is not None else None
