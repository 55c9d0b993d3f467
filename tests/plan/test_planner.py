from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.model.ids import JobId, RunNumber, SpecDigest, StepId
from fairlead.model.phase import Reason, WorkflowPhase
from fairlead.model.problem import InvalidWorkflowError, Problem
from fairlead.model.report import JobState
from fairlead.model.status import JobStatus, WorkflowStatus
from fairlead.plan import CreateJob, Decision, DeleteJob, Observed, Policy, Refusal, StepRequest, plan
from fairlead.plan.runs import CANCEL
from tests.builders import (
    DIGEST,
    NOW,
    a_creation,
    a_job_with_output,
    a_record_of,
    a_request,
    a_resource,
    a_run,
    a_spec,
    a_step,
    at,
    attempt_at,
    cancelled,
    chain,
    ended,
    failed,
    going,
    name_of,
    observed,
    pending,
    pod,
    queued,
    reported,
    running,
    skipped,
    succeeded,
    waiting,
)

if TYPE_CHECKING:
    from fairlead.plan import KubernetesJob, Resource
    from tests.builders import RunBuilder, SpecBuilder

NOTHING = Observed()
OTHER = SpecDigest("ba9876543210")
INVALID = InvalidWorkflowError((Problem(("spec", "jobs"), "is missing"),))
Jobs = dict[str, JobStatus]


def planned(
    spec: SpecBuilder,
    resource: Resource,
    seen: Observed = NOTHING,
    now: float = 0,
    policy: Policy | None = None,
    digest: SpecDigest = DIGEST,
) -> Decision:
    """Plan a spec, which has the digest that everything is named after here."""
    return plan(replace(spec.workflow(), digest=digest), resource, seen, at(now), policy)


def told(decision: Decision) -> tuple[list[str], Jobs, WorkflowPhase | None]:
    """Sum a decision up: what is done, the jobs, the phase."""
    actions = [
        f"create {action.node} {action.attempt}" if isinstance(action, CreateJob) else str(action)
        for action in decision.actions
    ]
    return actions, {str(job_id): state for job_id, state in decision.status.jobs.items()}, decision.status.phase


def named(state: JobStatus, job: str, **fields: Any) -> JobStatus:  # noqa: ANN401  any of the status's own
    """Add the name of its Kubernetes Job to a job's state."""
    return state.model_copy(update={"kubernetes_job": name_of(job, state.attempt or 1), **fields})


def done(job: str, *, seconds: float = 10) -> JobStatus:
    """Give a job whose one step succeeded."""
    steps = (a_step("true", start=0, end=1),)
    return named(succeeded(), job, started_at=NOW, finished_at=at(seconds), steps=steps)


def success(job: str, **fields: Any) -> KubernetesJob:  # noqa: ANN401  any of the attempt's own
    """Observe a job that succeeded."""
    return attempt_at(job, pod(ended(reported(0))), **fields)


def failure(job: str, **fields: Any) -> KubernetesJob:  # noqa: ANN401  any of the attempt's own
    """Observe a job that failed."""
    return attempt_at(job, pod(ended(reported(1))), **fields)


# The course of a run


def test_first_look() -> None:
    """A new Workflow starts its first run: the jobs that need nothing are made, the others wait."""
    decision = planned(chain(), a_resource())
    creation = a_creation("build")
    assert decision == Decision((creation,), decision.status)
    assert told(decision) == (
        ["create build 1"],
        {"build": named(queued(), "build"), "test": pending()},
        WorkflowPhase.RUNNING,
    )
    assert (decision.status.run, decision.status.observed_generation, decision.status.started_at) == (1, 1, NOW)


RECORDED = a_run().with_job("build", named(queued(), "build")).with_job("test", pending())
RUNNING = named(running(), "build", started_at=at(3))
LOST = named(queued(2), "build", reason=Reason.POD_LOST, message="restarted: its Pod was deleted")
FAN = a_spec().job("a").job("b", "a").job("c", "a").job("d", "b", "c")
FAN_RUNNING = a_run().with_job("a", done("a"))

