from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent, indent
from typing import TYPE_CHECKING

import pytest

from fairlead.syntax.finding import DESCRIPTIONS, Rule, Severity
from fairlead.syntax.lint import lint
from fairlead.syntax.source import read_documents

if TYPE_CHECKING:
    from fairlead.syntax.finding import Finding

HEAD = "apiVersion: fairlead.dev/v1alpha1\nkind: Workflow\nmetadata: {name: ci}\n"


def findings(text: str) -> list[Finding]:
    """Give what is found in the first document of a text; the others may be templates of it."""
    documents = read_documents(text)
    return lint(documents[0], text, dict(zip(["deploy"], documents[1:], strict=False)))


def marked(text: str, found: Finding) -> str:
    """Give what stands over the carets of a finding."""
    line, start = text.split("\n")[found.position.line - 1], found.position.column - 1
    return line[start : start + found.length]


def told(text: str) -> list[str]:
    """Give each finding in words, with what stands over its carets."""
    return [f"{each.severity} {each.rule} {{{marked(text, each)}}} {each.sentence}" for each in findings(text)]


def spec(text: str) -> str:
    """Give a Workflow with this spec."""
    return f"{HEAD}spec:\n{indent(dedent(text).strip(chr(10)), '  ')}\n"


def jobs(text: str, more: str = "") -> str:
    """Give a Workflow with these jobs, and an image."""
    body = indent(dedent(text).strip("\n"), "  ")
    return spec(f"defaults: {{image: a}}\n{more}\njobs:\n{body}\n")


def said(text: str) -> list[tuple[str, str]]:
    """Give the rule of each finding, with what stands over its carets."""
    return [(str(each.rule), marked(text, each)) for each in findings(text)]


RESOURCES: dict[str, tuple[str, list[str]]] = {
    "nothing around the spec": (
        "a: 1\n",
        [
            "error missing-field {a} apiVersion: is missing; write apiVersion: fairlead.dev/v1alpha1",
            "error missing-field {a} kind: is missing",
            "error missing-field {a} metadata: is missing; write metadata: {name: NAME}",
            "error missing-field {a} spec: is missing",
            "error unknown-field {a} a: unknown field",
        ],
    ),
    "another version": (
        HEAD.replace("v1alpha1", "v2") + "spec: {jobs: {a: {image: a, commands: [a]}}}\n",
        ['error resource {fairlead.dev/v2} apiVersion: "fairlead.dev/v2" is not served; write fairlead.dev/v1alpha1'],
    ),
    "a kind that is misspelled": (
        HEAD.replace("Workflow", "Worflow") + "spec: {}\n",
        [
            'error resource {Worflow} kind: "Worflow" is none of Workflow, WorkflowTemplate; did you mean "Workflow"?',
        ],
    ),
    "a name that is none": (
        HEAD.replace("name: ci", "name: My_CI, lables: {a: b}") + "spec: {jobs: {a: {image: a, commands: [a]}}}\n",
        [
            (
                'error resource {My_CI} metadata.name: "My_CI" is no name: a Workflow\'s name is at most '
                "63 of a-z, 0-9 and "
                "-, with no - at the ends"
            ),
            'error unknown-field {lables} metadata.lables: unknown field; did you mean "labels"?',
        ],
    ),
    "labels that aren't texts": (
        HEAD.replace("name: ci", "name: ci, labels: {a: yes, b/c/d: e, f: g h}")
        + "spec: {jobs: {a: {image: a, commands: [a]}}}\n",
        [
            "error resource {yes} metadata.labels.a: write a text; put true into quotes",
            (
                'error resource {b/c/d} metadata.labels["b/c/d"]: is no key: at most 63 letters, digits, -, _ and ., '
                "perhaps after a domain and a slash"
            ),
            (
                'error resource {g h} metadata.labels.f: "g h" is no label: at most 63 letters, digits, '
                "-, _ and ., a letter "
                "or digit at the ends"
            ),
        ],
    ),
    "a spec that is a list": (f"{HEAD}spec: []\n", ["error invalid-value {spec} spec: write a map (KEY: VALUE)"]),
    "a name that is made": (
        HEAD.replace("name: ci", "generateName: ci-") + "spec: {jobs: {a: {image: a, commands: [a]}}}\n",
        [],
    ),
    "a key that stands twice": (
        jobs("a: {commands: [a]}\na: {commands: [b]}"),
        [
            (
                'error duplicate-key {a} spec.jobs.a: "a" stands twice in this map, and only the last one would count; '
                "leave one out"
            )
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), RESOURCES.values(), ids=RESOURCES)
def test_resource(text: str, expected: list[str]) -> None:
    """What is wrong around the spec is told with its place."""
    assert told(text) == expected


PLACES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "an unknown field, its key": (jobs("a: {comands: [a], commands: [b]}"), [("unknown-field", "comands")]),
    "a wrong value, the value": (jobs("a: {commands: [b], timeout: soon}"), [("invalid-value", "soon")]),
    "a quoted value": (jobs("a: {commands: [b], timeout: 'soon'}"), [("invalid-value", "'soon'")]),
    "an item of a list": (jobs("a: {needs: [b], commands: [a]}"), [("unknown-job", "b")]),
    "a short list": (jobs("a: {needs: b, commands: [a]}"), [("unknown-job", "b")]),
    "a job as a whole": (jobs("a: {}"), [("missing-field", "a")]),
    "a variable's name": (jobs("a: {commands: [a], env: {1A: b}}"), [("invalid-value", "1A")]),
    "what is missing in a step": (jobs("a:\n  steps:\n  - id: b"), [("missing-field", "id")]),
    "a cycle": (
        jobs("a: {needs: [b], commands: [a]}\nb:\n  needs: [a]\n  commands: [a]\nc: {needs: a, commands: [a]}"),
        [("cycle", "needs"), ("unreachable-job", "c")],
    ),
    "a name in an expression": (
        jobs("a:\n  commands:\n  - |\n    one\n    two ${{ needs.b }} ${{ inputs.c }}"),
        [("unknown-reference", "needs.b")],
    ),
    "a mistake in an expression": (
        jobs("a:\n  steps:\n  - run: 'it''s ${{ 1 + }}'"),
        [("bad-expression", "+")],
    ),
    "a mistake in a condition": (jobs("a: {if: 1 + 1, commands: [a]}"), [("bad-expression", "+")]),
    "a name in a folded text": (
        jobs("a:\n  commands:\n  - >-\n    one\n    two ${{ inputs.c }}\n    three"),
        [("unknown-reference", "inputs.c")],
    ),
    "a name after an escape": (
        jobs('a:\n  commands: ["one\\n\\ttwo ${{ inputs.c }}"]'),
        [("unknown-reference", "inputs.c")],
    ),
    "a whole number for a text": (jobs("a: {image: 5, commands: [a]}"), [("invalid-value", "5")]),
    "characters of two columns": (
        jobs("a: {name: 名前, commands: ['echo 名前 ${{ inputs.c }}']}"),
        [("unknown-reference", "inputs.c")],
    ),
}


