"""What workflows do on this machine, with real processes; each leaves nothing behind (see `machine`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.local.values import Values
from tests.local.processes import alive
from tests.local.running import job, phases, said, spec, state_of, steps

if TYPE_CHECKING:
    from tests.local.running import Json, Machine

OUTPUT = '"$FAIRLEAD_OUTPUT"'


async def test_graph(machine: Machine) -> None:
    """Jobs run in the order of their needs, and what a failure stops is skipped."""
    jobs = {
        "a": job("echo built > made"),
        "b": job("cat made; exit 3", needs=["a"]),
        "c": job("echo never", needs=["b"]),
        "d": job("echo ${{ needs.b.result }}", needs=["b"], **{"if": "always()"}),
    }
    status = await machine.run(spec(jobs))
    assert (status.phase, status.progress, phases(status)) == (
        "Failed",
        "4/4",
        {"a": "Succeeded", "b": "Failed StepFailed", "c": "Skipped NeedNotMet", "d": "Succeeded"},
    )
    assert (state_of(status, "b").message, state_of(status, "b").exit_code) == (
        'step "cat made; exit 3" failed with exit code 3',
        3,
    )
    assert (machine.lines("b"), machine.lines("d")) == (
        ["built", '::error::step "cat made; exit 3" failed with exit code 3'],
        ["failure"],
    )
    assert machine.status() == status.to_json()


async def test_workspace_of_its_own(machine: Machine) -> None:
    """Each job has its own copy of the folder: nobody sees what another one writes, nor does the user."""
    machine.shared = False
    jobs = {"a": job("cat file; echo; echo changed > file; touch new"), "b": job("cat file; echo; ls", needs=["a"])}
    status = await machine.run(spec(jobs))
    assert (phases(status), machine.lines("a"), machine.lines("b")) == (
        {"a": "Succeeded", "b": "Succeeded"},
        ["content"],
        ["content", "file"],
    )
    assert sorted(path.name for path in machine.workspace.iterdir()) == ["file"]


async def test_variables(machine: Machine) -> None:
    """Of workflow, job and step the inner one wins; the user's own are there, too."""
    show = 'echo "$LEVEL $OF_WORKFLOW $OF_JOB ${OF_STEP-none} $HOME"'
    a = job(env={"LEVEL": "job", "OF_JOB": "2", "QUOTED": "$(id) ${x} $$ 'a' \"b\" ä\nline"})
    a["steps"] = [
        {"run": show, "env": {"LEVEL": "step", "OF_STEP": "3"}},
        {"run": show},
        {"run": 'echo "$QUOTED"'},
        {"run": 'echo "ADDED=4" >> "$FAIRLEAD_ENV"; echo "$PWD/bin" >> "$FAIRLEAD_PATH"; mkdir bin'},
        {"run": "printf '#!/bin/sh\\necho tool $ADDED' > bin/tool; chmod +x bin/tool; tool; echo ${{ env.ADDED }}"},
    ]
    await machine.run(spec({"a": a}, env={"LEVEL": "workflow", "OF_WORKFLOW": 1}))
    assert machine.lines() == [
        "step 1 2 3 /nonexistent",
        "job 1 2 none /nonexistent",
        "$(id) ${x} $$ 'a' \"b\" ä",
        "line",
        "tool 4",
        "4",
    ]


async def test_shells(machine: Machine) -> None:
    """Each step has its shell and its folder; one that isn't there fails the step."""
    a: Json = {
        "image": "x",
        "steps": [
            {"run": 'words=(one two); echo "${words[1]}"; false | true', "shell": "bash", "continueOnError": True},
            {
                "run": "import os; print(os.path.basename(os.getcwd()), 6 * 7)",
                "shell": "python",
                "workingDirectory": "sub",
            },
            {"run": "pwd", "workingDirectory": "/", "shell": "sh"},
            {"run": "text", "shell": "cat {0}"},
            {"run": "echo", "shell": "no-such-shell {0}"},
        ],
    }
    (machine.workspace / "sub").mkdir()
    status = await machine.run(spec({"a": a}))
    assert steps(status) == [("success", 1), ("success", 0), ("success", 0), ("success", 0), ("failure", 127)]
    assert machine.lines() == [
        "two",
        '::error::step "words=(one two); echo "${words[1]}"; false | true" failed with exit code 1',
        "sub 42",
        "/",
        "text",
        '::error::step "echo": the shell "no-such-shell" was not found',
    ]


