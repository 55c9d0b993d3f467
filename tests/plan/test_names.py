from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.model.ids import Attempt, JobId, RunNumber, Uid, WorkflowKey
from fairlead.plan.names import job_name
from tests.builders import a_resource

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
Identity = tuple[str, str, int, int, str, int]

WORKFLOWS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
JOBS = st.from_regex(re.compile(r"[A-Za-z]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?", re.ASCII), fullmatch=True)
IDENTITIES: st.SearchStrategy[Identity] = st.tuples(
    WORKFLOWS,
    st.uuids().map(str),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    JOBS,
    st.integers(1, 101),
)


def name(identity: Identity) -> str:
    """Name the Kubernetes Job of an identity."""
    workflow, uid, generation, run, job, attempt = identity
    resource = a_resource(key=WorkflowKey("team", workflow), uid=Uid(uid), generation=generation)
    return job_name(resource, RunNumber(run), JobId(job), Attempt(attempt))


@given(IDENTITIES)
@example(("a" * 63, "u", 1, 1, "B" * 63, 1))
@example(("a", "u", 10**9, 10**9, "B__" + "C" * 60, 999))
@example(("a-" * 31 + "a", "u", 1, 1, "a-" * 31 + "a", 2))
def test_dns_label(identity: Identity) -> None:
    """A name is a DNS label, so that it can name a Job, its Pods' labels and a host."""
    assert DNS_LABEL.fullmatch(name(identity))


@given(st.lists(IDENTITIES, unique=True, min_size=2, max_size=20))
def test_distinct(identities: list[Identity]) -> None:
    """Two identities never share a name, however much of them is cut; one always has the same."""
    names = {identity: name(identity) for identity in identities}
    assert len(set(names.values())) == len(identities)
    assert names == {identity: name(identity) for identity in reversed(identities)}


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (("ci", "u", 1, 1, "build", 1), "ci-build-1-d9786bec"),
        (("ci", "u", 1, 1, "build", 2), "ci-build-1-2-bb90ba74"),
        (("ci", "u", 2, 7, "Build_All", 1), "ci-build-all-7-bcbb87da"),
        (("ci", "u", 1, 1, "x" * 63, 1), "ci-" + "x" * 49 + "-1-0f99242c"),
        (("w" * 63, "u", 1, 1, "x" * 63, 1), "w" * 26 + "-" + "x" * 25 + "-1-0f99242c"),
    ],
)
def test_readable(identity: Identity, expected: str) -> None:
    """A name shows workflow, job, run and (from the second on) attempt, and stays so from version to version."""
    assert name(identity) == expected


def test_made_again() -> None:
    """A Workflow that was deleted and made again doesn't meet its predecessor's Jobs."""
    assert name(("ci", "one", 1, 1, "build", 1)) != name(("ci", "two", 1, 1, "build", 1))