COURSE: dict[str, tuple[SpecBuilder, Resource, Observed, tuple[list[str], Jobs, WorkflowPhase]]] = {
    "the Pod isn't there yet": (
        chain(),
        RECORDED.resource(),
        observed(attempt_at("build")),
        ([], {"build": named(queued(), "build"), "test": pending()}, WorkflowPhase.RUNNING),
    ),
    "its steps run": (
        chain(),
        RECORDED.resource(),
        observed(attempt_at("build", pod(going(3)))),
        ([], {"build": RUNNING, "test": pending()}, WorkflowPhase.RUNNING),
    ),
    "one ends, the next starts in the same look": (
        chain(),
        RECORDED.with_job("build", RUNNING).resource(),
        observed(success("build")),
        (["create test 1"], {"build": done("build"), "test": named(queued(), "test")}, WorkflowPhase.RUNNING),
    ),
    "the last one ends": (
        chain(),
        a_run().with_job("build", done("build")).with_job("test", named(queued(), "test")).resource(),
        observed(success("build", complete=True), success("test")),
        ([], {"build": done("build"), "test": done("test")}, WorkflowPhase.SUCCEEDED),
    ),
    "all that is ready starts at once": (
        FAN,
        a_resource(),
        observed(success("a")),
        (
            ["create b 1", "create c 1"],
            {"a": done("a"), "b": named(queued(), "b"), "c": named(queued(), "c"), "d": pending()},
            WorkflowPhase.RUNNING,
        ),
    ),
    "one of two needs isn't there yet": (
        FAN,
        FAN_RUNNING.with_job("b", named(queued(), "b")).with_job("c", named(queued(), "c")).resource(),
        observed(success("b"), attempt_at("c")),
        (
            [],
            {"a": done("a"), "b": done("b"), "c": named(queued(), "c"), "d": pending()},
            WorkflowPhase.RUNNING,
        ),
    ),
    "what needs a failed job is skipped, and what needs that, too": (
        chain().job("last", "test").job("other"),
        a_resource(),
        observed(failure("build"), attempt_at("other", pod(going()))),
        (
            [],
            {
                "build": named(
                    failed('step "true" failed with exit code 1'),
                    "build",
                    started_at=NOW,
                    finished_at=at(10),
                    steps=(a_step("true", 1, end=1),),
                ),
                "test": skipped('needs "build", which failed'),
                "last": skipped('needs "test", which was skipped'),
                "other": named(running(), "other"),
            },
            WorkflowPhase.RUNNING,
        ),
    ),
    "one need has failed, another still runs": (
        a_spec().job("a").job("b").job("c", "a", "b"),
        a_run().with_job("a", failed()).with_job("b", named(running(), "b")).with_job("c", pending()).resource(),
        observed(attempt_at("b", pod(going()))),
        ([], {"a": failed(), "b": named(running(), "b"), "c": pending()}, WorkflowPhase.RUNNING),
    ),
    "a failure is the run's": (
        chain(),
        a_run().with_job("build", failed("boom")).with_job("test", pending()).resource(),
        NOTHING,
        ([], {"build": failed("boom"), "test": skipped()}, WorkflowPhase.FAILED),
    ),
    # What was written, and what exists
    "died between making a Job and recording it": (
        chain(),
        a_resource(),
        observed(attempt_at("build", pod(going(3)))),
        ([], {"build": RUNNING, "test": pending()}, WorkflowPhase.RUNNING),
    ),
    "died between making two Jobs": (
        a_spec().job("a").job("b"),
        a_resource(),
        observed(attempt_at("a")),
        (["create b 1"], {"a": named(queued(), "a"), "b": named(queued(), "b")}, WorkflowPhase.RUNNING),
    ),
    "died between making a second attempt and recording it": (
        chain(),
        RECORDED.resource(),
        observed(attempt_at("build", failure="BackoffLimitExceeded"), attempt_at("build", attempt=2)),
        ([], {"build": LOST, "test": pending()}, WorkflowPhase.RUNNING),
    ),
    "what was recorded as over stays so": (
        chain(),
        a_run().with_job("build", failed("boom")).with_job("test", pending()).resource(),
        observed(success("build")),
        ([], {"build": failed("boom"), "test": skipped()}, WorkflowPhase.FAILED),
    ),
    "Jobs of another spec say nothing": (
        chain(),
        a_resource(),
        observed(success("build", digest=OTHER)),
        (["create build 1"], {"build": named(queued(), "build"), "test": pending()}, WorkflowPhase.RUNNING),
    ),
    "Jobs of another run say nothing": (
        chain(),
        a_resource(),
        observed(success("build", run=2)),
        (["create build 1"], {"build": named(queued(), "build"), "test": pending()}, WorkflowPhase.RUNNING),
    ),
}


