"""What can be seen of a script without running it: the outputs that it sets, and what it prints for another system.

A script may do anything, so each answer is given only where it is plain to see; the rest counts as unknown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fairlead.expressions import Call, Comparison, ExpressionError, Not, fold, parse_template, references
from fairlead.model.problem import closest, quote
from fairlead.model.status_functions import STEP_CONDITION_FUNCTIONS
from fairlead.syntax.finding import Remark, Rule
from fairlead.syntax.warnings.texts import expressions, folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.expressions import Node
    from fairlead.model.problem import Path

_FILES = re.compile(r"(?:FAIRLEAD|GITHUB)_OUTPUT")
_SETS = re.compile(r"""(?:\becho\s+(?:-[neE]+\s+)*|\bprintf\s+(?:--\s+)?)["']?([A-Za-z_][\w-]*)(?:=|<<)""")
_GROUP_END = re.compile(r"""^\s*[})]\s*(?:>>|\|)""")
_SEPARATORS = re.compile(r"&&|\|\||[;|\n]|\$\(")
_WORD = re.compile(r"\s*(?:(?:then|do|else|elif|if|while|until|!|\{|\()\s+)*(?:[A-Za-z_]\w*=\S*\s+)*([^\s=]+)")
_QUIET_WORDS = """
    echo printf cat cd cp mv rm mkdir rmdir ls test [ [[ true false set export unset local read sleep date pwd tee
    grep sed awk cut tr sort uniq head tail wc find basename dirname tar gzip gunzip unzip touch chmod ln which
    git curl wget apt-get apk pip pip3 fi done esac } ) exit return : shift wait trap id command whoami uname env
    jq diff seq expr nproc stat du df
"""
_QUIET: Final = frozenset(_QUIET_WORDS.split())
"""Programs that write no output of a step by themselves."""

_BOOLEANS = frozenset({"CONTAINS", "STARTSWITH", "ENDSWITH"})
_COMMAND = re.compile(r"::(set-output|save-state|set-env|add-path|add-mask)\b")
_INSTEAD: Final = {
    "set-output": 'echo "NAME=VALUE" >> "$FAIRLEAD_OUTPUT"',
    "set-env": 'echo "NAME=VALUE" >> "$FAIRLEAD_ENV"',
    "add-path": 'echo "FOLDER" >> "$FAIRLEAD_PATH"',
    "save-state": 'echo "NAME=VALUE" >> "$FAIRLEAD_ENV"',
    "add-mask": "env from a Secret, which is masked",
}
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>(?:GITHUB|RUNNER)_[A-Z_]+)\}|(?P<bare>(?:GITHUB|RUNNER)_[A-Z_]+))")
_SET_HERE: Final = frozenset({"GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"})
_GITHUB: Final = {
    "GITHUB_SHA": "github.sha",
    "GITHUB_REF": "github.ref",
    "GITHUB_REF_NAME": "github.ref_name",
    "GITHUB_REPOSITORY": "github.repository",
    "GITHUB_ACTOR": "github.actor",
    "GITHUB_EVENT_NAME": "github.event_name",
    "GITHUB_HEAD_REF": "github.head_ref",
    "GITHUB_BASE_REF": "github.base_ref",
    "GITHUB_WORKFLOW": "workflow.name",
    "GITHUB_RUN_ID": "workflow.uid",
    "GITHUB_RUN_NUMBER": "workflow.run",
    "GITHUB_JOB": "job.id",
    "RUNNER_OS": "runner.os",
    "RUNNER_TEMP": "runner.temp",
}


