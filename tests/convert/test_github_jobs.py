from __future__ import annotations

from typing import Any

import pytest

from fairlead.convert.conversion import Outcome
from fairlead.convert.formats import FormatName
from tests.convert.trial import Trial

STARTS = "nothing here starts runs by {}: applying it does. The annotation convert.fairlead.dev/on keeps what was said"
NOBLE = "buildpack-deps:noble"


def trial(text: str, **options: Any) -> Trial:  # noqa: ANN401  those of Trial
    """Convert a workflow file."""
    return Trial(FormatName.GITHUB, text, **options)


def a_job(fields: str, **options: Any) -> Trial:  # noqa: ANN401  as above
    """Convert a workflow whose only job, `test`, has these fields, which begin in line 4."""
    body = "".join(f"    {line}\n" for line in fields.splitlines())
    steps = "" if "steps:" in fields else "    steps: [{run: make}]\n"
    runs_on = "" if "runs-on:" in fields else "    runs-on: ubuntu-latest\n"
    return trial(f"on: push\njobs:\n  test:\n{body}{runs_on}{steps}", **options)


def test_whole() -> None:
    """Of a workflow its name and triggers are annotations, and the rest stands where it stands here."""
    found = trial("""\
        name: CI
        run-name: ${{ github.actor }}
        on:
          push: {branches: [main]}
          pull_request:
        permissions: read-all
        env: {LEVEL: 3, EMPTY: }
        defaults:
          run: {shell: bash, working-directory: src}
        concurrency:
          group: ci-${{ github.ref }}
          cancel-in-progress: true
        jobs:
          build:
            name: Build it
            runs-on: ubuntu-22.04
            timeout-minutes: 10
            continue-on-error: ${{ github.ref == 'refs/heads/next' }}
            concurrency: building
            outputs:
              version: ${{ steps.version.outputs.number }}
            env: {MODE: fast}
            steps:
            - id: version
              name: Find the version
              if: github.ref != ''
              run: echo number=1 >> "$GITHUB_OUTPUT"
              working-directory: tools
              shell: sh
              continue-on-error: true
              timeout-minutes: 1.5
              env: {DEEP: true}
          test:
            needs: build
            if: ${{ always() }}
            runs-on: ubuntu-latest
            steps:
            - run: echo ${{ needs.build.outputs.version }}
        """)
    assert found.conversion.resources == (
        {
            "apiVersion": "fairlead.dev/v1alpha1",
            "kind": "Workflow",
            "metadata": {
                "name": "source",
                "annotations": {
                    "convert.fairlead.dev/name": "CI",
                    "convert.fairlead.dev/on": '{"push":{"branches":["main"]},"pull_request":{}}',
                },
            },
            "spec": {
                "env": {"LEVEL": "3", "EMPTY": ""},
                "defaults": {"shell": "bash", "workingDirectory": "src"},
                "concurrency": {"group": "ci-${{ github.ref }}", "cancelInProgress": True, "queue": "latest"},
                "jobs": {
                    "build": {
                        "name": "Build it",
                        "continueOnError": "${{ github.ref == 'refs/heads/next' }}",
                        "timeout": "10m",
                        "concurrency": {"group": "building", "queue": "latest"},
                        "image": "buildpack-deps:jammy",
                        "env": {"MODE": "fast"},
                        "steps": [
                            {
                                "name": "Find the version",
                                "id": "version",
                                "if": "github.ref != ''",
                                "continueOnError": True,
                                "timeout": "90s",
                                "shell": "sh",
                                "workingDirectory": "tools",
                                "env": {"DEEP": "true"},
                                "run": 'echo number=1 >> "$GITHUB_OUTPUT"',
                            }
                        ],
                        "outputs": {"version": "${{ steps.version.outputs.number }}"},
                    },
                    "test": {
                        "needs": ["build"],
                        "if": "${{ always() }}",
                        "image": NOBLE,
                        "steps": [{"run": "echo ${{ needs.build.outputs.version }}"}],
                    },
                },
            },
        },
    )
    assert found.told() == [
        "2 run-name: runs are called by their workflow and their number",
        f"3 {STARTS.format('push, pull_request')}",
        "6 permissions are of GitHub's token, which a job here doesn't have",
        "11 github.ref is read from the annotation fairlead.dev/ref, and is empty where nobody sets it",
        "16 ubuntu-22.04 is the image buildpack-deps:jammy, which has less in it than GitHub's machine, and no sudo",
        "36 ubuntu-latest is the image buildpack-deps:noble, which has less in it than GitHub's machine, and no sudo",
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("runs-on: ubuntu-24.04", {"image": NOBLE}),
        ("runs-on: [self-hosted, ubuntu-22.04]", {"image": "buildpack-deps:jammy"}),
        ("runs-on: {group: large, labels: ubuntu-22.04}", {"image": "buildpack-deps:jammy"}),
        ("runs-on: mine", {"image": "my/image:1"}),
        (
            "runs-on: ubuntu-24.04-arm",
            {"image": NOBLE, "nodeSelector": {"kubernetes.io/arch": "arm64"}},
        ),
        (
            "runs-on: ${{ matrix.os }}\nstrategy: {matrix: {os: [ubuntu-24.04, ubuntu-24.04-arm]}}",
            {
                "nodeSelector": {
                    "kubernetes.io/arch": """${{ fromJSON('{"ubuntu-24.04": "amd64", "ubuntu-24.04-arm": "arm64"}')"""
                    "[format('{0}', matrix.os)] }}"
                },
                "strategy": {"matrix": {"os": ["ubuntu-24.04", "ubuntu-24.04-arm"]}},
                "image": NOBLE,
            },
        ),
        ("container: alpine:3", {"image": "alpine:3"}),
        (
            "container: {image: 'node:${{ github.run_number }}', env: {A: 1, B: 2}}\nenv: {B: 3}",
            {"image": "node:${{ github.run_number }}", "env": {"A": "1", "B": "3"}},
        ),
        (
            "runs-on: ${{ matrix.os }}\nstrategy: {matrix: {os: [ubuntu-22.04, mine]}}",
            {
                "strategy": {"matrix": {"os": ["ubuntu-22.04", "mine"]}},
                "image": """${{ fromJSON('{"ubuntu-22.04": "buildpack-deps:jammy", "mine": "my/image:1"}')"""
                "[format('{0}', matrix.os)] }}",
            },
        ),
        (
            "runs-on: ${{ matrix.on.os }}-latest\nstrategy: {matrix: {on: [{os: ubuntu}]}}",
            {"strategy": {"matrix": {"on": [{"os": "ubuntu"}]}}, "image": NOBLE},
        ),
    ],
)
def test_machine(fields: str, expected: dict[str, Any]) -> None:
    """A machine becomes an image by its label, as the user's own file or the built-in list has it."""
    found = a_job(fields, images={"mine": "my/image:1"})
    assert (found.job(), found.refused) == ({**expected, "steps": [{"run": "make"}]}, [])


