"""What the operator may do is what it does: looked up in the audit log, after all other tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.support.installation import RELEASE, SERVICE_ACCOUNT

if TYPE_CHECKING:
    from e2e.support.audit import AuditLog
    from e2e.support.kubectl import Kubectl
    from e2e.support.sandbox import Sandbox

RARELY = {("fairlead.dev", "workflows", "get"), ("batch", "jobs", "get")}
"""What is needed in trouble only, which no test is sure to cause."""


@pytest.mark.last
def test_the_operator_uses_its_rights_and_no_others(kubectl: Kubectl, sandbox: Sandbox, audit: AuditLog) -> None:
    """All its requests were within the chart's rules, none was forbidden, and no rule is there for nothing."""
    sandbox.apply("some", "{jobs: {one: {image: 'busybox:1.35', commands: [sleep 600]}}}")
    sandbox.wait_for_job("some", "one")
    sandbox.kubectl.run("annotate", "fwf", "some", "fairlead.dev/cancel=1")
    sandbox.wait("some", "Cancelled")
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