@pytest.mark.parametrize(("spec", "resource", "seen", "expected"), COURSE.values(), ids=COURSE)
def test_course(
    spec: SpecBuilder, resource: Resource, seen: Observed, expected: tuple[list[str], Jobs, WorkflowPhase]
) -> None:
    """From what is recorded and what exists follows what is done and what is recorded next."""
    decision = planned(spec, resource, seen)
    assert told(decision) == expected


# Losses


def test_lost_pod() -> None:
    """A job whose Pod was lost is made again at once, as the next attempt."""
    lost = attempt_at("build", failure="BackoffLimitExceeded")
    decision = planned(chain(), RECORDED.resource(), observed(lost))
    assert told(decision) == (["create build 2"], {"build": LOST, "test": pending()}, WorkflowPhase.RUNNING)
    assert decision.actions == (a_creation("build", 2, lost=lost),)


def test_missing_job() -> None:
    """A recorded Job that isn't seen is replaced, once the cluster has been asked for it."""
    decision = planned(chain(), RECORDED.with_job("build", RUNNING).resource())
    said = {"reason": Reason.JOB_DELETED, "message": "restarted: its Kubernetes Job was deleted"}
    assert decision.actions == (a_creation("build", 2, instead_of=name_of("build")),)
    assert decision.status.jobs[JobId("build")] == named(queued(2), "build", started_at=None, **said)


def test_message_goes_when_it_runs() -> None:
    """Why a job was restarted is said while it waits; the count of attempts stays."""
    recorded = RECORDED.with_job("build", LOST)
    first = attempt_at("build", failure="BackoffLimitExceeded")
    waits = planned(chain(), recorded.resource(), observed(first, attempt_at("build", pod(), attempt=2)))
    runs = planned(chain(), recorded.resource(), observed(first, attempt_at("build", pod(going(3)), attempt=2)))
    assert [decision.status.jobs[JobId("build")] for decision in (waits, runs)] == [
        LOST,
        named(running(2), "build", started_at=at(3)),
    ]


@pytest.mark.parametrize("restarts", [0, 2])
def test_restarts_used_up(restarts: int) -> None:
    """What is lost once too often has failed."""
    latest = restarts + 1
    recorded = RECORDED.with_job("build", named(queued(latest), "build"))
    seen = observed(attempt_at("build", attempt=latest, failure="BackoffLimitExceeded"))
    decision = planned(chain(), recorded.resource(), seen, policy=Policy(restarts=restarts))
    expected = failed(f"its Pod was deleted, after {restarts} restarts", reason=Reason.POD_LOST, exit_code=None)
    assert told(decision) == (
        [],
        {"build": named(expected, "build", attempt=latest, kubernetes_job=name_of("build", latest)), "test": skipped()},
        WorkflowPhase.FAILED,
    )


