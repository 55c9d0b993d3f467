"""One step of a job: a numbered script, or several; PowerShell of its own; or something to be called."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from fairlead.convert.aitherzero.asking import read_condition, seen_variables
from fairlead.convert.aitherzero.calls import guard_text, inline_text, warning_text
from fairlead.convert.aitherzero.literals import literal, plain
from fairlead.convert.aitherzero.members import Members, flag, integer
from fairlead.convert.aitherzero.playbook import label
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from fairlead.convert.aitherzero.conditions import Operand
    from fairlead.convert.aitherzero.playbook import Playbook
    from fairlead.convert.part import Part

_WORD: Final = re.compile(r"\W+", re.ASCII)


class Resolve(Protocol):
    """Gives what a name in a condition is."""

    def __call__(self, path: tuple[str, ...], *, known: frozenset[str]) -> Operand:
        """Give it; `known` are the variables of the environment that are set."""


@dataclass(slots=True)
class _Common:
    """What a step says of all its scripts; `asks` is a condition that PowerShell has to be asked."""

    env: dict[str, object]
    condition: str | None = None
    asks: str | None = None
    rest: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class StepDraft:
    """The conversion of one step. `job_retries` is how often its job is tried again because of it."""

    playbook: Playbook
    part: Part
    shell: str | None
    known: frozenset[str]
    resolve: Resolve
    job_retries: int = 0

    def steps(self) -> list[dict[str, object]]:
        """Give the steps that it becomes."""
        members = Members(self.part)
        identity, name = members.take("id"), members.take("name")
        run, script, uses = members.take("run"), members.take("script"), members.take("uses")
        given, env, retries = members.take("with"), members.take("env"), integer(members.take("retries")) or 0
        outputs = self._outputs(members.take("outputs"))
        common = self._common(members, env)
        members.leave("it tells people what the step is for", "description")
        members.close("a step", strict=True)
        shown = label(name.text() or "") if name is not None else None
        if run is not None:
            found = self._scripts(run, given, retries, outputs)
        elif script is not None:
            found = self._inline(script, given, retries, outputs)
        elif uses is not None:
            found = self._unsupported(uses)
        else:
            self.part.refuse("a step has run, script or uses")
            found = []
        return self._dressed(found, shown, identity, common)

    def _dressed(
        self, found: list[dict[str, object]], shown: str | None, identity: Part | None, common: _Common
    ) -> list[dict[str, object]]:
        """Add what the step says of itself to what it became."""
        several = len(found) > 1
        dressed: list[dict[str, object]] = []
        for index, step in enumerate(found):
            own = str(step.pop("name"))
            head: dict[str, object] = {}
            if identity is not None and index == len(found) - 1:
                head["id"] = identity.value
            head["name"] = own if shown is None else label(f"{shown}: {own}") if several else shown
            if common.condition is not None:
                head["if"] = common.condition
            carried = step.pop("env", {})
            env = {**common.env, **(carried if isinstance(carried, dict) else {})}
            if common.asks is not None:
                step["run"] = f"{self._guard(common.asks, env)}{step['run']}"
            dressed.append({**head, **({"env": env} if env else {}), **step, **common.rest})
        if several and identity is not None:
            identity.notes.approximated(identity.path, "id: the last of its scripts has it")
        return dressed

    def _guard(self, condition: str, env: dict[str, object]) -> str:
        carried: dict[str, str] = {}
        text = plain(guard_text(condition, seen_variables(self.playbook, condition, carried)))
        env |= carried
        if self.shell is not None:
            self.part.refuse("its condition has to be asked in PowerShell, and its script is none")
        return text

    def _common(self, members: Members, env: Part | None) -> _Common:
        own = env.members() if env is not None else {}
        found = _Common({name: each.value for name, each in own.items() if each.value is not None})
        part = members.take("if", "condition")
        known = self.known | frozenset(own)
        read = read_condition(part, lambda path: self.resolve(path, known=known)) if part is not None else None
        if read is not None:
            found.condition, found.asks = read.expression, read.powershell
        if flag(members.take("continueOnError")):
            found.rest["continueOnError"] = True
        timeout = members.take("timeout")
        if timeout is not None:
            found.rest["timeout"] = timeout.value
        return found

    def _outputs(self, part: Part | None) -> dict[str, str]:
        found: dict[str, str] = {}
        for each in part.elements() if part is not None else ():
            members = Members(each)
            name, value = members.take("name"), members.take("value")
            members.leave("it tells people what the output is", "description")
            if name is None or value is None or (text := name.text()) is None or (code := value.text()) is None:
                each.refuse("an output has a name and a value")
                continue
            found[text] = code
        if part is not None and found:
            said = "outputs: computed in PowerShell after the script; $result is what that put out"
            part.notes.approximated(part.path, said)
        return found

    def _scripts(self, run: Part, given: Part | None, retries: int, outputs: dict[str, str]) -> list[dict[str, object]]:
        values, env = self._given(given)
        numbers = self.playbook.numbers(run.elements())
        found = []
        for index, (number, part) in enumerate(numbers):
            call = {"given": values, "retries": retries, "outputs": outputs if index == len(numbers) - 1 else {}}
            found.append(self.playbook.step(number, part, call, env))
        if not found:
            run.refuse("no script is left of this")
        if len(found) > 1:
            run.notes.mapped(run.path, f"{len(found)} scripts, each a step; a timeout is that of each of them")
        return found

    def _given(self, part: Part | None) -> tuple[dict[str, str], dict[str, str]]:
        """Give arguments as PowerShell source; what has expressions in it comes in a variable."""
        values: dict[str, str] = {}
        env: dict[str, str] = {}
        for name, each in part.members().items() if part is not None else ():
            if isinstance(each.value, str) and "${{" in each.value:
                carrier = f"WITH_{_WORD.sub('_', name)}"
                env[carrier] = each.value
                values[name] = f"$env:{carrier}"
            elif each.value is not None:
                values[name] = literal(each.value)
        return values, env

    def _inline(
        self, script: Part, given: Part | None, retries: int, outputs: dict[str, str]
    ) -> list[dict[str, object]]:
        text = script.text()
        if given is not None:
            given.notes.left_out(given.path, "with: a script that stands in the playbook takes no arguments")
        if retries:
            said = "a script that stands in the playbook isn't tried again by itself; its job is, as a whole"
            script.notes.approximated(script.path, said)
            self.job_retries = retries
        if text is None:
            return []
        if self.shell is not None:
            return [{"name": "script", "run": text, "shell": self.shell}]
        return [{"name": "script", "run": inline_text(text, outputs)}]

    def _unsupported(self, uses: Part) -> list[dict[str, object]]:
        named = quote(uses.text() or "")
        said = f"a step can't use {named}"
        if self.playbook.options.skip_unsupported:
            uses.notes.left_out(uses.path, f"{said}; a step says so")
        else:
            uses.refuse(
                f"{said}; a playbook, as playbook:NAME, can be all that a job does. Give it a job of its own, or "
                "--skip-unsupported for a step that says so"
            )
        return [{"name": "uses", "run": plain(warning_text(f"{said}, so nothing is run here"))}]