@pytest.mark.parametrize(("text", "expected"), PLACES.values(), ids=PLACES)
def test_places(text: str, expected: list[tuple[str, str]]) -> None:
    """The carets stand under what is wrong: the key, the value, or a part of a text."""
    assert said(text) == expected


OUTPUT = "outputs: {v: '${{ steps.s.outputs.version }}'}"


def sets(script: str) -> str:
    """Give a job whose output is taken from a step with this script."""
    return jobs(f"a:\n  steps:\n  - id: s\n    run: |\n{indent(dedent(script).strip(chr(10)), '      ')}\n  {OUTPUT}")


TOKEN = "ghp_" + "a1B2" * 9
WARNINGS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    # never-runs
    "a condition that is false": (jobs("a: {if: false, commands: [a]}"), [("never-runs", "if")]),
    "failure() without needs": (jobs("a: {if: failure(), commands: [a]}"), [("never-runs", "if")]),
    "onComplete: failure without needs": (
        jobs("a: {onComplete: failure, commands: [a]}"),
        [("never-runs", "onComplete")],
    ),
    "another result than success, without a status function": (
        jobs("a: {commands: [a]}\nb: {needs: a, if: needs.a.result == 'failure', commands: [a]}"),
        [("never-runs", "if")],
    ),
    "after what never runs": (
        jobs("a: {if: false, commands: [a]}\nb: {needs: a, commands: [a]}"),
        [("never-runs", "if"), ("never-runs", "b")],
    ),
    "always() after what never runs": (
        jobs("a: {if: false, commands: [a]}\nb: {needs: a, if: always(), commands: [a]}"),
        [("never-runs", "if")],
    ),
    "after what isn't enabled": (jobs("a: {enabled: false, commands: [a]}\nb: {needs: a, commands: [a]}"), []),
    "a result of what may not be enabled": (
        jobs(
            """
            a: {enabled: '${{ inputs.x }}', commands: [a]}
            b: {needs: a, if: needs.a.result == 'skipped', commands: [a]}
            """,
            "inputs: {x: true}",
        ),
        [],
    ),
    "a condition of an input": (jobs("a: {if: inputs.x, commands: [a]}", "inputs: {x: false}"), []),
    "a step that never runs": (
        jobs("a:\n  steps:\n  - {if: failure(), run: a}\n  - {if: failure(), run: a}\n  - {if: 1 == 2, run: a}"),
        [("never-runs", "if"), ("never-runs", "if")],
    ),
    # text-as-condition
    "an input that is the text false": (
        jobs("a: {if: '!inputs.x', commands: [a]}", "inputs: {x: 'false'}"),
        [("text-as-condition", "inputs.x")],
    ),
    "an input that is compared": (
        jobs("a: {if: inputs.x == 'true', commands: [a]}", "inputs: {x: 'false'}"),
        [],
    ),
    "an input that is another text": (jobs("a: {if: inputs.x, commands: [a]}", "inputs: {x: v1}"), []),
    "an output of true and false": (
        jobs(
            """
            a:
              steps: [{id: s, run: 'echo "changed=false" >> "$FAIRLEAD_OUTPUT"'}]
              outputs: {changed: "${{ steps.s.outputs.changed }}", other: "${{ 1 == 1 }}"}
            b: {needs: a, if: needs.a.outputs.changed && needs.a.outputs.other, commands: [a]}
            """
        ),
        [("text-as-condition", "needs.a.outputs.changed"), ("text-as-condition", "needs.a.outputs.other")],
    ),
    # unset-output
    "another name": (
        sets('make\necho "verison=1" >> "$FAIRLEAD_OUTPUT"'),
        [("unset-output", "steps.s.outputs.version")],
    ),
    "no output at all": (sets("echo version=1"), [("unset-output", "steps.s.outputs.version")]),
    "the very name": (sets("echo version=1 >> $GITHUB_OUTPUT"), []),
    "the name with lines": (sets('{\n  echo "version<<END"\n  cat x\n  echo END\n} >> "$FAIRLEAD_OUTPUT"'), []),
    "a script that may set it": (sets("./release.sh"), []),
    "a program that may set it": (sets("python3 -c 'print(1)'"), []),
    "names that are computed": (sets('for k in a b; do echo "$k=1" >> "$FAIRLEAD_OUTPUT"; done'), []),
    "a file that is handed on": (sets('echo a=1 > x\ncat x >> "$FAIRLEAD_OUTPUT"'), []),
    "another name, beside a program": (sets('make\necho "url=1" >> "$FAIRLEAD_OUTPUT"'), []),
    # script-injection
    "an input in a script": (
        jobs("a: {commands: ['echo ${{ inputs.x }} ${{ inputs.count }} ${{ inputs.x }}']}", "inputs: {x: a, count: 5}"),
        [("script-injection", "${{ inputs.x }}")],
    ),
    "what is harmless": (
        jobs(
            """
            a: {commands: [a]}
            b:
              needs: a
              strategy: {matrix: {x: [a]}}
              commands: ["echo ${{ needs.a.result }} ${{ workflow.run }} ${{ matrix.x }} ${{ inputs.x == 'a' }}"]
            """,
            "inputs: {x: a}",
        ),
        [],
    ),
    "outputs and labels in a script": (
        jobs(
            """
            a: {steps: [{id: s, run: ./x}, {run: "echo ${{ steps.s.outputs.v }}"}], outputs: {v: a}}
            b: {needs: a, commands: ["echo ${{ format('{0}', needs.a.outputs.v) }} ${{ workflow.labels.x }}"]}
            """
        ),
        [
            ("script-injection", "${{ steps.s.outputs.v }}"),
            ("script-injection", "${{ format('{0}', needs.a.outputs.v) }}"),
            ("script-injection", "${{ workflow.labels.x }}"),
        ],
    ),
    "a variable that has it": (
        jobs("a: {env: {X: '${{ inputs.x }}', Z: a}, commands: ['echo ${{ env.X }} ${{ env.Z }}']}", "inputs: {x: a}"),
        [("script-injection", "${{ env.X }}")],
    ),
    "a choice": (
        jobs("a: {commands: ['${{ inputs.x && ''yes'' || ''no'' }}']}", "inputs: {x: a}"),
        [],
    ),
    # literal-secret
    "a token": (jobs(f"a: {{env: {{T: {TOKEN}}}, commands: [a]}}"), [("literal-secret", TOKEN)]),
    "a password in an address": (
        jobs("a: {commands: ['git clone https://ci:hunter2222@example.com/x']}"),
        [("literal-secret", "ci:hunter2222")],
    ),
    "a password that is a variable": (jobs("a: {commands: ['git clone https://ci:$TOKEN@example.com/x']}"), []),
    "a database beside the job": (jobs("a: {env: {DB: 'postgres://app:password@db/x'}, commands: [a]}"), []),
    # unknown-property
    "an event": (jobs("a: {if: github.event.action, commands: [a]}"), [("unknown-property", "github.event.action")]),
    "a property of github": (
        jobs("a: {name: '${{ github.rfe }}', commands: [a]}"),
        [("unknown-property", "github.rfe")],
    ),
    "a service that there isn't": (
        jobs("a: {services: [redis], commands: ['${{ job.services.reds.host }} ${{ job.services.redis.host }}']}"),
        [("unknown-property", "job.services.reds.host")],
    ),
    # unset-variable, workflow-command
    "a variable of GitHub's": (
        jobs("a: {commands: ['echo $GITHUB_SHA $GITHUB_WORKSPACE ${GITHUB_REF:-main}']}"),
        [("unset-variable", "$GITHUB_SHA")],
    ),
    "a variable that is given": (jobs("a: {env: {GITHUB_SHA: a}, commands: ['echo $GITHUB_SHA']}"), []),
    "a command of GitHub's": (
        jobs("a: {commands: ['echo ::set-output name=a::b']}"),
        [("workflow-command", "::set-output")],
    ),
    # yaml-word
    "words": (
        jobs("a: {env: {A: no, B: true, C: 'no'}, strategy: {matrix: {on: [y, 3.10, 3.5, 010]}}, commands: [a]}"),
        [("yaml-word", "no"), ("yaml-word", "on"), ("yaml-word", "y"), ("yaml-word", "3.10"), ("yaml-word", "010")],
    ),
    "words where they are meant": (
        jobs("a: {continueOnError: yes, retry: {limit: 1, on: [failure]}, commands: [a]}", "suspend: off"),
        [],
    ),
    # no-health-check
    "an image that nobody knows": (
        jobs("a: {services: {x: our/thing, w: {image: our/thing, ports: [80]}, z: redis}, commands: [a]}"),
        [("no-health-check", "our/thing")],
    ),
    # useless-timeout
    "timeouts in timeouts": (
        jobs("a: {timeout: 10m, steps: [{run: a, timeout: 20m}, {run: a, timeout: 5m}]}", "timeout: 5m"),
        [("useless-timeout", "10m"), ("useless-timeout", "20m")],
    ),
    # unknown-template
    "a template that isn't there": (jobs("a: {uses: deploy}"), [("unknown-template", "deploy")]),
}


