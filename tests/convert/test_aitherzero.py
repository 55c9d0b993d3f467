"""AitherZero's playbooks, of all generations: what they become, and what is said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.convert import aitherzero
from fairlead.convert.conversion import Options, Outcome
from fairlead.convert.formats import FormatName, guess, load, read
from fairlead.syntax import parse_spec
from tests.convert.trial import Trial
from tests.plan.drill import Drill

SCRIPTS = {
    "0400_Install-Tools.ps1": "# Stage: Prepare\nparam([switch]$Force)",
    "0402_Run-Tests.ps1": "# Stage: Testing\n# Dependencies: 0400\nparam([switch]$CI, [int]$Threshold, $OutputPath)",
    "0404_Analyze.ps1": "# Stage: Testing\n# Tags: quality\nparam([string[]]$Severity)",
    "0450_Publish.ps1": "# Dependencies: 0402\nparam()",
}


def converted(text: str, **options: Any) -> Trial:  # noqa: ANN401  those of Options
    """Convert a playbook that is written as YAML."""
    return Trial(FormatName.AITHERZERO, text, **{"scripts": SCRIPTS, **options})


def in_a_data_file(text: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401  those of Options
    """Convert a data file of PowerShell; give the jobs."""
    (document,) = read("playbook.psd1", text)
    (resource,) = load(FormatName.AITHERZERO).convert(document, Options(scripts=SCRIPTS, **options)).resources
    parse_spec(resource["spec"])
    jobs: dict[str, Any] = resource["spec"]["jobs"]
    return jobs


# The third generation

QUICK = """
metadata: {name: quick, description: Fast checks, version: 3.0.0}
orchestration:
  env: {LEVEL: info}
  concurrency: {group: quick, cancelInProgress: true, maxConcurrency: 4}
  defaults: {timeout: 600, retries: 1, continueOnError: false, shell: pwsh}
  jobs:
    setup:
      name: Set up
      permissions: {network: [example.org]}
      steps:
      - {id: tools, name: Tools, run: "0400", with: {Force: true}}
    test:
      name: Test
      needs: [setup]
      env: {LEVEL: debug}
      outputs: {count: "${{ steps.run.outputs.total }}"}
      steps:
      - id: run
        name: Run
        run: "0402"
        with: {OutputPath: "it's \u2018here\u2019", CI: false}
        timeout: 300
        outputs: [{name: total, value: $result.TotalCount}]
      - {name: Say so, if: always(), script: "Write-Host 'done'"}
    deploy:
      needs: test
      if: $env:BRANCH -eq 'main' -and $env:LEVEL -ne 'trace'
      steps:
      - {name: Publish, run: "0450", with: {Count: "${{ needs.test.outputs.count }}"}, if: $env:LEVEL -eq 'info'}
