from __future__ import annotations

from datetime import timedelta

import pytest

from fairlead.model.ids import JobId
from fairlead.model.phase import Reason
from fairlead.plan import KubernetesJob, Planner, ReadEvents
from fairlead.plan.attempts import Ended, Verdict, Waiting, judge
from fairlead.plan.observed import Podless
from fairlead.plan.podless import next_look
from tests.builders import NOW, a_resource, a_run, a_spec, at, attempt_at, name_of, node_of, observed, pod, queued

GRACE = timedelta(seconds=60)
SPEC = a_spec().job("build")
JOB = SPEC.workflow().jobs[JobId("build")]

POLICY = 'Error creating: pods "ci-x7k2p" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
ACCOUNT = (
    'Error creating: pods "ci-" is forbidden: error looking up service account team/no: serviceaccount "no" not found'
)
LIMIT = 'Error creating: pods "ci-x7k2p" is forbidden: minimum cpu usage per Container is 100m, but request is 1m'
INVALID = 'Error creating: Pod "ci-x7k2p" is invalid: spec.containers[0].image: Required value'
DENIED = 'Error creating: admission webhook "policy.example.com" denied the request: no\n\x1b[31mlabel'
QUOTA = (
    'Error creating: pods "ci-x7k2p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3'
)
MUST = 'Error creating: pods "ci-x7k2p" is forbidden: failed quota: q: must specify limits.cpu for: main'
AWAY = 'Error creating: Internal error occurred: failed calling webhook "policy.example.com": connection refused'


def without_a_pod(message: str | None = None, *, looked: float = 5, looks: int = 1) -> KubernetesJob:
    """Give a Job that was begun at NOW, what its Events told, and when they were read."""
    return attempt_at("build", taken_up_at=NOW, podless=Podless(message, at(looked), looks))


WAITED_FOR = {
    "Pod Security": (POLICY, 'violates PodSecurity "restricted:latest": runAsNonRoot != true'),
    "no ServiceAccount": (ACCOUNT, 'error looking up service account team/no: serviceaccount "no" not found'),
    "LimitRange": (LIMIT, "minimum cpu usage per Container is 100m, but request is 1m"),
    "invalid": (INVALID, "spec.containers[0].image: Required value"),
    "a policy": (DENIED, 'admission webhook "policy.example.com" denied the request: no [31mlabel'),
}


@pytest.mark.parametrize(("told", "said"), WAITED_FOR.values(), ids=WAITED_FOR)
def test_refused_for_what_it_is(told: str, said: str) -> None:
    """It is told as long as it may be set right, and then the job has failed; no Pod's name is told."""
    message = f"its Pod can't be made: {said}"

    found = [judge(without_a_pod(told), JOB, at(seconds), GRACE) for seconds in (5, 59, 60)]

    waits = Waiting(message, at(60))
    assert found == [waits, waits, Ended(Reason.MISCONFIGURED, message, None)]


PASSING: dict[str, tuple[KubernetesJob, Verdict]] = {
    "a quota": (
        without_a_pod(QUOTA),
        Waiting("its Pod can't be made: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"),
    ),
    "a quota that wants limits": (
        without_a_pod(MUST),
        Waiting("its Pod can't be made: failed quota: q: must specify limits.cpu for: main"),
    ),
    "a webhook that is away": (
        without_a_pod(AWAY),
        Waiting(
            "its Pod can't be made: Internal error occurred: "
            'failed calling webhook "policy.example.com": connection refused'
        ),
    ),
    "nothing is told": (without_a_pod(), Waiting()),
    "never looked": (attempt_at("build", taken_up_at=NOW), Waiting()),
}


@pytest.mark.parametrize(("job", "verdict"), PASSING.values(), ids=PASSING)
def test_may_pass(job: KubernetesJob, verdict: Verdict) -> None:
    """What may pass by itself is waited for, however long it takes, as a node with room is."""
    assert judge(job, JOB, at(3600), GRACE) == verdict


def test_waited_for_in_vain() -> None:
    """A job whose time ends while a quota keeps it from its Pod says so."""
    job = attempt_at("build", taken_up_at=NOW, failure="DeadlineExceeded", podless=Podless(MUST, at(5)))
    said = "timed out after 6h; its Pod can't be made: failed quota: q: must specify limits.cpu for: main"
    assert judge(job, JOB, at(3600), GRACE) == Ended(Reason.TIMED_OUT, said, 124)


LOOKS = {
    "not taken up": (attempt_at("build"), None),
    "taken up": (attempt_at("build", taken_up_at=NOW), at(10)),
    "it has a Pod": (attempt_at("build", pod(), taken_up_at=NOW), None),
    "looked once": (without_a_pod(), at(25)),
    "looked twice": (without_a_pod(looked=15, looks=2), at(55)),
    "looked often": (without_a_pod(looked=600, looks=4000), at(660)),
    "the first of a pack": (attempt_at("build", taken_up_at=NOW, index=0), at(10)),
    "another of a pack": (attempt_at("build", taken_up_at=NOW, index=1), None),
}


@pytest.mark.parametrize(("job", "due"), LOOKS.values(), ids=LOOKS)
def test_next_look(job: KubernetesJob, due: object) -> None:
    """Events are read once a begun Job stays without a Pod, with rising pauses, and once for a whole pack."""
    assert next_look(job) == due


def test_planned() -> None:
    """A plan says when to look, then asks for the Events, and says in the status what they told."""
    resource = a_resource(status=a_run().with_job("build", queued()).status())

    def plan(job: KubernetesJob, seconds: float) -> tuple[object, ...]:
        decision = Planner().plan(SPEC.workflow(), resource, observed(job), at(seconds))
        found = decision.status.jobs[JobId("build")]
        return decision.actions, decision.look_again, found.phase, found.message

    begun = attempt_at("build", taken_up_at=NOW)
    assert [plan(begun, 1), plan(begun, 10), plan(without_a_pod(QUOTA), 11)] == [
        ((), at(10), "Queued", None),
        ((ReadEvents(name_of("build"), node_of("build")),), None, "Queued", None),
        (
            (),
            at(25),
            "Queued",
            "its Pod can't be made: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3",
        ),
    ]
