"""The first generation: one sequence of scripts, by numbers or with settings of their own.

One after another they are the steps of one job; side by side each is a job, which needs those of the others that its
header depends on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from fairlead.convert.aitherzero.asking import read_condition, resolve
from fairlead.convert.aitherzero.guards import add_preconditions
from fairlead.convert.aitherzero.members import Members, flag, integer
from fairlead.convert.aitherzero.playbook import label
from fairlead.convert.aitherzero.stages import declare_variables, variable_values
from fairlead.convert.origins import job_key

if TYPE_CHECKING:
    from fairlead.convert.aitherzero.playbook import Playbook
    from fairlead.convert.conversion import Conversion
    from fairlead.convert.part import Part

_GO_ON: Final = "!cancelled()"
_OF_JOBS: Final = ("if", "continueOnError", "timeout")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One script of the sequence, as a step."""

    number: str
    part: Part
    step: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Mode:
    """How the sequence runs. `stops` says what a failure does where the script itself doesn't, None if nothing does."""

    parallel: bool = False
    most: int | None = None
    stops: bool | None = None
    part: Part | None = None


def convert_listing(playbook: Playbook) -> Conversion:
    """Convert a playbook with a `Sequence`."""
    metadata = playbook.about(playbook.top)
    declare_variables(playbook, playbook.top)
    sequence = playbook.top.take("sequence", "sequences")
    mode = _mode(playbook)
    entries = _Listing(playbook, mode).entries(sequence) if sequence is not None else []
    spec: dict[str, object] = {}
    if sequence is not None:
        playbook.origins.put(("spec", "jobs"), sequence.path)
    if mode.parallel:
        jobs = _side_by_side(playbook, entries)
        if mode.most:
            spec["maxParallel"] = mode.most
        if mode.stops:
            spec["failFast"] = True
    else:
        jobs = _one_after_another(playbook, entries, str(metadata["name"]))
    spec["jobs"] = add_preconditions(playbook, jobs)
    playbook.around()
    playbook.top.close("a playbook", strict=False)
    return playbook.conversion(metadata, spec, defaults={})


def _mode(playbook: Playbook) -> _Mode:
    part = playbook.top.take("options")
    if part is None:
        return _Mode()
    options = Members(part)
    parallel, most, stops = options.take("parallel"), options.take("maxConcurrency"), options.take("stopOnError")
    side_by_side = flag(parallel) or False
    if side_by_side and parallel is not None:
        said = "Parallel: each script is a job, with files of its own, and needs those that its header names"
        parallel.notes.approximated(parallel.path, said)
    elif most is not None:
        most.notes.left_out(most.path, "MaxConcurrency: scripts that run one after another are one at a time")
    options.leave("the log of a job has all of it", "captureOutput", "generateSummary", "summaryFormat")
    options.leave("each of them is an input", "profiles")
    options.close("options", strict=True)
    return _Mode(side_by_side, integer(most) if side_by_side else None, flag(stops), part)


def _one_after_another(playbook: Playbook, entries: list[_Entry], name: str) -> dict[str, object]:
    if not entries:
        return {}
    key = job_key(name, ())
    for index, entry in enumerate(entries):
        playbook.origins.put(("spec", "jobs", key, "steps", index), entry.part.path)
    steps: list[object] = [entry.step for entry in entries]
    return {key: {"steps": steps}}


def _side_by_side(playbook: Playbook, entries: list[_Entry]) -> dict[str, object]:
    jobs: dict[str, object] = {}
    keys: dict[str, str] = {}
    for entry in entries:
        key = job_key(str(entry.step["name"]), jobs)
        script = playbook.scripts.get(entry.number) if playbook.scripts is not None else None
        depends = script.words("dependencies") if script is not None else ()
        needs = [keys[number] for number in depends if number in keys]
        keys.setdefault(entry.number, key)
        playbook.origins.put(("spec", "jobs", key), entry.part.path)
        job: dict[str, object] = {"name": entry.step["name"]}
        if needs:
            job["needs"] = needs
        job |= {name: entry.step[name] for name in _OF_JOBS if name in entry.step}
        job["steps"] = [{name: value for name, value in entry.step.items() if name not in _OF_JOBS}]
        jobs[key] = job
    return jobs


