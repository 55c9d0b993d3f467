"""What has to hold at every moment, checked on each accepted write and each start of a container.

A Job whose sender had died, was stopped, or had given up waiting, when its POST was carried out is a *stray*: nobody
can know of it before it is seen, and a POST can't be made on condition of anything. It counts as made, but what it does
in a group that was given on meanwhile isn't held against anybody. Neither is what a Job of a called Workflow does of
which the same holds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from fairlead.expressions import fold
from fairlead.model.phase import JobPhase, WorkflowPhase
from fairlead.model.problem import InvalidWorkflowError
from fairlead.plan.runs import CANCEL
from fairlead.render.job import (
    ANNOTATION_GROUP,
    ANNOTATION_RUN_GROUP,
    LABEL_ATTEMPT,
    LABEL_COMBINATION,
    LABEL_JOB,
    LABEL_RETRIES,
    LABEL_RUN,
    LABEL_SPEC,
    LABEL_WORKFLOW,
    LABEL_WORKFLOW_UID,
)
from fairlead.render.pack import ANNOTATION_COMBINATIONS, parse_combinations
from fairlead.syntax import parse_spec
from tests.simulation.nodes import index_of, over_indexes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fairlead.plan.admission import Limits
    from tests.simulation.schedule import Process
    from tests.simulation.server import ApiServer, Change, Json, Place, Request


class Node(NamedTuple):
    """A node of a run. `spec` tells apart what an edit has superseded before its run was recorded."""

    uid: str
    run: str
    spec: str
    job: str
    combination: str


class Holder(NamedTuple):
    """Who holds a group: a run, or a node of it."""

    uid: str
    run: str
    node: str


class Group(NamedTuple):
    """A concurrency group."""

    namespace: str
    name: str


@dataclass(slots=True)
class Checker:
    """Watches the cluster. `violated` is told what doesn't hold; `processes` are those that ever ran, by name."""

    server: ApiServer
    limits: Limits
    violated: Callable[[str], None]
    processes: Mapping[str, Process]
    made: Counter[tuple[Node, str]] = field(default_factory=Counter)
    stray: set[str] = field(default_factory=set)
    _removed: dict[tuple[Node, str], float] = field(default_factory=dict)
    _holds: dict[str, frozenset[tuple[Group, Holder]]] = field(default_factory=dict)
    _working: dict[Place, str] = field(default_factory=dict)
    _over: set[Node] = field(default_factory=set)
    _started: set[Node] = field(default_factory=set)
    _specs: dict[tuple[str, str], Json] = field(default_factory=dict)
    _admitted: set[tuple[Group, Holder]] = field(default_factory=set)

    # What is heard

    def hear(self, change: Change) -> None:
        """Check an accepted write."""
        match change.place.resource, change.kind:
            case "jobs", "ADDED" if change.after is not None and change.request is not None:
                self._job_made(change.after, change.request)
            case "jobs", "DELETED" if change.before is not None and change.request is not None:
                self._removed |= dict.fromkeys(_attempts(change.before), change.request.sent_at)
            case "workflows", "ADDED" if change.after is not None and change.request is not None:
                if self._is_stray(change.request):
                    self.stray.add(change.after["metadata"]["uid"])
                self._workflow_changed(change.before, change.after)
            case "workflows", _ if change.after is not None:
                self._workflow_changed(change.before, change.after)
            case _:
                pass

    def started(self, place: Place, pod: Json) -> None:
        """Check that a container may start."""
        job = pod["metadata"]["ownerReferences"][0]["uid"]
        self._working[place] = job
        if job not in self.stray:
            self._check_groups(place.namespace, f"{place.name} starts")

    def ended(self, place: Place, pod: Json, code: int | None) -> None:
        """Take note that a container has ended, by itself where there is an exit code."""
        self._working.pop(place, None)
        labels = pod["metadata"]["labels"]
        spec = self._specs.get((labels[LABEL_WORKFLOW_UID], labels[LABEL_SPEC]))
        limit = spec["jobs"][labels[LABEL_JOB]].get("retry", {}).get("limit", 0) if spec is not None else 0
        if code == 0 or (code is not None and int(labels[LABEL_RETRIES]) >= limit):
            self._over.add(_node_at(pod))

    # Jobs

    def _job_made(self, job: Json, request: Request) -> None:
        attempts, metadata = _attempts(job), job["metadata"]
        labels = metadata["labels"]
        stray = self._is_stray(request) or labels[LABEL_WORKFLOW_UID] in self.stray
        if stray:
            self.stray.add(metadata["uid"])
        self._holds[metadata["uid"]] = holds = frozenset(self._groups_of(metadata))
        # Who dies after that has left word of it, so it goes for strays as well.
        if early := sorted(group.name for group, _ in holds - self._admitted):
            self.violated(f"{metadata['name']} is made before it is recorded that it holds {', '.join(early)}")
        self.made.update(attempts)
        if not stray and any(request.sent_at > self._removed.get(each, request.sent_at) for each in attempts):
            self.violated(f"{metadata['name']} was deleted by the operator, and is made again")
        self._started.update(node for node, _ in attempts)
        workflow = self.server.find("workflows", metadata["namespace"], labels[LABEL_WORKFLOW])
        if stray or workflow is None or workflow["metadata"]["uid"] != labels[LABEL_WORKFLOW_UID]:
            return
        missing = self._needs_missing(workflow, labels)
        if missing:
            self.violated(f"{metadata['name']} is made before {', '.join(missing)} ended")
        at_work = self._needs_at_work(labels)
        if at_work:
            self.violated(f"{metadata['name']} is made while {', '.join(at_work)} works")
        beside = self._another(job, self._works)
        if beside:
            self.violated(f"{metadata['name']} is made beside {beside}, which still works")
        done = self._another(job, self._has_succeeded)
        if done:
            self.violated(f"{metadata['name']} is made though {done} has succeeded, and its Pod is there")
        self._check_groups(metadata["namespace"], f"{metadata['name']} is made")
        self._check_jobs()

    def _is_stray(self, request: Request) -> bool:
        return request.given_up or self.processes[request.process].still

    def _another(self, job: Json, stands: Callable[[Json, int], bool]) -> str | None:
        """Name another Job of the same node that stands so."""
        nodes, own = {node for node, _ in _attempts(job)}, job["metadata"]["uid"]
        others = ((place, each) for place, each in self.server.every("jobs") if each["metadata"]["uid"] != own)
        same = (
            (place, each, index)
            for place, each in others
            for index, (node, _) in enumerate(_attempts(each))
            if node in nodes
        )
        return next((place.name for place, each, index in same if stands(each, index)), None)

    def _has_succeeded(self, job: Json, index: int) -> bool:
        """Whether a Pod has done what one of a Job's attempts was made for, and says so."""
        return any(each["status"]["phase"] == "Succeeded" for each in self._pods(job, index))

    def _pods(self, job: Json, index: int) -> list[Json]:
        pods = [self.server.objects[each] for each in self.server.owned_by(job["metadata"]["uid"])]
        return [pod for pod in pods if index_of(pod) in (None, index)]

    def _needs_missing(self, workflow: Json, labels: Mapping[str, str]) -> list[str]:
        """Name the needs of a node that aren't over, neither by what is recorded nor in fact."""
        spec = self._specs.get((labels[LABEL_WORKFLOW_UID], labels[LABEL_SPEC]))
        if spec is None:
            self.violated(f"a Job of {labels[LABEL_WORKFLOW]} is made for a spec that it never had")
            return []
        if self._may_stop(workflow, spec, labels):
            return []
        status = workflow.get("status") or {}
        recorded = status.get("jobs", {}) if str(status.get("run")) == labels[LABEL_RUN] else {}
        return [
            need for need in spec["jobs"][labels[LABEL_JOB]].get("needs", []) if not self._ended(need, recorded, labels)
        ]

    def _needs_at_work(self, labels: Mapping[str, str]) -> list[str]:
        """Name the Pods of a node's needs, and of what these called, that run, whatever is recorded of them."""
        spec = self._specs.get((labels[LABEL_WORKFLOW_UID], labels[LABEL_SPEC]))
        needs = _all_needs(spec, labels[LABEL_JOB]) if spec is not None else set()
        if not needs or not self._working:
            return []
        run = (labels[LABEL_WORKFLOW_UID], labels[LABEL_RUN], labels[LABEL_SPEC])
        return [
            place.name
            for place, job in self._working.items()
            if job not in self.stray
            and any(each[:3] == run and each.job in needs for each in self._works_for(self.server.objects[place]))
        ]

    def _works_for(self, document: Json) -> Iterator[Node]:
        """Give the node that a Pod works for, and those that it was called for."""
        node = _node_at(document)
        while True:
            yield node
            workflows = (each["metadata"] for _, each in self.server.every("workflows"))
            caller = next((each.get("labels") or {} for each in workflows if each["uid"] == node.uid), {})
            if LABEL_WORKFLOW_UID not in caller:
                return
            node = _node_of(caller)

    @staticmethod
    def _may_stop(workflow: Json, spec: Json, labels: Mapping[str, str]) -> bool:
        """Whether the run may be ending early: what goes on then starts as soon as that is decided."""
        cancelled = (workflow["metadata"].get("annotations") or {}).get(CANCEL) == labels[LABEL_RUN]
        fast = any(each.get("strategy", {}).get("failFast") for each in spec["jobs"].values())
        return cancelled or fast or any(name in spec for name in ("failFast", "timeout", "concurrency"))

    def _ended(self, job: str, recorded: Json, labels: Mapping[str, str]) -> bool:
        if JobPhase(recorded.get(job, {}).get("phase", "Pending")).ended:
            return True
        run = (labels[LABEL_WORKFLOW_UID], labels[LABEL_RUN], labels[LABEL_SPEC], job)
        nodes = {each for each in self._started if each[:4] == run}
        # One of which nothing was ever started was skipped, or decided without a Pod, or called a Workflow.
        return nodes <= self._over

    def _check_jobs(self) -> None:
        if not self.limits.on_jobs:
            return
        counts = Counter(place.namespace for place, job in self.server.every("jobs") if self._works(job))
        self._compare("Jobs", counts, self.limits.jobs, self.limits.jobs_per_namespace)

    def _works(self, job: Json, index: int = 0) -> bool:
        """Whether something of a Job runs, or will: who is over in fact, or was asked to end, doesn't, nor do strays.

        `index`: which of its attempts, where it is made of several.
        """
        metadata = job["metadata"]
        if (
            (job.get("status") or {}).get("conditions")
            or "deletionTimestamp" in metadata
            or metadata["uid"] in self.stray
        ):
            return False
        if index in over_indexes(job) or (is_pack(job) and "activeDeadlineSeconds" in job["spec"]):
            return False
        return not any(each["status"]["phase"] in ("Succeeded", "Failed") for each in self._pods(job, index))

    # Workflows

    def _workflow_changed(self, before: Json | None, after: Json) -> None:
        metadata, status = after["metadata"], after.get("status") or {}
        if before is None or before["metadata"]["generation"] != metadata["generation"]:
            digest = _digest(orjson.dumps(after["spec"]))
            if digest is not None:
                self._specs[metadata["uid"], digest] = after["spec"]
        earlier = (before or {}).get("status") or {}
        if status == earlier:
            return
        self._check_ends(metadata["name"], earlier, status)
        self._admitted.update(self._recorded(after))
        if _admissions(earlier) != _admissions(status):
            self._check_groups(metadata["namespace"], f"{metadata['name']} is admitted")
            self._check_runs()

    def _check_ends(self, name: str, before: Json, after: Json) -> None:
        """Check that what has ended stays as it ended, within one run."""
        if before.get("run") != after.get("run") or WorkflowPhase.INVALID in (before.get("phase"), after.get("phase")):
            return
        for job, state in before.get("jobs", {}).items():
            now = after.get("jobs", {}).get(job, {})
            ended = JobPhase(state.get("phase", "Pending")).ended
            if ended and (state.get("phase"), state.get("result")) != (now.get("phase"), now.get("result")):
                self.violated(f"{name}: {job} was {state.get('phase')}, and is {now.get('phase')}")
        phase = WorkflowPhase(before.get("phase", "Pending"))
        if phase.ended and phase is not WorkflowPhase.INVALID and after.get("phase") != phase:
            self.violated(f"{name}: run {before.get('run')} was {phase}, and is {after.get('phase')}")

    def _check_runs(self) -> None:
        if not self.limits.on_workflows:
            return
        counts = Counter(
            place.namespace
            for place, document in self.server.every("workflows")
            if LABEL_WORKFLOW_UID not in (document["metadata"].get("labels") or {})
            and _goes_on(document.get("status") or {})
            and (document["status"].get("admission") or {}).get("admitted")
        )
        self._compare("Workflows", counts, self.limits.workflows, self.limits.workflows_per_namespace)

    def _compare(self, what: str, counts: Counter[str], most: int | None, most_of_one: int | None) -> None:
        if most is not None and counts.total() > most:
            self.violated(f"{counts.total()} {what} at a time, of {most}")
        if most_of_one is not None and max(counts.values(), default=0) > most_of_one:
            self.violated(f"{max(counts.values())} {what} of a namespace at a time, of {most_of_one}")

    # Groups

    def _check_groups(self, namespace: str, when: str) -> None:
        holders: dict[Group, set[Holder]] = {}
        for group, holder in self._all_holders(namespace):
            holders.setdefault(group, set()).add(holder)
        for group, found in holders.items():
            if len(found) > 1:
                who = ", ".join(
                    f"{self._name_of(each.uid)} run {each.run} {each.node}".strip() for each in sorted(found)
                )
                self.violated(f"{when}: {group.name} in {group.namespace} is held by {who}")

    def _all_holders(self, namespace: str) -> Iterator[tuple[Group, Holder]]:
        for place, document in self.server.every("workflows"):
            if place.namespace == namespace:
                yield from self._recorded(document)
        for place, job in self._working.items():
            if place.namespace == namespace and job not in self.stray:
                yield from self._holds.get(job, ())

    def _recorded(self, document: Json) -> Iterator[tuple[Group, Holder]]:
        metadata, status = document["metadata"], document.get("status") or {}
        if not _goes_on(status):
            return
        for node, admission in _admissions(status):
            yield Group(metadata["namespace"], fold(admission)), Holder(metadata["uid"], str(status["run"]), node)

    def _groups_of(self, metadata: Json) -> Iterator[tuple[Group, Holder]]:
        """Give the groups that a Job works in, with those of its callers."""
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        uid, run = labels[LABEL_WORKFLOW_UID], labels[LABEL_RUN]
        if (group := annotations.get(ANNOTATION_RUN_GROUP)) is not None:
            yield Group(metadata["namespace"], fold(group)), Holder(uid, run, "")
        if (group := annotations.get(ANNOTATION_GROUP)) is not None:
            node = "/".join(filter(None, (labels[LABEL_JOB], labels.get(LABEL_COMBINATION))))
            yield Group(metadata["namespace"], fold(group)), Holder(uid, run, node)
        for _, document in self.server.every("workflows"):
            caller = document["metadata"]
            if caller["uid"] == uid and LABEL_WORKFLOW_UID in (caller.get("labels") or {}):
                yield from self._groups_of(caller)

    def _name_of(self, uid: str) -> str:
        found = [place.name for place, each in self.server.every("workflows") if each["metadata"]["uid"] == uid]
        return found[0] if found else uid


