from __future__ import annotations

import json
from typing import Any

import pytest

from fairlead.convert.conversion import Outcome
from fairlead.convert.formats import FormatName
from tests.convert.trial import Trial

JOBS = "jobs: {test: {runs-on: ubuntu-latest, steps: [{run: make}]}}"
CHECKOUT = "{uses: actions/checkout@v4}"


def trial(text: str, **options: Any) -> Trial:  # noqa: ANN401  those of Trial
    """Convert a workflow file."""
    return Trial(FormatName.GITHUB, text, **options)


@pytest.mark.parametrize(
    ("on", "kept"),
    [
        ("push", {"push": {}}),
        ("[push, pull_request]", {"push": {}, "pull_request": {}}),
        ("{push: {tags: ['v*']}, workflow_dispatch: }", {"push": {"tags": ["v*"]}, "workflow_dispatch": {}}),
    ],
)
def test_kept(on: str, kept: dict[str, Any]) -> None:
    """What starts a workflow on GitHub is kept as JSON, for whoever starts runs here."""
    (resource,) = trial(f"on: {on}\n{JOBS}").conversion.resources
    assert json.loads(resource["metadata"]["annotations"]["convert.fairlead.dev/on"]) == kept


def test_times() -> None:
    """Times become schedules where nothing else starts the workflow; such a Workflow doesn't run when it is applied."""
    found = trial(f"on:\n  workflow_dispatch:\n  schedule: [{{cron: 5 4 * * mon}}]\n{JOBS}")
    assert found.spec["schedules"] == [{"cron": "5 4 * * mon"}]
    assert found.told()[0] == "3 schedules: it runs at these times, and not when it is applied"


def test_times_among_others() -> None:
    """Beside other triggers they are left out."""
    found = trial(f"on:\n  push:\n  schedule: [{{cron: 5 4 * * mon}}]\n{JOBS}")
    assert "schedules" not in found.spec
    assert (
        "3 a Workflow with schedules runs only then; make a second one, with schedules, for these times" in found.told()
    )


def test_wrong_time() -> None:
    """What is no time is refused there."""
    assert trial(f"on:\n  schedule:\n  - cron: 5 4 * *\n{JOBS}").refused[0].startswith("3 ")


INPUTS = """\
on:
  workflow_dispatch:
    inputs:
      text: {description: A text}
      needed: {required: true}
      count: {type: number, default: 3}
      loud: {type: boolean}
      where: {type: choice, options: [here, there]}
      place: {type: environment}
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
    - if: github.event.inputs.loud == 'true' && inputs.loud && github.event.inputs.TEXT
      run: make
"""


def test_inputs() -> None:
    """A run by hand has inputs; they have their defaults here, and are what they are by either way to name them."""
    found = trial(INPUTS)
    assert found.spec["inputs"] == {"text": "", "needed": "", "count": 3, "loud": False, "where": "here", "place": ""}
    assert found.steps()[0]["if"] == "format('{0}', inputs.loud) == 'true' && inputs.loud && inputs.text"
    assert found.told(Outcome.APPROXIMATED)[:2] == [
        "5 the input needed has to be given: it is empty in what is written here",
        "9 environment: a text, as there are no environments here",
    ]


def test_event() -> None:
    """What kind of event it is can be asked, and is the one that the annotation says."""
    found = trial(f"on: [pull_request, push]\nconcurrency: ${{{{ github.event_name }}}}\n{JOBS}")
    (resource,) = found.conversion.resources
    assert resource["metadata"]["annotations"]["fairlead.dev/event-name"] == "push"


CALLED = """\
on:
  workflow_call:
    inputs:
      level: {type: number, required: true}
      ref: {type: string}
    outputs:
      built: {value: "${{ jobs.build.outputs.built }}"}
jobs:
  build:
    runs-on: ubuntu-latest
    outputs: {built: "${{ steps.b.outputs.built }}"}
    env: {TOKEN: "${{ secrets.TOKEN }}"}
    steps:
    - uses: actions/checkout@v4
    - {id: b, run: "echo built=${{ inputs.level }} >> $GITHUB_OUTPUT"}
"""
CALLER = """\
on: push
jobs:
  first:
    uses: ./.github/workflows/called.yml
    with: {level: 3}
    secrets: inherit
  second:
    needs: first
    if: needs.first.outputs.built
    uses: ./.github/workflows/called.yml
    with: {level: "${{ github.run_number }}", ref: main}
    secrets: {TOKEN: "${{ secrets.OTHER }}"}
"""