@pytest.mark.parametrize("restarts", [1, 5])
def test_last_restart(restarts: int) -> None:
    """As many restarts are made as the policy allows, and not one fewer."""
    recorded = RECORDED.with_job("build", named(queued(restarts), "build"))
    lost = attempt_at("build", attempt=restarts, failure="BackoffLimitExceeded")
    decision = planned(chain(), recorded.resource(), observed(lost), policy=Policy(restarts=restarts))
    assert decision.actions == (a_creation("build", restarts + 1, lost=lost),)


# Refusals


def test_final_refusal() -> None:
    """What the cluster will never make has failed."""
    decision = planned(chain(), a_resource(), observed(refusals={"build": Refusal("bad\nlabel", final=True)}))
    build = failed("bad label", reason=Reason.JOB_REFUSED, attempt=None, exit_code=None)
    assert told(decision) == ([], {"build": build, "test": skipped()}, WorkflowPhase.FAILED)


def test_refusal() -> None:
    """What the cluster doesn't make now is tried again, and the status says why it waits."""
    decision = planned(chain(), a_resource(), observed(refusals={"build": Refusal("quota exceeded")}))
    build = JobStatus(message="can't be started yet: quota exceeded")
    assert told(decision) == (["create build 1"], {"build": build, "test": pending()}, WorkflowPhase.PENDING)
    assert decision.status.message == 'job "build": can\'t be started yet: quota exceeded'


def test_refusal_of_a_restart() -> None:
    """A restart that is refused keeps the count and the name, so that the lost Job is asked for again."""
    seen = observed(refusals={"build": Refusal("quota exceeded")})
    first = planned(chain(), RECORDED.resource(), seen)
    build = named(queued(1), "build", message="can't be started yet: quota exceeded")
    assert told(first) == (["create build 2"], {"build": build, "test": pending()}, WorkflowPhase.RUNNING)
    again = planned(chain(), a_resource(status=first.status), seen)
    assert again == first


# Images and references

STUCK = attempt_at("build", pod(waiting("ImagePullBackOff", "no such image"), scheduled_at=NOW))
GRACE = Policy(grace=timedelta(seconds=30))


def test_image_trouble() -> None:
    """A missing image is waited for, and looked at again when patience ends."""
    decision = planned(chain(), RECORDED.resource(), observed(STUCK), now=10, policy=GRACE)
    build = named(queued(message="ImagePullBackOff: no such image"), "build")
    assert (decision.actions, decision.status.jobs, decision.look_again) == (
        (),
        {"build": build, "test": pending()},
        at(30),
    )


def test_first_of_several_looks() -> None:
    """Of several moments to look again, the earliest counts."""
    later = attempt_at("b", pod(waiting("ErrImagePull"), scheduled_at=at(5)))
    sooner = attempt_at("c", pod(waiting("ErrImagePull"), scheduled_at=at(1)))
    decision = planned(a_spec().job("b").job("c"), a_resource(), observed(later, sooner), now=10, policy=GRACE)
    assert decision.look_again == at(31)


def test_image_failure() -> None:
    """Then the job has failed; its Pod, which would go on trying, is deleted once that is recorded."""
    decision = planned(chain(), RECORDED.resource(), observed(STUCK), now=30, policy=GRACE)
    said = {"reason": Reason.IMAGE_PULL_FAILED, "exit_code": None, "finished_at": at(30)}
    build = named(failed("ImagePullBackOff: no such image", **said), "build")
    test = skipped().model_copy(update={"finished_at": at(30)})
    assert told(decision) == ([], {"build": build, "test": test}, WorkflowPhase.FAILED)
    after = planned(chain(), a_resource(status=decision.status), observed(STUCK), now=31, policy=GRACE)
    assert (after.actions, after.status) == ((DeleteJob(STUCK.name),), decision.status)


# Cancelling


def cancelling(run: RunBuilder, value: str = "1") -> Resource:
    """Ask for the end of a run."""
    return run.resource(annotations={CANCEL: value})