@dataclass(slots=True)
class _Listing:
    playbook: Playbook
    mode: _Mode
    found: list[_Entry] = field(default_factory=list)

    def entries(self, sequence: Part) -> list[_Entry]:
        """Give the steps of all scripts, in order."""
        elements = sequence.elements()
        plain_ones = [each for each in elements if not isinstance(each.value, dict)]
        named: dict[tuple[str | int, ...], list[str]] = {}
        for number, part in self.playbook.numbers(plain_ones):
            named.setdefault(part.path, []).append(number)
        for each in elements:
            if isinstance(each.value, dict):
                self._definition(each)
                continue
            for number in named.get(each.path, ()):
                values, env = variable_values(self.playbook, number, {})
                step = self.playbook.step(number, each, {"given": values, "filtered": True}, env)
                self.found.append(_Entry(number, each, step | self._after_failure(None)))
        if not self.found:
            sequence.refuse("no script is left in this sequence")
        return self.found

    def _definition(self, part: Part) -> None:
        members = Members(part)
        script = members.take("script", "scriptPath", "number")
        description, name = members.take("description"), members.take("name")
        given, timeout = members.take("parameters", "params"), integer(members.take("timeout", "timeoutSeconds"))
        allowed = flag(members.take("continueOnError", "continue_on_error"))
        retries = integer(members.take("retryCount", "retries", "maxRetries")) or 0
        condition = members.take("condition", "if")
        members.leave("the header of the script names its stage", "stage")
        members.close("a script", strict=True)
        numbers = self.playbook.numbers([script]) if script is not None else []
        if len(numbers) != 1:
            if script is None:
                part.refuse("there is no Script in it; write its number or its file's name")
            elif numbers:
                script.refuse("settings are for one script; write its number")
            return
        number = numbers[0][0]
        values, env = self._arguments(number, given)
        step = self.playbook.step(number, numbers[0][1], {"given": values, "filtered": True, "retries": retries}, env)
        shown = next((text for each in (name, description) if each is not None and (text := each.text())), None)
        if shown is not None:
            step["name"] = label(shown)
        if timeout:
            step["timeout"] = timeout * (retries + 1)
        step |= self._after_failure(allowed)
        if condition is not None:
            self._condition(condition, step)
        self.found.append(_Entry(number, part, step))

    def _arguments(self, number: str, given: Part | None) -> tuple[dict[str, str], dict[str, str]]:
        """Give the script's own parameters before the playbook's variables."""
        values, env = variable_values(self.playbook, number, {})
        for name, each in given.members().items() if given is not None else ():
            if not self.playbook.mentions(number, name):
                each.notes.left_out(each.path, f"the script has no parameter {name}, and AitherZero leaves it out, too")
                continue
            values = {key: value for key, value in values.items() if key.casefold() != name.casefold()}
            if each.value is not None:
                values[name] = self.playbook.variables.filled_in(each.value, env)
        return values, {name: value for name, value in env.items() if any(f"$env:{name}" in v for v in values.values())}

    def _after_failure(self, allowed: bool | None) -> dict[str, object]:  # noqa: FBT001  what the script says
        """Say what failures mean: its own, if it is allowed, and those before it, where they don't stop the rest."""
        goes_on = self.mode.stops is False and not self.mode.parallel and bool(self.found)
        return ({"if": _GO_ON} if goes_on else {}) | ({"continueOnError": True} if allowed else {})

    def _condition(self, part: Part, step: dict[str, object]) -> None:
        condition = read_condition(part, partial(resolve, self.playbook))
        if condition is None:
            return
        if condition.expression is None:
            part.refuse("an expression can't say this; leave the condition to the script, which can ask it")
        elif "if" in step:
            step["if"] = f"{step['if']} && ({condition.expression})"
        else:
            step["if"] = condition.expression
