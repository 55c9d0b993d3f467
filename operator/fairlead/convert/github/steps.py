"""A job's steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fairlead.convert.conversion import Outcome
from fairlead.convert.environment import lift_secrets
from fairlead.convert.github.checkout import NAME as CHECKOUT
from fairlead.convert.github.checkout import checkout
from fairlead.convert.github.fields import condition, flag, minutes, variables
from fairlead.convert.github.setup import language_of, setup_step
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.convert.github.contexts import Contexts
    from fairlead.convert.github.setup import Machine
    from fairlead.convert.part import Part

_KNOWN: Final = (
    *("id", "name", "run", "uses", "with", "shell", "working-directory", "env", "if"),
    *("continue-on-error", "timeout-minutes"),
)
_CACHES: Final = ("actions/cache", "actions/cache/restore", "actions/cache/save", "Swatinem/rust-cache")
_ARTIFACTS: Final = ("actions/upload-artifact", "actions/download-artifact", "actions/upload-pages-artifact")
_USES: Final = re.compile(r"[\w./@:+-]+")
_OTHER_SHELLS: Final = ("pwsh", "powershell", "cmd")
_PIPE: Final = re.compile(r"(?<!\|)\|(?![|&])")
_SUDO: Final = re.compile(r"(?:^|[\s;&|(])sudo\s", re.MULTILINE)


NOTHING: Final[dict[str, Any]] = {"run": "true"}
"""What stands in for a step that is refused, so that the rest can be checked."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one job. `env` has the variables around them, `defaults` their shell and directory."""

    contexts: Contexts
    machine: Machine
    env: Mapping[str, object]
    defaults: Mapping[str, str]

    def step(self, part: Part) -> dict[str, Any] | None:
        """Convert one step; None where nothing has to stand for it."""
        if not isinstance(part.value, dict):
            part.refuse("a step is a map (KEY: VALUE)")
            return NOTHING
        part.only(_KNOWN)
        step = self._shared(part)
        uses, run = part.get("uses"), part.get("run")
        if uses is not None and run is None:
            made = self._uses(part, uses, step)
            return None if made is None else {**self._plain(), **made}
        if run is None or uses is not None:
            part.refuse("a step has either run or uses")
            return NOTHING
        return self._run(part, run, step)

    def _plain(self) -> dict[str, str]:
        """Take back the defaults, which are those of scripts alone: of an action there is no folder yet."""
        plain = {"shell": "sh"} if "shell" in self.defaults else {}
        return {**plain, "workingDirectory": "."} if "workingDirectory" in self.defaults else plain

    def _shared(self, part: Part) -> dict[str, Any]:
        """Convert what all steps may have, in the order in which people write it."""
        step: dict[str, Any] = {}
        for key in ("name", "id"):
            each = part.get(key)
            if each is not None:
                step[key] = self.contexts.text(each.text() or "", each.path)
        if "name" in step:
            step["name"] = " ".join(step["name"].split()) or "Step"
        for key, name, convert in (
            ("if", "if", condition),
            ("continue-on-error", "continueOnError", flag),
            ("timeout-minutes", "timeout", minutes),
        ):
            each = part.get(key)
            found = None if each is None else convert(each, self.contexts)
            if found is not None:
                step[name] = found
        return step

    def _run(self, part: Part, run: Part, step: dict[str, Any]) -> dict[str, Any]:
        own, where = part.get("shell"), part.get("working-directory")
        shell = self.defaults.get("shell") if own is None else own.text()
        if own is not None and shell is not None:
            step["shell"] = self.contexts.text(shell, own.path)
        if shell is not None and shell.strip().split(" ")[0].casefold() in _OTHER_SHELLS:
            return self._other_shell(shell, own or run, step)
        if where is not None:
            step["workingDirectory"] = self.contexts.text(where.text() or "", where.path)
        script = self.contexts.script(run.text() or "", run.path)
        env = variables(part.get("env"), self.contexts)
        lifted = lift_secrets(script, shell, {**self.env, **env})
        if lifted.refusal:
            self.contexts.draft.notes.refused(run.path, f"a secret in a script: {lifted.refusal}")
        for name in lifted.names:
            said = f"{name} in a script: a variable stands there instead, which has the value from the cluster"
            self.contexts.draft.notes.approximated(run.path, said)
        env = {**env, **lifted.env}
        self._note_script(script, shell, run)
        return {**step, **({"env": env} if env else {}), "run": lifted.script}

    def _other_shell(self, shell: str, part: Part, step: dict[str, Any]) -> dict[str, Any]:
        said = f"the shell {quote(shell)} isn't in the images of Linux jobs; write the script for bash or python"
        self.contexts.draft.unsupported(part, said)
        name = shell.split(" ", maxsplit=1)[0]
        return {**step, "shell": "sh", "run": f"echo 'skipped: shell: {name}'"}

    def _note_script(self, script: str, shell: str | None, run: Part) -> None:
        draft = self.contexts.draft
        if shell is None and _PIPE.search(script):
            said = "a command that fails in a pipe fails its step here; GitHub passes over it where no shell is named"
            draft.once(Outcome.APPROXIMATED, run.path, said)
        if _SUDO.search(script) and self.machine.image not in draft.options.images.values():
            said = "steps are root in their container, and the images chosen here have no sudo: leave it out"
            draft.once(Outcome.APPROXIMATED, run.path, said)

    def _uses(self, part: Part, uses: Part, step: dict[str, Any]) -> dict[str, Any] | None:
        text = uses.text() or ""
        if not _USES.fullmatch(text):
            uses.refuse(f"{quote(text)} names no action")
            return NOTHING
        action = text.partition("@")[0]
        notes = self.contexts.draft.notes
        language = language_of(action)
        if action == CHECKOUT:
            repository, _ = self.contexts.draft.source_inputs
            said = f"checkout is a git clone of the input {repository}, or the files that are in the workspace already"
            self.contexts.draft.once(Outcome.APPROXIMATED, uses.path, said)
            return checkout(part, step, self.contexts)
        if language is not None:
            return setup_step(language, step) if self.machine.language(language, part) else _skipped(text, step)
        if action in _CACHES and not self._needs_a_hit(part):
            notes.left_out(uses.path, f"{action}: nothing is cached between runs, and the work is done without it")
            # Steps that ask for it are told what they are told the first time.
            return {**step, "run": 'echo "cache-hit=false" >> "$FAIRLEAD_OUTPUT"'} if "id" in step else None
        return self._unsupported(action, text, uses, step)

    def _needs_a_hit(self, part: Part) -> bool:
        settings = part.get("with")
        wanted = settings.get("fail-on-cache-miss") if settings else None
        return wanted is not None and wanted.text() == "true"

    def _unsupported(self, action: str, text: str, uses: Part, step: dict[str, Any]) -> dict[str, Any]:
        if action in _ARTIFACTS:
            said = f"{action}: jobs have no artifacts here; hand texts on as outputs, and files through a volume"
        elif action.startswith("actions/cache"):
            said = f"{action} fails without a cache, and nothing is cached between runs"
        elif action.startswith("./"):
            said = f"{action}: actions of the project can't be run; write their commands as run"
        elif action.startswith("docker:"):
            said = f"{text}: a job runs in one image; make it a job of its own with this image"
        else:
            said = f"{action} is an action, which can't be run here; write its commands as run"
        self.contexts.draft.unsupported(uses, said)
        return _skipped(text, step)


def _skipped(uses: str, step: dict[str, Any]) -> dict[str, Any]:
    return {**step, "run": f"echo 'skipped: uses: {uses}'"}
