"""What the commands do with a cluster, against a server that speaks its protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from fairlead.model.phase import WorkflowPhase
from fairlead.plan.runs import CANCEL, RERUN
from tests.builders import KEY, NOW, a_run, at, failed, name_of, running, succeeded
from tests.cli.cluster import API, Cluster, open_cluster
from tests.kube.apiserver import until
from tests.kube.documents import container, labels_of, pod_document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fairlead.model.status import WorkflowStatus

WHERE = "on cluster here, namespace team\n"
RAN: Any = {"started_at": NOW, "finished_at": at(2)}
SPEC = {"inputs": {"who": "you", "count": 3, "fast": True}, "jobs": {"build": {"image": "x", "commands": ["make"]}}}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Have a cluster with a Workflow that has failed."""
    with open_cluster(tmp_path) as cluster:
        cluster.put("ci", over().status(), SPEC)
        yield cluster


def over(run: int = 1) -> Any:  # noqa: ANN401  a builder
    """Start the status of a run that failed."""
    return (
        a_run(WorkflowPhase.FAILED, run=run)
        .but(message='job "build": failed', finished_at=at(2), duration="2s", progress="1/1")
        .with_job("build", failed("failed", kubernetes_job=name_of("build"), **RAN))
    )


def asked_of(cluster: Cluster) -> dict[str, str]:
    """Give what `ci` was asked for."""
    found = cluster.server.objects[API, "workflows", KEY.namespace, "ci"]
    return dict(found["metadata"].get("annotations", {}))


def file_of(folder: Path, spec: dict[str, Any] | None = None, **metadata: str) -> str:
    """Write a workflow file."""
    path = folder / "ci.yaml"
    resource = {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": metadata or {"name": "ci"},
        "spec": spec or SPEC,
    }
    path.write_text(yaml.safe_dump(resource))
    return str(path)


def test_list(cluster: Cluster) -> None:
    """Workflows are rows; what is talked to is said beside them."""
    cluster.put("new", a_run().with_job("build", running()).status(), namespace="other")
    result = cluster.run("list")
    assert (result.exit_code, result.stderr) == (0, WHERE)
    assert [line.split()[:5] for line in result.stdout.splitlines()] == [
        ["NAME", "PHASE", "PROGRESS", "RUN", "DURATION"],
        ["ci", "Failed", "1/1", "1", "2s"],
    ]
    everywhere = cluster.run("list", "-A", "-o", "name")
    assert (sorted(everywhere.stdout.split()), everywhere.stderr) == (
        ["other/new", "team/ci"],
        "on cluster here, all namespaces\n",
    )
    running_ones = cluster.run("list", "-A", "--phase", "running", "-o", "json")
    assert [each["name"] for each in json.loads(running_ones.stdout)] == ["new"]
    nothing = cluster.run("list", "-n", "empty")
    assert (nothing.stdout, nothing.stderr.splitlines()[-1]) == (
        "",
        "no Workflows on cluster here, namespace empty",
    )


def test_status(cluster: Cluster) -> None:
    """The report is for people, the documents for machines."""
    shown = cluster.run("status", "ci", "--cluster")
    assert (shown.exit_code, shown.stdout.splitlines()[0]) == (0, "✗ ci  run 1  Failed  1/1  2s")
    document = {"name": "ci", "namespace": "team", **over().status().to_json()}
    assert json.loads(cluster.run("status", "ci", "-o", "json").stdout) == document
    assert yaml.safe_load(cluster.run("status", "ci", "-o", "yaml").stdout) == document


def test_logs(cluster: Cluster) -> None:
    """A log is shown step by step; raw it is what was written, byte for byte."""
    labels = {**labels_of("build"), "batch.kubernetes.io/job-name": name_of("build")}
    ended = {"phase": "Failed", "containerStatuses": [container({"terminated": {"exitCode": 1}})]}
    log = b"::group::make\n\xff\x1b[2Jno\n::endgroup::\n::error::failed\n"

    def put() -> None:
        pod = cluster.server.put("/api/v1", "pods", pod_document(ended, labels=labels))
        cluster.server.logs[KEY.namespace, pod["metadata"]["name"]] = log

    cluster.do(put)
    shown = [cluster.run("logs", "ci", *options) for options in ([], ["--prefix"], ["--no-fold"], ["-f"])]
    assert [each.stdout for each in shown] == [
        "▸ make\n\ufffdno\n✗ failed\n",
        "build | ▸ make\nbuild | \ufffdno\nbuild | ✗ failed\n",
        "\ufffdno\n✗ failed\n",
        "▸ make\n\ufffdno\n✗ failed\n",
    ]
    assert cluster.run("logs", "ci", "--raw").stdout_bytes == log
    assert cluster.run("logs", "ci", "-o", "github").stdout == (
        "::group::make\n\ufffdno\n::endgroup::\n::error::failed\n"
    )


