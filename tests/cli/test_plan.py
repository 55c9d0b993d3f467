from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner

from fairlead.cli.main import main
from fairlead.engine.records import WorkflowRecord
from fairlead.engine.runs import Found, NotFoundError
from tests.builders import a_resource, a_run, at, running, succeeded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from click.testing import Result

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
HEAD = "apiVersion: fairlead.dev/v1alpha1\nkind: Workflow\nmetadata: {name: ci}\n"
SPEC = """\
spec:
  inputs: {deploy: true, versions: "[1, 2]"}
  concurrency: {group: "ci-${{ workflow.name }}"}
  defaults: {image: busybox}
  jobs:
    build:
      steps: [{id: s, run: make}]
      outputs: {list: "${{ steps.s.outputs.list }}"}
    test:
      name: Unit tests
      needs: [build]
      strategy: {maxParallel: 1, matrix: {v: "${{ fromJSON(inputs.versions) }}"}}
      services: [redis]
      commands: [make test]
    shards:
      needs: [build]
      strategy: {matrix: {shard: "${{ fromJSON(needs.build.outputs.list) }}"}}
      commands: [make shard]
    lint: {enabled: false, commands: [make lint]}
    deploy: {needs: [build, test, lint], if: inputs.deploy && needs.build.result == 'success', check: "true"}
    alarm: {needs: [deploy], if: failure(), uses: alarm}
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with files, on a machine that has run nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    Path("ci.yaml").write_text(HEAD + SPEC)
    Path("broken.yaml").write_text("a: b: c\n")
    Path("two.yaml").write_text(f"{HEAD}{SPEC}---\n{HEAD}{SPEC}")
    Path("cycle.yaml").write_text(
        f"{HEAD}spec:\n  jobs:\n    a: {{needs: b, check: '1'}}\n    b: {{needs: a, check: '1'}}\n"
    )
    Path("matrix.yaml").write_text(HEAD + SPEC.replace("[1, 2]", "[1, "))


def run(*arguments: str, given: str | None = None) -> Result:
    """Run `fairlead plan`."""
    return CliRunner().invoke(main, ["plan", *arguments], input=given)


def test_text() -> None:
    """A plan shows waves, in each the jobs with what is known of them, and the critical path."""
    result = run("ci.yaml")
    assert (result.exit_code, result.output) == (
        0,
        """\
ci: 6 jobs, 6 or more with their combinations, in 4 waves
  one run at a time in the group ci-ci

wave 1
  build
  lint
          skipped: it is not enabled

wave 2
  test    Unit tests  \N{MULTIPLICATION SIGN}2 (1 at a time)  after build  with redis
          · Unit tests (1)
          · Unit tests (2)
  shards  after build
          matrix from ${{ fromJSON(needs.build.outputs.list) }}

wave 3
  deploy  after build, test, lint  check true

wave 4
  alarm   after deploy  uses alarm
          runs only if failure()