def test_cancel() -> None:
    """Everything that hasn't ended is cancelled, and recorded as such before anything is deleted."""
    recorded = a_run().with_job("a", done("a")).with_job("b", named(running(), "b")).with_job("c", pending())
    spec = a_spec().job("a").job("b").job("c", "b")
    seen = observed(success("a", complete=True), attempt_at("b", pod(going())))
    decision = planned(spec, cancelling(recorded), seen)
    b = named(cancelled(attempt=1, started_at=NOW, message="the run was cancelled"), "b")
    c = cancelled(message="the run was cancelled")
    assert told(decision) == ([], {"a": done("a"), "b": b, "c": c}, WorkflowPhase.CANCELLED)
    assert decision.status.message == "cancelled; b, c did not finish"
    after = planned(spec, cancelling(a_run().but(**dict(decision.status))), seen)
    assert (after.actions, after.status) == ((DeleteJob(name_of("b")),), decision.status)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2", "running: build"),
        ("11", "running: build"),
        ("", "running: build"),
        ("true", f'{CANCEL} is "true", which names no run; to cancel this one, set it to 1'),
        ("\x1b[31m", f'{CANCEL} is "\\x1b[31m", which names no run; to cancel this one, set it to 1'),
    ],
)
def test_cancel_of_another_run(value: str, message: str) -> None:
    """A request that names another run doesn't concern this one; one that names none is answered."""
    decision = planned(chain(), cancelling(RECORDED, value), observed(attempt_at("build", pod(going(3)))))
    assert (told(decision), decision.status.message) == (
        ([], {"build": RUNNING, "test": pending()}, WorkflowPhase.RUNNING),
        message,
    )


def test_cancel_too_late() -> None:
    """What ended before stays as it ended."""
    first = planned(chain(), cancelling(a_run().with_job("build", done("build")).with_job("test", done("test"))))
    assert first.status.phase is WorkflowPhase.SUCCEEDED


def test_cancel_taken_back() -> None:
    """A run that was cancelled stays cancelled when the request is removed."""
    over = a_run(WorkflowPhase.CANCELLED).with_job("build", cancelled()).with_job("test", cancelled())
    recorded = over.but(finished_at=NOW)
    decision = planned(chain(), recorded.resource())
    assert decision == Decision((), recorded.status())


def test_cancel_unrecorded_job() -> None:
    """A Job that was made but never recorded is ended by a cancel, too."""
    resource = a_resource(annotations={CANCEL: "1"})
    seen = observed(attempt_at("build", pod(going())))
    first = planned(chain(), resource, seen)
    after = planned(chain(), a_resource(status=first.status, annotations={CANCEL: "1"}), seen)
    assert (first.actions, after.actions) == ((), (DeleteJob(name_of("build")),))


# Another spec


def test_superseded() -> None:
    """A new spec starts the next run; the earlier one is remembered, and its Jobs end once that is recorded."""
    recorded = RECORDED.with_job("build", RUNNING)
    seen = observed(attempt_at("build", pod(going())))
    decision = planned(chain(), recorded.resource(generation=2), seen, digest=OTHER)
    remembered = a_record_of(1, WorkflowPhase.CANCELLED, "superseded by generation 2")
    created = a_creation("build", run=2)
    created = replace(created, name=name_of("build", run=2, digest=OTHER), digest=OTHER)
    assert (decision.actions, decision.status.run, decision.status.history) == ((created,), 2, (remembered,))
    new = attempt_at("build", run=2, digest=OTHER)
    after = planned(chain(), a_resource(status=decision.status, generation=2), observed(*seen.jobs, new), digest=OTHER)
    assert (after.actions, after.status) == ((DeleteJob(name_of("build")),), decision.status)


def test_another_generation_of_the_same_spec() -> None:
    """What only steers a run, or changes nothing, makes another generation, and no other run."""
    recorded = RECORDED.with_job("build", RUNNING)
    seen = observed(attempt_at("build", pod(going(3))))
    decision = planned(chain(), recorded.resource(generation=2), seen)
    assert (told(decision), decision.status.run, decision.status.observed_generation, decision.status.history) == (
        ([], {"build": RUNNING, "test": pending()}, WorkflowPhase.RUNNING),
        1,
        2,
        (),
    )


