"""Values for tests, made in a few words: specs, resources, statuses, and what is observed of a cluster.

a_spec().job("build").job("test", "build").workflow()
a_run().with_job("build", succeeded()).with_job("test", queued()).status()
attempt_at("build", pod(going()))
a_call("build"), called("build", a_run().status())
"""

from __future__ import annotations

from base64 import encodebytes
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from fairlead.model.ids import Attempt, JobId, NodeId, RunNumber, SpecDigest, StepId, Uid, WorkflowKey
from fairlead.model.phase import RESULTS, JobPhase, Reason, Result, WorkflowPhase
from fairlead.model.report import JobState, LoggedOutputs, Report, StepReport
from fairlead.model.status import Condition, JobStatus, RunRecord, StepStatus, WorkflowStatus
from fairlead.plan import (
    CalledWorkflow,
    CallRequest,
    CallWorkflow,
    ContainerRunning,
    ContainerTerminated,
    ContainerWaiting,
    CreateJob,
    JobFailure,
    JobRequest,
    KubernetesJob,
    Observed,
    Pod,
    Refusal,
    Resource,
    StepRequest,
)
from fairlead.plan.names import node_name
from fairlead.syntax import parse_spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairlead.model.workflow import Workflow
    from fairlead.plan.observed import Container

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""The moment at which tests take place."""

KEY = WorkflowKey("team", "ci")
UID = Uid("5d3a1f6e-0000-4000-8000-000000000001")
DIGEST = SpecDigest("0123456789ab")
"""Of the spec that what is recorded or observed here belongs to, where nothing else is said."""
IMAGE = "busybox"


def at(seconds: float) -> datetime:
    """Give the moment so many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


# Specs


@dataclass(frozen=True, slots=True)
class SpecBuilder:
    """A spec, as JSON gives it."""

    fields: Mapping[str, Any] = field(default_factory=lambda: {"defaults": {"image": IMAGE}})
    jobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def job(self, job_id: str, *needs: str, **fields: object) -> SpecBuilder:
        """Add a job of one command that needs others; or with other fields than that."""
        made: dict[str, object] = {"needs": list(needs)} if needs else {}
        if not fields.keys() & {"steps", "commands", "check", "uses"}:
            made["commands"] = ["true"]
        return replace(self, jobs={**self.jobs, job_id: {**made, **fields}})

    def but(self, **fields: object) -> SpecBuilder:
        """Set fields of the spec itself."""
        return replace(self, fields={**self.fields, **fields})

    def document(self) -> dict[str, Any]:
        """Give the document."""
        return {**self.fields, "jobs": {job_id: dict(job) for job_id, job in self.jobs.items()}}

    def workflow(self) -> Workflow:
        """Parse it."""
        return parse_spec(self.document())


def a_spec() -> SpecBuilder:
    """Start a spec that has an image and no jobs."""
    return SpecBuilder()


def chain() -> SpecBuilder:
    """Give `test` after `build`."""
    return a_spec().job("build").job("test", "build")


def a_job_with_output(output: str = "${{ steps.v.outputs.version }}") -> dict[str, Any]:
    """Give the fields of a job whose step `v` puts out `version`."""
    return {"steps": [{"id": "v", "run": "make"}], "outputs": {"version": output}}


# Statuses


def pending() -> JobStatus:
    """Give a job that waits for its needs."""
    return JobStatus()


def queued(attempt: int = 1, **fields: object) -> JobStatus:
    """Give a job whose Kubernetes Job was asked for."""
    return _started(JobPhase.QUEUED, attempt, fields)


def running(attempt: int = 1, **fields: object) -> JobStatus:
    """Give a job whose steps run."""
    return _started(JobPhase.RUNNING, attempt, {"started_at": NOW, **fields})


def succeeded(attempt: int = 1, **fields: object) -> JobStatus:
    """Give a job that ended well."""
    return _ended(JobPhase.SUCCEEDED, {"attempt": Attempt(attempt), "exit_code": 0, **fields})


def failed(message: str = "failed with exit code 1", **fields: object) -> JobStatus:
    """Give a job that failed."""
    said = {"reason": Reason.STEP_FAILED, "message": message, "attempt": Attempt(1), "exit_code": 1}
    return _ended(JobPhase.FAILED, {**said, **fields})


def skipped(message: str = 'needs "build", which failed') -> JobStatus:
    """Give a job that didn't run for want of a need."""
    return _ended(JobPhase.SKIPPED, {"reason": Reason.NEED_NOT_MET, "message": message})


def cancelled(**fields: object) -> JobStatus:
    """Give a job that somebody ended."""
    return _ended(JobPhase.CANCELLED, {"reason": Reason.CANCELLED, **fields})