def test_logs_that_are_gone(cluster: Cluster) -> None:
    """Where the Pod is gone one line says so, with exit code 1."""
    result = cluster.run("logs", "ci")
    assert (result.exit_code, result.stderr) == (
        1,
        f"{WHERE}Error: the log of build is gone: its Pod was deleted\n",
    )


def test_watch(cluster: Cluster) -> None:
    """A run that is over is summed up, with its result as the exit code."""
    result = cluster.run("watch", "ci")
    assert (result.exit_code, result.stdout.splitlines()[-2:]) == (
        1,
        ['✗ ci run 1 failed in 2s: job "build": failed', "  executed 1, failed 1"],
    )
    assert json.loads(cluster.run("watch", "ci", "-o", "json").stdout)["phase"] == "Failed"


def test_cancel(cluster: Cluster) -> None:
    """The run that is going on is asked to end; one that is over isn't."""
    already = cluster.run("cancel", "ci")
    assert (already.exit_code, already.stdout, asked_of(cluster)) == (0, "ci run 1 was over already: Failed\n", {})
    cluster.put("ci", a_run(run=4).with_job("build", running()).status())
    asked = cluster.run("cancel", "ci")
    assert (asked.exit_code, asked.stdout, asked_of(cluster)) == (
        0,
        "ci run 4 is being cancelled\n",
        {CANCEL: "4"},
    )


@pytest.mark.parametrize(
    ("options", "request_"), [([], "1"), (["--failed"], "1 failed"), (["--from", "build"], "1 from build")]
)
def test_rerun(cluster: Cluster, options: list[str], request_: str) -> None:
    """Another run is asked for: of all, of what failed, or from a job on."""
    result = cluster.run("rerun", "ci", *options)
    assert (result.exit_code, result.stdout, asked_of(cluster)) == (
        0,
        "ci run 2 was asked for\n",
        {RERUN: request_},
    )


REFUSED: dict[str, tuple[WorkflowStatus, list[str], str]] = {
    "not over": (a_run().status(), [], '"ci" is not over; to begin anew, cancel it first'),
    "no such job": (over().status(), ["--from", "biuld"], '"ci" has no job "biuld"; did you mean "build"?'),
    "nothing failed": (
        a_run(WorkflowPhase.SUCCEEDED).with_job("build", succeeded()).status(),
        ["--failed"],
        'nothing of "ci" failed; without --failed all of it runs again',
    ),
    "invalid": (a_run(WorkflowPhase.INVALID).but(message="no jobs").status(), [], '"ci" can\'t run: no jobs'),
}


@pytest.mark.parametrize(("status", "options", "said"), REFUSED.values(), ids=REFUSED)
def test_rerun_refused(cluster: Cluster, status: WorkflowStatus, options: list[str], said: str) -> None:
    """A request that makes no sense is told so, and not made."""
    cluster.put("ci", status)
    result = cluster.run("rerun", "ci", *options)
    assert (result.exit_code, result.stderr, asked_of(cluster)) == (2, f"{WHERE}Error: {said}\n", {})


async def operate(cluster: Cluster, run: int) -> None:
    """Be the operator: end the next run of `ci` when it is asked for, or made."""
    place = (API, "workflows", KEY.namespace, "ci")

    def asked() -> bool:
        found = cluster.server.objects.get(place)
        wanted = {} if found is None else found["metadata"].get("annotations", {})
        return found is not None and (run == 1 or wanted.get(RERUN) == str(run - 1))

    await until(asked)
    status = a_run(WorkflowPhase.SUCCEEDED, run=run).but(finished_at=at(1)).with_job("build", succeeded()).status()
    cluster.server.put(API, "workflows", {**cluster.server.objects[place], "status": status.to_json()})


def test_run(cluster: Cluster, tmp_path: Path) -> None:
    """A file is applied with its inputs, and followed to its result."""
    cluster.do(lambda: cluster.server.remove(API, "workflows", KEY.namespace, "ci"))
    cluster.begin(operate(cluster, 1))
    result = cluster.run("run", file_of(tmp_path), "--cluster", "-i", "who=me", "-i", "count=4", "-i", "fast=false")

    made = cluster.server.objects[API, "workflows", KEY.namespace, "ci"]
    assert (result.exit_code, result.stderr, made["spec"]["inputs"]) == (
        0,
        WHERE,
        {"who": "me", "count": 4, "fast": False},
    )
    assert result.stdout.splitlines()[-2:] == ["✓ ci run 1 succeeded in 1s", "  executed 1, succeeded 1"]


def test_run_of_what_is_there(cluster: Cluster, tmp_path: Path) -> None:
    """What is there, unchanged, and over is run again, and that is said."""
    cluster.begin(operate(cluster, 2))
    result = cluster.run("run", file_of(tmp_path), "--context", "here", "-o", "json")
    assert (result.exit_code, result.stderr, json.loads(result.stdout)["run"]) == (
        0,
        f"{WHERE}ci is there, unchanged, and over: asking for run 2\n",
        2,
    )