critical path: build → test → deploy (3 jobs)
""",
    )


def test_json() -> None:
    """Machines get an entry for each combination."""
    document = json.loads(run("ci.yaml", "-o", "json", "--input", "versions=[3]").output)
    keys = ("id", "name", "needs", "if", "matrix", "wave", "outlook", "dependsOn")
    assert (
        [tuple(entry[key] for key in keys) for entry in document["jobs"]],
        document["criticalPath"],
        document["errors"],
    ) == (
        [
            ("build", "build", [], None, None, 1, "runs", None),
            ("lint", "lint", [], None, None, 1, "skipped", None),
            ("test", "Unit tests (3)", ["build"], None, {"v": 3}, 2, "runs", None),
            ("shards", "shards", ["build"], None, None, 2, "runs", None),
            (
                "deploy",
                "deploy",
                ["build", "test", "lint"],
                "inputs.deploy && needs.build.result == 'success'",
                None,
                3,
                "runs",
                None,
            ),
            ("alarm", "alarm", ["deploy"], "failure()", None, 4, "depends", "failure()"),
        ],
        ["build", "test", "deploy"],
        [],
    )


def test_yaml() -> None:
    """YAML has what JSON has."""
    assert yaml.safe_load(run("ci.yaml", "-o", "yaml").output) == json.loads(run("ci.yaml", "-o", "json").output)


def test_input() -> None:
    """Other inputs are planned with."""
    jobs = json.loads(run("ci.yaml", "-o", "json", "-i", "deploy=false").output)["jobs"]
    assert {job["id"]: job["outlook"] for job in jobs if job["id"] in ("deploy", "alarm")} == {
        "deploy": "skipped",
        "alarm": "depends",
    }


def test_job() -> None:
    """One job is planned with all that it needs, over any number of others."""
    jobs = json.loads(run("ci.yaml", "-o", "json", "--job", "test").output)["jobs"]
    assert [job["name"] for job in jobs] == ["build", "Unit tests (1)", "Unit tests (2)"]


CODES: dict[str, tuple[list[str], int, str]] = {
    "no such job": (["ci.yaml", "-j", "tset"], 2, 'the workflow has no job "tset"; did you mean "test"?'),
    "no such input": (["ci.yaml", "-i", "deplyo=1"], 2, 'no input "deplyo"'),
    "no file": (["ci.yml"], 2, "Error: ci.yml: no such file; did you mean ci.yaml?"),
    "a folder": (["."], 2, "Error: .: is a directory; name a file in it"),
    "not YAML": (["broken.yaml"], 2, "Error: broken.yaml: not YAML: mapping values are not allowed in this context at"),
    "two documents": (["two.yaml"], 2, 'Error: two.yaml: holds 2 Workflows ("ci", "ci"), and one is needed;'),
    "a cycle": (["cycle.yaml"], 1, "1 error in 1 file"),
    "a matrix that fails": (["matrix.yaml"], 1, "critical path"),
    "a format that isn't": (["ci.yaml", "-o", "xml"], 2, "'xml' is not one of"),
    "no cluster": (["ci.yaml", "--diff"], 2, "Error: "),
}


@pytest.mark.parametrize(("arguments", "code", "said"), CODES.values(), ids=CODES)
def test_codes(arguments: list[str], code: int, said: str) -> None:
    """What can't be planned is told in a line: 1 for the workflow's mistakes, 2 for the command's and the file's."""
    result = run(*arguments)
    *_, last = result.output.splitlines()
    assert (result.exit_code, said in last, "Traceback" in result.output) == (code, True, False), result.output


def test_errors_for_machines() -> None:
    """Mistakes are in the document, with their places."""
    result = run("cycle.yaml", "-o", "json")
    assert (result.exit_code, json.loads(result.output)) == (
        1,
        {
            "workflow": "ci",
            "jobs": [],
            "criticalPath": [],
            "errors": [
                {
                    "file": "cycle.yaml",
                    "line": 6,
                    "column": 16,
                    "endColumn": 17,
                    "severity": "error",
                    "rule": "cycle",
                    "path": "spec.jobs.a.needs",
                    "message": "a cycle: a → b → a",
                    "suggestion": None,
                }
            ],
        },
    )


def test_standard_input() -> None:
    """A dash stands for it."""
    result = run("-", "-o", "json", given=f"{HEAD}spec: {{jobs: {{a: {{check: '1'}}}}}}\n")
    assert [job["id"] for job in json.loads(result.output)["jobs"]] == ["a"]


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples(example: Path) -> None:
    """Every example can be planned, and nothing in it is skipped."""
    document = json.loads(run(str(example), "-o", "json").output)
    assert (bool(document["jobs"]), {job["outlook"] for job in document["jobs"]}) == (True, {"runs"})


# Against what is there


class Recorded:
    """A cluster with one Workflow; or with none."""

    where = "cluster test, namespace team"

    def __init__(self, found: Found | None) -> None:
        self._found = found

    async def get(self, name: str) -> Found:
        """Give the one, if it is called so."""
        if self._found is None or self._found.name != name:
            raise NotFoundError(f"there is no Workflow {name}")
        return self._found


def _on_cluster(monkeypatch: pytest.MonkeyPatch, found: Found | None) -> None:
    @asynccontextmanager
    async def cluster_runs(_: object) -> AsyncIterator[Recorded]:
        yield Recorded(found)

    monkeypatch.setattr("fairlead.cli.plan.cluster_runs", cluster_runs)


def a_record(spec: dict[str, Any], **jobs: Any) -> Found:  # noqa: ANN401  states of jobs
    """Give a Workflow that works."""
    run = a_run()
    for job_id, state in jobs.items():
        run = run.with_job(job_id, state)
    return Found(WorkflowRecord(a_resource(status=run.status()), spec, {}, 1))


def test_diff(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an apply would cancel, run and change is told, with the cluster that was asked."""
    spec = yaml.safe_load(SPEC)["spec"]
    del spec["jobs"]["alarm"]
    spec["jobs"]["deploy"]["check"] = "false"
    _on_cluster(monkeypatch, a_record(spec, build=running(), test=succeeded()))
    result = run("ci.yaml", "--diff")
    assert (result.exit_code, result.output) == (
        0,
        """\
on cluster test, namespace team
ci changes: an apply starts run 2
  cancels: build
  runs: build, lint, shards, test, deploy, alarm
  new: alarm
  changed: deploy
""",
    )


def test_diff_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What isn't there would be made."""
    _on_cluster(monkeypatch, None)
    document = json.loads(run("ci.yaml", "--diff", "-o", "json", "-n", "team").stdout)
    assert (document["effect"], len(document["runs"])) == ("creates", 6)


def test_past_durations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The critical path is by what the jobs took before, where that is recorded."""
    shards = succeeded(started_at=at(0), finished_at=at(600))
    _on_cluster(monkeypatch, a_record({}, build=succeeded(started_at=at(0), finished_at=at(5)), shards=shards))
    *_, last = run("ci.yaml", "-n", "team").output.splitlines()
    assert last == "critical path: build → test → deploy (about 10m10s)"