async def test_outputs(machine: Machine) -> None:
    """Outputs go from step to job to workflow as they are, whatever they hold."""
    lines = "printf '%s\\n' 'a=1 = $(id) \\n'; printf 'b<<E\\n one\\n\\ntwo \\nE\\n'; echo c=ä; echo empty="
    script = f"{{ {lines}; }} >> {OUTPUT}"
    a = job(outputs={name: f"${{{{ steps.s.outputs.{name} }}}}" for name in ("a", "b", "c", "empty", "none")})
    a["steps"] = [
        {"id": "s", "run": script},
        {"run": "printf '%s\\n' '${{ steps.s.outputs.a }}'; ls ${{ steps.s.outcome }}"},
    ]
    b = job(
        'printf "[%s]" "$A" "$B"', needs=["a"], env={"A": "${{ needs.a.outputs.a }}", "B": "${{ needs.a.outputs.b }}"}
    )
    (machine.workspace / "success").touch()
    status = await machine.run(spec({"a": a, "b": b}, outputs={"all": "${{ toJSON(jobs.a.outputs) }}"}))
    assert state_of(status, "a").outputs == {
        "a": "1 = $(id) \\n",
        "b": " one\n\ntwo ",
        "c": "ä",
        "empty": "",
        "none": "",
    }
    assert (machine.lines()[0], machine.log("b").splitlines()[1:4]) == (
        "1 = $(id) \\n",
        ["[1 = $(id) \\n][ one", "", "two ]::endgroup::"],
    )
    assert '"c": "ä"' in status.outputs["all"]


@pytest.mark.parametrize(
    ("script", "phase", "size", "said"),
    [
        (f"head -c 180000 /dev/zero | tr '\\0' x | sed 's/^/a=/' >> {OUTPUT}", "Succeeded", 180_000, None),
        (
            f"head -c 270000 /dev/zero | tr '\\0' x | sed 's/^/a=/' >> {OUTPUT}",
            "Failed StepFailed",
            0,
            "takes 270000 bytes, and 262144 of 262144 are left",
        ),
        (f"printf 'a=\\377\\376\\n' >> {OUTPUT}", "Failed StepFailed", 0, "not UTF-8"),
        (f"printf 'a=1\\0\\n' >> {OUTPUT}", "Failed StepFailed", 0, "NUL"),
        (f"echo nonsense >> {OUTPUT}", "Failed StepFailed", 0, "FAIRLEAD_OUTPUT, line 1"),
    ],
)
async def test_extreme_outputs(machine: Machine, script: str, phase: str, size: int, said: str | None) -> None:
    """Large outputs arrive whole; what is too large, or no text, is told of."""
    a = job(outputs={"a": "${{ steps.s.outputs.a }}"})
    a["steps"] = [{"id": "s", "run": script}]
    status = await machine.run(spec({"a": a}))
    state = state_of(status, "a")
    assert (phases(status)["a"], len(state.outputs.get("a", ""))) == (phase, size), state.message
    assert state.message is None if said is None else said in (state.message or "")


async def test_binary_log(machine: Machine) -> None:
    """What a step prints is kept to the byte."""
    await machine.run(spec({"a": job("printf '\\377\\0\\r\\033[1m'; head -c 1000000 /dev/zero")}))
    (document,) = machine.state.jobs("ci")
    content = (machine.state.job_folder("ci", document["metadata"]["name"]) / "log").read_bytes()
    assert (content.count(b"\0"), b"\377\0\r\033[1m\0" in content) == (1_000_001, True)


