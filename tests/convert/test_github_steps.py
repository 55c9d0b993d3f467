from __future__ import annotations

from typing import Any

import pytest

from fairlead.convert.conversion import Outcome
from fairlead.convert.formats import FormatName
from tests.convert.trial import Trial


def trial(steps: str, job: str = "", files: dict[str, str] | None = None, **options: Any) -> Trial:  # noqa: ANN401  those of Trial
    """Convert a workflow whose only job has these steps, which begin in line 7, and these fields, in line 4."""
    body = "".join(f"    {line}\n" for line in steps.splitlines())
    text = f"on: push\njobs:\n  test:\n    {job or 'name: Test'}\n    runs-on: ubuntu-latest\n    steps:\n{body}"
    return Trial(FormatName.GITHUB, text, files, **options)


@pytest.mark.parametrize(
    ("action", "version", "image"),
    [
        ("python", "python-version: '3.12'", "python:3.12"),
        ("python", "python-version: 3.9", "python:3.9"),
        ("python", "python-version: 3.x", "python:3"),
        ("python", "python-version: pypy-3.10", "pypy:3.10"),
        ("python", "python-version: 3.15-dev", "python:3.15-rc"),
        ("python", "python-version: '>=3.9'", "python:3"),
        ("python", "python-version: '${{ env.PY }}'", "python:3.11"),
        ("python", "python-version-file: .python-version", "python:3.13.1"),
        ("python", "architecture: x64", "python:3"),
        ("node", "node-version: 20.x", "node:20"),
        ("node", "node-version: lts/*", "node:lts"),
        ("node", "node-version-file: package.json", "node:lts"),
        ("go", "go-version: '1.22.x'", "golang:1.22"),
        ("go", "go-version: ~1.22.0", "golang:1.22"),
        ("go", "go-version: stable", "golang:1"),
        ("go", "go-version-file: go.mod", "golang:1.23.4"),
        ("go", "go-version-file: missing", "golang:1"),
        ("java", "{distribution: zulu, java-version: 17}", "maven:3-eclipse-temurin-17"),
        ("go", "go-version: '${{ github.actor }}'", "golang:${{ github.actor || '1' }}"),
        ("go", "go-version: '${{ steps.x.outputs.go }}'", "golang:1"),
    ],
)
def test_language(action: str, version: str, image: str) -> None:
    """The version that a setup action asks for chooses the job's image."""
    files = {
        ".python-version": "3.13.1\n",
        "go.mod": "module x\n\ngo 1.22\n\ntoolchain go1.23.4\n",
        "package.json": '{"engines": {"node": ">= 18"}}',
    }
    found = trial(f"- uses: actions/setup-{action}@v5\n  with: {{{version.strip('{}')}}}", "env: {PY: '3.11'}", files)
    # What a workflow's variables say is known before; what a job's say may depend on its combination.
    wanted = "python:3" if "env.PY" in version else image
    assert (found.job()["image"], found.refused) == (wanted, [])


@pytest.mark.parametrize(
    ("versions", "image"),
    [
        ("['3.11', '3.12']", "python:${{ matrix.v }}"),
        ("[3.11, pypy3.10]", None),
    ],
)
def test_language_by_matrix(versions: str, image: str | None) -> None:
    """A version of the matrix goes into the image's tag, or, where tags are called otherwise, through a table."""
    steps = "- uses: actions/setup-python@v5\n  with: {python-version: '${{ matrix.v }}'}"
    found = trial(steps, f"strategy: {{matrix: {{v: {versions}}}}}")
    table = """${{ fromJSON('{"3.11": "python:3.11", "pypy3.10": "pypy:3.10"}')[format('{0}', matrix.v)] }}"""
    assert found.job()["image"] == (image or table)


TWO_LANGUAGES = """\
- uses: actions/setup-python@v5
  with: {python-version: '3.12'}
- uses: actions/setup-node@v4
  with: {node-version: 20}"""


def test_two_languages() -> None:
    """No image has two languages, but for one that the user names."""
    (line,) = trial(TWO_LANGUAGES).refused
    assert line.startswith("10 no image is node:20 and python:3.12 at once; name one that has it all, ")
    found = trial(TWO_LANGUAGES, images={"ubuntu-latest": "my/tools"})
    assert (found.job()["image"], found.refused) == ("my/tools", [])


def test_language_in_a_container() -> None:
    """A job with a container of its own keeps it."""
    found = trial("- uses: actions/setup-go@v5\n  with: {go-version: 1.22}", "container: debian:12")
    assert found.job() == {"image": "debian:12", "steps": [{"name": "Set up Go", "run": "go version"}]}
    assert "8 Go is not set up: the job's own image has to have it" in found.told(Outcome.APPROXIMATED)


def test_caches() -> None:
    """A cache is left out; a step that others ask is told that nothing was found."""
    found = trial("""\
- uses: actions/cache@v4
  with: {path: a, key: b}
- id: cache
  uses: actions/cache/restore@v4
  with: {path: a, key: b}
- if: steps.cache.outputs.cache-hit != 'true'
  run: make""")
    assert found.steps() == [
        {"id": "cache", "run": 'echo "cache-hit=false" >> "$FAIRLEAD_OUTPUT"'},
        {"if": "steps.cache.outputs.cache-hit != 'true'", "run": "make"},
    ]