def _goes_on(status: Json) -> bool:
    return "run" in status and not WorkflowPhase(status.get("phase", "Pending")).ended


def _admissions(status: Json) -> list[tuple[str, str]]:
    """Give who is recorded as holding which group: the run, and nodes that haven't ended."""
    found: list[tuple[str, Any]] = [("", status)] if _goes_on(status) else []
    for job, state in status.get("jobs", {}).items() if found else ():
        nodes = [(job, state), *((f"{job}/{at}", each) for at, each in enumerate(state.get("combinations", ())))]
        found += [(name, each) for name, each in nodes if not JobPhase(each.get("phase", "Pending")).ended]
    admissions = [(name, each.get("admission") or {}) for name, each in found]
    return [(name, each["group"]) for name, each in admissions if each.get("admitted") and each.get("group")]


def is_pack(job: Json) -> bool:
    """Whether a Job is made of several attempts."""
    return ANNOTATION_COMBINATIONS in (job["metadata"].get("annotations") or {})


def _attempts(job: Json) -> list[tuple[Node, str]]:
    """Give the attempts that a Job is, in the order of their indexes."""
    labels, annotations = job["metadata"]["labels"], job["metadata"].get("annotations") or {}
    found: list[dict[str, str]] = [{}]
    if is_pack(job):
        found = [{LABEL_COMBINATION: str(each)} for each in parse_combinations(annotations[ANNOTATION_COMBINATIONS])]
    return [(_node_of({**labels, **each}), labels[LABEL_ATTEMPT]) for each in found]


def _all_needs(spec: Json, job: str) -> set[str]:
    """Name the jobs that a job needs, and those that these need."""
    found: set[str] = set()
    left = [job]
    while left:
        new = set(spec["jobs"][left.pop()].get("needs", ())) - found
        found |= new
        left += new
    return found


def _node_at(pod: Json) -> Node:
    return _attempts(pod)[index_of(pod) or 0][0]


def _node_of(labels: Mapping[str, str]) -> Node:
    combination = labels.get(LABEL_COMBINATION, "")
    return Node(labels[LABEL_WORKFLOW_UID], labels[LABEL_RUN], labels[LABEL_SPEC], labels[LABEL_JOB], combination)


@lru_cache(maxsize=1024)
def _digest(spec: bytes) -> str | None:
    try:
        return parse_spec(orjson.loads(spec)).digest
    except InvalidWorkflowError:
        return None
