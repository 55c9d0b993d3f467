"""What a run costs the API server, counted in its audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.support.audit import count
from e2e.support.installation import SERVICE_ACCOUNT

if TYPE_CHECKING:
    from e2e.support.audit import AuditLog
    from e2e.support.kubectl import Json
    from e2e.support.sandbox import Sandbox

LENGTH = 10


def test_a_chain_costs_one_create_and_at_most_two_patches_a_job(audit: AuditLog, sandbox: Sandbox) -> None:
    """Ten jobs in a row: ten creates, at most twenty status patches, no Event, and nothing is read."""
    needs: dict[int, list[str]] = {0: [], **{number: [f"job-{number - 1}"] for number in range(1, LENGTH)}}
    jobs: Json = {f"job-{number}": {"needs": each, "commands": ["true"]} for number, each in needs.items()}
    log = audit.from_now()
    sandbox.run("chain", {"defaults": {"image": "busybox:1.35"}, "jobs": jobs})
    counted = count(log.of(SERVICE_ACCOUNT, sandbox.namespace))
    patches = counted.pop("patch workflows/status")
    assert counted == {"create jobs": LENGTH}
    assert patches <= 2 * LENGTH
    # Beside the watches, there is the list by which each replica repairs what a watch has lost, every five minutes.
    elsewhere = [each for each in log.of(SERVICE_ACCOUNT) if each.namespace is None and each.verb != "watch"]
    assert set(count(elsewhere)) <= {"list workflows"}
    assert len(elsewhere) <= 2


def test_one_job_costs_one_create_and_three_patches(audit: AuditLog, sandbox: Sandbox) -> None:
    """Of a workflow of one job: that it was taken up, maybe that it has started, and how it ended; no Event."""
    log = audit.from_now()
    sandbox.run("one", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
    counted = count(log.of(SERVICE_ACCOUNT, sandbox.namespace))
    patches = counted.pop("patch workflows/status")
    assert (counted, 2 <= patches <= 3) == ({"create jobs": 1}, True), patches


def test_an_ended_workflow_costs_nothing(audit: AuditLog, sandbox: Sandbox) -> None:
    """A label on a workflow that has ended makes the operator look at it, and do nothing."""
    sandbox.run("ended", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
    log = audit.from_now()
    for number in range(3):
        sandbox.kubectl.run("label", "--overwrite", "fwf", "ended", f"number=n{number}")
    # Another run after it shows that the operator has seen the labels.
    sandbox.run("marker", "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}")
    names = [each.name or "" for each in log.of(SERVICE_ACCOUNT, sandbox.namespace)]
    assert "marker" in names
    assert not [name for name in names if name.startswith("ended")]