@pytest.mark.parametrize(
    ("uses", "reason"),
    [
        ("codecov/codecov-action@v5", "codecov/codecov-action is an action, which can't be run here; "),
        ("actions/upload-artifact@v4", "actions/upload-artifact: jobs have no artifacts here; "),
        ("./.github/actions/build", "./.github/actions/build: actions of the project can't be run; "),
        ("docker://alpine:3", "docker://alpine:3: a job runs in one image; "),
    ],
)
def test_other_actions(uses: str, reason: str) -> None:
    """Any other action is refused, or replaced by a step that says so and keeps its name, id and condition."""
    step = f"- name: It\n  id: it\n  if: always()\n  uses: {uses}\n- run: echo ${{{{ steps.it.outcome }}}}"
    (line,) = trial(step).refused
    assert line.startswith(f"10 {reason}")
    assert trial(step, skip_unsupported=True).steps()[0] == {
        "name": "It",
        "id": "it",
        "if": "always()",
        "run": f"echo 'skipped: uses: {uses}'",
    }


def test_defaults_are_those_of_scripts() -> None:
    """A step that stands for an action doesn't take the shell and the folder of scripts."""
    found = trial(
        "- uses: actions/setup-go@v5\n  with: {go-version: 1.22}\n- run: make",
        "defaults: {run: {shell: python, working-directory: sub}}",
    )
    assert found.steps() == [
        {"shell": "sh", "workingDirectory": ".", "name": "Set up Go", "run": "go version"},
        {"run": "make"},
    ]


@pytest.mark.parametrize(
    ("script", "expected", "env"),
    [
        ("curl -H ${{ secrets.TOKEN }}", "curl -H ${TOKEN}", {"TOKEN": "${{ secrets.TOKEN }}"}),
        ('curl "a: ${{ secrets.TOKEN }}"', 'curl "a: ${TOKEN}"', {"TOKEN": "${{ secrets.TOKEN }}"}),
        ("curl 'a: ${{ secrets.TOKEN }}'", "curl 'a: '\"${TOKEN}\"''", {"TOKEN": "${{ secrets.TOKEN }}"}),
        (
            "echo \"$(echo '${{ secrets.A }}')\" # don't\necho ${{ vars.b }}",
            "echo \"$(echo ''\"${A}\"'')\" # don't\necho ${b}",
            {"A": "${{ secrets.A }}", "b": "${{ vars.b }}"},
        ),
        ("echo ${{ github.token }}", "echo ${GITHUB_TOKEN}", {"GITHUB_TOKEN": "${{ secrets.GITHUB_TOKEN }}"}),
        ("echo ${{ secrets.TAKEN }}", "echo ${SECRET_TAKEN}", {"SECRET_TAKEN": "${{ secrets.TAKEN }}"}),
        ("echo ${{ secrets.a-b }}", "echo ${SECRET_a_b}", {"SECRET_a_b": "${{ secrets.a-b }}"}),
    ],
)
def test_secret_in_a_script(script: str, expected: str, env: dict[str, str]) -> None:
    """A variable stands for it, so that the shell puts the value there whatever quotes are around it."""
    lines = "".join(f"    {line}\n" for line in script.splitlines())
    found = trial(f"- run: |\n{lines}", "env: {TAKEN: x}")
    assert (found.steps(), found.refused) == ([{"env": env, "run": f"{expected}\n"}], [])


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("{run: 'cat <<END ${{ secrets.A }}'}", "it stands in a here-document; "),
        ("{run: 'print(1) ${{ secrets.A }}', shell: python}", "it can't be put into a script of this shell; "),
        ("{run: \"echo ${{ secrets.A || 'x' }}\"}", "nothing can be computed from a secret "),
    ],
)
def test_secret_out_of_reach(step: str, reason: str) -> None:
    """Where no variable can stand for it, it is refused."""
    assert trial(f"- {step}").refused[0].startswith(f"7 a secret in a script: {reason}")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("github.server_url", "'https://github.com'"),
        ("runner.arch", "'X64'"),
        ("strategy.job-total", "1"),
        ("matrix.none", "null"),
        ("inputs.none", "null"),
        ("github.sha", "github.sha"),
        ("  github.sha  ", "  github.sha  "),
        ("github.event.number", "github.event.number"),
        ("format('{0}/x', github.server_url)", "format('{0}/x', 'https://github.com')"),
    ],
)
def test_contexts(expression: str, expected: str) -> None:
    """What is called otherwise here is rewritten; the rest is kept to the letter."""
    found = trial(f'- run: "echo ${{{{{expression}}}}}"')
    spaced = expected if expected == expression else f" {expected} "
    assert found.steps() == [{"run": f"echo ${{{{{spaced}}}}}"}]


def test_variables_of_github() -> None:
    """Variables that GitHub sets by itself are set where scripts read them."""
    found = trial('- run: echo "$GITHUB_SHA ${GITHUB_SERVER_URL}" > $RUNNER_TEMP/x; cat $GITHUB_EVENT_PATH')
    assert found.spec["env"] == {
        "GITHUB_SHA": "${{ github.sha }}",
        "GITHUB_SERVER_URL": "https://github.com",
        "RUNNER_TEMP": "/tmp",  # noqa: S108  what runner.temp is
    }
    assert "7 $GITHUB_EVENT_PATH isn't set here, where no GitHub is" in found.told()


def test_once() -> None:
    """What differs everywhere is said at the first place alone."""
    found = trial("- run: ls | sort\n- run: ls | sort\n- run: sudo ls\n- {run: ls | sort, shell: bash}")
    assert found.told()[2:] == [
        "7 a command that fails in a pipe fails its step here; GitHub passes over it where no shell is named",
        "9 steps are root in their container, and the images chosen here have no sudo: leave it out",
    ]