def test_another_version_of_the_operator() -> None:
    """One that computes other digests goes on with the run, and with the names, that it finds; then it is recorded."""
    recorded = RECORDED.with_job("build", RUNNING)
    seen = observed(success("build"))
    decision = planned(chain(), recorded.resource(), seen, digest=OTHER)
    assert decision.actions == (a_creation("test"),)
    assert (decision.status.run, decision.status.spec_digest, decision.status.history) == (1, DIGEST, ())


@pytest.mark.parametrize(
    "old",
    [
        attempt_at("build", complete=True),
        attempt_at("build", failure="BackoffLimitExceeded"),
        attempt_at("build", deleting=True),
        attempt_at("build", pod(ended(reported(1)))),
    ],
    ids=["complete", "failed", "deleting", "about to be failed"],
)
def test_logs_are_kept(old: KubernetesJob) -> None:
    """What an earlier run has finished stays, and its log with it; what goes already isn't deleted twice."""
    recorded = a_run(run=2, generation=2).with_job("build", queued()).resource(generation=2)
    decision = planned(a_spec().job("build"), recorded, observed(old, attempt_at("build", run=2)))
    assert decision.actions == ()


def test_what_was_taken_is_no_end() -> None:
    """A Pod that was killed with its node has another one after it, unless its Job is deleted."""
    taken = attempt_at("build", pod(ended(exit_code=137), taken=True))
    recorded = a_run(run=2, generation=2).with_job("build", queued()).resource(generation=2)
    decision = planned(a_spec().job("build"), recorded, observed(taken, attempt_at("build", run=2)))
    assert decision.actions == (DeleteJob(taken.name),)


def test_deletion_waits_for_the_record() -> None:
    """Nothing of an earlier run is deleted before the new run is recorded."""
    seen = observed(attempt_at("gone", pod(going())))
    decision = planned(a_spec().job("build"), RECORDED.resource(generation=2), seen, digest=OTHER)
    assert [action for action in decision.actions if isinstance(action, DeleteJob)] == []


# Wrong specs


def test_invalid() -> None:
    """A spec that can't run says so, and is no run."""
    decision = plan(INVALID, a_resource(), NOTHING, NOW)
    status = decision.status
    assert (decision.actions, status.phase, status.run, status.message, status.problems) == (
        (),
        WorkflowPhase.INVALID,
        None,
        "spec.jobs: is missing",
        ("spec.jobs: is missing",),
    )
    assert plan(INVALID, a_resource(status=status), NOTHING, at(5)) == decision


def test_mended() -> None:
    """A mended spec is the first run; so it is where the operator has learnt to read it."""
    invalid = plan(INVALID, a_resource(), NOTHING, NOW).status
    for generation in (1, 2):
        status = planned(chain(), a_resource(status=invalid, generation=generation), now=5).status
        assert (status.run, status.phase, status.started_at, status.history) == (1, WorkflowPhase.RUNNING, at(5), ())


def test_invalid_after_a_run() -> None:
    """A wrong spec ends the run before it, and is forgotten by the next."""
    seen = observed(attempt_at("build", pod(going())))
    invalid = plan(INVALID, RECORDED.resource(generation=2), seen, NOW)
    remembered = a_record_of(1, WorkflowPhase.CANCELLED, "superseded by generation 2")
    assert (invalid.actions, invalid.status.run, invalid.status.history) == ((), 1, (remembered,))
    recorded = a_resource(status=invalid.status, generation=2)
    assert plan(INVALID, recorded, seen, NOW) == Decision((DeleteJob(name_of("build")),), invalid.status)
    mended = planned(chain(), a_resource(status=invalid.status, generation=3)).status
    assert (mended.run, mended.history) == (2, (remembered,))


