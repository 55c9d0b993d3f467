"""The second generation, and the stages of the first: stages one after another, each a job that needs the one before.

A stage that is skipped by its condition doesn't keep the next one from running, where here a skipped need does: what
comes after such a stage runs unless something failed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from fairlead.convert.aitherzero.asking import ASKED, condition_step, read_condition, resolve
from fairlead.convert.aitherzero.calls import inline_text
from fairlead.convert.aitherzero.guards import add_preconditions
from fairlead.convert.aitherzero.literals import plain
from fairlead.convert.aitherzero.members import Members, flag, integer
from fairlead.convert.aitherzero.playbook import label
from fairlead.convert.origins import job_key

if TYPE_CHECKING:
    from fairlead.convert.aitherzero.playbook import Playbook
    from fairlead.convert.conversion import Conversion
    from fairlead.convert.part import Part

_SCRIPTS: Final = ("sequences", "sequence", "scripts")
_UNLESS_FAILED: Final = "!failure() && !cancelled()"
_APART: Final = (
    "stages: each has a container and files of its own: what one installs or writes, the next one doesn't have"
)


def convert_stages(playbook: Playbook, orchestration: Members | None) -> Conversion:
    """Convert a playbook with stages, in `orchestration` or at its top."""
    about = playbook.top.take("metadata")
    metadata = playbook.about(Members(about) if about is not None and orchestration is not None else playbook.top)
    holder = orchestration if orchestration is not None else playbook.top
    declare_variables(playbook, holder)
    stages = holder.take("stages")
    draft = _Stages(playbook)
    elements = stages.elements() if stages is not None else []
    for each in elements:
        if isinstance(each.value, dict):
            draft.add(each)
        else:
            each.refuse("a stage has a name and scripts")
    if stages is not None:
        playbook.origins.put(("spec", "jobs"), stages.path)
        if len(draft.jobs) > 1:
            playbook.notes.approximated(stages.path, _APART)
    spec: dict[str, object] = {}
    options = playbook.top.take("options")
    if options is not None:
        Members(options).close("options of a playbook with stages", strict=False)
    if orchestration is not None:
        orchestration.close("orchestration", strict=True)
    spec["jobs"] = add_preconditions(playbook, draft.jobs)
    playbook.around()
    playbook.top.close("a playbook", strict=False)
    return playbook.conversion(metadata, spec, defaults={})


def declare_variables(playbook: Playbook, holder: Members) -> None:
    """Make the playbook's variables, and those that only a profile sets, inputs or constants."""
    for holding in (holder, playbook.top):
        part = holding.take("defaultVariables", "variables")
        if part is not None:
            playbook.variables.declare(part.members().values())
            inputs = [name for name in playbook.variables.inputs if name in part.members()]
            if inputs:
                said = f"{part.path[-1]}: inputs, for --input NAME=VALUE: {', '.join(inputs)}"
                part.notes.mapped(part.path, said)
            for name in playbook.variables.inputs:
                playbook.origins.put(("spec", "inputs", name), (*part.path, name))
            break
    options = playbook.top.take("options")
    holders = [holder, playbook.top, *([Members(options)] if options is not None else [])]
    profiles = next((part for each in holders if (part := each.take("profiles")) is not None), None)
    if profiles is None:
        return
    for each in profiles.members().values():
        values = Members(each).take("variables") if isinstance(each.value, dict) else None
        if values is not None and isinstance(values.value, dict):
            playbook.variables.declare_empty(values.members().values())
    profiles.notes.left_out(
        profiles.path, "profiles: one workflow runs with one set of values; give a profile's as inputs"
    )