def unset_outputs(document: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[Remark]:
    """Find the outputs of steps that are read, and that the step plainly doesn't set."""
    _ = document
    for job_id, job in jobs.items():
        if not isinstance(job, dict):
            continue
        steps = {fold(step["id"]): step for step in steps_of(job) if isinstance(step.get("id"), str)}
        for written in expressions(job, ("spec", "jobs", job_id)):
            for found in references(written.node):
                match folded(found.path):
                    case ["STEPS", step_id, "OUTPUTS", name] if step_id in steps:
                        said = _unset(steps[step_id], name)
                    case _:
                        continue
                if said is not None:
                    message, meant = said
                    at = found.position + written.shift
                    span = (at, len(".".join(found.path)))
                    yield Remark(Rule.UNSET_OUTPUT, written.path, message, meant, span)


def _unset(step: Mapping[str, Any], name: str) -> tuple[str, str | None] | None:
    script = step.get("run")
    if not isinstance(script, str) or name == "*":
        return None
    found = outputs_of(script)
    shown = quote(str(step["id"]))
    if found is None or fold(name) in map(fold, found):
        return None
    if not found:
        said = f"the step {shown} sets no output {quote(name)}"
        return f'{said}; write echo "{_plain(name)}=…" >> "$FAIRLEAD_OUTPUT" in it', None
    meant = closest(name, sorted(found))
    if meant is None and not _quiet(script):
        return None
    known = "" if meant else f", only {', '.join(quote(each) for each in sorted(found)[:10])}"
    return f"the step {shown} sets no output {quote(name)}{known}", meant


def _plain(name: str) -> str:
    return quote(name)[1:-1]


def outputs_of(script: str) -> frozenset[str] | None:
    """Give the outputs that a script sets by itself; None where that can't be told."""
    if not _FILES.search(script):
        return frozenset() if _quiet(script) and not _COMMAND.search(script) else None
    for line in script.splitlines():
        if _FILES.search(line) and not (_SETS.search(line) or _GROUP_END.match(line)):
            return None
    return frozenset(found[1] for found in _SETS.finditer(script))


def _quiet(script: str) -> bool:
    """Whether a script calls only programs that are known to set nothing."""
    if "${{" in script or "<<" in script.replace("<<<", ""):
        return False
    # A line that goes on is one; a comment is none.
    joined = re.sub(r"(?m)(^|\s)#.*$", "", script.replace("\\\n", " "))
    words = (_WORD.match(part) for part in _SEPARATORS.split(joined))
    return all(word[1].strip("\"'") in _QUIET for word in words if word is not None)


def says_true_or_false(job: object, output: str) -> bool:
    """Whether an output of a job is plainly the text true or false."""
    outputs = job.get("outputs") if isinstance(job, dict) else None
    text = outputs.get(output) if isinstance(outputs, dict) else None
    if not isinstance(text, str) or not isinstance(job, dict):
        return False
    try:
        node = parse_template(text, functions=STEP_CONDITION_FUNCTIONS).single
    except ExpressionError:
        return False
    if node is None:
        return text in ("true", "false")
    if _boolean(node):
        return True
    found = references(node)
    match folded(found[0].path if found else ()):
        case ["STEPS", step_id, "OUTPUTS", name]:
            scripts = [step.get("run") for step in steps_of(job) if fold(str(step.get("id"))) == step_id]
            wanted = re.compile(rf"(?<![\w-]){re.escape(name)}=[\"']?(?:true|false)\b")
            return any(isinstance(script, str) and wanted.search(script) for script in scripts)
        case _:
            return False


def _boolean(node: Node) -> bool:
    return isinstance(node, Comparison | Not) or (isinstance(node, Call) and fold(node.name) in _BOOLEANS)


def steps_of(job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give a job's steps that are maps."""
    steps = job.get("steps")
    return [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []


def scripts_of(job: Mapping[str, Any], at: Path) -> Iterator[tuple[Path, str, Mapping[str, Any]]]:
    """Give each script of a job with its path, and the step that it is of; of a command an empty one."""
    steps, commands = job.get("steps"), job.get("commands")
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, dict) and isinstance(step.get("run"), str):
            yield (*at, "steps", index, "run"), step["run"], step
    for index, command in enumerate(commands if isinstance(commands, list) else ()):
        if isinstance(command, str):
            yield (*at, "commands", index), command, {}


def from_github(document: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[Remark]:
    """Find what scripts brought along from GitHub Actions, and that means nothing here."""
    for job_id, job in jobs.items():
        if not isinstance(job, dict):
            continue
        given = {name for part in (document, job) for name in _names(part)}
        for path, script, step in scripts_of(job, ("spec", "jobs", job_id)):
            for found in _COMMAND.finditer(script):
                said = f'"::{found[1]}::" does nothing here; write {_INSTEAD[found[1]]}'
                yield Remark(Rule.WORKFLOW_COMMAND, path, said, span=(found.start(), len(found[0])))
            told: set[str] = set()
            for found in _VARIABLE.finditer(script):
                name = found["braced"] or found["bare"]
                if name in _SET_HERE or name in told or name in given | _names(step):
                    continue
                told.add(name)
                value = _GITHUB.get(name)
                way_out = f'; add env: {{{name}: "${{{{ {value} }}}}"}}' if value else ""
                said = f"${name} is not set here, so it is empty{way_out}"
                yield Remark(Rule.UNSET_VARIABLE, path, said, span=(found.start(), len(found[0])))
            # What it may set for those that follow.
            given |= set(re.findall(r"(?:GITHUB|RUNNER)_[A-Z_]+(?==)", script))


def _names(part: Mapping[str, Any]) -> set[str]:
    env = part.get("env")
    return set(env) if isinstance(env, dict) else set()
