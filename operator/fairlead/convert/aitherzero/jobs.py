"""The third generation: `orchestration.jobs`, with steps, needs, outputs and conditions much as GitHub's."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from fairlead.convert.aitherzero.asking import ASKED, condition_step, environment, read_condition
from fairlead.convert.aitherzero.conditions import ConditionError, Operand, Type
from fairlead.convert.aitherzero.guards import add_preconditions
from fairlead.convert.aitherzero.members import Members, flag, integer
from fairlead.convert.aitherzero.steps import StepDraft
from fairlead.convert.aitherzero.templates import names_playbook, template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.convert.aitherzero.playbook import Playbook
    from fairlead.convert.conversion import Conversion
    from fairlead.convert.part import Part
    from fairlead.model.problem import Path

_SHELLS: Final = ("pwsh", "powershell")
_JOB_LEAVE: Final = {
    "description": "it tells people what the job is for",
    "permissions": "a Pod has files and a network of its own; a NetworkPolicy says what it may reach",
}


def convert_jobs(playbook: Playbook, orchestration: Members) -> Conversion:
    """Convert a playbook with `orchestration.jobs`."""
    about = playbook.top.take("metadata")
    metadata = playbook.about(Members(about) if about is not None else playbook.top)
    env = orchestration.take("env")
    if env is not None:
        playbook.origins.put(("spec", "env"), env.path)
        playbook.env |= {name: each.value for name, each in env.members().items()}
    spec: dict[str, object] = {}
    defaults, shell = _defaults(playbook, orchestration)
    _concurrency(playbook, orchestration, spec)
    timeout = orchestration.take("timeout")
    if timeout is not None:
        playbook.origins.put(("spec", "timeout"), timeout.path)
        spec["timeout"] = timeout.value
    jobs = orchestration.take("jobs")
    found: dict[str, object] = {}
    for name, each in jobs.members().items() if jobs is not None else ():
        playbook.origins.put(("spec", "jobs", name), each.path)
        found[name] = JobDraft(playbook, name, each, shell).job() if isinstance(each.value, dict) else each.value
    if len(found) > 1 and jobs is not None:
        said = "jobs: each has a container and files of its own: what one installs or writes, the next one doesn't have"
        playbook.notes.approximated(jobs.path, said)
    spec["jobs"] = add_preconditions(playbook, found)
    _leave(playbook, orchestration)
    return playbook.conversion(metadata, spec, defaults=defaults)


def _leave(playbook: Playbook, orchestration: Members) -> None:
    orchestration.leave("jobs have no stages beside them", "stages")
    orchestration.leave("jobs read env; nothing reads this", "defaultVariables", "profiles")
    orchestration.close("orchestration", strict=True)
    playbook.around()
    playbook.top.close("a playbook", strict=False)


def _defaults(playbook: Playbook, orchestration: Members) -> tuple[dict[str, object], str | None]:
    """Give the workflow's defaults, and the shell of inline scripts where it isn't PowerShell."""
    part = orchestration.take("defaults")
    if part is None:
        return {}, None
    members = Members(part)
    found: dict[str, object] = {}
    playbook.origins.put(("spec", "defaults"), part.path)
    for name in ("continueOnError", "timeout"):
        each = members.take(name)
        if each is not None:
            playbook.origins.put(("spec", "defaults", name), each.path)
            found[name] = each.value
    retries = integer(members.take("retries"))
    if retries:
        found["retry"] = {"limit": retries}
    shell = members.take("shell")
    members.close("defaults", strict=True)
    written = shell.text() if shell is not None else None
    return found, None if written is None or written.casefold() in _SHELLS else written


def _concurrency(playbook: Playbook, orchestration: Members, spec: dict[str, object]) -> None:
    part = orchestration.take("concurrency")
    if part is None:
        return
    members = Members(part)
    group, cancel, most = members.take("group"), members.take("cancelInProgress"), members.take("maxConcurrency")
    members.close("concurrency", strict=True)
    playbook.origins.put(("spec", "concurrency"), part.path)
    if group is not None:
        spec["concurrency"] = {"group": group.value} | ({} if cancel is None else {"cancelInProgress": cancel.value})
    elif cancel is not None:
        cancel.notes.left_out(cancel.path, "cancelInProgress: there is no group in which something could be cancelled")
    if most is not None:
        playbook.origins.put(("spec", "maxParallel"), most.path)
        spec["maxParallel"] = most.value


@dataclass(slots=True)
class JobDraft:
    """The conversion of one job; `shell` is that of its inline scripts, None for PowerShell."""

    playbook: Playbook
    name: str
    part: Part
    shell: str | None
    found: dict[str, object] = field(default_factory=dict)

    def job(self) -> dict[str, object]:
        """Give the job."""
        members = Members(self.part)
        for made in ("name", "needs", "continueOnError", "timeout", "env", "outputs"):
            self._take(members, made)
        self._strategy(members)
        condition = members.take("if", "condition")
        first = self._condition(condition) if condition is not None else None
        if not self._call(members, first):
            self._steps(members, first)
        for name, message in _JOB_LEAVE.items():
            members.leave(message, name)
        members.close("a job", strict=True)
        return self.found

    def _take(self, members: Members, name: str) -> None:
        part = members.take(name)
        if part is None:
            return
        self.playbook.origins.put(("spec", "jobs", self.name, name), part.path)
        value = part.value
        if name == "env" and isinstance(value, dict):
            value = {key: each for key, each in value.items() if each is not None}
        if value not in ([], {}, ""):
            self.found[name] = value

    def _strategy(self, members: Members) -> None:
        part = members.take("strategy")
        if part is None:
            return
        strategy = Members(part)
        at: Path = ("spec", "jobs", self.name, "strategy")
        self.playbook.origins.put(at, part.path)
        found: dict[str, object] = {}
        for name in ("matrix", "failFast", "maxParallel"):
            each = strategy.take(name)
            if each is not None:
                self.playbook.origins.put((*at, name), each.path)
                found[name] = each.value
        strategy.close("strategy", strict=True)
        if "matrix" in found:
            self.found["strategy"] = found
        else:
            part.notes.left_out(part.path, "strategy: there is no matrix, so the job runs once")

    def _condition(self, part: Part) -> dict[str, object] | None:
        """Write the job's condition; give the step that asks it, where no expression can."""
        self.playbook.origins.put(("spec", "jobs", self.name, "if"), part.path)
        condition = read_condition(part, partial(self._resolve, step=False, known=frozenset()))
        if condition is None:
            return None
        if condition.expression is not None:
            self.found["if"] = condition.expression
            return None
        return condition_step(self.playbook, condition.powershell or "")

    def _resolve(self, path: tuple[str, ...], *, step: bool, known: frozenset[str]) -> Operand:
        match path:
            case ("env", name):
                return environment(self.playbook, name, known=step and name in known)
            case ("jobs", job, "outputs", name):
                return Operand(f"needs.{job}.outputs.{name}", Type.TEXT)
            case ("jobs", job, "result" | "status" | "outcome"):
                return Operand(f"needs.{job}.result", Type.TEXT)
            case ("steps", name, "outputs", output) if step:
                return Operand(f"steps.{name}.outputs.{output}", Type.TEXT)
            case ("matrix", name):
                return Operand(f"matrix.{name}", Type.VALUE)
            case ("github" | "inputs", *_):
                return Operand(".".join(path), Type.VALUE)
            case ("variable", name):
                raise ConditionError(f"the variable ${name} is set nowhere in the playbook")
            case _:
                raise ConditionError(f"{'.'.join(path)} is known only to PowerShell")

    def _call(self, members: Members, first: dict[str, object] | None) -> bool:
        """Write a job that does nothing but use a playbook; whether it is one."""
        steps = members.take("steps")
        elements = steps.elements() if steps is not None else []
        if len(elements) != 1 or first is not None or not isinstance(elements[0].value, dict):
            return False
        step = Members(elements[0])
        uses, given, condition = step.take("uses"), step.take("with"), step.take("if", "condition")
        name = names_playbook(uses.value) if uses is not None and isinstance(uses.value, str) else None
        if uses is None or name is None or condition is not None or step.take("run", "script", "env") is not None:
            return False
        found = template(self.playbook, uses, name)
        if found is None:
            return not self.playbook.options.skip_unsupported
        self.found["uses"] = found["metadata"]["name"]
        self.playbook.origins.put(("spec", "jobs", self.name, "uses"), uses.path)
        values = self._values(given, found["spec"].get("inputs", {}))
        if values:
            self.found["with"] = values
        if flag(step.take("continueOnError")):
            self.found["continueOnError"] = True
        step.leave("a job that uses a template has a name and an id of its own", "name", "id")
        step.close("a step that uses a playbook", strict=True)
        return True

    def _values(self, given: Part | None, inputs: Mapping[str, object]) -> dict[str, object]:
        known = {each.casefold(): each for each in inputs}
        values: dict[str, object] = {}
        for name, each in given.members().items() if given is not None else ():
            if name.casefold() in known:
                values[known[name.casefold()]] = each.value
                self.playbook.origins.put(("spec", "jobs", self.name, "with", known[name.casefold()]), each.path)
            else:
                each.notes.left_out(each.path, f"{name}: the playbook has no such variable")
        return values

    def _steps(self, members: Members, first: dict[str, object] | None) -> None:
        part = members.take("steps")
        at: Path = ("spec", "jobs", self.name, "steps")
        steps: list[dict[str, object]] = [] if first is None else [first]
        retries = 0
        for each in part.elements() if part is not None else ():
            if not isinstance(each.value, dict):
                each.refuse("a step has run, script or uses")
                continue
            draft = StepDraft(self.playbook, each, self.shell, self._known(), partial(self._resolve, step=True))
            for step in draft.steps():
                self.playbook.origins.put((*at, len(steps)), each.path)
                if first is not None:
                    step["if"] = f"{ASKED} && ({step['if']})" if "if" in step else ASKED
                steps.append(step)
            retries = max(retries, draft.job_retries)
        if retries:
            self.found["retry"] = {"limit": retries}
        if steps:
            self.found["steps"] = steps

    def _known(self) -> frozenset[str]:
        own = self.found.get("env")
        return frozenset((*self.playbook.env, *(own if isinstance(own, dict) else ())))