@dataclass(slots=True)
class _Stages:
    """The jobs so far. `tail` are those that the next stage needs; `skippable` says that one before may be skipped."""

    playbook: Playbook
    jobs: dict[str, object] = field(default_factory=dict)
    tail: list[str] = field(default_factory=list)
    skippable: bool = False

    def add(self, part: Part) -> None:
        """Add the jobs of a stage."""
        members = Members(part)
        name = members.take("name")
        shown = label((name.text() if name is not None else None) or f"Stage {len(self.jobs) + 1}")
        members.leave("it tells people what the stage is for", "description")
        members.leave("a failure ends the run, unless continueOnError is true", "onError")
        common, first = self._common(members)
        variables, parallel = members.take("variables"), members.take("parallel")
        scripts, command = members.take(*_SCRIPTS), members.take("command", "inline", "script")
        members.close("a stage", strict=True)
        steps = [] if scripts is None else self._scripts(scripts, variables)
        if command is not None and (text := command.text()):
            steps.append({"name": "Command", "run": plain(inline_text(text, {}))})
        if not steps:
            part.refuse("no script is left in this stage")
            return
        side_by_side = flag(parallel)
        if side_by_side and len(steps) > 1 and parallel is not None:
            self._side_by_side(part, shown, steps, common, first)
            parallel.notes.approximated(
                parallel.path, "parallel: each script is a job, with a container and files of its own"
            )
            return
        if side_by_side is None and len(steps) > 1 and scripts is not None:
            said = "the scripts might run side by side; they run one after another in one job, where they share files"
            scripts.notes.mapped(scripts.path, said)
        self._job(part, shown, ([first] if first else []) + steps, common)

    def _job(self, part: Part, shown: str, steps: list[dict[str, object]], common: dict[str, object]) -> None:
        key = self._put(shown, shown, part, steps, common, self.tail)
        self.tail = [key]

    def _side_by_side(
        self,
        part: Part,
        shown: str,
        steps: list[dict[str, object]],
        common: dict[str, object],
        first: dict[str, object] | None,
    ) -> None:
        before = self.tail
        keys = []
        for step in steps:
            name = f"{shown}: {step['name']}"
            keys.append(self._put(name, label(name), part, ([dict(first)] if first else []) + [step], common, before))
        self.tail = keys

    def _put(
        self,
        key: str,
        shown: str,
        part: Part,
        steps: list[dict[str, object]],
        common: dict[str, object],
        needs: list[str],
    ) -> str:
        identity = job_key(key, self.jobs)
        at = ("spec", "jobs", identity)
        self.playbook.origins.put(at, part.path)
        if len(steps) > 1 and steps[0].get("id") == "condition":
            for step in steps[1:]:
                step["if"] = ASKED
        self.jobs[identity] = {"name": shown, **({"needs": list(needs)} if needs else {}), **common, "steps": steps}
        return identity

    def _common(self, members: Members) -> tuple[dict[str, object], dict[str, object] | None]:
        """Give what all jobs of a stage have, and the step that asks its condition, where no expression can."""
        found: dict[str, object] = {}
        first = None
        part = members.take("condition", "if")
        conditional = members.take("conditional")
        if part is None and conditional is not None:
            inside = Members(conditional)
            part = inside.take("when")
            inside.close("a condition", strict=True)
        condition = read_condition(part, partial(resolve, self.playbook)) if part is not None else None
        clauses = [_UNLESS_FAILED] if self.skippable else []
        if condition is not None and condition.expression is not None:
            clauses.append(f"({condition.expression})" if clauses else condition.expression)
            self.skippable = True
        elif condition is not None:
            first = condition_step(self.playbook, condition.powershell or "")
        if clauses:
            found["if"] = " && ".join(clauses)
        if flag(members.take("continueOnError")):
            found["continueOnError"] = True
        timeout = integer(members.take("timeout", "timeoutSeconds"))
        if timeout:
            found["timeout"] = timeout
        retries = integer(members.take("retries", "retryCount", "maxRetries"))
        if retries:
            found["retry"] = {"limit": retries}
        return found, first

    def _scripts(self, scripts: Part, variables: Part | None) -> list[dict[str, object]]:
        own = variables.members() if variables is not None else {}
        steps = []
        for number, part in self.playbook.numbers(scripts.elements()):
            values, env = variable_values(self.playbook, number, own)
            steps.append(self.playbook.step(number, part, {"given": values, "filtered": True}, env))
        return steps


def variable_values(playbook: Playbook, number: str, own: dict[str, Part]) -> tuple[dict[str, str], dict[str, str]]:
    """Give what a script is offered as arguments, and the variables that they come in.

    A stage's own variables take the place of the playbook's. Empty ones are never offered, nor those that the script
    has no parameter for.
    """
    values: dict[str, str] = {}
    env: dict[str, str] = {}
    for name in own or playbook.variables.names:
        part = own.get(name)
        if not playbook.mentions(number, name) or (part is not None and part.value in (None, "")):
            continue
        source = playbook.variables.source(name, env) if part is None else playbook.variables.filled_in(part.value, env)
        if source is not None:
            values[name] = source
    return values, env
