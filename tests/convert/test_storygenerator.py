from __future__ import annotations

from typing import Any

import pytest

from fairlead.convert.conversion import Outcome
from fairlead.convert.formats import FormatName
from tests.convert.trial import Trial
from tests.plan.drill import Drill

STAGES = {
    "load": {"image": "python:3", "run": "load"},
    "write": {"image": "python:3", "command": "write", "env": {"MODE": "x"}, "shell": "sh"},
    "send": {"image": "busybox", "run": ["send", "sent"]},
}
STORY = """\
metadata: {name: My Story, version: "1"}
error_handling: {continue_on_error: false, retry_count: 1, retry_delay: 5}
logging: {level: INFO}
variables: {enable_sending: true, model: "${MODEL}", home: plain}
stages:
- id: send
  order: 30
  condition: variables.enable_sending == true
  continue_on_error: true
- id: load
  name: Load the words
  order: 10
  timeout_seconds: 90
  parameters: {max-length: 20, text: "a ${NAME}"}
- {id: old, order: 15, enabled: false}
- {id: write, order: 20, max_retries: 3, retry_delay_seconds: 2}
"""


def trial(text: str, stages: object = STAGES, **options: Any) -> Trial:  # noqa: ANN401  those of Trial
    """Convert a pipeline."""
    return Trial(FormatName.STORYGENERATOR, text, stages=stages, **options)


def test_whole() -> None:
    """Stages are a chain by their order, whose work the mapping says."""
    found = trial(STORY)
    (resource,) = found.conversion.resources
    assert (resource["kind"], resource["metadata"]) == ("Workflow", {"name": "my-story"})
    assert resource["spec"] == {
        "inputs": {"enable_sending": True, "model": "${MODEL}", "home": "plain"},
        "jobs": {
            "load": {
                "name": "Load the words",
                "timeout": "90s",
                "retry": {"limit": 1, "delay": "5s"},
                "env": {"MAX_LENGTH": "20", "TEXT": "a ${NAME}"},
                "image": "python:3",
                "commands": ["load"],
            },
            "write": {
                "needs": ["load"],
                "if": "!failure() && !cancelled()",
                "retry": {"limit": 3, "delay": "2s"},
                "env": {"MODE": "x"},
                "image": "python:3",
                "shell": "sh",
                "commands": ["write"],
            },
            "send": {
                "needs": ["write"],
                "if": "!failure() && !cancelled() && (inputs.enable_sending == true)",
                "retry": {"limit": 1, "delay": "5s"},
                "continueOnError": True,
                "image": "busybox",
                "commands": ["send", "sent"],
            },
        },
    }
    assert found.told(Outcome.APPROXIMATED, Outcome.LEFT_OUT) == [
        "3 logging: a job's log is what it prints",
        "4 ${MODEL} stays as it is: no environment is put in; a shell that reads it does so where it is set",
        "14 ${NAME} stays as it is: no environment is put in; a shell that reads it does so where it is set",
        "15 the stage isn't enabled",
    ]


CHAIN = """\
variables: {go: false}
stages:
- {id: load, %s}
- {id: write}
- {id: send}
"""


@pytest.mark.parametrize(
    ("field", "code", "phases"),
    [
        ("order: 0", 0, ["Succeeded", "Succeeded", "Succeeded"]),
        ("order: 0", 1, ["Failed", "Skipped", "Skipped"]),
        ("continue_on_error: true", 1, ["Failed", "Succeeded", "Succeeded"]),
        ("condition: variables.go == true", 0, ["Skipped", "Succeeded", "Succeeded"]),
    ],
)
def test_run(field: str, code: int, phases: list[str]) -> None:
    """A failure ends the run unless it may; what a condition skips doesn't."""
    drill = Drill(trial(CHAIN % field).spec).look()
    for name in ("load", "write", "send"):
        if name in {str(job.node) for job in drill.jobs.values()}:
            drill.end(name, code=code if name == "load" else 0)
    assert [str(job.phase) for job in drill.status.jobs.values()] == phases


