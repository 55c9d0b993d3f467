from __future__ import annotations

from typing import Any

import pytest

from fairlead.model.problem import InvalidWorkflowError
from fairlead.syntax import parse_spec
from fairlead.syntax.jobs import MOST_SCRIPT_BYTES
from tests.builders import a_spec, chain

SECRET = {"secretKeyRef": {"name": "ci", "key": "token"}}


def problems(document: Any) -> list[str]:  # noqa: ANN401  a JSON document
    """Give what is wrong with a spec."""
    try:
        parse_spec(document)
    except InvalidWorkflowError as error:
        return [str(problem) for problem in error.problems]
    return []


def one(**fields: object) -> dict[str, Any]:
    """Give a spec of one job, `build`."""
    return a_spec().job("build", **fields).document()


def deep(levels: int) -> list[Any]:
    """Give lists in lists."""
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


def step(**fields: object) -> dict[str, Any]:
    """Give a spec of one job of one step."""
    return one(steps=[{"run": "make", **fields}])


TABLE: dict[str, tuple[Any, list[str]]] = {
    # Shapes
    "nothing": ({}, ["spec.jobs: there are no jobs; a workflow has at least one, or uses a template"]),
    "no jobs": (a_spec().document(), ["spec.jobs: there are no jobs; a workflow has at least one, or uses a template"]),
    "jobs are a list": ({"jobs": []}, ["spec.jobs: write a map (KEY: VALUE)"]),
    "a job is a text": ({"jobs": {"build": "make"}}, ["spec.jobs.build: write a map (KEY: VALUE)"]),
    "a job is null": ({"jobs": {"build": None}}, ["spec.jobs.build: write a map (KEY: VALUE)"]),
    "unknown field of the spec": (
        chain().but(job={}).document(),
        ['spec.job: unknown field; did you mean "jobs"?'],
    ),
    "unknown field of a job": (
        one(image="a", step=[], commands=["a"]),
        ['spec.jobs.build.step: unknown field; did you mean "steps"?'],
    ),
    "unknown field of a step": (
        step(workingDir="src"),
        ['spec.jobs.build.steps[0].workingDir: unknown field; did you mean "workingDirectory"?'],
    ),
    "unknown field that is like none": (one(zzz=1), ["spec.jobs.build.zzz: unknown field"]),
    "unknown field in a reference": (
        step(env={"A": {"secretKeyRef": {"name": "a", "keys": "b", "key": "c"}}}),
        ['spec.jobs.build.steps[0].env.A.secretKeyRef.keys: unknown field; did you mean "key"?'],
    ),
    "the field's name in the model": (
        one(working_directory="a"),
        ['spec.jobs.build.working_directory: unknown field; did you mean "workingDirectory"?'],
    ),
    "steps are a text": (one(steps="make"), ["spec.jobs.build.steps: write a list"]),
    "a step is a text": (one(steps=["make"]), ["spec.jobs.build.steps[0]: write a map (KEY: VALUE)"]),
    "a command is a number": (one(commands=[1]), ["spec.jobs.build.commands[0]: write a text"]),
    "a need is a number": (one(needs=[1]), ["spec.jobs.build.needs[0]: write a text"]),
    "needs are a map": (one(needs={}), ["spec.jobs.build.needs: write a list"]),
    "the image is a number": (one(image=1), ["spec.jobs.build.image: write a text"]),
    "no step has a run": (one(steps=[{"id": "a"}]), ["spec.jobs.build.steps[0].run: is missing"]),
    "a history that is too long": (
        chain().but(historyLimit=101).document(),
        ["spec.historyLimit: input should be less than or equal to 100"],
    ),
    "a fraction": (chain().but(historyLimit=1.5).document(), ["spec.historyLimit: write a whole number"]),
    "not true and not false": (chain().but(failFast="maybe").document(), ["spec.failFast: write true or false"]),
    "an env value that is a list": (
        one(env={"A": []}),
        ["spec.jobs.build.env.A: write a text, a number, true, false, {secretKeyRef: …} or {configMapKeyRef: …}"],
    ),
    "an input that is a list": (
        chain().but(inputs={"a": []}).document(),
        [
            (
                "spec.inputs.a: an input is a text, a number, true or false; "
                "write a list as JSON text and read it by fromJSON"
            )
        ],
    ),
    "a number without end": (one(env={"A": float("inf")}), ["spec.jobs.build.env.A: write a finite number"]),
    "a reference to two things": (
        one(env={"A": {**SECRET, "configMapKeyRef": {"name": "a", "key": "b"}}}),
        ["spec.jobs.build.env.A: a reference is either to a Secret or to a ConfigMap"],
    ),
    "a reference without a key": (
        one(env={"A": {"secretKeyRef": {"name": "a"}}}),
        ["spec.jobs.build.env.A.secretKeyRef.key: is missing"],
    ),
    "a quantity": (
        one(resources={"limits": {"cpu": "much"}}),
        ['spec.jobs.build.resources.limits.cpu: "much" is not a quantity; write 500m, 2, 512Mi or 1Gi'],
    ),
    "a word of a list": (
        chain().but(concurrency={"group": "a", "queue": "newest"}).document(),
        [
            'spec.concurrency.queue: "newest" is none of all, latest',
        ],
    ),
    "a word of a list in a list": (
        one(retry={"on": ["failures"]}),
        [
            (
                'spec.jobs.build.retry.on[0]: "failures" is none of failure, timeout, infrastructure; '
                'did you mean "failure"?'
            ),
        ],
    ),
    "too deep": (
        one(env={"A": deep(65)}),
        ["spec.jobs: is nested too deeply"],
    ),
    "too many expressions": (
        one(env={"A": "${{ 1 }}" * 50_001}),
        ["spec: has 50001 expressions; at most 50000 can be filled in"],
    ),
    "too many steps": (
        one(commands=["a"] * 1001),
        ["spec.jobs.build.commands: has more than 1000 of them, which are the most"],
    ),
    "too many services": (
        one(services={f"s{at}": "a" for at in range(101)}),
        ["spec.jobs.build.services: has more than 100 of them, which are the most"],
    ),
    # Durations
    "a bad duration": (
        one(timeout="soon"),
        ['spec.jobs.build.timeout: "soon" is not a duration; write 90s, 10m, 1h30m or a whole number of seconds'],
    ),
    "no time at all": (one(timeout=0), ["spec.jobs.build.timeout: a timeout is at least 1s"]),
    "too much time": (one(timeout="9999h"), ["spec.jobs.build.timeout: a duration lies between 0s and 8784h"]),
    # Names
    "a job's id": (
        a_spec().job("build it").document(),
        [
            (
                'spec.jobs["build it"]: a job\'s id has letters, digits, - and _, starts with a letter, '
                "ends with a letter or digit, and has at most 63 of them"
            )
        ],
    ),
    "a step's id": (
        step(id="1st"),
        [
            (
                "spec.jobs.build.steps[0].id: a step's id has letters, digits, - and _, "
                "starts with a letter or _, at most 63 of them"
            )
        ],
    ),
    "an output's name": (
        one(outputs={"a.b": "c"}),
        [
            (
                'spec.jobs.build.outputs["a.b"]: a name has letters, digits, - and _, '
                "starts with a letter or _, at most 63 of them"
            )
        ],
    ),
    "a variable's name": (
        one(env={"A-B": "c"}),
        ["spec.jobs.build.env.A-B: a variable's name has letters, digits and _, and starts with a letter or _"],
    ),
    "a reserved variable": (
        chain().but(env={"FAIRLEAD_OUTPUT": "a"}).document(),
        [
            (
                "spec.env.FAIRLEAD_OUTPUT: names that start with FAIRLEAD_ or _f_, and those of GITHUB_'s files, "
                "are the engine's own"
            )
        ],
    ),
    "reserved variables of a step": (
        step(env={"github_env": "a", "_f_code": "b", "GITHUB_SHA": "may be set"}),
        [
            f"spec.jobs.build.steps[0].env.{name}: names that start with FAIRLEAD_ or _f_, and those of "
            "GITHUB_'s files, are the engine's own"
            for name in ("github_env", "_f_code")
        ],
    ),
    "a NUL": (step(run="a\0b"), ["spec.jobs.build.steps[0].run: a text for the shell has no NUL characters"]),
    "a name of two lines": (
        one(name="a\nb"),
        ["spec.jobs.build.name: a name is one line without control characters"],
    ),
    # Words that pydantic has a meaning for
    "jobs whose ids are tags": (
        a_spec().job("text", zzz=1).job("reference", commands=[1]).document(),
        ["spec.jobs.text.zzz: unknown field", "spec.jobs.reference.commands[0]: write a text"],
    ),
    # Jobs
    "an empty job": (one(commands=[]), ["spec.jobs.build: nothing to run; give it steps, commands, a check or uses"]),
    "an empty script": (step(run="  \n"), ["spec.jobs.build.steps[0].run: nothing to run; write a script"]),
    "an empty command": (one(commands=["a", ""]), ["spec.jobs.build.commands[1]: nothing to run; write a command"]),
    "steps and commands": (
        one(steps=[{"run": "a"}], commands=["b"]),
        ["spec.jobs.build.commands: write steps or commands, not both: commands are short for steps"],
    ),
    "a check that runs something": (
        one(check="${{ true }}", commands=["a"]),
        [
            "spec.jobs.build.check: a check is decided without a Pod, so it can't stand beside commands",
        ],
    ),
    "no image": (
        {"jobs": {"build": {"commands": ["make"]}}},
        ["spec.jobs.build: has no image; set image here, or for all jobs in spec.defaults.image"],
    ),
    "a script that is too large": (
        one(commands=["a" * MOST_SCRIPT_BYTES, "b"]),
        [
            (
                f"spec.jobs.build.commands: scripts of {MOST_SCRIPT_BYTES + 1} bytes are not supported yet; "
                f"a job's may have {MOST_SCRIPT_BYTES} together"
            )
        ],
    ),
    "a step's id twice": (
        one(steps=[{"id": "a", "run": "b"}, {"run": "c"}, {"id": "A", "run": "d"}]),
        ['spec.jobs.build.steps[2].id: duplicate id: "A" is the id of steps[0], too'],
    ),
    "a job's id twice": (
        a_spec().job("build").job("Build").document(),
        ['spec.jobs.Build: duplicate id: "build" differs only in case'],
    ),
    # The graph
    "an unknown need": (
        a_spec().job("build").job("test", "biuld").document(),
        ['spec.jobs.test.needs[0]: no job "biuld"; did you mean "build"?'],
    ),
    "a need in another case": (
        a_spec().job("build").job("test", "Build").document(),
        ['spec.jobs.test.needs[0]: no job "Build"; did you mean "build"?'],
    ),
    "a need that is one's own misspelt id": (
        a_spec().job("test", "tests").document(),
        ['spec.jobs.test.needs[0]: no job "tests"'],
    ),
    "a need twice": (
        a_spec().job("build").job("test", "build", "build").document(),
        ['spec.jobs.test.needs[1]: "build" is listed twice'],
    ),
    "needs and requires": (
        a_spec().job("a").job("b").job("c", "a", requires="b").document(),
        ["spec.jobs.c.requires: write needs or requires, not both: they are the same"],
    ),
    "a need of a job in error": (
        a_spec().job("build", zzz=1).job("test", "build").document(),
        ["spec.jobs.build.zzz: unknown field"],
    ),
    "a cycle": (
        a_spec().job("a", "c").job("b", "a").job("c", "b").document(),
        ["spec.jobs.a.needs: a cycle: a → c → b → a"],
    ),
    "a cycle of one": (a_spec().job("a", "a").document(), ["spec.jobs.a.needs: a cycle: a → a"]),
    "a cycle by requires": (
        a_spec().job("a", requires="b").job("b", "a").document(),
        ["spec.jobs.a.requires: a cycle: a → b → a"],
    ),
    "two cycles, and what waits for them": (
        a_spec().job("a", "b").job("b", "a").job("c", "c").job("d", "b").job("e", "d").job("f").document(),
        [
            "spec.jobs.a.needs: a cycle: a → b → a",
            "spec.jobs.c.needs: a cycle: c → c",
            'spec.jobs.d: unreachable: it needs "b", which can never run',
            'spec.jobs.e: unreachable: it needs "d", which can never run',
        ],
    ),
    "what waits for an unknown need": (
        a_spec().job("a", "zzz").job("b", "a").document(),
        [
            'spec.jobs.a.needs[0]: no job "zzz"',
            'spec.jobs.b: unreachable: it needs "a", which can never run',
        ],
    ),
    # Expressions
    "an expression that doesn't end": (
        step(run="echo ${{ inputs.a"),
        [
            (
                "spec.jobs.build.steps[0].run: bad expression: The expression is not closed. "
                "An unescaped ${{ sequence was found, but the closing }} sequence was not found"
            )
        ],
    ),
    "an expression that isn't one": (
        one(image="${{ 1 + 2 }}"),
        [
            (
                "spec.jobs.build.image: bad expression: Unexpected symbol: '+'. Located at position 3 within "
                "expression: 1 + 2"
            )
        ],
    ),
    "an unknown context": (
        step(run="${{ input.a }}"),
        [
            (
                "spec.jobs.build.steps[0].run: bad expression: Unrecognized named-value: 'input'. "
                "Located at position 1 within expression: input.a"
            )
        ],
    ),
    "a status function in a text": (
        step(run="${{ success() }}"),
        ["spec.jobs.build.steps[0].run: the function success() works only in an if"],
    ),
    "hashFiles outside of steps": (
        one(image="a", commands=["a"], timeout="1m", **{"if": "hashFiles('a') == ''"}),
        ["spec.jobs.build.if: the function hashFiles() works only in a step's texts"],
    ),
    "text beside a condition": (
        one(image="a", commands=["a"], **{"if": "!${{ false }}"}),
        ["spec.jobs.build.if: text around ${{ }} always holds; put the whole condition inside, or leave ${{ }} out"],
    ),
    "a matrix that isn't there": (
        step(run="${{ matrix.python }}"),
        ['spec.jobs.build.steps[0].run: "matrix.python": this job has no strategy.matrix'],
    ),
    "a key that the matrix doesn't have": (
        one(image="a", strategy={"matrix": {"python": [1]}}, commands=["${{ matrix.pyhton }}"]),
        [('spec.jobs.build.commands[0]: "matrix.pyhton": the matrix has no "pyhton"; did you mean "python"?')],
    ),
    "a secret in a script": (
        step(run="${{ secrets.TOKEN }}"),
        [
            (
                'spec.jobs.build.steps[0].run: "secrets.TOKEN": secrets can be used only in the values of env, '
                "as ${{ secrets.NAME }}"
            )
        ],
    ),
    "a secret in a computation": (
        step(env={"TOKEN": "${{ format('{0}', secrets.TOKEN) }}"}),
        [
            (
                "spec.jobs.build.steps[0].env.TOKEN: a secret or variable of the cluster is never read, "
                "so nothing can be computed from it; write ${{ secrets.TOKEN }} by itself"
            )
        ],
    ),
    "a step that hasn't run yet": (
        one(steps=[{"run": "echo ${{ steps.v.outputs.b }}"}, {"id": "v", "run": "a"}]),
        ['spec.jobs.build.steps[0].run: "steps.v.outputs.b": the step "v" hasn\'t run yet there'],
    ),
    "jobs and a template": (
        chain().but(uses="other").document(),
        ["spec.uses: write jobs or uses, not both; a job can use a template, too"],
    ),
    "values for nothing": (
        one(image="a", commands=["a"], **{"with": {"a": 1}}),
        ["spec.jobs.build.with: there is nothing to give values to; write uses: TEMPLATE"],
    ),
    "outputs of a template": (
        {"jobs": {"call": {"uses": "deploy", "outputs": {"a": "b"}}}},
        ["spec.jobs.call.outputs: means nothing here: the outputs are the template's own"],
    ),
    "env of a check": (
        {"jobs": {"call": {"check": "true", "env": {"a": "b"}}}},
        ["spec.jobs.call.env: means nothing here: a check is decided without a Pod"],
    ),
    "a reference in an expression": (
        one(env={"TOKEN": SECRET}, commands=["echo ${{ env.token }}"]),
        [
            (
                'spec.jobs.build.commands[0]: "env.token" stays in the cluster, so no expression reads it; '
                "use $token in the script"
            )
        ],
    ),
    "an unknown input": (
        chain().but(inputs={"version": "1"}, outputs={"a": "${{ inputs.versoin }}"}).document(),
        ['spec.outputs.a: "inputs.versoin": no input "versoin"; did you mean "version"?'],
    ),
    "an unknown property of the workflow": (
        one(image="${{ workflow.nmae }}"),
        ['spec.jobs.build.image: "workflow.nmae": workflow has no "nmae"; did you mean "name"?'],
    ),
    "an unknown variable": (
        step(env={"VERSION": "1"}, run="${{ env.VERSOIN }}"),
        ['spec.jobs.build.steps[0].run: "env.VERSOIN": no variable "VERSOIN"; did you mean "VERSION"?'],
    ),
    "an unknown step": (
        one(steps=[{"id": "version", "run": "a"}], outputs={"a": "${{ steps.versoin.outputs.b }}"}),
        [
            (
                'spec.jobs.build.outputs.a: "steps.versoin.outputs.b": no step with the id "versoin"; '
                'did you mean "version"?'
            )
        ],
    ),
    "an unknown property of a step": (
        one(steps=[{"id": "v", "run": "a"}], outputs={"a": "${{ steps.v.output.b }}"}),
        ['spec.jobs.build.outputs.a: "steps.v.output.b": no property "output"; did you mean "outputs"?'],
    ),
    "an unknown need in an expression": (
        chain().job("c", "test", commands=["${{ needs.tset.result }}"]).document(),
        ['spec.jobs.c.commands[0]: "needs.tset.result": no need "tset"; did you mean "test"?'],
    ),
    "a job that isn't among the needs": (
        chain().job("c", "test", commands=["${{ needs.build.result }}"]).document(),
        ['spec.jobs.c.commands[0]: "needs.build.result": "build" is not among this job\'s needs; add it there'],
    ),
    "an unknown property of a need": (
        chain().job("c", "test", commands=["${{ needs.test.results }}"]).document(),
        ['spec.jobs.c.commands[0]: "needs.test.results": no property "results"; did you mean "result"?'],
    ),
    "an unknown output of a need": (
        a_spec()
        .job("build", outputs={"version": "1"})
        .job("test", "build", commands=["${{ needs.build.outputs.versoin }}"])
        .document(),
        [
            (
                'spec.jobs.test.commands[0]: "needs.build.outputs.versoin": the job "build" has no output "versoin"; '
                'did you mean "version"?'
            )
        ],
    ),
    "an unknown job in the workflow's outputs": (
        chain().but(outputs={"a": "${{ jobs.biuld.outputs.b }}"}).document(),
        ['spec.outputs.a: "jobs.biuld.outputs.b": no job "biuld"; did you mean "build"?'],
    ),
    "needs where there are none": (
        chain().but(env={"A": "${{ needs.build.result }}"}).document(),
        ['spec.env.A: "needs.build.result": needs means nothing here; known here: workflow, inputs, github'],
    ),
    # Many at once
    "several mistakes": (
        {
            "jobs": {
                "build": {"image": "a", "steps": [{"run": "b", "timout": 5}, {"id": "x"}], "needs": ["tset"]},
                "test": {"image": "a", "commands": ["${{ inputs.a }}"], "timeout": "soon", "needs": ["build"]},
                "last": {"commands": []},
            },
            "inputs": {"ab": 1},
            "concurency": 1,
            "defaults": {"timeout": 0},
        },
        [
            'spec.jobs.build.steps[0].timout: unknown field; did you mean "timeout"?',
            "spec.jobs.build.steps[1].run: is missing",
            'spec.jobs.build.needs[0]: no job "tset"; did you mean "test"?',
            'spec.jobs.test: unreachable: it needs "build", which can never run',
            'spec.jobs.test.commands[0]: "inputs.a": no input "a"; did you mean "ab"?',
            'spec.jobs.test.timeout: "soon" is not a duration; write 90s, 10m, 1h30m or a whole number of seconds',
            "spec.jobs.last: nothing to run; give it steps, commands, a check or uses",
            "spec.jobs.last: has no image; set image here, or for all jobs in spec.defaults.image",
            'spec.concurency: unknown field; did you mean "concurrency"?',
            "spec.defaults.timeout: a timeout is at least 1s",
        ],
    ),
}


