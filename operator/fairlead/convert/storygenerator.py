"""StoryGenerator's pipelines → a Workflow: a chain of jobs, one after another by ascending order.

A stage names work that the engine has in its code; `--stages` says by id what stands for it here. What a stage and the
pipeline say of failures is taken together: retries and their delays, and whether the chain goes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fairlead.convert.notes import Notes
from fairlead.convert.origins import Origins, job_key, resource_name
from fairlead.convert.part import Part
from fairlead.convert.rewriting import access, rewrite_condition
from fairlead.model.fields import scalar_text
from fairlead.model.problem import closest, quote

if TYPE_CHECKING:
    from fairlead.convert.conversion import Conversion, Options
    from fairlead.expressions import Node
    from fairlead.model.problem import Path
    from fairlead.syntax.source import Document

_TOP: Final = ("metadata", "error_handling", "retry", "logging", "variables", "stages", "pipeline", "name", "version")
_STAGE: Final = (
    *("id", "name", "description", "enabled", "order", "condition", "continue_on_error", "max_retries"),
    *("retry_delay_seconds", "parameters", "timeout_seconds"),
)
_MAPPED: Final = ("image", "run", "command", "env", "shell", "workingDirectory")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_]\w*)\}", re.ASCII)
_INPUT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", re.ASCII)
_WORDS: Final = {
    "timeout": "timeout_seconds",
    "continueOnError": "continue_on_error",
    "if": "condition",
    "retry": "max_retries",
    "env": "parameters",
}
_LONGEST_DELAY: Final = 24 * 3600
"""Seconds: StoryGenerator has no longest delay, and beyond a day nobody waits for a retry."""


def recognises(document: Document) -> bool:
    """Whether a document has a list of stages of which the first has an id of its own and nothing that others have."""
    value = document.value
    if not isinstance(value, dict) or value.keys() & {"apiVersion", "jobs", "orchestration", "on"}:
        return False
    stages = value.get("stages")
    if not isinstance(stages, list) or not stages or not isinstance(stages[0], dict):
        return False
    return "id" in stages[0] and not stages[0].keys() & {"sequence", "sequences", "scripts", "jobs"}


def convert(document: Document, options: Options) -> Conversion:
    """Convert a pipeline; what is wrong in it is a refusal with its place."""
    return _Pipeline(Part(document.value, (), Notes(document)), options).conversion()


@dataclass(frozen=True, slots=True)
class _Stage:
    """A stage in its place; `key` is its job's id."""

    part: Part
    id: str
    key: str
    order: float


