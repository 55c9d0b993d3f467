"""What Kubernetes does with Jobs and Pods: the Job controller, scheduler, kubelet and garbage collector, in short.

How a container ends stands in its environment, so that it depends on the job and on its retries alone, whatever
befalls it: SIM_SECONDS, SIM_CODES (the exit code of each try, the last one from then on), SIM_VALUE (its output `v`).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from fairlead.render.job import LABEL_JOB_NAME, LABEL_RETRIES, MAIN
from fairlead.render.pack import LABEL_INDEX, format_combinations, parse_combinations
from tests.simulation.server import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from tests.simulation.schedule import Schedule
    from tests.simulation.server import ApiServer, Change, Json


_HOLE = re.compile(r"(\$_f_m[0-9]+)")


def outcome_of(env: Mapping[str, str], retries: int) -> tuple[int, str]:
    """Tell how a try ends: its exit code and its output."""
    codes = [int(code) for code in env["SIM_CODES"].split(",")]
    return codes[min(retries, len(codes) - 1)], env.get("SIM_VALUE", "")


@dataclass(slots=True)
class Nodes:
    """The controllers. `slow`: the part of their steps that take long. `wall` gives the time of day, as text.

    `started` and `ended` hear of each container, by the Pod's place; of one that ended by itself with its exit code.
    """

    schedule: Schedule
    server: ApiServer
    dice: Random
    wall: Callable[[], str]
    started: Callable[[Place, Json], None] = lambda _place, _pod: None
    ended: Callable[[Place, Json, int | None], None] = lambda _place, _pod, _code: None
    slow: float = 0.0
    pods: int = 0
    running: dict[Place, str] = field(default_factory=dict)

    def hear(self, change: Change) -> None:
        """Do what a change asks for."""
        place, after = change.place, change.after
        metadata = (after or change.before or {})["metadata"]
        if change.kind == "ADDED" and metadata.get("ownerReferences"):
            self._later(0.1, partial(self._collect_orphan, place, metadata["uid"]))
        if change.kind == "DELETED":
            self._later(0.3, partial(self._collect, metadata["uid"]))
            if place.resource == "pods" and change.before is not None:
                self._gone(place, change.before)
        match place.resource, change.kind:
            case "jobs", "ADDED":
                for index in range(after["spec"]["completions"]) if after and _indexed(after) else (None,):
                    self._later(0.3, partial(self._make_pod, place, metadata["uid"], index))
            case "jobs", "MODIFIED" if _past_its_time(after) and not _past_its_time(change.before):
                self._later(1.5, partial(self._exceed, place, metadata["uid"]))
            case "jobs", "MODIFIED" if _deleting(after) and not _deleting(change.before):
                self._later(1.0, partial(self._let_go, place, metadata["uid"]))
            case "pods", "MODIFIED" if _deleting(after) and not _deleting(change.before):
                self._later(0.5, partial(self._terminate, place, metadata["uid"]))
            case _:
                pass

    # The garbage collector

    def _collect(self, uid: str) -> None:
        for place in self.server.owned_by(uid):
            self._delete(place)

    def _collect_orphan(self, place: Place, uid: str) -> None:
        document = self._same(place, uid)
        if document is not None:
            owners = {each["uid"] for each in document["metadata"]["ownerReferences"]}
            if not any(each["metadata"]["uid"] in owners for each in self.server.objects.values()):
                self._delete(place)

    def _delete(self, place: Place) -> None:
        if place.resource == "pods" or self.server.lingering(place):
            self.server.mark_deleted(place)
        else:
            self.server.remove(place)

    def _let_go(self, place: Place, uid: str) -> None:
        """Remove a Job that lingers, and its Pods before it, as foreground deletion does."""
        if self._same(place, uid) is None:
            return
        pods = [each for each in self.server.owned_by(uid) if each.resource == "pods"]
        for each in pods:
            self.server.mark_deleted(each)
        if pods:
            self._later(1.0, partial(self._let_go, place, uid))
        else:
            self.server.remove(place)

    # The Job controller

    def _make_pod(self, job: Place, uid: str, index: int | None = None) -> None:
        document = self._same(job, uid)
        if document is None or _deleting(document) or _finished(document) or _past_its_time(document):
            return
        if index is not None and index in over_indexes(document):
            return
        self.pods += 1
        place = Place("pods", job.namespace, f"{job.name}-{self.pods}")
        template = document["spec"]["template"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job.name, "uid": uid, "controller": True}
        labels = {**template["metadata"]["labels"], LABEL_JOB_NAME: job.name}
        labels |= {LABEL_INDEX: str(index)} if index is not None else {}
        metadata = {**template["metadata"], "labels": labels, "ownerReferences": [owner]}
        pod = self.server.put(place, {"metadata": metadata, "spec": template["spec"], "status": {"phase": "Pending"}})
        self._later(0.3, partial(self._bind, place, pod["metadata"]["uid"]))

    def _conclude(self, job: Place, uid: str, condition: str, reason: str, index: int | None = None) -> None:
        document = self._same(job, uid)
        if document is None or _finished(document):
            return
        status = document.get("status") or {}
        if index is not None:
            if index in over_indexes(document):
                return
            kind = "completedIndexes" if condition == "Complete" else "failedIndexes"
            found = sorted({*parse_combinations(status.get(kind, "")), index})
            status = {**status, kind: format_combinations(found)}
            self.server.put(job, document := {**document, "status": status})
            if len(over_indexes(document)) < document["spec"]["completions"]:
                return
            condition = "Failed" if status.get("failedIndexes") else "Complete"
        said = {"type": condition, "status": "True", "reason": reason, "message": ""}
        self.server.put(job, {**document, "status": {**status, "conditions": [said]}})
        keep = document["spec"].get("ttlSecondsAfterFinished")
        if keep is not None:
            self.schedule.after(keep, partial(self._expire, job, uid))

    def _exceed(self, job: Place, uid: str) -> None:
        """End a Job whose time is over, and of its Pods those that aren't."""
        for place in self.server.owned_by(uid):
            if self.server.objects[place]["status"]["phase"] in ("Pending", "Running"):
                self.server.mark_deleted(place)
        self._conclude(job, uid, "Failed", "DeadlineExceeded")

    def _expire(self, job: Place, uid: str) -> None:
        if self._same(job, uid) is not None:
            self.server.remove(job)

    # Scheduler and kubelet

    def _bind(self, place: Place, uid: str) -> None:
        pod = self._same(place, uid)
        if pod is None or _deleting(pod) or pod["status"]["phase"] != "Pending":
            return
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": self.wall()}
        self.server.put(place, {**pod, "status": {"phase": "Pending", "conditions": [scheduled]}})
        self._later(0.5, partial(self._start, place, uid))

    def _start(self, place: Place, uid: str) -> None:
        pod = self._same(place, uid)
        if pod is None or _deleting(pod) or pod["status"]["phase"] != "Pending":
            return
        self.running[place] = self.wall()
        self.started(place, pod)
        self._set(place, pod, "Running", {"running": {"startedAt": self.wall()}})
        self.schedule.after(float(_env(pod).get("SIM_SECONDS", "1")), partial(self._finish, place, uid))

    def _finish(self, place: Place, uid: str) -> None:
        pod = self._same(place, uid)
        if pod is None or place not in self.running or _deleting(pod):
            return
        code, value = outcome_of(_env(pod), int(pod["metadata"]["labels"][LABEL_RETRIES]))
        lines = ["fairlead 2", f"s {code} 0 100"]
        lines += [f"o s v={value}"] if code == 0 and value else []
        self._end(place, pod, code, "\n".join([*lines, f"end {code}", ""]))

    def _terminate(self, place: Place, uid: str) -> None:
        """End a Pod that is being deleted, within its grace, and without a report; then it is gone."""
        pod = self._same(place, uid)
        if pod is None:
            return
        if place in self.running:
            self._end(place, pod, 137, "")
        elif (index := index_of(pod)) is not None and pod["status"]["phase"] == "Pending":
            owner = pod["metadata"]["ownerReferences"][0]
            job = Place("jobs", place.namespace, owner["name"])
            self._later(2.0, partial(self._conclude, job, owner["uid"], "Failed", "FailedIndexes", index))
        self._later(0.2, partial(self.server.remove, place))

    def _end(self, place: Place, pod: Json, code: int, message: str) -> None:
        started = self.running.pop(place)
        self.ended(place, pod, code if message else None)
        state = {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "message": message,
            "startedAt": started,
            "finishedAt": self.wall(),
        }
        self._set(place, pod, "Failed" if code else "Succeeded", {"terminated": state})
        owner = pod["metadata"]["ownerReferences"][0]
        job = Place("jobs", place.namespace, owner["name"])
        failure = ("Failed", "BackoffLimitExceeded") if code else ("Complete", "CompletionsReached")
        self._later(2.0, partial(self._conclude, job, owner["uid"], *failure, index_of(pod)))

    def _set(self, place: Place, pod: Json, phase: str, state: Json) -> None:
        status = {**pod["status"], "phase": phase, "containerStatuses": [{"name": MAIN, "state": state}]}
        self.server.put(place, {**pod, "status": status})

    def _gone(self, place: Place, pod: Json) -> None:
        """Let the container of a Pod that nobody knows any more be gone, too."""
        if self.running.pop(place, None) is not None:
            self.ended(place, pod, None)

    # Misfortunes

    def evict(self, place: Place) -> None:
        """Take a Pod away as the cluster does; the Job controller makes another."""
        pod = self.server.objects.get(place)
        if pod is None or pod["status"]["phase"] not in ("Pending", "Running"):
            return
        target = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
        conditions = [*pod["status"].get("conditions", []), target]
        self._gone(place, pod)
        ended = {"terminated": {"exitCode": 137, "reason": "Error", "finishedAt": self.wall()}}
        self._set(place, {**pod, "status": {**pod["status"], "conditions": conditions}}, "Failed", ended)
        owner = pod["metadata"]["ownerReferences"][0]
        job = Place("jobs", place.namespace, owner["name"])
        self._later(1.0, partial(self._make_pod, job, owner["uid"], index_of(pod)))
        if self.dice.random() < 0.5:
            self._later(2.0, partial(self.server.remove, place))

    def lose(self, place: Place) -> None:
        """Delete a Pod as a person does; the Job controller counts that as a failure."""
        pod = self.server.objects.get(place)
        if pod is None or pod["status"]["phase"] not in ("Pending", "Running"):
            return
        owner = pod["metadata"]["ownerReferences"][0]
        job = Place("jobs", place.namespace, owner["name"])
        if self.dice.random() < 0.5:
            self.server.mark_deleted(place)
        else:
            self.server.remove(place)
        self._later(2.0, partial(self._conclude, job, owner["uid"], "Failed", "BackoffLimitExceeded", index_of(pod)))

    # How long things take

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        slow = self.slow and self.dice.random() < self.slow
        delay = self.dice.uniform(0.0, 20.0) if slow else self.dice.uniform(0.2, 1.0) * seconds
        self.schedule.after(delay, act)

    def _same(self, place: Place, uid: str) -> Json | None:
        """Look an object up, if it is still the one that was meant."""
        found = self.server.objects.get(place)
        return found if found is not None and found["metadata"]["uid"] == uid else None