async def test_late_steps(machine: Machine) -> None:
    """What only the running job knows is filled in just before its step, from its own workspace."""
    machine.shared = False
    a = job()
    a["steps"] = [
        {"id": "s", "run": f"echo v=7 >> {OUTPUT}; printf x > a.lock; echo 'E=5' >> $FAIRLEAD_ENV"},
        {"run": "echo ${{ steps.s.outputs.v }} ${{ env.E }} ${{ steps.s.conclusion }} ${{ job.status }}"},
        {"run": "echo ${{ hashFiles('*.lock', 'file') }}", "env": {"V": "${{ steps.s.outputs.v }}"}},
        {"if": "steps.s.outputs.v == '8'", "run": "echo never"},
        {"run": "echo ${{ fromJSON(steps.s.outputs.v).x.y }}; echo ${{ fromJSON('{') }}", "continueOnError": True},
        {"if": "steps.s.outputs.v > 6", "run": "echo $V", "env": {"V": "${{ format('<{0}>', steps.s.outputs.v) }}"}},
    ]
    status = await machine.run(spec({"a": a}))
    assert [each for each, _ in steps(status)] == ["success", "success", "success", "skipped", "success", "success"]
    lines = machine.lines()
    assert (lines[0], len(lines[1]), lines[-1]) == ("7 5 success success", 64, "<7>")


async def test_conditions(machine: Machine) -> None:
    """Which steps run after a failure is what their conditions say."""
    a = job()
    a["steps"] = [
        {"run": "exit 2", "continueOnError": True},
        {"run": "exit 3"},
        {"run": "echo never"},
        {"if": "failure()", "run": "echo failure"},
        {"if": "always()", "run": "echo always"},
        {"if": "cancelled()", "run": "echo never"},
    ]
    status = await machine.run(spec({"a": a}))
    assert steps(status) == [
        ("success", 2),
        ("failure", 3),
        ("skipped", None),
        ("success", 0),
        ("success", 0),
        ("skipped", None),
    ]
    assert state_of(status, "a").exit_code == 3


async def test_timeouts(machine: Machine) -> None:
    """A step, a job, and the whole run have their time, and end with 124."""
    step = job()
    step["steps"] = [{"run": "sleep 60", "timeout": 1, "continueOnError": True}, {"run": "echo went on"}]
    whole = job("sleep 60", timeout=1)
    whole["steps"] += [{"if": "always()", "run": "echo cleaned up"}]
    status = await machine.run(spec({"step": step, "whole": whole}))
    assert (phases(status), steps(status, "step"), steps(status, "whole")) == (
        {"step": "Succeeded", "whole": "Failed TimedOut"},
        [("success", 124), ("success", 0)],
        [("cancelled", 124), ("success", 0)],
    )
    assert (state_of(status, "whole").exit_code, state_of(status, "whole").message) == (124, "timed out after 1s")


async def test_timeout_of_the_run(machine: Machine) -> None:
    """When the run's time is over what runs has failed, what waits is cancelled, and always() jobs still run."""
    jobs = {
        "long": job("sleep 60"),
        "after": job("echo after", needs=["long"]),
        "cleanup": job("echo cleaned up", needs=["long"], **{"if": "always()"}),
    }
    status = await machine.run(spec(jobs, timeout=1))
    assert (status.phase, phases(status)) == (
        "Failed",
        {"long": "Failed TimedOut", "after": "Cancelled TimedOut", "cleanup": "Succeeded"},
    )
    assert state_of(status, "long").exit_code == 124


async def test_attempt(machine: Machine) -> None:
    """A job can tell which attempt at it this is."""
    await machine.run(spec({"a": job("echo $FAIRLEAD_ATTEMPT; test $FAIRLEAD_ATTEMPT = 2", retry={"limit": 1})}))
    assert [machine.lines(attempt=attempt)[0] for attempt in (1, 2)] == ["1", "2"]


async def test_retries(machine: Machine) -> None:
    """A job is tried again after its delay, each attempt with a log of its own."""
    script = "echo x >> tries; test $(wc -l < tries) = 2"
    status = await machine.run(spec({"a": job(script, retry={"limit": 3, "delay": "1s"})}))
    state = state_of(status, "a")
    assert (phases(status), state.attempt, state.retries) == ({"a": "Succeeded"}, 2, 1)
    assert [len(machine.lines(attempt=attempt)) for attempt in (1, 2, 3)] == [1, 0, 0]
    assert state.started_at is not None
    assert status.started_at is not None
    assert (state.started_at - status.started_at).total_seconds() >= 1