@pytest.mark.parametrize(("text", "expected"), WARNINGS.values(), ids=WARNINGS)
def test_warnings(text: str, expected: list[tuple[str, str]]) -> None:
    """What will surprise is told where it stands, and nothing else is."""
    assert said(text) == expected


TEMPLATE = """---
apiVersion: fairlead.dev/v1alpha1
kind: WorkflowTemplate
metadata: {name: deploy}
spec:
  inputs:
    target: {type: choice, options: [staging, production]}
    version: {required: true}
    replicas: {type: number, required: no}
  outputs: {url: "${{ jobs.a.outputs.url }}"}
  jobs: {a: {image: a, commands: [a], outputs: {url: x}}}
"""


def test_calls() -> None:
    """A call is checked against its template, as far as its values are known."""
    text = jobs(
        """
        a: {uses: deploy, with: {target: stagin, verison: 1, replicas: "${{ inputs.x }}"}}
        b: {uses: deploy, with: {version: "${{ inputs.x }}"}}
        c: {uses: deplyo}
        d: {needs: b, check: needs.b.outputs.ulr == needs.b.outputs.url}
        """,
        "inputs: {x: a}",
    )
    assert told(f"{text}{TEMPLATE}") == [
        'error template-input {deploy} spec.jobs.a.uses: the input "version" is missing: the template needs a text',
        (
            'error template-input {stagin} spec.jobs.a.with.target: "stagin" is none of "staging", "production"; '
            'did you mean "staging"?'
        ),
        (
            "error template-input {verison} spec.jobs.a.with.verison: the template has no such input; did "
            'you mean "version"?'
        ),
        (
            'warning unknown-template {deplyo} spec.jobs.c.uses: the template "deplyo" is not among the '
            "files; it has to be "
            'in the workflow\'s namespace; did you mean "deploy"?'
        ),
        (
            'warning unknown-property {needs.b.outputs.ulr} spec.jobs.d.check: "needs.b.outputs.ulr" is always empty: '
            'the template "deploy" has no output "ulr"; did you mean "url"?'
        ),
    ]


