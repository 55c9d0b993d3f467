from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.model.ids import Attempt, RunNumber, SpecDigest, Uid, WorkflowKey
from fairlead.plan.names import node_name
from tests.builders import a_resource, node_of

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
Identity = tuple[str, str, str, int, str, int | None, int]

DIGEST = "0123456789ab"
WORKFLOWS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
JOBS = st.from_regex(re.compile(r"[A-Za-z]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?", re.ASCII), fullmatch=True)
IDENTITIES: st.SearchStrategy[Identity] = st.tuples(
    WORKFLOWS,
    st.uuids().map(str),
    st.from_regex(re.compile(r"[0-9a-f]{12}", re.ASCII), fullmatch=True),
    st.integers(1, 10**6),
    JOBS,
    st.none() | st.integers(0, 4999),
    st.integers(1, 101),
)


def name(identity: Identity) -> str:
    """Name the Kubernetes Job of an identity."""
    workflow, uid, digest, run, job, combination, attempt = identity
    resource = a_resource(key=WorkflowKey("team", workflow), uid=Uid(uid))
    return node_name(resource, SpecDigest(digest), RunNumber(run), node_of(job, combination), Attempt(attempt))


@given(IDENTITIES)
@example(("a" * 63, "u", DIGEST, 1, "B" * 63, None, 1))
@example(("a", "u", DIGEST, 10**9, "B__" + "C" * 60, 4999, 999))
@example(("a-" * 31 + "a", "u", DIGEST, 1, "a-" * 31 + "a", 0, 2))
def test_dns_label(identity: Identity) -> None:
    """A name is a DNS label, so that it can name a Job, a Workflow, their Pods' labels and a host."""
    assert DNS_LABEL.fullmatch(name(identity))


@given(st.lists(IDENTITIES, unique=True, min_size=2, max_size=20))
@example([("ci", "u", DIGEST, 1, "a", 1, 2), ("ci", "u", DIGEST, 1, "a-1", None, 2), ("ci", "u", DIGEST, 2, "a", 1, 1)])
def test_distinct(identities: list[Identity]) -> None:
    """Two identities never share a name, however much of them is cut; one always has the same."""
    names = {identity: name(identity) for identity in identities}
    assert len(set(names.values())) == len(identities)
    assert names == {identity: name(identity) for identity in reversed(identities)}


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (("ci", "u", DIGEST, 1, "build", None, 1), "ci-build-1-8fa5102c"),
        (("ci", "u", DIGEST, 1, "build", None, 2), "ci-build-1-2-133dc450"),
        (("ci", "u", DIGEST, 7, "Build_All", None, 1), "ci-build-all-7-cf635d9d"),
        (("ci", "u", DIGEST, 7, "test", 12, 1), "ci-test-12-7-737491bb"),
        (("ci", "u", DIGEST, 7, "test", 12, 3), "ci-test-12-7-3-04df8523"),
        (("ci", "u", DIGEST, 1, "x" * 63, None, 1), "ci-" + "x" * 49 + "-1-990941b5"),
        (("w" * 63, "u", DIGEST, 1, "x" * 63, None, 1), "w" * 26 + "-" + "x" * 25 + "-1-990941b5"),
    ],
)
def test_readable(identity: Identity, expected: str) -> None:
    """A name shows workflow, job, combination, run and (from the second on) attempt, and stays so ever after."""
    assert name(identity) == expected


def test_made_again() -> None:
    """A Workflow that was deleted and made again doesn't meet its predecessor's Jobs; nor does another spec."""
    names = [
        name((workflow, uid, digest, 1, "build", None, 1))
        for workflow, uid, digest in (("ci", "one", DIGEST), ("ci", "two", DIGEST), ("ci", "one", "f" * 12))
    ]
    assert len(set(names)) == 3