def _started(phase: JobPhase, attempt: int, fields: Mapping[str, object]) -> JobStatus:
    return JobStatus(phase=phase).model_copy(update={"attempt": Attempt(attempt), **fields})


def _ended(phase: JobPhase, fields: Mapping[str, object]) -> JobStatus:
    made = JobStatus(phase=phase, result=RESULTS[phase], finished_at=NOW)
    return made.model_copy(update=dict(fields))


@dataclass(frozen=True, slots=True)
class RunBuilder:
    """The recorded status of one run."""

    fields: Mapping[str, object]
    jobs: Mapping[JobId, JobStatus] = field(default_factory=dict)

    def with_job(self, job_id: str, state: JobStatus) -> RunBuilder:
        """Add a job."""
        return replace(self, jobs={**self.jobs, JobId(job_id): state})

    def but(self, **fields: object) -> RunBuilder:
        """Set other fields."""
        return replace(self, fields={**self.fields, **fields})

    def status(self) -> WorkflowStatus:
        """Give the status."""
        return WorkflowStatus(jobs=dict(self.jobs)).model_copy(update=dict(self.fields))

    def resource(self, **fields: object) -> Resource:
        """Give a resource in which it is recorded."""
        return a_resource(status=self.status(), **fields)


def a_run(phase: WorkflowPhase = WorkflowPhase.RUNNING, *, run: int = 1, generation: int = 1) -> RunBuilder:
    """Start the status of a run that began now."""
    return RunBuilder(
        {
            "run": RunNumber(run),
            "observed_generation": generation,
            "spec_digest": DIGEST,
            "phase": phase,
            "started_at": NOW,
        },
    )


def a_record_of(run: int, phase: WorkflowPhase = WorkflowPhase.SUCCEEDED, message: str = "") -> RunRecord:
    """Give what the history has of an earlier run."""
    said = message or f"run {run}"
    return RunRecord(run=RunNumber(run), generation=run, phase=phase, message=said, started_at=NOW, finished_at=NOW)


def a_condition(kind: str, status: Any, reason: str, message: str = "", **fields: Any) -> Condition:  # noqa: ANN401
    """Give a condition that changed now."""
    said = {"observed_generation": 1, "last_transition_time": NOW, **fields}
    return Condition(type=kind, status=status, reason=reason, message=message, **said)


def a_step(
    name: str, exit_code: int = 0, *, step_id: str | None = None, start: float = 0, end: float = 0
) -> StepStatus:
    """Give a step that ran, so many seconds after NOW."""
    identity = StepId(step_id) if step_id else None
    result = Result.FAILURE if exit_code else Result.SUCCESS
    times = {"started_at": at(start), "finished_at": at(end)}
    return StepStatus(name=name, id=identity, result=result, exit_code=exit_code, **times)


# What is observed


def a_resource(**fields: Any) -> Resource:  # noqa: ANN401  any of the resource's own
    """Give a Workflow resource, new where nothing else is said."""
    made: dict[str, Any] = {"key": KEY, "uid": UID, "generation": 1, "status": WorkflowStatus(), **fields}
    return Resource(**made)


def node_of(job: str, combination: int | None = None) -> NodeId:
    """Give a job, or one combination of it."""
    return NodeId(JobId(job), combination)


def name_of(
    job: str,
    attempt: int = 1,
    *,
    run: int = 1,
    combination: int | None = None,
    digest: SpecDigest = DIGEST,
    uid: Uid = UID,
) -> str:
    """Give the name of a Kubernetes Job, or of a called Workflow."""
    return node_name(
        replace(a_resource(), uid=uid), digest, RunNumber(run), node_of(job, combination), Attempt(attempt)
    )


def attempt_at(
    job: str,
    *pods: Pod,
    attempt: int = 1,
    run: int = 1,
    combination: int | None = None,
    digest: SpecDigest = DIGEST,
    failure: str | None = None,
    **fields: Any,  # noqa: ANN401  any others of the Job's own
) -> KubernetesJob:
    """Give the Kubernetes Job of an attempt, with its Pods."""
    return KubernetesJob(
        name=name_of(job, attempt, run=run, combination=combination, digest=digest),
        node=node_of(job, combination),
        attempt=Attempt(attempt),
        run=RunNumber(run),
        digest=digest,
        failure=None if failure is None else JobFailure(failure),
        pods=pods,
        **fields,
    )


def called(
    job: str,
    status: WorkflowStatus | None = None,
    *,
    attempt: int = 1,
    run: int = 1,
    combination: int | None = None,
    digest: SpecDigest = DIGEST,
    **fields: Any,  # noqa: ANN401  any others of its own
) -> CalledWorkflow:
    """Give the Workflow that was made for an attempt at a job that uses a template, and what is recorded of it."""
    return CalledWorkflow(
        name=name_of(job, attempt, run=run, combination=combination, digest=digest),
        node=node_of(job, combination),
        attempt=Attempt(attempt),
        run=RunNumber(run),
        digest=digest,
        status=status or WorkflowStatus(),
        **fields,
    )