def test_template() -> None:
    """A template is checked as a workflow is; what says yes and no to a question of its own is fine."""
    text = TEMPLATE.removeprefix("---\n")
    wrong = text.replace("commands: [a]", "commands: ['${{ inputs.version }}']").replace(
        "[staging,", "[staging, staging,"
    )
    assert (told(text), said(wrong)) == (
        [],
        [("invalid-value", "staging"), ("script-injection", "${{ inputs.version }}")],
    )


def test_ignored() -> None:
    """A comment at the end of the line, or of the key's line, answers a warning; no comment answers an error."""
    text = jobs(
        """
        a:
          env:
            A: no  # fairlead: ignore=yaml-word
            B: no  # fairlead: ignore=script-injection
            C: no  # fairlead: ignore=script-injection,yaml-word
          steps:
          - run: |  # fairlead: ignore=script-injection
              one
              echo ${{ inputs.x }}
          - run: |
              echo ${{ inputs.x }}  # fairlead: ignore=script-injection
          timeout: soon  # fairlead: ignore=invalid-value
        """,
        "inputs: {x: a}",
    )
    assert said(text) == [("yaml-word", "no"), ("invalid-value", "soon")]


def test_secret_is_marked() -> None:
    """A finding about a secret says so, and doesn't repeat it."""
    (found,) = findings(jobs(f"a: {{env: {{T: {TOKEN}}}, commands: [a]}}"))
    assert (found.secret, TOKEN in found.sentence, found.severity) == (True, False, Severity.WARNING)