def test_calls() -> None:
    """A workflow that others call becomes a template, once; what it checks out is handed on to it."""
    found = trial(CALLER, files={".github/workflows/called.yml": CALLED})
    template, workflow = found.conversion.resources
    assert template["kind"] == "WorkflowTemplate"
    assert template["metadata"]["name"] == "called"
    assert template["spec"]["inputs"] == {
        "level": {"type": "number", "required": True},
        "ref": {"type": "string"},
        "checkout-repository": {"type": "string", "description": "What to check out; nothing where it is there"},
        "checkout-ref": {"type": "string", "description": "The branch, tag or commit to check out"},
    }
    assert template["spec"]["outputs"] == {"built": "${{ jobs.build.outputs.built }}"}
    handed = {"checkout-repository": "${{ inputs.repository }}", "checkout-ref": "${{ inputs.ref }}"}
    assert workflow["spec"] == {
        "inputs": {"repository": "", "ref": ""},
        "jobs": {
            "first": {"uses": "called", "with": {"level": 3, **handed}},
            "second": {
                "needs": ["first"],
                "if": "needs.first.outputs.built",
                "uses": "called",
                "with": {"level": "${{ github.run_number }}", "ref": "main", **handed},
            },
        },
    }
    assert "12 the template reads the key TOKEN of the Secret fairlead-secrets: put the value there" in found.told()


def test_called_and_started() -> None:
    """One that is called and starts by itself, too, is a template and a Workflow that uses it."""
    found = trial(f"on: {{push: , workflow_call: {{inputs: {{a: {{default: b, type: string}}}}}}}}\n{JOBS}")
    template, workflow = found.conversion.resources
    assert (template["kind"], template["spec"]["inputs"]) == (
        "WorkflowTemplate",
        {"a": {"type": "string", "default": "b"}},
    )
    assert workflow["spec"] == {"inputs": {"a": "b"}, "uses": "source", "with": {"a": "${{ inputs.a }}"}}


def test_other_file_in_the_report() -> None:
    """What is wrong in a workflow that is called is said of its file."""
    found = trial(CALLER, files={".github/workflows/called.yml": CALLED.replace("ubuntu-latest", "windows-2022")})
    (note,) = [note for note in found.conversion.notes if note.outcome is Outcome.REFUSED]
    assert (note.file, note.position and note.position.line) == (".github/workflows/called.yml", 10)


ROUND = "on: workflow_call\njobs: {a: {uses: ./.github/workflows/called.yml}}"


@pytest.mark.parametrize(
    ("uses", "called", "reason"),
    [
        ("./.github/workflows/called.yml", None, "there is no such file in this project"),
        ("./.github/workflows/called.yml", "a: [", "it can't be read, or isn't to be called"),
        ("./.github/workflows/called.yml", "on: push", "it can't be read, or isn't to be called"),
        ("./.github/workflows/called.yml", ROUND, ".github/workflows/called.yml would call itself"),
        ("team/x/.github/workflows/called.yml@v1", None, "is in another project"),
        ("./elsewhere/called.yml", None, "is in another project"),
    ],
)
def test_calls_that_cannot_be(uses: str, called: str | None, reason: str) -> None:
    """A workflow that isn't there, or isn't to be called, is refused at the call, or left out where that is wanted."""
    files = {} if called is None else {".github/workflows/called.yml": called}
    text = f"on: push\njobs: {{a: {{uses: {uses}}}}}"
    assert reason in trial(text, files=files).refused[0]
    if called != ROUND:
        shown = uses.removesuffix("@v1") + ("@v1" if "@" in uses else "")
        assert trial(text, files=files, skip_unsupported=True).job("a") == {
            "image": "busybox",
            "steps": [{"run": f"echo 'skipped: uses: {shown}'"}],
        }
