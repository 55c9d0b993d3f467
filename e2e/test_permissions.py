"""What the operator may do is what it does: looked up in the audit log, after all other tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.support.installation import RELEASE, SERVICE_ACCOUNT
from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from e2e.support.audit import AuditLog
    from e2e.support.kubectl import Kubectl
    from e2e.support.sandbox import Sandbox

RARELY = {("fairlead.dev", "workflows", "get"), ("batch", "jobs", "get")}
"""What is needed in trouble only, which no test is sure to cause."""


LARGE = """{steps: [{id: s, run: 'echo "x=$(head -c 9000 /dev/zero | tr "\\0" y)" >> $FAIRLEAD_OUTPUT'}],
             outputs: {x: "${{ steps.s.outputs.x }}"}}"""
"""A job whose outputs are read from its log."""


def _make_use_of_everything(sandbox: Sandbox) -> None:
    """Cancel a called workflow by its caller, read large outputs, and let a workflow be deleted after its end."""
    slow = {"defaults": {"image": "busybox:1.35"}, "jobs": {"one": {"commands": ["sleep 600"]}}}
    head = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "WorkflowTemplate", "metadata": {"name": "slow"}}
    sandbox.kubectl.apply({**head, "spec": slow})
    sandbox.apply("some", "{jobs: {call: {uses: slow}}}")
    sandbox.wait_for_job("some", "call")
    sandbox.kubectl.run("annotate", "fwf", "some", "fairlead.dev/cancel=1")
    sandbox.wait("some", "Cancelled")
    called = sandbox.status("some")["jobs"]["call"]["workflow"]
    sandbox.wait(called, "Cancelled")
    sandbox.run("large", f"{{defaults: {{image: 'busybox:1.35'}}, jobs: {{one: {LARGE}}}}}")
    sandbox.apply("brief", "{ttlAfterFinished: 1s, jobs: {one: {check: 'true'}}}")
    wait_for("the workflow to be deleted", lambda: sandbox.kubectl.get("fwf", "brief") is None)


@pytest.mark.last
def test_the_operator_uses_its_rights_and_no_others(kubectl: Kubectl, sandbox: Sandbox, audit: AuditLog) -> None:
    """All its requests were within the chart's rules, none was forbidden, and no rule is there for nothing."""
    _make_use_of_everything(sandbox)
    role = kubectl.get("clusterrole", RELEASE)
    assert role is not None
    allowed = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    requests = audit.of(SERVICE_ACCOUNT)
    used = {each.access for each in requests}
    assert not used - allowed
    assert not allowed - used - RARELY
    assert not [each for each in requests if not each.allowed]