@pytest.mark.parametrize(("document", "expected"), TABLE.values(), ids=TABLE)
def test_problems(document: Any, expected: list[str]) -> None:  # noqa: ANN401  a JSON document
    """Each mistake is told with its place, what is wrong and what was probably meant, in the document's order."""
    assert problems(document) == expected


@pytest.mark.parametrize(
    "document",
    [
        {"jobs": {"a": {"image": "\x1b[31m${{ \x1b }}", "commands": ["a\x07 ${{ 'a\x1b' + 1 }}"], "\x1b]0;": 1}}},
        {"jobs": {"\x1b[2J": {}, "a": {"needs": ["\x1b[2J", "\x9b"], "env": {"\x1b": "a"}}}},
        {"\x1b[2J": 1, "jobs": {"a": {"timeout": "\x1b[2J", "resources": {"limits": {"\x1b": "\x1b"}}}}},
        {"jobs": {"a": {"commands": ["${{ inputs['\x1b[2J'] }}", "${{ \x1b() }}"], "retry": {"on": ["\x1b"]}}}},
        {"jobs": {"a": {"steps": [{"id": "\x1b", "run": "\x1b"}], "services": {"\x1b": {"image": "a", "\x1b": 1}}}}},
    ],
)
def test_harmless(document: Any) -> None:  # noqa: ANN401  a JSON document
    """Nothing that a terminal obeys gets from a spec into a message."""
    found = problems(document)
    assert (bool(found), [each for each in found if not each.isprintable()]) == (True, [])


def test_bounded() -> None:
    """A spec of thousands of mistakes is answered with the first hundred of each kind."""
    document = a_spec().but(**{f"field{index}": 1 for index in range(3000)})
    for index in range(500):
        document = document.job(f"job{index}", "zzz")
    found = problems(document.document())
    assert (len(found), found[0]) == (200, "spec.field0: unknown field")