def pod(container: Container | None = None, **fields: Any) -> Pod:  # noqa: ANN401  any of the Pod's own
    """Give a Pod with its main container."""
    return Pod(**{"name": "pod", "container": container, **fields})


def waiting(reason: str = "ContainerCreating", message: str = "") -> ContainerWaiting:
    """Give a container that hasn't started."""
    return ContainerWaiting(reason, message)


def going(since: float = 0) -> ContainerRunning:
    """Give a container that runs."""
    return ContainerRunning(at(since))


def ended(report: Report | None = None, exit_code: int | None = None, reason: str = "", message: str = "") -> Any:  # noqa: ANN401
    """Give a container that ran from NOW for ten seconds, with its driver's report."""
    code = exit_code if exit_code is not None else (report.exit_code if report and report.exit_code is not None else 1)
    return ContainerTerminated(
        exit_code=code,
        reason=reason or ("Completed" if code == 0 else "Error"),
        message=message,
        started_at=NOW,
        finished_at=at(10),
        report=report,
    )


def reported(
    *codes: int,
    outputs: Mapping[str, Mapping[str, str]] | None = None,
    timed_out: bool = False,
    error: str | None = None,
    cut: bool = False,
    log: LoggedOutputs | None = None,
) -> Report:
    """Give the report of steps that took a second each; `cut` where the driver was killed before its end."""
    steps = tuple(StepReport(code, float(index), float(index + 1)) for index, code in enumerate(codes or (0,)))
    exit_code = 124 if timed_out else 1 if error else next((code for code in codes if code), 0)
    return Report(steps, outputs or {}, None if cut else exit_code, timed_out, error, log)


def logged(outputs: Mapping[str, Mapping[str, str]]) -> tuple[str, LoggedOutputs]:
    """Give outputs as a driver writes them to the end of its log, and what its report says of them."""
    records = [
        f"o {step} {name}={len(value.encode())}\n{value}\n" for step in outputs for name, value in outputs[step].items()
    ]
    content = "".join(records).encode()
    checksum = sha256(content).hexdigest()
    text = f"::group::Outputs: {len(content)} bytes, {checksum}\n{encodebytes(content).decode()}::endgroup::\n"
    return text, LoggedOutputs(text.count("\n"), len(content), checksum)


def observed(
    *jobs: KubernetesJob, calls: Sequence[CalledWorkflow] = (), refusals: Mapping[str, Refusal] | None = None
) -> Observed:
    """Give everything that exists of a Workflow."""
    refused = {node_of(job): refusal for job, refusal in (refusals or {}).items()}
    return Observed(jobs, tuple(calls), refused)


# What is asked for


def a_request(*scripts: str, **fields: Any) -> JobRequest:  # noqa: ANN401  any of the request's own
    """Give a job that runs scripts, `true` where none is named."""
    runs_in = frozenset({JobState.SUCCESS})
    steps = tuple(StepRequest(label=script, run=script, runs_in=runs_in) for script in scripts or ("true",))
    made: dict[str, Any] = {"image": IMAGE, "steps": steps, "env": {}, "timeout": 21_600}
    return JobRequest(**{**made, **fields})


def a_creation(
    job: str = "build",
    attempt: int = 1,
    *,
    request: JobRequest | None = None,
    run: int = 1,
    combination: int | None = None,
    **fields: Any,  # noqa: ANN401  any others of its own
) -> CreateJob:
    """Give the wish for a Kubernetes Job."""
    return CreateJob(
        name=name_of(job, attempt, run=run, combination=combination),
        node=node_of(job, combination),
        run=RunNumber(run),
        digest=DIGEST,
        attempt=Attempt(attempt),
        request=request or a_request(),
        **fields,
    )


def a_call(
    job: str = "build",
    attempt: int = 1,
    *,
    template: str = "builder",
    inputs: Mapping[str, str | float | bool] | None = None,
    run: int = 1,
    combination: int | None = None,
    priority: int = 0,
    **fields: Any,  # noqa: ANN401  any others of its own
) -> CallWorkflow:
    """Give the wish for a Workflow that is made out of a template."""
    return CallWorkflow(
        name=name_of(job, attempt, run=run, combination=combination),
        node=node_of(job, combination),
        run=RunNumber(run),
        digest=DIGEST,
        attempt=Attempt(attempt),
        request=CallRequest(template, inputs or {}, depth=1, priority=priority),
        **fields,
    )