"""


def test_jobs() -> None:
    """Jobs, steps, variables, limits and conditions are kept; what comes from outside is an input."""
    spec = converted(QUICK).spec
    steps = {name: [{**step, "run": "…"} for step in job.pop("steps")] for name, job in spec["jobs"].items()}

    assert (spec, steps) == (
        {
            "inputs": {"BRANCH": "", "LEVEL": "info", "scripts": "automation-scripts"},
            "env": {
                "LEVEL": "${{ inputs.LEVEL }}",
                "BRANCH": "${{ inputs.BRANCH }}",
                "AITHERZERO_NONINTERACTIVE": "true",
                "AITHERZERO_SCRIPTS": "${{ inputs.scripts }}",
            },
            "defaults": {
                "image": "mcr.microsoft.com/dotnet/sdk:10.0",
                "shell": "pwsh -NoProfile -NonInteractive -File {0}",
                "continueOnError": False,
                "timeout": 600,
                "retry": {"limit": 1},
            },
            "concurrency": {"group": "quick", "cancelInProgress": True},
            "maxParallel": 4,
            "jobs": {
                "setup": {"name": "Set up"},
                "test": {
                    "name": "Test",
                    "needs": ["setup"],
                    "env": {"LEVEL": "debug"},
                    "outputs": {"count": "${{ steps.run.outputs.total }}"},
                },
                "deploy": {"needs": "test", "if": "inputs.BRANCH == 'main' && inputs.LEVEL != 'trace'"},
            },
        },
        {
            "setup": [{"id": "tools", "name": "Tools", "run": "…"}],
            "test": [
                {"id": "run", "name": "Run", "timeout": 300, "run": "…"},
                {"name": "Say so", "if": "always()", "run": "…"},
            ],
            "deploy": [
                {
                    "name": "Publish",
                    "if": "env.LEVEL == 'info'",
                    "env": {"WITH_Count": "${{ needs.test.outputs.count }}"},
                    "run": "…",
                }
            ],
        },
    )


def test_it_runs() -> None:
    """The converted playbook can be planned, and its condition decides."""
    drill = Drill(converted(QUICK).spec).look().end("setup").end("test", outputs={"run": {"total": "3"}})

    assert drill.phases == {
        "setup": "Succeeded",
        "test": "Succeeded",
        "deploy": "Skipped ConditionNotMet",
    }


def test_a_script_and_its_arguments() -> None:
    """Arguments are literals that nothing is read into; what a script puts out is at hand for its outputs."""
    run = converted(QUICK).steps()[0]["run"]

    assert run.splitlines() == [
        "$script = Join-Path $env:AITHERZERO_SCRIPTS '0402_Run-Tests.ps1'",
        "$given = @{",
        "  'OutputPath' = 'it''s \u2018\u2018here\u2019\u2019'",
        "  'CI' = $false",
        "}",
        "& $script @given | Tee-Object -Variable result",
        "$code = $LASTEXITCODE",
        "$outputs = @{",
        "  'total' = '$result.TotalCount'",
        "}",
        "foreach ($name in $outputs.Keys) {",
        '  $value = @(& ([scriptblock]::Create($outputs[$name]))) -join "`n"',
        "  $end = [guid]::NewGuid()",
        '  "$name<<$end`n$value`n$end" | Add-Content -LiteralPath $env:FAIRLEAD_OUTPUT',
        "}",
        "exit $code",
    ]


def test_an_expression_as_an_argument_comes_in_a_variable() -> None:
    """It is never put into the script, where it could be read as code."""
    assert converted(QUICK).steps("deploy")[0]["run"] == (
        "$script = Join-Path $env:AITHERZERO_SCRIPTS '0450_Publish.ps1'\n"
        "$given = @{\n  'Count' = $env:WITH_Count\n}\n"
        "& $script @given\nexit $LASTEXITCODE\n"
    )


def test_the_report_of_jobs() -> None:
    """What is left out or differs is told with its line."""
    assert converted(QUICK).told(Outcome.APPROXIMATED, Outcome.LEFT_OUT) == [
        "2 $env:BRANCH is set nowhere in the playbook; it is an input here, empty where nothing is given",
        (
            "2 scripts are run from the folder automation-scripts of the workspace (the input scripts), which is empty "
            "at a job's start in a cluster: give the jobs an image or a volume that has the project"
        ),
        "2 version: it says what the playbook is; nothing runs by it",
        ("7 jobs: each has a container and files of its own: what one installs or writes, the next one doesn't have"),
        "10 permissions: a Pod has files and a network of its own; a NetworkPolicy says what it may reach",
        "24 outputs: computed in PowerShell after the script; $result is what that put out",
    ]


def jobs_of(step: str, **options: Any) -> Trial:  # noqa: ANN401  those of Options
    """Convert one job with one step."""
    return converted(f"orchestration: {{jobs: {{test: {{name: T, steps: [{{name: S, {step}}}]}}}}}}", **options)


def test_several_scripts_in_one_step() -> None:
    """Each is a step; the last one has the id."""
    steps = jobs_of("id: all, run: '0400-0410,!0404', continueOnError: true").steps()

    assert [{key: value for key, value in step.items() if key != "run"} for step in steps] == [
        {"name": "S: 0400_Install-Tools", "continueOnError": True},
        {"id": "all", "name": "S: 0402_Run-Tests", "continueOnError": True},
    ]


def test_retries() -> None:
    """A numbered script is tried again by itself, a script in the playbook with its job."""
    text = jobs_of("run: '0450', retries: 2").steps()[0]["run"]

    assert (text.splitlines()[1:], jobs_of("script: exit 1, retries: 2").job()["retry"]) == (
        [
            "foreach ($attempt in 0..2) {",
            "  $global:LASTEXITCODE = 0",
            "  try { & $script; $code = $LASTEXITCODE } catch { Write-Host $_; $code = 1 }",
            "  if ($code -eq 0) { break }",
            "}",
            "exit $code",
        ],
        {"limit": 2},
    )


def test_a_condition_that_has_to_run() -> None:
    """A step asks it itself; it succeeds without doing anything where it doesn't hold."""
    trial = jobs_of("run: '0450', if: Test-Path './x'")

    assert (trial.steps()[0]["run"].splitlines()[:2], trial.told(Outcome.APPROXIMATED)[1:]) == (
        [
            "$holds = [bool](& ([scriptblock]::Create('Test-Path ''./x''')))",
            "if (-not $holds) { Write-Host 'nothing to do: Test-Path ''./x'''; exit 0 }",
        ],
        [
            (
                '1 no expression can say this condition ("Test-Path" would have to be run); it is asked in the '
                "container, as PowerShell, and where it doesn't hold the job or step succeeds without doing anything"
            )
        ],
    )


