"""What there is of one Workflow: its Kubernetes Jobs with their Pods, put together once, and kept until they change.

A Job that stays as it is stays the same object, so whoever remembers it sees at a glance that nothing has happened to
it; and a Workflow of thousands costs what changes of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairlead.plan import ContainerTerminated, JobFailure
from fairlead.plan.admission import works

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fairlead.engine.records import JobRecord, PodRecord
    from fairlead.plan import KubernetesJob, Pod


class Belongings:
    """The Jobs and Pods of one Workflow. `read` gives a Pod with everything that is known of it."""

    __slots__ = ("_holding", "_jobs", "_listed", "_pods", "_read", "_remnants", "_vanished", "_whole", "_working")

    def __init__(self, read: Callable[[PodRecord], Pod]) -> None:
        self._read = read
        self._jobs: dict[str, JobRecord] = {}
        self._pods: dict[str, dict[str, PodRecord]] = {}
        self._whole: dict[str, KubernetesJob] = {}
        self._remnants: dict[str, KubernetesJob] = {}
        self._vanished: dict[str, KubernetesJob] = {}
        self._working: dict[str, KubernetesJob] = {}
        self._holding: dict[str, KubernetesJob] = {}
        self._listed: tuple[KubernetesJob, ...] | None = ()

    def __bool__(self) -> bool:
        return bool(self._jobs or self._pods or self._vanished)

    @property
    def jobs(self) -> tuple[KubernetesJob, ...]:
        """The Jobs that there are, each with its Pods, the oldest Pod first; of a pack each attempt."""
        if self._listed is None:
            self._listed = tuple(self._whole.values())
        return self._listed

    @property
    def remnants(self) -> tuple[KubernetesJob, ...]:
        """The Jobs that were deleted, of which there still are Pods, or may be."""
        return tuple(self._remnants.values())

    @property
    def working(self) -> Mapping[str, KubernetesJob]:
        """Those of both that aren't over, by name. Seen as they are at the moment."""
        return self._working

    @property
    def holding(self) -> Mapping[str, KubernetesJob]:
        """Those of them that work in a concurrency group. Seen as they are at the moment."""
        return self._holding

    def put_job(self, name: str, record: JobRecord | None) -> bool:
        """Take note of a Job; None: it is gone. Tells whether it has vanished: it worked, though no Pod seen of it did.

        Until `account_for` it counts as working then. One that was being deleted goes after its Pods.
        """
        before = self._jobs.pop(name, None)
        slots = dict.fromkeys(slot for each in (before, record) if each is not None for slot in each.slots)
        if record is not None:
            self._jobs[name] = record
            self.account_for(name)
        else:
            known = [job for slot in slots if (job := self._working.get(slot)) is not None]
            self._vanished |= {job.slot: replace(job, deleting=True, pods=()) for job in known if _may_hide(job)}
        for slot in slots:
            self.refresh(slot)
        return not self._vanished.keys().isdisjoint(slots)

    def account_for(self, name: str) -> None:
        """Take note that each Pod of a Job that has vanished is known."""
        for slot in [slot for slot in self._vanished if slot.partition("/")[0] == name]:
            del self._vanished[slot]
            self.refresh(slot)

    def put_pod(self, slot: str, name: str, record: PodRecord | None) -> None:
        """Take note of a Pod of some Job, or of one place in a pack; None: it is gone."""
        pods = self._pods.setdefault(slot, {})
        if record is None:
            pods.pop(name, None)
        else:
            pods[name] = record
        if not pods:
            del self._pods[slot]
        self.refresh(slot)

    def refresh(self, slot: str) -> None:
        """Put a Job, or one attempt of a pack, together again."""
        pods = sorted(self._pods.get(slot, {}).values(), key=lambda record: (record.created_at, record.version))
        name, _, index = slot.partition("/")
        record = self._jobs.get(name)
        job = record.attempt(int(index) if index else None) if record is not None else None
        whole = replace(job, pods=tuple(map(self._read, pods))) if job is not None else None
        if whole is not None and any(pod.overdue for pod in pods):
            # As the Job controller says of a Job that has a Pod alone.
            whole = replace(whole, failure=JobFailure("DeadlineExceeded"))
        remnant = self._vanished.get(slot)
        if remnant is None and record is None and pods and pods[0].of is not None:
            remnant = replace(pods[0].of, deleting=True, pods=tuple(each.pod for each in pods))
        if _keep(self._whole, slot, whole):
            self._listed = None
        _keep(self._remnants, slot, remnant)
        known = self._whole.get(slot) or self._remnants.get(slot)
        working = known if known is not None and works(known) else None
        in_group = working is not None and (working.group is not None or working.run_group is not None)
        _keep(self._working, slot, working)
        _keep(self._holding, slot, working if in_group else None)


def _may_hide(job: KubernetesJob) -> bool:
    """Whether a Job that works may have a Pod that wasn't seen: none that was seen works."""
    return not job.deleting and all(isinstance(pod.container, ContainerTerminated) for pod in job.pods)


def _keep(known: dict[str, KubernetesJob], name: str, job: KubernetesJob | None) -> bool:
    """Put a Job in its place, or take it away; tell whether that changes anything."""
    if known.get(name) == job:
        return False
    if job is None:
        del known[name]
    else:
        known[name] = job
    return True
