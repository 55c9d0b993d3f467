"""What the operator may do is what it does: looked up in the audit log, after all other tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from e2e.support.installation import NAMESPACE, RELEASE, SERVICE_ACCOUNT
from e2e.support.sandbox import open_sandbox
from e2e.support.waiting import wait_for
from e2e.testcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from e2e.support.audit import AuditLog
    from e2e.support.installation import Installation
    from e2e.support.kubectl import Json, Kubectl
    from e2e.support.sandbox import Sandbox

RARELY = {("fairlead.dev", "workflows", "get"), ("batch", "jobs", "get"), ("", "events", "list")}
"""What is needed in trouble only, which no test is sure to cause."""


LARGE = """{steps: [{id: s, run: 'echo "x=$(head -c 9000 /dev/zero | tr "\\0" y)" >> $FAIRLEAD_OUTPUT'}],
             outputs: {x: "${{ steps.s.outputs.x }}"}}"""
"""A job whose outputs are read from its log."""


def _make_use_of_everything(sandbox: Sandbox) -> None:
    """Cancel by a caller, end parts of a matrix, read large outputs, delete the Lease, and a workflow after its end."""
    slow = {"defaults": {"image": "busybox:1.35"}, "jobs": {"one": {"commands": ["sleep 600"]}}}
    head = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "WorkflowTemplate", "metadata": {"name": "slow"}}
    sandbox.kubectl.apply({**head, "spec": slow})
    sandbox.apply("some", "{jobs: {call: {uses: slow}}}")
    sandbox.wait_for_job("some", "call")
    sandbox.kubectl.run("annotate", "fwf", "some", "fairlead.dev/cancel=1")
    sandbox.wait("some", "Cancelled")
    called = sandbox.status("some")["jobs"]["call"]["workflow"]
    sandbox.wait(called, "Cancelled")
    matrix = "image: busybox:1.35, strategy: {matrix: {x: [1, 2, 3, 4]}}"
    command = "sleep 4; test ${{ matrix.x }} = 1 || sleep 600; exit 1"
    sandbox.run("fast", f"{{jobs: {{m: {{{matrix}, commands: ['{command}']}}}}}}", "Failed")
    sandbox.apply("packed", f"{{jobs: {{m: {{{matrix}, commands: ['sleep 600']}}}}}}")
    running = [{"phase": "Running"}] * 4
    wait_for("four Pods", lambda: [{"phase": pod["status"].get("phase")} for pod in sandbox.pods("packed")] == running)
    sandbox.kubectl.run("annotate", "fwf", "packed", "fairlead.dev/cancel=1")
    sandbox.wait("packed", "Cancelled")
    sandbox.run("large", f"{{defaults: {{image: 'busybox:1.35'}}, jobs: {{one: {LARGE}}}}}")
    leases = sandbox.kubectl.within(NAMESPACE)
    leases.run("delete", "leases", "--all")
    wait_for("the operator to make its Lease anew", lambda: leases.items("leases"))
    sandbox.apply("brief", "{ttlAfterFinished: 1s, jobs: {one: {check: 'true'}}}")
    wait_for("the workflow to be deleted", lambda: sandbox.kubectl.get("fwf", "brief") is None)


RESTRICTED: Final = "pod-security.kubernetes.io/enforce=restricted"
NOBODY: Final = {"spec": {"securityContext": {"runAsNonRoot": True, "runAsUser": 65534}}}
"""What a job says in a namespace that takes only Pods of the `restricted` standard, as docs/semantics.md has it."""

EXAMPLES: Final = ("hello", "matrix", "outputs", "retries", "concurrency")
WEB: Final = {"image": "busybox:1.35", "command": ["httpd", "-f", "-p", "8080"], "ports": [8080]}
EVERYTHING: Final[dict[str, Any]] = {
    "image": "busybox:1.35",
    "services": {"web": WEB},
    "steps": [
        {"id": "s", "run": 'echo "who=$(id -u)" >> "$FAIRLEAD_OUTPUT"'},
        {"run": 'test "${{ steps.s.outputs.who }}" = 65534'},
    ],
}
"""A service, and a step that needs the agent."""


def _as_nobody(workflow: Json) -> Json:
    """Have each job of a workflow that has a Pod say that it doesn't run as root."""
    jobs = {}
    for name, job in workflow["spec"]["jobs"].items():
        template = job.get("podTemplate", {})
        merged = {**template, "spec": {**template.get("spec", {}), **NOBODY["spec"]}}
        jobs[name] = job if "check" in job else {**job, "podTemplate": merged}
    return {**workflow, "spec": {**workflow["spec"], "jobs": jobs}}


def test_pods_pass_the_restricted_standard(request: pytest.FixtureRequest, installation: Installation) -> None:
    """In a namespace that enforces it the examples run, services and the agent too; none of their Pods has a token."""
    with open_sandbox(installation.kubectl, request.node.name, RESTRICTED) as sandbox:
        found = [
            document
            for name in EXAMPLES
            for document in yaml.safe_load_all((REPOSITORY / "manifests/examples" / f"{name}.yaml").read_text())
            if document["kind"] == "Workflow"
        ]
        names = []
        for workflow in found:
            sandbox.kubectl.apply(_as_nobody(workflow))
            names.append(workflow["metadata"]["name"])
        sandbox.apply("everything", {"jobs": {"one": {**EVERYTHING, "podTemplate": NOBODY}}})
        for name in (*names, "everything"):
            sandbox.wait(name, seconds=180)
        pods = sandbox.kubectl.items("pods")
        assert pods
        assert [pod["metadata"]["name"] for pod in pods if pod["spec"].get("automountServiceAccountToken")] == []
        assert [pod["metadata"]["name"] for pod in pods if "serviceAccountToken" in json.dumps(pod["spec"])] == []


def test_no_token_by_default(sandbox: Sandbox) -> None:
    """A job's Pod has no way into the API unless the job names a service account."""
    sandbox.run("plain", {"jobs": {"one": EVERYTHING | {"steps": [{"run": "! ls /var/run/secrets"}]}}})
    [pod] = sandbox.pods("plain")
    contexts = [each["securityContext"] for kind in ("containers", "initContainers") for each in pod["spec"][kind]]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert "serviceAccountToken" not in json.dumps(pod["spec"])
    assert [(each["allowPrivilegeEscalation"], each["seccompProfile"]["type"]) for each in contexts] == [
        (False, "RuntimeDefault")
    ] * len(contexts)


@pytest.mark.last
def test_the_operator_uses_its_rights_and_no_others(kubectl: Kubectl, sandbox: Sandbox, audit: AuditLog) -> None:
    """All its requests were within the chart's rules, none was forbidden, and no rule is there for nothing."""
    _make_use_of_everything(sandbox)
    roles = [kubectl.get("clusterrole", RELEASE), kubectl.within(NAMESPACE).get("role", f"{RELEASE}-leases")]
    allowed = {
        (group, resource, verb)
        for role in roles
        if role is not None
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