def test_another_shell() -> None:
    """A default shell is that of scripts that stand in the playbook; numbered ones are PowerShell."""
    trial = converted("""
        orchestration:
          defaults: {shell: bash}
          jobs: {test: {steps: [{name: A, script: make}, {name: B, run: "0450"}]}}
    """)

    assert [step.get("shell") for step in trial.steps()] == ["bash", None]


def test_preconditions() -> None:
    """A job before all others asks them."""
    trial = converted("""
        orchestration: {jobs: {test: {steps: [{name: A, run: "0450"}]}}}
        validation:
          preConditions: [{name: Git, condition: "Test-Path '.git'", message: no repository}]
          postConditions: [{name: All well, condition: $true}]
    """)

    assert (trial.job("preconditions")["steps"], trial.job()["needs"]) == (
        [
            {
                "name": "Git",
                "run": "$holds = [bool](& ([scriptblock]::Create('Test-Path ''.git''')))\n"
                "if (-not $holds) { Write-Host 'no repository'; exit 1 }\n",
            }
        ],
        ["preconditions"],
    )


# The second generation, and the stages of the first

PIPELINE = """
metadata: {name: pipeline}
orchestration:
  defaultVariables: {scope: full, threshold: 80, features: [Git, Docker]}
  profiles:
    release: {variables: {tag: true, scope: full}}
  stages:
  - {name: Set up, description: Install, sequences: ["0400"], timeout: 300}
  - name: Tests
    sequences: ["stage:Testing"]
    parallel: true
    condition: $scope -in @('full', 'quick')
    variables: {CI: "true", Threshold: "{{threshold}}", Severity: "{features}", Unknown: 1}
    retries: 2
  - {name: Tag, sequences: ["0450"], condition: $tag, continueOnError: true}
  - {name: Report, command: "Write-Host '${{ all done }}'"}
"""


def test_stages() -> None:
    """Each is a job that needs the one before; one that may be skipped doesn't keep the next one from running."""
    spec = converted(PIPELINE).spec
    names = {name: [step["name"] for step in job.pop("steps")] for name, job in spec["jobs"].items()}

    assert (spec["inputs"], spec["jobs"], names) == (
        {"scope": "full", "threshold": 80, "tag": False, "scripts": "automation-scripts"},
        {
            "set-up": {"name": "Set up", "timeout": 300},
            "tests-0402-run-tests": {
                "name": "Tests: 0402_Run-Tests",
                "needs": ["set-up"],
                "if": 'contains(fromJSON(\'["full", "quick"]\'), inputs.scope)',
                "retry": {"limit": 2},
            },
            "tests-0404-analyze": {
                "name": "Tests: 0404_Analyze",
                "needs": ["set-up"],
                "if": 'contains(fromJSON(\'["full", "quick"]\'), inputs.scope)',
                "retry": {"limit": 2},
            },
            "tag": {
                "name": "Tag",
                "needs": ["tests-0402-run-tests", "tests-0404-analyze"],
                "if": "!failure() && !cancelled() && (inputs.tag)",
                "continueOnError": True,
            },
            "report": {"name": "Report", "needs": ["tag"], "if": "!failure() && !cancelled()"},
        },
        {
            "set-up": ["0400_Install-Tools"],
            "tests-0402-run-tests": ["0402_Run-Tests"],
            "tests-0404-analyze": ["0404_Analyze"],
            "tag": ["0450_Publish"],
            "report": ["Command"],
        },
    )