async def test_soft_failure(machine: Machine) -> None:
    """A job that may fail stops nothing."""
    jobs = {"a": job("exit 1", continueOnError=True), "b": job("echo ${{ needs.a.result }}", needs=["a"])}
    status = await machine.run(spec(jobs))
    assert (status.phase, phases(status)) == ("Partial", {"a": "Failed StepFailed", "b": "Succeeded"})
    assert machine.lines("b") == ["success"]


COUNTING = """
mkdir -p running; touch running/${{ strategy.job-index }}
ls running | wc -l >> most
for i in $(seq 250); do test -e enough && break; test $(ls running | wc -l) -ge %d && touch enough; sleep 0.02; done
sleep 0.06
ls running | wc -l >> most
rm running/${{ strategy.job-index }}
"""
"""Notes how many run at a time; waits until there were as many as there may be, and a moment for more."""


@pytest.mark.parametrize(("parallel", "most", "expected"), [(8, 2, 2), (3, 8, 3), (1, 8, 1)])
async def test_matrix(machine: Machine, parallel: int, most: int, expected: int) -> None:
    """No more combinations work at a time than maxParallel says, and this machine has room for."""
    machine.parallel = parallel
    matrix = {"matrix": {"n": [1, 2, 3, 4, 5]}, "maxParallel": most}
    status = await machine.run(spec({"a": job(COUNTING % expected, strategy=matrix)}))
    assert phases(status) == {"a": ["Succeeded"] * 5}
    assert max(map(int, (machine.workspace / "most").read_text().split())) == expected


async def test_fail_fast(machine: Machine) -> None:
    """The first failure of a matrix ends the rest of it; so does one of a run, where that is asked for."""
    matrix = {"matrix": {"n": [1, 2]}, "failFast": True}
    script = "test ${{ matrix.n }} = 1 || { while ! test -e up; do sleep 0.01; done; exit 1; }; touch up; sleep 60"
    jobs = {
        "a": job(script, strategy=matrix),
        "b": job("sleep 60"),
        "c": job("echo ${{ needs.a.result }}", needs=["a"], **{"if": "always()"}),
    }
    status = await machine.run(spec(jobs, failFast=True))
    assert phases(status) == {
        "a": ["Cancelled FailFast", "Failed StepFailed"],
        "b": "Cancelled FailFast",
        "c": "Succeeded",
    }


async def test_secrets(machine: Machine) -> None:
    """Secrets and variables come from the user, and secrets are masked in the log."""
    machine.values = Values(
        secrets={"TOKEN": "hunter22", "team/KEY": "s3cret\nline two"}, variables={"REGION": "eu", "team/REGION": "us"}
    )
    a = job(env={"HEADER": "Bearer ${{ secrets.TOKEN }}!", "REGION": "${{ vars.REGION }}"})
    a["steps"] = [
        {
            "run": 'echo "$HEADER $REGION $PLACE ${EXTRA-none}"; echo "$KEY"; echo ${#TOKEN}',
            "env": {
                "TOKEN": "${{ secrets.TOKEN }}",
                "KEY": {"secretKeyRef": {"name": "team", "key": "KEY"}},
                "PLACE": {"configMapKeyRef": {"name": "team", "key": "REGION"}},
                "EXTRA": {"secretKeyRef": {"name": "team", "key": "EXTRA", "optional": True}},
            },
        },
        {"run": 'echo "${TOKEN-none}"; env | grep -c hunter22; env | grep FAIRLEAD_SECRET || echo clean'},
    ]
    status = await machine.run(spec({"a": a}))
    assert machine.lines() == ["Bearer ***! eu us none", "***", "***", "8", "none", "1", "clean"]
    assert phases(status) == {"a": "Succeeded"}