@pytest.mark.parametrize(
    ("retry", "expected"),
    [
        ("{max_retries: 3, delay_seconds: 2}", {"limit": 3, "delay": "2s"}),
        (
            "{max_retries: 3, delay_seconds: 2, exponential_backoff: true}",
            {"limit": 3, "delay": "2s", "multiplier": 2, "maxDelay": "8s"},
        ),
        (
            "{max_retries: 2, delay_seconds: 10, exponential_backoff: true, backoff_multiplier: 1.5}",
            {"limit": 2, "delay": "10s", "multiplier": 1.5, "maxDelay": "15s"},
        ),
        (
            "{max_retries: 50, delay_seconds: 2, exponential_backoff: true, backoff_multiplier: 10}",
            {"limit": 50, "delay": "2s", "multiplier": 10, "maxDelay": "86400s"},
        ),
        ("{max_retries: 1, delay_seconds: 0.2}", {"limit": 1, "delay": "1s"}),
        ("{max_retries: 0, delay_seconds: 2}", None),
    ],
)
def test_retries(retry: str, expected: object) -> None:
    """The pipeline's retries are those of each stage, with the same delays."""
    found = trial(f"retry: {retry}\nstages: [{{id: load}}]")
    assert found.job("load").get("retry") == expected


def test_stages_that_the_mapping_lacks() -> None:
    """Each is refused where it stands, and all are listed once."""
    found = trial("stages:\n- {id: load}\n- {id: lod}\n- {id: paint}", {"load": STAGES["load"]})
    assert found.refused == [
        '1 --stages says nothing of "lod", "paint": give each an image, and run or command',
        '3 what the stage "lod" does is in the engine\'s code; --stages has "load"',
        '4 what the stage "paint" does is in the engine\'s code',
    ]


BACKOFF = "{exponential_backoff: true, backoff_multiplier: 0, max_retries: 1, delay_seconds: 1}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[]", "1 a pipeline is a map (KEY: VALUE)"),
        ("variables: {}", '1 "stages" are missing'),
        ("stages: [{name: x}]", '1 "id" is missing'),
        ("stages: [{id: load}, {id: load}]", '1 the id "load" is there twice'),
        ("stages: [{id: load, order: -1}]", '1 "order" is a whole number, and not negative'),
        ("stages: [{id: load, timeout_seconds: 1e300}]", '1 "timeout_seconds" is too large a number'),
        ("stages: [{id: load, order: x}]", '1 "order" is a number'),
        ("stages: [{id: load, ordr: 1}]", '1 unknown key "ordr"; did you mean "order"?'),
        ("stages: [{id: load, enabled: 1}]", '1 "enabled" is true or false'),
        ("stages: [{id: load, continue_on_error: 1}]", '1 "continue_on_error" is true or false'),
        ("stages: [{id: load, parameters: {a: [1]}}]", "1 a parameter is a text, a number, true or false here; "),
        ("stages: [{id: load, max_retries: 200}]", "1 "),
        ("stages: [{id: load, condition: 'variables.nope == 1'}]", '1 "inputs.nope": no input "nope"'),
        ("{variables: {a b: 1}, stages: [{id: load}]}", '1 "a b": a name has letters, digits, - and _, '),
        ("{variables: {a: []}, stages: [{id: load}]}", "1 a variable is a text, a number, true or false"),
        (
            f"{{retry: {BACKOFF}, stages: [{{id: load}}]}}",
            "1 a multiplier is a number from 1 to 100",
        ),
    ],
)
def test_refusals(text: str, line: str) -> None:
    """What is wrong is refused at its place."""
    assert trial(text).refused[0].startswith(line)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"load": {"image": "x"}}, "give it an image, and a script as run or command"),
        ({"load": {"run": "x"}}, "give it an image, and a script as run or command"),
        ({"load": {"image": "x", "run": "y", "cmd": "z"}}, 'unknown key "cmd"'),
        ({"load": "x"}, "is in the engine's code"),
        (None, "is in the engine's code"),
    ],
)
def test_mapping(given: object, reason: str) -> None:
    """A mapping that says too little is refused at the stage that it is for."""
    assert any(reason in line for line in trial("stages: [{id: load}]", given).refused)