def test_stricter_operator() -> None:
    """A run that has ended isn't taken back by an operator that finds its spec wrong."""
    recorded = a_run(WorkflowPhase.SUCCEEDED).with_job("build", done("build")).but(finished_at=at(10))
    decision = plan(INVALID, recorded.resource(), observed(success("build", complete=True)), at(99))
    assert decision == Decision((), recorded.status())


def test_ended_run_stays() -> None:
    """What is recorded of an ended run doesn't change with labels, annotations or time."""
    spec = a_spec().job("build").but(outputs={"branch": "${{ workflow.labels.branch }}"})
    first = planned(spec, a_resource(labels={"branch": "main"}), observed(success("build")))
    after = planned(spec, a_resource(status=first.status, labels={"branch": "next"}), NOTHING, now=99)
    assert (first.status.outputs, after.status) == ({"branch": "main"}, first.status)


# Expressions


def test_filled_in() -> None:
    """A job's texts are filled in when it starts, from the workflow, its inputs, its env and its needs."""
    build = a_job_with_output()
    test = {
        "image": "python:${{ inputs.python }}",
        "env": {"V": "${{ needs.build.outputs.version }}", "B": "${{ workflow.labels.branch }}"},
        "steps": [
            {
                "id": "go",
                "name": "Test ${{ env.V }}",
                "run": "echo ${{ needs.build.result }} ${{ env.OWN }} ${{ env.B }}",
                "env": {"OWN": "${{ env.V }}!"},
                "shell": "${{ inputs.shell }}",
                "workingDirectory": "${{ workflow.run }}",
            }
        ],
    }
    spec = a_spec().but(inputs={"python": 3.13, "shell": "sh"}).job("build", **build).job("test", "build", **test)
    resource = a_resource(labels={"branch": "main"})
    report = reported(0, outputs={"v": {"version": "1.2", "other": "x"}})
    decision = planned(spec, resource, observed(attempt_at("build", pod(ended(report)))))
    step = StepRequest(  # noqa: S604  no process is started here
        label="Test 1.2",
        run="echo success 1.2! main",
        id=StepId("go"),
        shell="sh",
        working_directory="1",
        env={"OWN": "1.2!"},
        runs_in=frozenset({JobState.SUCCESS}),
    )
    request = a_request(image="python:3.13", env={"V": "1.2", "B": "main"}, steps=(step,))
    assert decision.actions == (a_creation("test", request=request),)
    assert decision.status.jobs[JobId("build")].outputs == {"version": "1.2"}


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("${{ steps.v.outputs.version }}", [("v", "version")]),
        ("${{ steps.V.outputs.version }}-${{ steps.v.outputs.other }}", [("v", "version"), ("v", "other")]),
        ("${{ toJSON(steps.v.outputs) }}", [("v", None)]),
        ("${{ steps.v.outputs[inputs.name] }}", [("v", None)]),
        ("${{ toJSON(steps) }}", [("v", None)]),
        ("${{ inputs.name }}", []),
    ],
)
def test_wanted(output: str, wanted: list[tuple[str, str | None]]) -> None:
    """Only the step outputs that the job's outputs name are asked of the driver; all where that can't be told."""
    spec = a_spec().but(inputs={"name": "version"}).job("build", **a_job_with_output(output))
    (creation,) = planned(spec, a_resource()).actions
    assert isinstance(creation, CreateJob)
    assert list(creation.request.wanted) == wanted


def test_workflow_outputs() -> None:
    """The workflow's outputs are there in the end, not before."""
    spec = a_spec().job("build", **a_job_with_output()).job("test", "build")
    spec = spec.but(outputs={"v": "v${{ jobs.build.outputs.version }}", "r": "${{ jobs.test.result }}"})
    build = succeeded(outputs={"version": "1.2"})
    before = planned(spec, a_run().with_job("build", build).resource())
    after = planned(spec, a_run().with_job("build", build).with_job("test", failed()).resource())
    assert (before.status.outputs, after.status.outputs) == ({}, {"v": "v1.2", "r": "failure"})