def test_stages_run() -> None:
    """A skipped stage lets the next one run."""
    drill = Drill(converted(PIPELINE).spec).look().end("set-up").end("tests-0402-run-tests", "tests-0404-analyze")

    assert (drill.end("report").phases["tag"], drill.phases["report"]) == ("Skipped ConditionNotMet", "Succeeded")


def test_a_failed_stage_stops_the_rest() -> None:
    """Nothing after it runs, conditions or not."""
    drill = Drill(converted(PIPELINE).spec).look().end("set-up", code=1)

    assert set(drill.phases.values()) == {"Failed StepFailed", "Skipped NeedNotMet"}


def test_variables_are_offered_to_scripts() -> None:
    """A script is given those that its text names as parameters; it decides about the rest when it runs."""
    steps = converted(PIPELINE).steps("tests-0402-run-tests")

    assert (steps[0]["env"], steps[0]["run"].partition("$known")[0].splitlines()) == (
        {"PLAYBOOK_threshold": "${{ inputs.threshold }}"},
        [
            "$script = Join-Path $env:AITHERZERO_SCRIPTS '0402_Run-Tests.ps1'",
            "$given = @{",
            "  'CI' = 'true'",
            "  'Threshold' = [int]$env:PLAYBOOK_threshold",
            "}",
        ],
    )


def test_a_list_is_written_out() -> None:
    """What is no plain value is no input; it stands where it is used."""
    assert "'Severity' = @('Git', 'Docker')\n" in converted(PIPELINE).steps("tests-0404-analyze")[0]["run"]


def test_text_that_looks_like_an_expression() -> None:
    """Such playbooks have no expressions: nothing is filled in."""
    assert converted(PIPELINE).steps("report")[0]["run"] == "Write-Host '${{ '${{' }} all done }}'"


def test_a_stage_whose_condition_has_to_run() -> None:
    """The job's first step asks it, and the others follow what it says."""
    steps = converted("""
        stages:
        - {name: A, sequence: ["0450"], conditional: {when: "Test-Path $Folder"}}
        variables: {Folder: ./x}
    """).steps("a")

    assert (steps[0]["id"], steps[0]["env"], steps[0]["run"].splitlines()[:2], steps[1]["if"]) == (
        "condition",
        {"PLAYBOOK_Folder": "${{ inputs.Folder }}"},
        ["${Folder} = $env:PLAYBOOK_Folder", "$holds = [bool](& ([scriptblock]::Create('Test-Path $Folder')))"],
        "steps.condition.outputs.holds == 'true'",
    )


# The first generation


def test_a_data_file() -> None:
    """Scripts with settings are the steps of one job, in their order; what may fail may fail."""
    jobs = in_a_data_file("""
    @{
        Name = 'nightly'
        Sequence = @(
            @{ Script = '0402_Run-Tests.ps1'; Description = 'Unit tests'; Parameters = @{ CI = $true; Nope = 1 }
               Timeout = 60; RetryCount = 1 },
            @{ Script = '0404'; ContinueOnError = $true },
            '0450'
        )
        Options = @{ Parallel = $false; MaxConcurrency = 2; StopOnError = $false }
    }
    """)

    assert {name: [{**step, "run": "…"} for step in job["steps"]] for name, job in jobs.items()} == {
        "nightly": [
            {"name": "Unit tests", "timeout": 120, "run": "…"},
            {"name": "0404_Analyze", "if": "!cancelled()", "continueOnError": True, "run": "…"},
            {"name": "0450_Publish", "if": "!cancelled()", "run": "…"},
        ]
    }


