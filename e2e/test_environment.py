"""What a step finds around it: variables, shells, folders, and what earlier steps and jobs left."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from e2e.support.kubectl import Json
    from e2e.support.sandbox import Sandbox

NASTY = {
    "PLAIN": "plain",
    "KUBERNETES": "$(HOME) $$(HOME) $(A)$(B",
    "SHELL_SIGNS": "$HOME ${HOME} `id` $(id) \\n \\$ ! & | ; < > * ? [a] {b} ~ #",
    "QUOTES": """ 'single' "double" '"' ''' \\' """,
    "UNICODE": "žluťoučký kůň 日本語 🚢 \u202f",
    "LINES": "one\n\n  two\ttabbed\r\nthree\n",
    "EMPTY": "",
    "EXPRESSION": "}} {{ $ { not.one } $${{ '{{' }}",
    "YES": "yes",
}
"""What has to arrive as it was written. Evaluated, `${{ '{{' }}` is `{{`."""

EXPECTED = {**NASTY, "EXPRESSION": "}} {{ $ { not.one } ${{"}

SHOW = (
    "import json, os; print('seen=' + json.dumps({name: os.environ.get(name) for name in os.environ['NAMES'].split()}))"
)
PYTHON = f'{SHOW[:-1]}, file=open(os.environ["FAIRLEAD_OUTPUT"], "a"))'


@pytest.mark.parametrize("level", ["workflow", "job", "step"])
def test_texts_arrive_unchanged(level: str, sandbox: Sandbox) -> None:
    """Whatever a variable's text has in it, at whichever level, the step sees just that."""
    levels: dict[str, Json] = {each: {} for each in ("workflow", "job", "step")}
    levels[level] = {**NASTY, "NAMES": " ".join(NASTY)}
    step = {"id": "show", "shell": "python", "run": PYTHON, "env": levels["step"]}
    job = {
        "image": "python:3.11",
        "env": levels["job"],
        "steps": [step],
        "outputs": {"seen": "${{ steps.show.outputs.seen }}"},
    }
    status = sandbox.run("texts", {"env": levels["workflow"], "jobs": {"show": job}})
    assert json.loads(status["jobs"]["show"]["outputs"]["seen"]) == EXPECTED


def test_a_small_shell_sees_them_unchanged_too(sandbox: Sandbox) -> None:
    """The same texts through busybox, which has neither bash nor GNU tools."""
    lines = [f'echo "{name}=$(printf %s "${name}" | base64 | tr -d \'\\n\')" >> "$FAIRLEAD_OUTPUT"' for name in NASTY]
    job = {
        "image": "busybox:1.35",
        "steps": [{"id": "show", "env": NASTY, "run": "\n".join(lines)}],
        "outputs": {name: f"${{{{ steps.show.outputs.{name} }}}}" for name in NASTY},
    }
    outputs = sandbox.run("texts", {"jobs": {"show": job}})["jobs"]["show"]["outputs"]
    assert {name: base64.b64decode(text).decode() for name, text in outputs.items()} == EXPECTED


def test_the_inner_level_wins(sandbox: Sandbox) -> None:
    """A step's variable hides the job's, and that the workflow's; numbers and booleans are texts."""
    status = sandbox.run(
        "levels",
        """
        env: {A: workflow, B: workflow, C: workflow, NUMBER: 1, T: true, F: 0.5}
        jobs:
          one:
            image: busybox:1.35
            env: {B: job, C: job}
            steps:
            - {id: in, env: {C: step}, run: 'echo "v=$A $B $C $NUMBER $T $F" >> "$FAIRLEAD_OUTPUT"'}
            - {id: out, run: 'echo "v=$A $B $C $NUMBER $T $F" >> "$FAIRLEAD_OUTPUT"'}
            outputs: {in: "${{ steps.in.outputs.v }}", out: "${{ steps.out.outputs.v }}"}
        """,
    )
    outputs = status["jobs"]["one"]["outputs"]
    assert outputs == {"in": "workflow job step 1 true 0.5", "out": "workflow job job 1 true 0.5"}


def test_references_reach_the_step_and_nothing_else(sandbox: Sandbox) -> None:
    """Values of Secrets and ConfigMaps, at all three levels, are seen by steps and stand in no other object."""
    words = [f"{kind}-{level}-$(HOME)-'\"" for kind in ("secret", "config") for level in ("workflow", "job", "step")]
    names = [f"{kind}_{level}".upper() for kind in ("secret", "config") for level in ("workflow", "job", "step")]
    values = dict(zip(names, words, strict=True))
    meta = {"name": "ci"}
    sandbox.kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": values})
    sandbox.kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": values})

    def env(level: str) -> Json:
        return {
            f"SECRET_{level}": {"secretKeyRef": {"name": "ci", "key": f"SECRET_{level}"}},
            f"CONFIG_{level}": {"configMapKeyRef": {"name": "ci", "key": f"CONFIG_{level}"}},
            f"MISSING_{level}": {"secretKeyRef": {"name": "ci", "key": "none", "optional": True}},
        }

    # Only digests may leave the Pod.
    digests = "\n".join(f'echo "{n}=$(printf %s "${n}" | sha256sum | cut -c1-64)" >> "$FAIRLEAD_OUTPUT"' for n in names)
    absent = "test -z \"$(env | grep -e '^MISSING' -e '_STEP=')\""
    job = {
        "image": "busybox:1.35",
        "env": env("JOB"),
        "steps": [{"id": "show", "env": env("STEP"), "run": digests}, {"run": f'{absent}; test -n "$SECRET_JOB"'}],
        "outputs": {name: f"${{{{ steps.show.outputs.{name} }}}}" for name in names},
    }
    status = sandbox.run("references", {"env": env("WORKFLOW"), "jobs": {"show": job}})
    assert status["jobs"]["show"]["outputs"] == {
        name: hashlib.sha256(value.encode()).hexdigest() for name, value in values.items()
    }
    everything = sandbox.kubectl.run("get", "jobs,pods,workflows.fairlead.dev,events", "-o", "json")
    assert not [value for value in values.values() if json.dumps(value)[1:-1] in everything]


def test_steps_run_in_the_shell_that_they_name(sandbox: Sandbox) -> None:
    """Bash where there is one, else sh; by name sh, bash and python; any command with {0}."""
    status = sandbox.run(
        "shells",
        """
        jobs:
          big:
            image: python:3.11
            steps:
            - {id: auto, run: 'echo "v=${BASH_VERSION:+bash}" >> "$FAIRLEAD_OUTPUT"'}
            - {id: sh, shell: sh, run: 'echo "v=${BASH_VERSION:-no}" >> "$FAIRLEAD_OUTPUT"'}
            - {id: bash, shell: bash, run: 'echo "v=$(echo {1..3})" >> "$FAIRLEAD_OUTPUT"'}
            - id: python
              shell: python
              run: |
                import os, sys
                with open(os.environ["FAIRLEAD_OUTPUT"], "a") as file:
                    print("v=" + str(sys.version_info[0]), file=file)
            - {id: custom, shell: "python3 -c 'import sys; exec(open(sys.argv[1]).read())' {0}",
               run: 'import os; open(os.environ["FAIRLEAD_OUTPUT"], "a").write("v=custom\\n")'}
            outputs:
              auto: ${{ steps.auto.outputs.v }}
              sh: ${{ steps.sh.outputs.v }}
              bash: ${{ steps.bash.outputs.v }}
              python: ${{ steps.python.outputs.v }}
              custom: ${{ steps.custom.outputs.v }}
          small:
            image: busybox:1.35
            steps:
            - {id: auto, run: 'echo "v=${BASH_VERSION:-no}" >> "$FAIRLEAD_OUTPUT"'}
            outputs: {auto: "${{ steps.auto.outputs.v }}"}
        """,
    )
    assert status["jobs"]["big"]["outputs"] == {
        "auto": "bash",
        "sh": "no",
        "bash": "1 2 3",
        "python": "3",
        "custom": "custom",
    }
    assert status["jobs"]["small"]["outputs"] == {"auto": "no"}


def test_bash_stops_at_the_first_failure_of_a_pipe(sandbox: Sandbox) -> None:
    """-e and pipefail hold in bash, -e in sh."""
    status = sandbox.run(
        "strict",
        """
        jobs:
          pipe: {image: 'python:3.11', commands: ["false | true\\necho not here"]}
          lines: {image: 'busybox:1.35', commands: ["false\\necho not here"]}
        """,
        "Failed",
    )
    for job in status["jobs"].values():
        assert job["exitCode"] == 1
        assert "not here" not in sandbox.log(job).splitlines()


def test_steps_share_a_folder_and_start_where_they_say(sandbox: Sandbox) -> None:
    """The workspace is empty, writable and shared; workingDirectory is relative to it, or absolute."""
    status = sandbox.run(
        "folders",
        """
        defaults: {image: busybox:1.35, workingDirectory: deep/er}
        jobs:
          one:
            steps:
            - {workingDirectory: /workspace, run: 'test -z "$(ls -A)" && mkdir -p deep/er && echo kept > file'}
            - {id: inner, run: 'echo "v=$PWD $(cat ../../file)" >> "$FAIRLEAD_OUTPUT"'}
            - {id: absolute, workingDirectory: /etc, run: 'echo "v=$PWD" >> "$FAIRLEAD_OUTPUT"'}
            outputs: {inner: "${{ steps.inner.outputs.v }}", absolute: "${{ steps.absolute.outputs.v }}"}
          two:
            steps: [{run: "true"}]
        """,
        "Failed",
    )
    assert status["jobs"]["one"]["outputs"] == {"inner": "/workspace/deep/er kept", "absolute": "/etc"}
    assert status["jobs"]["two"]["message"] == 'cannot go to the working directory "deep/er"'


def test_later_steps_have_what_earlier_ones_left(sandbox: Sandbox) -> None:
    """FAIRLEAD_ENV and FAIRLEAD_PATH reach the later steps of the job; GITHUB_* name the same files."""
    status = sandbox.run(
        "left",
        """
        jobs:
          one:
            image: busybox:1.35
            steps:
            - run: |
                mkdir -p /workspace/bin
                printf '#!/bin/sh\\necho tool of ours\\n' > /workspace/bin/our-tool
                chmod +x /workspace/bin/our-tool
                echo /workspace/bin >> "$FAIRLEAD_PATH"
                echo 'SINGLE=a=b $HOME' >> "$FAIRLEAD_ENV"
                printf 'MANY<<END\\nfirst\\n\\n$(HOME) last\\nEND\\n' >> "$GITHUB_ENV"
            - id: show
              run: |
                printf 'all<<END\\n%s\\n%s\\n%s\\nEND\\n' "$SINGLE" "$MANY" "$(our-tool)" >> "$GITHUB_OUTPUT"
            outputs: {all: "${{ steps.show.outputs.all }}"}
        """,
    )
    assert status["jobs"]["one"]["outputs"] == {"all": "a=b $HOME\nfirst\n\n$(HOME) last\ntool of ours"}


def test_outputs_of_many_lines_reach_later_jobs(sandbox: Sandbox) -> None:
    """What one job puts out is what the next has in its variables, its scripts and its outputs, line by line."""
    text = "first\n\n  $(HOME) `id` \"quoted\" 'single' \\n\n🚢 last"
    write = "\n".join(["cat >> \"$FAIRLEAD_OUTPUT\" <<'SCRIPT'", "text<<END", text, "END", "SCRIPT"])
    status = sandbox.run(
        "lines",
        {
            "defaults": {"image": "busybox:1.35"},
            "outputs": {"text": "${{ jobs.make.outputs.text }}"},
            "jobs": {
                "make": {
                    "steps": [{"id": "it", "run": write}],
                    "outputs": {"text": "${{ steps.it.outputs.text }}"},
                },
                "take": {
                    "needs": "make",
                    "env": {"TEXT": "${{ needs.make.outputs.text }}"},
                    "steps": [
                        {"id": "it", "run": 'printf "text<<END\\n%s\\nEND\\n" "$TEXT" >> "$FAIRLEAD_OUTPUT"'},
                    ],
                    "outputs": {"text": "${{ steps.it.outputs.text }}"},
                },
            },
        },
    )
    assert status["outputs"] == {"text": text}
    assert status["jobs"]["take"]["outputs"] == {"text": text}