def _env(pod: Json) -> dict[str, str]:
    main = next(each for each in pod["spec"]["containers"] if each["name"] == MAIN)
    found = {each["name"]: each.get("value", "") for each in main.get("env", [])}
    index = index_of(pod)
    return found if index is None else found | _exported(main["command"][-1].replace("$$", "$"), index)


def _exported(text: str, index: int) -> dict[str, str]:
    """Read what a pack's driver gives to its steps at an index, from the text's first lines."""
    holes: dict[str, str] = {}
    found: dict[str, str] = {}
    for line in text.splitlines():
        first, *rest = shlex.split(line, comments=False) if line.startswith((f"{index}) ", "export SIM_")) else [""]
        if first == f"{index})":
            holes |= dict(each.removesuffix(";;").split("=", 1) for each in rest)
        elif first == "export":
            name, _, value = rest[0].partition("=")
            found[name] = "".join(holes.get(part.removeprefix("$"), part) for part in _HOLE.split(value))
    return found


def index_of(pod: Json) -> int | None:
    """Give the completion index of an Indexed Job's Pod."""
    index = pod["metadata"]["labels"].get(LABEL_INDEX)
    return None if index is None else int(index)


def over_indexes(job: Json) -> set[int]:
    """Give the indexes of an Indexed Job that are complete or failed."""
    status = job.get("status") or {}
    return {each for kind in ("completedIndexes", "failedIndexes") for each in parse_combinations(status.get(kind, ""))}


def _indexed(job: Json) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def _past_its_time(job: Json | None) -> bool:
    """Whether an Indexed Job was given a deadline, which is over by then."""
    return job is not None and _indexed(job) and "activeDeadlineSeconds" in job["spec"]


def _deleting(document: Json | None) -> bool:
    return document is not None and "deletionTimestamp" in document["metadata"]


def _finished(job: Json) -> bool:
    return bool((job.get("status") or {}).get("conditions"))