BAD = "${{ fromJSON(inputs.text) }}"


def test_expression_fails_at_the_start() -> None:
    """A job whose texts can't be filled in has failed, and nothing is made for it."""
    spec = a_spec().but(inputs={"text": "{"}).job("build", image=BAD).job("test", "build")
    decision = planned(spec, a_resource())
    build = decision.status.jobs[JobId("build")]
    following = planned(spec, a_resource(status=decision.status))
    assert (decision.actions, build.reason, following.status.phase) == (
        (),
        Reason.EXPRESSION_FAILED,
        WorkflowPhase.FAILED,
    )
    assert "\n" not in (build.message or "\n")


def test_empty_image() -> None:
    """An image that is empty when filled in is said to be."""
    decision = planned(a_spec().but(inputs={"a": " "}).job("build", image="${{ inputs.a }}"), a_resource())
    build = decision.status.jobs[JobId("build")]
    assert (decision.actions, build.reason, build.message) == (
        (),
        Reason.EXPRESSION_FAILED,
        'its image, "${{ inputs.a }}", is empty when filled in',
    )


def test_expression_fails_in_a_jobs_outputs() -> None:
    """A job that succeeded fails when its outputs can't be told; one that failed keeps its own reason."""
    spec = a_spec().but(inputs={"text": "{"}).job("build", outputs={"a": BAD})
    good = planned(spec, a_resource(), observed(success("build"))).status.jobs[JobId("build")]
    bad = planned(spec, a_resource(), observed(failure("build"))).status.jobs[JobId("build")]
    assert (good.reason, (good.message or "").startswith("outputs: "), bad.reason, bad.message) == (
        Reason.EXPRESSION_FAILED,
        True,
        Reason.STEP_FAILED,
        'step "true" failed with exit code 1',
    )


def test_expression_fails_in_the_workflows_outputs() -> None:
    """A run whose outputs can't be told has failed, whatever its jobs did."""
    spec = a_spec().but(inputs={"text": "{"}, outputs={"a": BAD}).job("build")
    status = planned(spec, a_run().with_job("build", done("build")).resource()).status
    assert (status.phase, (status.message or "").startswith("outputs: "), status.outputs) == (
        WorkflowPhase.FAILED,
        True,
        {},
    )


def test_steps_by_label() -> None:
    """The steps that ran are told by the labels that the log has, with their times."""
    spec = (
        a_spec()
        .but(inputs={"a": "all"})
        .job("build", steps=[{"id": "m", "run": "make ${{ inputs.a }}"}, {"name": "Check", "run": "b"}, {"run": "c"}])
    )
    seen = observed(attempt_at("build", pod(ended(reported(0, 3)))))
    assert planned(spec, a_resource(), seen).status.jobs[JobId("build")].steps == (
        a_step("make all", step_id="m", start=0, end=1),
        a_step("Check", 3, start=1, end=2),
    )


def test_label_of_a_late_step() -> None:
    """What only the running job knows of a step's label stays as it is written."""
    late = {"name": "${{ workflow.run }} ${{ steps.m.outputs.x }}", "run": "true"}
    spec = a_spec().job("build", steps=[{"id": "m", "run": "make"}, late])
    seen = observed(attempt_at("build", pod(ended(reported(0, 0)))))
    (_, step) = planned(spec, a_resource(), seen).status.jobs[JobId("build")].steps
    assert step.name == "1 ${{ steps.m.outputs.x }}"


def test_status_of_nobody() -> None:
    """A status without a run, whoever wrote it, is the first run's."""
    decision = planned(chain(), a_resource(status=WorkflowStatus(observed_generation=1, message="hello")))
    assert (decision.status.run, decision.status.phase) == (RunNumber(1), WorkflowPhase.RUNNING)
