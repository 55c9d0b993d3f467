"""The `status` of a Workflow: everything that is remembered about its runs.

Written by one function (`plan.summary`), read by the planner after a restart, and shown by kubectl.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, ValidationInfo

from fairlead.model.base import Model as _Model
from fairlead.model.ids import Attempt, JobId, RunNumber, SpecDigest, StepId
from fairlead.model.phase import JobPhase, Reason, Result, WorkflowPhase
from fairlead.model.spec import QueueKind

if TYPE_CHECKING:
    from collections.abc import Mapping


def format_time(moment: datetime) -> str:
    """Write a moment as Kubernetes does: in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _format_precisely(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


_MOST_COUNTED = 10**9

_READING = object()
"""What is read may be anybody's; what we reckon ourselves from that may lie a little beyond."""


def is_sane(moment: datetime) -> bool:
    """Whether every duration can be added to a moment, or taken from it, in any time zone."""
    return moment.tzinfo is not None and _FIRST < moment < _LAST


def _sane(moment: datetime, info: ValidationInfo) -> datetime:
    # The API server also takes one without a zone.
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if info.context is _READING and not is_sane(moment):
        raise ValueError("no moment at which something happened")
    return moment


def _countable(number: int | None, info: ValidationInfo) -> int | None:
    # Runs and attempts are counted on, and label Jobs.
    if info.context is _READING and number is not None and not 0 <= number <= _MOST_COUNTED:
        raise ValueError("no number of something that happened")
    return number


_Count = AfterValidator(_countable)
_Moment = Annotated[datetime, AfterValidator(_sane)]
Time = Annotated[_Moment, PlainSerializer(format_time, return_type=str, when_used="always")]
PreciseTime = Annotated[_Moment, PlainSerializer(_format_precisely, return_type=str, when_used="always")]


_FIELD_SETS: dict[frozenset[str], set[str]] = {}


class Model(_Model):
    """A part of the status. What a later version added is passed over, so that an older one can take over."""

    model_config = ConfigDict(extra="ignore")

    def model_post_init(self, _: object) -> None:
        """Share what pydantic remembers of which fields were given, some 4 KB a workflow: nobody changes it."""
        given = self.__pydantic_fields_set__
        object.__setattr__(self, "__pydantic_fields_set__", _FIELD_SETS.setdefault(frozenset(given), given))


class AdmissionStatus(Model):
    """How a run or a job stands in its concurrency group and with the limits. Written before anything is started."""

    admitted: bool = False
    """Whether it may run; it then holds its group until nothing of it works any more."""
    since: PreciseTime
    """When it began to wait."""
    admitted_at: PreciseTime | None = None
    """Since when it may run."""
    group: str | None = None
    """Its concurrency group."""
    cancel_in_progress: bool = False
    """Whether it has the one before it cancelled."""
    queue: QueueKind = QueueKind.ALL
    """Whether it waits beside others, or instead of them."""
    priority: int = 0
    """Who goes first where there isn't room for all: the higher one."""


class StepStatus(Model):
    """How one step went."""

    name: str
    """What the log calls it."""
    id: StepId | None = None
    """Its id, where it has one."""
    result: Result | None = None
    """success, failure, cancelled or skipped, after continueOnError."""
    outcome: Result | None = None
    """The same before continueOnError, where it differs."""
    exit_code: int | None = None
    """0 for success; 124 for a timeout."""
    started_at: PreciseTime | None = None
    """When it started."""
    finished_at: PreciseTime | None = None
    """When it ended."""


class NodeStatus(Model):
    """How one job, or one combination of it, stands in the current run."""

    phase: JobPhase = JobPhase.PENDING
    """Pending, Queued, Running, Succeeded, Failed, Cancelled or Skipped."""
    result: Result | None = None
    """How it ended, after continueOnError: what needs.ID.result gives."""
    outcome: Result | None = None
    """The same before continueOnError, where it differs."""
    reason: Reason | None = None
    """Why it is in its phase, in a word."""
    message: str | None = None
    """The same in a sentence."""
    attempt: Annotated[Attempt | None, _Count] = None
    """How many Kubernetes Jobs were made for it in this run."""
    retries: Annotated[int, _Count] = 0
    """How many of them failed by themselves and were tried again; the cluster's losses don't count."""
    retry_at: PreciseTime | None = None
    """When it is tried again."""
    kubernetes_job: str | None = None
    """The newest of them, for `kubectl logs job/NAME`."""
    workflow: str | None = None
    """The Workflow that was called, where the job uses a template."""
    exit_code: int | None = None
    """The exit code of the step that decided it; 124 for a timeout."""
    started_at: Time | None = None
    """When its container started."""
    finished_at: Time | None = None
    """When it ended."""
    outputs: dict[str, str] = {}
    """Its outputs."""
    steps: tuple[StepStatus, ...] = ()
    """Its steps."""
    admission: AdmissionStatus | None = None
    """How it stands in its concurrency group."""


class CombinationStatus(NodeStatus):
    """One combination of a job's matrix."""

    name: str
    """The job's name with the combination's values."""


class JobStatus(NodeStatus):
    """How one job of the current run stands."""

    kept_from: Annotated[RunNumber | None, _Count] = None
    """The earlier run that it ended in, where a rerun kept what had succeeded."""
    summary: str | None = None
    """Of a matrix: how many combinations passed, as `4/6 passed`."""
    combinations: tuple[CombinationStatus, ...] = ()
    """Of a matrix: its combinations, in order."""


class RunRecord(Model):
    """What is remembered of an earlier run."""

    run: Annotated[RunNumber, _Count]
    """Its number."""
    generation: int
    """The generation of the spec that it ended with."""
    phase: WorkflowPhase
    """How it ended."""
    message: str | None = None
    """The same in a sentence."""
    started_at: Time | None = None
    """When it started."""
    finished_at: Time | None = None
    """When it ended."""


class Condition(Model):
    """One of the answers that tools wait for, as in other Kubernetes resources."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Accepted, Admitted, Succeeded, Ready, Reconciling or Stalled."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, in a word."""
    message: Annotated[str, Field(max_length=32_768)] = ""
    """Why, in a sentence."""
    observed_generation: int
    """The generation of the spec that it speaks of."""
    last_transition_time: Time
    """When its status last changed."""


class WorkflowStatus(Model):
    """How the workflow stands."""

    observed_generation: int | None = None
    """The generation of the spec that this status speaks of."""
    spec_digest: SpecDigest | None = None
    """Tells whether an edit changed what the run does, or only how it is steered."""
    run: Annotated[RunNumber | None, _Count] = None
    """The number of the current run."""
    phase: WorkflowPhase | None = None
    """Pending, Queued, Running, Succeeded, Partial, Failed, Cancelled or Invalid."""
    message: str | None = None
    """The same in a sentence."""
    progress: str | None = None
    """Jobs that have ended, of all."""
    duration: str | None = None
    """How long the run took, once it has ended."""
    started_at: Time | None = None
    """When the run started."""
    finished_at: Time | None = None
    """When it ended."""
    next_run_at: Time | None = None
    """When the schedule starts the next run."""
    scheduled_at: Time | None = None
    """The time up to which the schedule has been dealt with."""
    missed_runs: Annotated[int, _Count] = 0
    """How many times of the schedule passed without a run before this one."""
    admission: AdmissionStatus | None = None
    """How the run stands in its concurrency group and with the limits."""
    fence: int = 0
    """How often an operator that took over has written this status only to make sure that nothing comes after it which
    the one before may still have had on its way."""
    compacted: str | None = None
    """What was left out of this status to keep it small."""
    outputs: dict[str, str] = {}
    """The workflow's outputs."""
    problems: tuple[str, ...] = ()
    """What keeps the spec from running: place, mistake, way out."""
    conditions: tuple[Condition, ...] = ()
    """Accepted, Admitted and Succeeded; Ready, Reconciling and Stalled as kstatus reads them."""
    jobs: dict[JobId, JobStatus] = {}
    """The jobs of the current run, by id."""
    history: tuple[RunRecord, ...] = ()
    """Earlier runs, the newest first."""

    @property
    def ended(self) -> bool:
        """Whether the recorded run is over: from then on nothing changes what is recorded of it."""
        return self.phase is not None and self.phase.ended and self.phase is not WorkflowPhase.INVALID

    def changes_from(self, before: WorkflowStatus) -> dict[JobId, JobStatus]:
        """Give the jobs that aren't the very objects of an earlier status: what is worth a closer look."""
        known = before.jobs
        return {job_id: state for job_id, state in self.jobs.items() if known.get(job_id) is not state}

    def says_the_same_as(self, before: WorkflowStatus) -> bool:
        """Whether the documents of both are equal: nothing is gained by writing one over the other."""
        changes = self.changes_from(before)
        return (
            len(self.jobs) == len(before.jobs)
            and all(job_id in before.jobs for job_id in changes)
            and self._head() == before._head()
            and all(_say_the_same(state, before.jobs[job_id]) for job_id, state in changes.items())
        )

    def to_json(self, over: Recorded | None = None) -> dict[str, Any]:
        """Give the document that stands in the resource: camelCase, without what is empty.

        `over`: what it is to be written over; of jobs and combinations that are the same objects it
        gets the same parts.
        """
        document = self._head()
        if self.jobs:
            known, parts = over.jobs() if over is not None else ({}, {})
            document["jobs"] = {
                job_id: parts[job_id]
                if known.get(job_id) is state
                else _job_to_json(state, known.get(job_id), parts.get(job_id))
                for job_id, state in self.jobs.items()
            }
        return document

    def _head(self) -> dict[str, Any]:
        """Give the document without its jobs."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"jobs"})

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | None, before: Recorded | None = None) -> WorkflowStatus:
        """Read what `to_json` wrote; somebody else's unreadable status counts as none.

        `before`: an earlier one; of parts that are equal it gets the same objects.
        """
        try:
            if before is None or not document or not isinstance(document.get("jobs"), dict):
                return cls.model_validate(document or {}, context=_READING)
            rest = {name: value for name, value in document.items() if name != "jobs"}
            head = cls.model_validate(rest, context=_READING)
            known, parts = before.jobs()
            jobs = {
                job_id: known[job_id]
                if job_id in known and _equal(parts[job_id], part)
                else _read_job(part, known.get(job_id), parts.get(job_id))
                for job_id, part in document["jobs"].items()
            }
            return head.model_copy(update={"jobs": jobs})
        except ValueError:
            return cls()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A status, and the document that it was read from."""

    status: WorkflowStatus
    document: Mapping[str, Any]

    def jobs(self) -> tuple[Mapping[JobId, JobStatus], Mapping[JobId, Any]]:
        """Give the jobs as they were read, and as they stand in the document."""
        return (self.status.jobs, self.document["jobs"]) if self.status.jobs else ({}, {})


def _job_to_json(state: JobStatus, known: JobStatus | None = None, part: Any = None) -> dict[str, Any]:  # noqa: ANN401  JSON
    """Give the part of a job; `known` was read from `part`, whose combinations it shares."""
    # A job that waits has a phase to show, too, though it is the default.
    document: dict[str, Any] = {"phase": str(state.phase), **_dumped(state)}
    if state.combinations:
        olds, parts = _combinations(known, part)
        both = zip_longest(state.combinations, olds[: len(state.combinations)], parts[: len(state.combinations)])
        document["combinations"] = [there if old is each else _dumped(each) for each, old, there in both]
    return document


def _dumped(state: NodeStatus) -> dict[str, Any]:
    return state.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"combinations"})