def test_machine_known_late() -> None:
    """Where the label is computed, the image is looked up when the job is made."""
    found = a_job("runs-on: ${{ github.actor == 'bot' && 'ubuntu-22.04' || 'ubuntu-latest' }}")
    image = found.job()["image"]
    assert "buildpack-deps:jammy" in image
    assert image.endswith("[format('{0}', github.actor == 'bot' && 'ubuntu-22.04' || 'ubuntu-latest')] }}")


OTHER_SYSTEM = """\
on: push
jobs:
  first:
    runs-on: windows-latest
    outputs: {a: "${{ steps.x.outputs.y }}"}
    steps:
    - {id: x, run: dir, shell: pwsh}
  test:
    needs: first
    runs-on: ${{ matrix.os }}
    strategy:
      matrix:
        os: [ubuntu-latest, macos-latest]
        include:
        - {os: windows-2022, extra: 1}
        - {os: ubuntu-latest, extra: 2}
    steps:
    - run: echo ${{ needs.first.outputs.a }}
"""


def test_other_systems_are_refused() -> None:
    """There are no images of Windows and macOS."""
    assert trial(OTHER_SYSTEM).refused == [
        '4 there is no image for "windows-latest"; jobs run in Linux containers',
        '7 the shell "pwsh" isn\'t in the images of Linux jobs; write the script for bash or python',
        '10 combinations with os "macos-latest", "windows-2022" have no image here; jobs run in Linux containers',
    ]


def test_other_systems_are_skipped() -> None:
    """Where the user wants that, such a job says so and such combinations are left out."""
    found = trial(OTHER_SYSTEM, skip_unsupported=True)
    assert found.spec["jobs"] == {
        "first": {
            "image": NOBLE,
            "steps": [{"run": "echo 'skipped: runs-on: windows-latest'"}],
            "outputs": {"a": ""},
        },
        "test": {
            "needs": ["first"],
            "strategy": {
                "matrix": {"os": ["ubuntu-latest"], "include": [{"os": "ubuntu-latest", "extra": 2}]},
            },
            "image": NOBLE,
            "steps": [{"run": "echo ${{ needs.first.outputs.a }}"}],
        },
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            "strategy:\n  fail-fast: false\n  max-parallel: 2\n  matrix: {a: [1, x], exclude: [{a: 1}]}",
            {"failFast": False, "maxParallel": 2, "matrix": {"a": [1, "x"], "exclude": [{"a": 1}]}},
        ),
        (
            "strategy: {fail-fast: '${{ github.actor == 1 }}', matrix: '${{ fromJSON(github.actor) }}'}",
            {"failFast": "${{ github.actor == 1 }}", "matrix": "${{ fromJSON(github.actor) }}"},
        ),
        ("strategy: {fail-fast: false}", None),
    ],
)
def test_strategy(fields: str, expected: object) -> None:
    """A matrix is taken over as it is; what is said of one that isn't there is left out."""
    assert a_job(fields).job().get("strategy") == expected