def test_all_rules_are_described() -> None:
    """Each rule has a sentence."""
    assert set(DESCRIPTIONS) == set(Rule)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}spec: {{jobs: {{a: [], b: x, c: {{steps: [x, {{run: [], id: 5, env: []}}], env: x, services: 5}}}}}}\n",
        f"{HEAD}spec: {{jobs: [], inputs: [], env: 5, defaults: x, outputs: 5}}\n",
        (
            f"{HEAD}spec: {{jobs: {{a: {{strategy: x, needs: {{}}, with: [], uses: [], outputs: [x], "
            f"if: [], commands: x}}}}}}\n"
        ),
        f"{HEAD}spec: {{jobs: {{a: {{uses: x, with: {{a: [], b: null}}}}, '': {{}}}}}}\n",
        "apiVersion: []\nkind: {}\nmetadata: []\nspec: null\n",
        "apiVersion: 5\nkind: 5\nmetadata: {name: [], labels: [], annotations: 5, namespace: {}}\nspec: 5\n",
    ],
)
def test_any_shape(text: str) -> None:
    """Whatever shape a part has, it is told, and each finding has a place in the text."""
    found = lint(read_documents(text)[0], text, {})
    lines = text.split("\n")
    outside = [each for each in found if not 1 <= each.position.column <= len(lines[each.position.line - 1]) + 1]
    assert (bool(found), outside) == (True, [])


DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "lint.md").read_text()
SECTIONS = re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", DOCUMENTATION, re.MULTILINE | re.DOTALL)


def examples(section: str, kind: str) -> list[str]:
    """Give the examples of a section: those that show the rule, or the way out."""
    return [spec(each) for each in re.findall(rf"^```yaml{kind}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize(("rule", "section"), SECTIONS, ids=[rule for rule, _ in SECTIONS])
def test_documentation(rule: str, section: str) -> None:
    """Each example of the documentation shows its rule, and the way out shows nothing at all."""
    shown = [[each for each, _ in said(text)] for text in examples(section, "")]
    assert ([each for each in shown if rule not in each], [said(text) for text in examples(section, " instead")]) == (
        [],
        [[]] * len(examples(section, " instead")),
    )


def test_all_rules_are_documented() -> None:
    """Each rule is in the documentation: errors in the table, the others with a section."""
    sections = {rule for rule, _ in SECTIONS}
    assert ([rule for rule in Rule if f"`{rule}`" not in DOCUMENTATION and rule not in sections], len(sections)) == (
        [],
        13,
    )