def test_side_by_side() -> None:
    """Each script is a job, which needs those that its header names; the first failure stops the rest, if so said."""
    spec = converted("""
        Name: all
        Sequence: ["0400-0499"]
        Options: {Parallel: true, MaxConcurrency: 3, StopOnError: true}
    """).spec

    assert (spec["maxParallel"], spec["failFast"], {name: job.get("needs") for name, job in spec["jobs"].items()}) == (
        3,
        True,
        {
            "job-0400-install-tools": None,
            "job-0402-run-tests": ["job-0400-install-tools"],
            "job-0404-analyze": None,
            "job-0450-publish": ["job-0402-run-tests"],
        },
    )


@pytest.mark.parametrize("sequence", ['["0400", "0402-0404", "!0402"]', '"0400,0404"', "[400, 404]", '"040*,!0402"'])
def test_sequences(sequence: str) -> None:
    """A sequence is a list of expressions or one; a number has lost its zeros."""
    names = [step["name"] for step in converted(f"Name: s\nSequence: {sequence}").steps("s")]

    assert names == ["0400_Install-Tools", "0404_Analyze"]


def test_without_a_folder() -> None:
    """A number's script is looked for when the step runs."""
    run = converted("Name: s\nSequence: ['0407']", scripts=None).steps("s")[0]["run"]

    assert run.splitlines() == [
        "$script = Get-ChildItem -Path (Join-Path $env:AITHERZERO_SCRIPTS '0407_*.ps1') | Select-Object -First 1",
        "if (-not $script) { throw 'there is no 0407_*.ps1 in the folder of the scripts' }",
        "$script = $script.FullName",
        "& $script",
        "exit $LASTEXITCODE",
    ]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "Name: s\nSequence: ['0400', '0999']",
            [
                (
                    "2 no script in the folder begins with 0999_; take the number out, or give --skip-unsupported to "
                    "pass over it as AitherZero does"
                )
            ],
        ),
        (
            "Name: s\nSequence:\n- 0400\n- nope",
            ['4 "nope" is no script; write 0407, 0400-0499, 04*, stage:NAME or tag:NAME'],
        ),
        (
            "stages: [{name: A, sequence: ['stage:Nowhere']}]",
            [
                "1 there are no jobs; a workflow has at least one, or uses a template",
                "1 no script is left in this stage",
                '1 no script has the stage "Nowhere" in its header; they have prepare, testing',
            ],
        ),
        (
            "orchestration: {jobs: {a: {steps: [{name: A}]}}}",
            ["1 nothing to run; give it steps, commands, a check or uses", "1 a step has run, script or uses"],
        ),
        (
            "orchestration: {jobs: {a: {need: [b], steps: [{name: A, run: '0400'}]}}}",
            ['1 a job has no "need"; did you mean "needs"?'],
        ),
        (
            "orchestration:\n jobs:\n  a:\n   needs: [b]\n   steps: [{name: A, run: '0400'}]",
            ['4 no job "b"'],
        ),
        (
            "orchestration: {jobs: {a_: {steps: [{name: A, run: '0400'}]}}}",
            [
                (
                    "1 a job's id has letters, digits, - and _, starts with a letter, ends with a letter or digit, "
                    "and has at most 63 of them"
                )
            ],
        ),
        (
            "orchestration: {jobs: {a: {outputs: {x: '${{ steps.no.outputs.y }}'}, steps: [{name: A, run: '0400'}]}}}",
            ['1 "steps.no.outputs.y": no step with the id "no"'],
        ),
    ],
)
def test_mistakes(text: str, messages: list[str]) -> None:
    """What AitherZero or Fairlead would refuse is refused at its place in the source."""
    assert converted(text).refused == messages


def test_a_playbook_that_a_job_uses() -> None:
    """It becomes a WorkflowTemplate, made once; its variables are what it takes."""
    trial = converted(
        """
        orchestration:
          jobs:
            first:
              steps: [{name: A, uses: "playbook:inner", with: {prnumber: 12, other: 1}, continueOnError: true}]
            second: {needs: [first], steps: [{name: B, uses: "playbook:inner"}]}
        """,
        files={"playbooks/inner.psd1": "@{ Sequence = '0450'; Variables = @{ PRNumber = 0 } }"},
    )
    template, workflow = trial.conversion.resources

    assert (template["kind"], template["metadata"]["name"], template["spec"]["inputs"], workflow["spec"]["jobs"]) == (
        "WorkflowTemplate",
        "inner",
        {
            "PRNumber": {"type": "number", "default": 0},
            "scripts": {"type": "string", "default": "automation-scripts"},
        },
        {
            "first": {"continueOnError": True, "uses": "inner", "with": {"PRNumber": 12}},
            "second": {"needs": ["first"], "uses": "inner"},
        },
    )