async def test_missing_secret(machine: Machine) -> None:
    """A job that lacks a secret fails at once, and says how to give it; the others run."""
    jobs = {"a": job("echo $A", env={"A": "${{ secrets.NONE }}"}), "b": job("echo b")}
    status = await machine.run(spec(jobs))
    assert (phases(status), machine.told) == ({"a": "Failed JobRefused", "b": "Succeeded"}, [])
    assert "give it with --secret NONE=…" in (state_of(status, "a").message or "")


async def test_calls(machine: Machine) -> None:
    """A job may be another workflow, which runs here, too; what it puts out comes back."""
    machine.templates = {
        "greeting": {
            "inputs": {"who": {"type": "string", "required": True}},
            "jobs": {
                "greet": {
                    **job(outputs={"said": "${{ steps.s.outputs.said }}"}),
                    "steps": [{"id": "s", "run": f"echo 'said=hello ${{{{ inputs.who }}}}' >> {OUTPUT}"}],
                }
            },
            "outputs": {"said": "${{ jobs.greet.outputs.said }}"},
        },
    }
    jobs: dict[str, Any] = {
        "a": {"uses": "greeting", "with": {"who": "world"}},
        "b": job("echo ${{ needs.a.outputs.said }}", needs=["a"]),
        "c": {"uses": "greeting"},
        "d": {"uses": "greetings"},
    }
    status = await machine.run(spec(jobs))
    assert phases(status) == {"a": "Succeeded", "b": "Succeeded", "c": "Failed CallFailed", "d": "Failed CallFailed"}
    assert (machine.lines("b"), len(machine.state.names()), machine.told) == (["hello world"], 2, [])
    assert "with.who: is missing" in (state_of(status, "c").message or "")
    assert 'no WorkflowTemplate "greetings" in its file' in (state_of(status, "d").message or "")


async def test_invalid(machine: Machine) -> None:
    """What can't run ends at once, with what is wrong."""
    status = await machine.run({"jobs": {"a": {"steps": []}}})
    assert (status.phase, bool(status.problems)) == ("Invalid", True)


async def test_names_of_all_kinds(machine: Machine) -> None:
    """Nothing of a workflow's text is taken for more than text."""
    a = job(env={"A": "$(touch pwned) `touch pwned`"})
    a["steps"] = [{"name": "$(touch pwned); '\" `touch pwned` ::set::", "run": 'echo "$A"'}]
    status = await machine.run(spec({"a": a}), annotations={"fairlead.dev/ref": "$(touch pwned)"})
    assert (phases(status), machine.lines()) == ({"a": "Succeeded"}, ["$(touch pwned) `touch pwned`"])
    assert sorted(os.listdir(machine.workspace)) == ["file"]  # noqa: PTH208  names


DAEMONS = (
    "sleep {mark} &",
    "setsid sleep {mark} &",
    "(setsid sleep {mark} & ) & exit 3",
    "trap '' TERM HUP INT; setsid sh -c 'trap \"\" TERM; sleep {mark}; :' &",
    "env -i setsid sleep {mark} &",
    "env -i sh -c '(setsid sleep {mark} &) &'",
    "nohup sleep {mark} >/dev/null 2>&1 &",
)


async def test_daemons(machine: Machine) -> None:
    """What a step starts and leaves behind is gone at the run's end, whatever it does to get away."""
    mark = f"8{os.getpid():07}"
    jobs = {f"j{index}": job(script.format(mark=mark)) for index, script in enumerate(DAEMONS)}
    machine.record(spec(jobs))
    with machine.apart("ci") as other:
        found = said(other)
    expected = ["Succeeded"] * len(DAEMONS)
    expected[2] = "Failed"
    assert ([each["phase"] for each in found["jobs"].values()], alive(mark)) == (expected, [])


async def test_daemons_of_a_job(machine: Machine) -> None:
    """What keeps its parent or its variables is gone before the next job starts."""
    mark = f"9{os.getpid():07}"
    jobs = {
        "a": job(f"setsid sleep {mark} & (setsid sh -c 'trap : TERM; sleep 1{mark}; :' &) & true"),
        "b": job(f"cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -oE 'sleep 1?{mark}' || echo none", needs=["a"]),
    }
    await machine.run(spec(jobs))
    assert machine.lines("b") == ["none"]
