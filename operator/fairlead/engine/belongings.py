"""What there is of one Workflow: its Kubernetes Jobs with their Pods, put together once, and kept until they change.

A Job that stays as it is stays the same object, so whoever remembers it sees at a glance that nothing has happened to
it; and a Workflow of thousands costs what changes of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairlead.plan.admission import works

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fairlead.engine.store import JobRecord, PodRecord
    from fairlead.plan import KubernetesJob, Pod


class Belongings:
    """The Jobs and Pods of one Workflow. `read` gives a Pod with everything that is known of it."""

    __slots__ = ("_holding", "_jobs", "_listed", "_pods", "_read", "_remnants", "_whole", "_working")

    def __init__(self, read: Callable[[PodRecord], Pod]) -> None:
        self._read = read
        self._jobs: dict[str, JobRecord] = {}
        self._pods: dict[str, dict[str, PodRecord]] = {}
        self._whole: dict[str, KubernetesJob] = {}
        self._remnants: dict[str, KubernetesJob] = {}
        self._working: dict[str, KubernetesJob] = {}
        self._holding: dict[str, KubernetesJob] = {}
        self._listed: tuple[KubernetesJob, ...] | None = ()

    def __bool__(self) -> bool:
        return bool(self._jobs or self._pods)

    @property
    def jobs(self) -> tuple[KubernetesJob, ...]:
        """The Jobs that there are, each with its Pods, the oldest Pod first."""
        if self._listed is None:
            self._listed = tuple(self._whole.values())
        return self._listed

    @property
    def remnants(self) -> tuple[KubernetesJob, ...]:
        """The Jobs that were deleted, of which there still are Pods."""
        return tuple(self._remnants.values())

    @property
    def working(self) -> Mapping[str, KubernetesJob]:
        """Those of both that aren't over, by name. Seen as they are at the moment."""
        return self._working

    @property
    def holding(self) -> Mapping[str, KubernetesJob]:
        """Those of them that work in a concurrency group. Seen as they are at the moment."""
        return self._holding

    def put_job(self, name: str, record: JobRecord | None) -> None:
        """Take note of a Job; None: it is gone."""
        if record is None:
            self._jobs.pop(name, None)
        else:
            self._jobs[name] = record
        self.refresh(name)

    def put_pod(self, job_name: str, name: str, record: PodRecord | None) -> None:
        """Take note of a Pod of some Job; None: it is gone."""
        pods = self._pods.setdefault(job_name, {})
        if record is None:
            pods.pop(name, None)
        else:
            pods[name] = record
        if not pods:
            del self._pods[job_name]
        self.refresh(job_name)

    def refresh(self, name: str) -> None:
        """Put a Job together again."""
        pods = sorted(self._pods.get(name, {}).values(), key=lambda record: (record.created_at, record.version))
        record = self._jobs.get(name)
        whole = replace(record.job, pods=tuple(map(self._read, pods))) if record is not None else None
        remnant = None
        if record is None and pods and pods[0].of is not None:
            remnant = replace(pods[0].of, deleting=True, pods=tuple(each.pod for each in pods))
        if _keep(self._whole, name, whole):
            self._listed = None
        _keep(self._remnants, name, remnant)
        known = self._whole.get(name) or self._remnants.get(name)
        working = known if known is not None and works(known) else None
        in_group = working is not None and (working.group is not None or working.run_group is not None)
        _keep(self._working, name, working)
        _keep(self._holding, name, working if in_group else None)


def _keep(known: dict[str, KubernetesJob], name: str, job: KubernetesJob | None) -> bool:
    """Put a Job in its place, or take it away; tell whether that changes anything."""
    if known.get(name) == job:
        return False
    if job is None:
        del known[name]
    else:
        known[name] = job
    return True