def test_playbooks_that_use_each_other() -> None:
    """A circle is refused, in the file where it closes."""
    text = "orchestration: {jobs: {a: {steps: [{name: A, uses: 'playbook:other'}]}}}"
    trial = converted(text, files={"other.json": text})

    assert [(note.file, note.message) for note in trial.conversion.notes if note.outcome is Outcome.REFUSED] == [
        (None, "other.json can't be converted, for the reasons that are told of it"),
        ("other.json", "nothing to run; give it steps, commands, a check or uses"),
        ("other.json", "playbooks may use others up to 4 in a row, and none itself: other → other"),
    ]


@pytest.mark.parametrize("uses", ["actions/checkout@v4", "playbook:../secret"])
def test_other_uses(uses: str) -> None:
    """Nothing else can be used; where the user wants to do without, a step says so."""
    refused = jobs_of(f"uses: '{uses}'").refused
    steps = jobs_of(f"uses: '{uses}'", skip_unsupported=True).steps()

    assert (refused, steps) == (
        [
            (
                f'1 a step can\'t use "{uses}"; a playbook, as playbook:NAME, can be all that a job does. Give it '
                "a job of its own, or --skip-unsupported for a step that says so"
            )
        ],
        [{"name": "S", "run": f"Write-Host 'a step can''t use \"{uses}\", so nothing is run here'\n"}],
    )


def test_another_image() -> None:
    """The image with PowerShell is the user's, if there is one."""
    spec = converted("Name: s\nSequence: ['0400']", images={"pwsh": "example.org/pwsh:7"}).spec

    assert spec["defaults"]["image"] == "example.org/pwsh:7"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("orchestration: {jobs: {a: {}}}", True),
        ("orchestration: {stages: []}", True),
        ("Stages: [{Name: a, Sequence: ['0400']}]", True),
        ("sequence: ['0400']", True),
        ("stages: [{id: a, order: 1}]", False),
        ("jobs: {a: {steps: []}}", False),
        ("[1, 2]", False),
    ],
)
def test_what_it_is_told_by(text: str, found: bool) -> None:  # noqa: FBT001  what comes out
    """An orchestration, stages of numbered scripts, or a sequence."""
    (document,) = read("x.yaml", text)

    assert (guess(document) is FormatName.AITHERZERO) is found


_KEYS = st.sampled_from(
    [
        *("orchestration", "jobs", "stages", "Sequence", "name", "steps", "run", "script", "uses", "with", "env", "if"),
        *("needs", "outputs", "condition", "sequences", "variables", "Options", "Parallel", "Script", "Parameters"),
        *("Timeout", "retries", "validation", "preConditions", "strategy", "matrix", "concurrency", "defaults", "id"),
    ]
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 500),
    st.sampled_from(["0402", "0400-0499", "!0450", "stage:Testing", "a", "", "${{ env.a", "$env:X -eq 1", "{{v}}"]),
)
_TREES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5))
_MAPS = st.dictionaries(_KEYS, _TREES, max_size=6)


@given(
    st.one_of(
        st.fixed_dictionaries({"orchestration": st.fixed_dictionaries({"jobs": st.dictionaries(_KEYS, _MAPS)})}),
        st.fixed_dictionaries({"stages": st.lists(_MAPS, max_size=3), "variables": _TREES}),
        st.fixed_dictionaries({"Sequence": st.lists(_MAPS | _LEAVES, max_size=4), "Options": _MAPS}),
        _MAPS,
    ),
    st.booleans(),
)
def test_any_document_is_converted_or_refused(value: dict[str, object], known: bool) -> None:  # noqa: FBT001  the folder
    """Whatever stands in it, there is a conversion; what isn't refused is a workflow that can be planned."""
    for document in read("x.json", json.dumps(value)):
        conversion = aitherzero.convert(document, Options(scripts=SCRIPTS if known else None))

        assert conversion.refused or parse_spec(conversion.resources[0]["spec"]).jobs