BAD_INPUTS = {
    "no such input": ("whom=x", 'the workflow has no input "whom"; did you mean "who"?'),
    "no value": ("who", '--input "who" has no value; write NAME=VALUE'),
}


@pytest.mark.parametrize(("given", "said"), BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_bad_inputs(cluster: Cluster, tmp_path: Path, given: str, said: str) -> None:
    """An input that there isn't is named before anything is sent."""
    result = cluster.run("run", file_of(tmp_path), "--cluster", "-i", given)
    assert (result.exit_code, result.stderr, cluster.server.asked) == (2, f"Error: {said}\n", [])


def test_run_in_two_namespaces(cluster: Cluster, tmp_path: Path) -> None:
    """A file's own namespace holds; another one that is asked for is a mistake."""
    file = file_of(tmp_path, name="ci", namespace="other")
    result = cluster.run("run", file, "-n", "team")
    assert (result.exit_code, result.stderr) == (
        2,
        'Error: the file\'s namespace is "other", and "team" was asked for\n',
    )


def test_what_isnt_there(cluster: Cluster) -> None:
    """Each command names what it can't find, in one line."""
    said = f'{WHERE}Error: there is no Workflow "cii" on cluster here, namespace team; did you mean "ci"?\n'
    for command in ("status", "logs", "watch", "cancel", "rerun"):
        result = cluster.run(command, "cii", "-n", "team")
        assert (result.exit_code, result.stderr) == (2, said), command


FAILURES: dict[str, tuple[int, dict[str, str] | bytes, int, str]] = {
    "no rights": (403, {"reason": "Forbidden", "message": "no"}, 2, "cluster here doesn't let you: no"),
    "not installed": (404, b"404 page not found", 2, "Fairlead isn't installed on cluster here: it has no Workflows"),
    "broken": (500, {"reason": "InternalError", "message": "oh"}, 1, "cluster here is too busy to answer: oh"),
}


@pytest.mark.parametrize(("status", "body", "code", "said"), FAILURES.values(), ids=FAILURES)
def test_failures(cluster: Cluster, status: int, body: dict[str, str] | bytes, code: int, said: str) -> None:
    """What the cluster says no with is a line; 1 where it failed, 2 where the command asked for the wrong thing."""
    cluster.do(lambda: cluster.server.answer("GET", status, body))
    result = cluster.run("list", "--cluster")
    assert (result.exit_code, result.stderr) == (code, f"{WHERE}Error: {said}\n")


def test_no_cluster(cluster: Cluster) -> None:
    """Where no cluster is configured, or none of that name, that is a line, too."""
    for options, env in (
        (["--cluster"], {"KUBECONFIG": "/nonexistent"}),
        (["--kubeconfig", "/nonexistent"], {}),
        (["--context", "there"], {}),
    ):
        result = cluster.run("list", *options, env=env)
        assert (result.exit_code, result.stderr.startswith("Error: "), result.stderr.count("\n")) == (2, True, 1)


def test_this_machine(cluster: Cluster) -> None:
    """Without options, and without a cluster, this machine is meant; kubectl's plugin means kubectl's cluster."""
    nowhere = {"KUBECONFIG": "/nonexistent"}
    assert cluster.run("list", env=nowhere).stderr.splitlines()[0] == "on this machine"
    assert cluster.run("list", env=nowhere, name="kubectl fairlead").stderr.startswith("Error: ")


def test_version(cluster: Cluster) -> None:
    """Program and cluster tell their versions; a cluster that doesn't answer is no failure."""
    cluster.do(lambda: cluster.server.answer("GET", 200, {"gitVersion": "v1.36.3"}))
    document = json.loads(cluster.run("version", "-o", "json").stdout)
    assert document.keys() - {"client"} == {"cluster", "server", "operators"}
    alone = cluster.run("version", "--kubeconfig", "/nonexistent")
    assert (alone.exit_code, "cluster   /nonexistent: Invalid kube-config" in alone.stdout) == (0, True)
    assert cluster.run("version", "--client").stdout.count("\n") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(cluster: Cluster, shell: str) -> None:
    """Each shell's script calls the program back."""
    assert "_FAIRLEAD_COMPLETE" in cluster.run("completion", shell).stdout


def test_names_are_completed(cluster: Cluster) -> None:
    """A shell is offered the Workflows that there are; and nothing where no cluster answers."""
    words = {"_FAIRLEAD_COMPLETE": "bash_complete", "COMP_WORDS": "fairlead status --cluster c", "COMP_CWORD": "3"}
    assert cluster.run(name="fairlead", env=words).stdout == "plain,ci\n"
    assert cluster.run(name="fairlead", env={**words, "KUBECONFIG": "/nonexistent"}).stdout.strip() == ""