def test_services() -> None:
    """Services keep image, variables and ports; of docker's options the health check and what is said elsewhere."""
    found = a_job("""\
services:
  db:
    image: postgres:${{ matrix.pg }}
    env: {POSTGRES_PASSWORD: x}
    ports: [5432:5432, "127.0.0.1:5433:5433/tcp"]
    options: >-
      --health-cmd "pg_isready -U postgres" --health-interval=10s --health-timeout 500ms
      --health-retries 5 --health-start-period 1m --name database -e A=1 --user root
  cache: redis:7
strategy: {matrix: {pg: [15]}}
steps: [{run: psql -h localhost}]""")
    assert found.job()["services"] == {
        "db": {
            "image": "postgres:${{ matrix.pg }}",
            "env": {"POSTGRES_PASSWORD": "x", "A": "1"},
            "ports": [5432, 5433],
            "healthCheck": {
                "command": ["sh", "-c", "pg_isready -U postgres"],
                "interval": "10s",
                "timeout": "1s",
                "retries": 5,
            },
        },
        "cache": {"image": "redis:7"},
    }
    assert found.told(Outcome.APPROXIMATED, Outcome.LEFT_OUT)[1:3] == [
        "4 a service is reached by its name, or by NAME_HOST and NAME_PORT; as localhost in a cluster only",
        "9 --name database: it is called as its key says",
    ]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ("runs-on: my-machine", '4 there is no image for "my-machine"; name one in a file for --images'),
        ("runs-on: []", '4 "runs-on" names no label'),
        ("run-on: x", '4 unknown key "run-on"; did you mean "runs-on"?'),
        ("needs: nobody", '4 no job "nobody"'),
        ("timeout-minutes: ${{ 1 }}", '4 "${{ 1 }}": a timeout can\'t be computed here; write a number'),
        ("timeout-minutes: 0", "4 a timeout is at least 1s"),
        ("strategy: []", '4 "strategy" is a map (KEY: VALUE)'),
        (
            "strategy: {max-parallel: '${{ 1 }}', matrix: {a: [1]}}",
            "4 max-parallel can't be computed here; write a number",
        ),
        ("services: {db: {ports: [1]}}", '4 "image" is missing'),
        ("services: {db: {image: x, ports: [udp]}}", '4 "udp" is no port here; write 5432 or 5432:5432'),
        (
            "services: {db: {image: x, ports: ['1:2']}}",
            "4 steps would look for it at port 1, but it listens on 2; use that one in the steps",
        ),
        (
            "services: {db: {image: x, options: --privileged}}",
            '4 the option "--privileged" has no counterpart; say it in podTemplate',
        ),
        ("services: {db: {image: x, options: 'a \"b'}}", "4 can't be split into words: No closing quotation"),
        (
            "container: {image: x, volumes: ['/a:/b']}",
            "4 folders of the machine can't be mounted; the job's volumes are Kubernetes'",
        ),
        ("env: {a-b: c}", "4 a variable's name has letters, digits and _, and starts with a letter or _"),
        ("if: ${{ github.actor == 'x' }} ||", "4 text around ${{ }} always holds; put the whole condition inside, "),
        ("if: github.actor ==", "4 bad expression: "),
        ("env: {A: '${{ secrets.A || 1 }}'}", "4 a secret or variable of the cluster is never read, "),
        ("if: vars.A == 'x'", '4 "vars.A": vars can be used only in the values of env, '),
        ("outputs: {a: '${{ steps.no.outputs.a }}'}", '4 "steps.no.outputs.a": no step with the id "no"'),
        ("concurrency: {cancel-in-progress: true}", '4 "group" is missing'),
        ("steps: [1]", "4 a step is a map (KEY: VALUE)"),
        ("steps: {}", '4 "steps" is a list'),
        ("steps: [{name: x}]", "4 a step has either run or uses"),
        ("steps: [{run: x, uses: y}]", "4 a step has either run or uses"),
        ("steps: [{run: [x]}]", '4 "run" is a text'),
        ("steps: [{run: x, id: a}, {run: y, id: a}]", '4 duplicate id: "a" is the id of steps[0], too'),
        ("steps: [{uses: 'a b'}]", '4 "a b" names no action'),
    ],
)
def test_refusals(fields: str, line: str) -> None:
    """What is wrong, or has no counterpart, is refused where it stands: the checks' own findings, too."""
    assert a_job(fields).refused[0].startswith(line)


@pytest.mark.parametrize("value", ["[]", "text", "{on: push, jobs: []}", "{on: [[]], jobs: {a: 1}}", "{jobs: {a: }}"])
def test_no_workflow(value: str) -> None:
    """A document of another shape is a refusal, too."""
    assert trial(value).conversion.refused