def _say_the_same(state: JobStatus, other: JobStatus) -> bool:
    if len(state.combinations) != len(other.combinations) or _dumped(state) != _dumped(other):
        return False
    pairs = zip(state.combinations, other.combinations, strict=True)
    return all(one is each or _dumped(one) == _dumped(each) for one, each in pairs)


def _read_job(part: Any, known: JobStatus | None, before: Any) -> JobStatus:  # noqa: ANN401  JSON
    """Read the part of a job; `known` was read from `before`, and its combinations that are equal are shared."""
    olds, parts = _combinations(known, before)
    if not olds or not isinstance(part, dict) or not isinstance(part.get("combinations"), list):
        return JobStatus.model_validate(part, context=_READING)
    both = zip_longest(part["combinations"], olds[: len(part["combinations"])], parts[: len(part["combinations"])])
    combinations = tuple(
        [
            old if old is not None and _equal(there, each) else CombinationStatus.model_validate(each, context=_READING)
            for each, old, there in both
        ]
    )
    rest = {name: value for name, value in part.items() if name != "combinations"}
    return JobStatus.model_validate(rest, context=_READING).model_copy(update={"combinations": combinations})


def _combinations(known: JobStatus | None, part: Any) -> tuple[tuple[CombinationStatus, ...], list[Any]]:  # noqa: ANN401  JSON
    """Give the combinations of a job, and as they stand in what it was read from."""
    if known is None or not known.combinations or not isinstance(part, dict):
        return (), []
    return known.combinations, part["combinations"]


def _equal(part: object, other: object) -> bool:
    return part is other or part == other