class _Pipeline:
    """A pipeline on its way."""

    def __init__(self, whole: Part, options: Options) -> None:
        self.whole = whole
        self.notes = whole.notes
        self.options = options
        self.origins = Origins(self.notes, _WORDS)
        self.origins.put(("spec", "inputs"), ("variables",))
        self.inputs: dict[str, Any] = {}
        self.lacking: list[str] = []

    def conversion(self) -> Conversion:
        """Convert the whole."""
        if not isinstance(self.whole.value, dict):
            self.whole.refuse("a pipeline is a map (KEY: VALUE)")
            return self.notes.conversion()
        self.whole.only(_TOP)
        self._variables()
        logging = self.whole.get("logging")
        if logging is not None:
            self.notes.left_out(logging.path, "logging: a job's log is what it prints")
        jobs: dict[str, Any] = {}
        for stage in self._stages():
            job = self._job(stage, list(jobs)[-1:])
            if job is not None:
                jobs[stage.key] = job
                self.origins.put(("spec", "jobs", stage.key), stage.part.path)
        if self.lacking:
            shown = ", ".join(map(quote, dict.fromkeys(self.lacking)))
            self.notes.refused(("stages",), f"--stages says nothing of {shown}: give each an image, and run or command")
        spec = {**({"inputs": self.inputs} if self.inputs else {}), "jobs": jobs}
        resource = {
            "apiVersion": "fairlead.dev/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": self._name()},
            "spec": spec,
        }
        if jobs or not self.notes:
            self.origins.check(resource)
        return self.notes.conversion(resource)

    def _name(self) -> str:
        for part in (self.whole.get("metadata"), self.whole):
            name = part.get("name") if part else None
            if name is not None and isinstance(name.value, str):
                return resource_name(name.value)
        return resource_name(self.options.name)

    def _variables(self) -> None:
        given = self.whole.get("variables")
        for name, each in given.members().items() if given else ():
            if not _INPUT.fullmatch(name):
                each.refuse(f"{quote(name)}: a name has letters, digits, - and _, and starts with a letter or _")
            elif each.value is None or isinstance(each.value, str | bool | int | float):
                self.inputs[name] = "" if each.value is None else each.value
                self._note_environment(str(each.value), each)
            else:
                each.refuse("a variable is a text, a number, true or false")

    def _note_environment(self, text: str, part: Part) -> None:
        names = list(dict.fromkeys(_VARIABLE.findall(text)))
        if names:
            shown = ", ".join(f"${{{name}}}" for name in names)
            said = f"{shown} stays as it is: no environment is put in; a shell that reads it does so where it is set"
            self.notes.approximated(part.path, said)

    def _stages(self) -> list[_Stage]:
        given = self.whole.get("stages")
        if given is None:
            self.whole.refuse('"stages" are missing')
            return []
        found: list[_Stage] = []
        seen: set[str] = set()
        taken: set[str] = set()
        for place, part in enumerate(given.elements()):
            part.only(_STAGE)
            named = part.get("id")
            stage_id = named.text() if named is not None else None
            if not stage_id:
                part.refuse('"id" is missing')
            elif stage_id in seen:
                part.refuse(f"the id {quote(stage_id)} is there twice")
            elif self._enabled(part):
                seen.add(stage_id)
                key = job_key(stage_id, taken)
                taken.add(key)
                found.append(_Stage(part, stage_id, key, self._order(part, place)))
        return sorted(found, key=lambda stage: stage.order)

    def _enabled(self, part: Part) -> bool:
        enabled = part.get("enabled")
        if enabled is None or enabled.value is True:
            return True
        if enabled.value is not False:
            enabled.refuse('"enabled" is true or false')
        else:
            self.notes.left_out(part.path, "the stage isn't enabled")
        return False

    def _order(self, part: Part, place: int) -> float:
        order = part.get("order")
        if order is None:
            return place
        number = order.number()
        if number is None or number < 0 or number != int(number):
            order.refuse('"order" is a whole number, and not negative')
            return place
        return number

    def _job(self, stage: _Stage, before: list[str]) -> dict[str, Any] | None:
        part, work = stage.part, self._work(stage)
        job: dict[str, Any] = {}
        name, condition, limit = part.get("name"), part.get("condition"), part.get("timeout_seconds")
        if name is not None:
            job["name"] = " ".join((name.text() or "").split()) or stage.id
        if before:
            job["needs"] = before
        if condition is not None:
            job["if"] = self._condition(condition, first=not before)
        elif before:
            # What was skipped by its condition doesn't end the run there, but would skip what needs it here.
            job["if"] = _GOES_ON
        seconds = limit.number() if limit is not None else None
        if seconds:
            job["timeout"] = f"{round(seconds)}s"
        retry = self._retry(part)
        job |= {"retry": retry} if retry else {}
        if self._goes_on(part):
            job["continueOnError"] = True
        env = {**self._parameters(part), **(work or {}).get("env", {})}
        job |= {"env": env} if env else {}
        return None if work is None else {**job, **{key: each for key, each in work.items() if key != "env"}}

    def _work(self, stage: _Stage) -> dict[str, Any] | None:
        """Give what the mapping says of a stage; None, and a line of the report, where it says nothing."""
        given = (self.options.stages or {}).get(stage.id)
        if not isinstance(given, dict):
            near = closest(stage.id, self.options.stages or ())
            hint = f"; --stages has {quote(near)}" if near else ""
            self.lacking.append(stage.id)
            stage.part.refuse(f"what the stage {quote(stage.id)} does is in the engine's code{hint}")
            return None
        unknown = [key for key in given if key not in _MAPPED]
        if unknown:
            stage.part.refuse(f"--stages, {quote(stage.id)}: unknown key {quote(str(unknown[0]))}")
        script = given.get("run", given.get("command"))
        lines = script if isinstance(script, list) else [script]
        if not given.get("image") or not all(isinstance(line, str) and line.strip() for line in lines):
            stage.part.refuse(f"--stages, {quote(stage.id)}: give it an image, and a script as run or command")
            return None
        self.notes.mapped(stage.part.path, f"the stage {quote(stage.id)} is what --stages says, in {given['image']}")
        work = {key: given[key] for key in ("image", "shell", "workingDirectory") if key in given}
        env = given.get("env") or {}
        return {**work, **({"env": env} if env else {}), "commands": lines}

    def _parameters(self, part: Part) -> dict[str, str]:
        """Hand parameters on as variables, as a program reads what it is given."""
        given = part.get("parameters")
        found: dict[str, str] = {}
        for name, each in given.members().items() if given else ():
            if isinstance(each.value, list | dict):
                each.refuse("a parameter is a text, a number, true or false here; write a list as JSON text")
                continue
            variable = re.sub(r"\W", "_", name, flags=re.ASCII).upper()
            variable = variable if not variable[:1].isdigit() else f"_{variable}"
            found[variable] = "" if each.value is None else str(scalar_text(each.value))
            self.notes.mapped(each.path, f"the parameter {name} is the variable {variable}")
            self._note_environment(found[variable], each)
        return found

    def _condition(self, part: Part, *, first: bool) -> str:
        text = str(scalar_text(part.value)) if isinstance(part.value, bool) else part.text() or ""
        changed = rewrite_condition(_spelled(text), self._renamed)
        return changed if first else f"{_GOES_ON} && ({changed})"

    def _renamed(self, path: tuple[str, ...]) -> Node | None:
        return access("inputs", *path[1:]) if path[0] == "variables" and len(path) > 1 else None

    def _setting(self, part: Part, own: str, *elsewhere: Path) -> Part | None:
        """Give what a stage says, or else the first of what the pipeline says."""
        found = part.get(own)
        for path in elsewhere:
            if found is None:
                group = self.whole.get(str(path[0]))
                found = group.get(str(path[1])) if group is not None and isinstance(group.value, dict) else None
        return found

    def _goes_on(self, part: Part) -> bool:
        found = self._setting(part, "continue_on_error", ("error_handling", "continue_on_error"))
        if found is not None and not isinstance(found.value, bool):
            found.refuse(f"{found.what} is true or false")
        return found is not None and found.value is True

    def _retry(self, part: Part) -> dict[str, Any] | None:
        times = self._setting(part, "max_retries", ("error_handling", "retry_count"), ("retry", "max_retries"))
        limit = times.number() if times is not None else None
        if not limit:
            return None
        found: dict[str, Any] = {"limit": round(limit)}
        pause = self._setting(
            part, "retry_delay_seconds", ("error_handling", "retry_delay"), ("retry", "delay_seconds")
        )
        delay = pause.number() if pause is not None else None
        if delay:
            found["delay"] = f"{max(1, round(delay))}s"
            if delay != round(delay) and pause is not None:
                self.notes.approximated(pause.path, f"a delay is whole seconds: {found['delay']}")
            found |= self._backoff(delay, round(limit))
        return found

    def _backs_off(self) -> bool:
        group = self.whole.get("retry")
        return group is not None and isinstance(group.value, dict) and group.value.get("exponential_backoff") is True

    def _backoff(self, delay: float, limit: int) -> dict[str, Any]:
        group = self.whole.get("retry")
        if group is None or not self._backs_off():
            return {}
        given = group.get("backoff_multiplier")
        multiplier = 2 if given is None else given.value
        if not isinstance(multiplier, int | float) or isinstance(multiplier, bool) or not 1 <= multiplier <= 100:  # noqa: PLR2004  what a retry takes
            self.notes.refused(("retry", "backoff_multiplier"), "a multiplier is a number from 1 to 100")
            return {}
        longest = delay * float(multiplier) ** max(0, min(limit, 100) - 1)
        return {"multiplier": multiplier, "maxDelay": f"{max(1, round(min(longest, _LONGEST_DELAY)))}s"}


_GOES_ON: Final = "!failure() && !cancelled()"
_WORDS_OF_OTHERS: Final = ((re.compile(r"\bTrue\b"), "true"), (re.compile(r"\bFalse\b"), "false"))
_DOUBLE_QUOTED: Final = re.compile(r'"([^"\']*)"')


def _spelled(text: str) -> str:
    """Write a condition in our language's spelling: texts in single quotes, `true` and `false` in lower case."""
    text = _DOUBLE_QUOTED.sub(r"'\1'", text)
    for pattern, word in _WORDS_OF_OTHERS:
        text = pattern.sub(word, text)
    return text
