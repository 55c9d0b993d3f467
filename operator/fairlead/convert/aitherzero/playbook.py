"""What the generations of playbooks share: the resource, the folder of scripts, notes that are said once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from fairlead.convert.aitherzero.calls import FOLDER, SHELL, Call, call_text, warning_text
from fairlead.convert.aitherzero.literals import plain
from fairlead.convert.aitherzero.members import Members
from fairlead.convert.aitherzero.scripts import Scripts
from fairlead.convert.aitherzero.sequence import Excluded, SequenceError, parse_sequence, resolve
from fairlead.convert.aitherzero.variables import Variables
from fairlead.convert.conversion import Conversion
from fairlead.convert.notes import Notes
from fairlead.convert.origins import Origins, resource_name
from fairlead.convert.part import Part
from fairlead.model.problem import one_line, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fairlead.convert.aitherzero import sequence
    from fairlead.convert.conversion import Note, Options
    from fairlead.model.problem import Path
    from fairlead.syntax.source import Document

IMAGE: Final = "mcr.microsoft.com/dotnet/sdk:10.0"
"""The image that is kept as PowerShell's own; it has git, too."""

_LABELS: Final = ("pwsh", "powershell")
_DEFAULT_FOLDER: Final = "automation-scripts"
_MOST_LABEL: Final = 256
_ABOUT: Final = "it says what the playbook is; nothing runs by it"
_ABOUT_NAMES: Final = (
    "version",
    "author",
    "tags",
    "category",
    "created",
    "lastUpdated",
    "estimatedDuration",
    "profile",
    "githubWorkflow",
    "$schema",
)
_NEEDS: Final = "tools and modules have to be in the image, and keys in env, as ${{ secrets.NAME }}"
_AROUND: Final = {
    "notifications": "a workflow's status and its Events tell how it goes",
    "reporting": "a workflow's status and its log are the report",
    "requirements": _NEEDS,
    "prerequisites": _NEEDS,
    "qualityGates": "the scripts themselves decide; nothing here counts findings",
    "hooks": "nothing runs around a workflow; make a job of its script, with onComplete: always, if it matters",
    "postActions": "nothing runs after a workflow; make a job of its script, with onComplete: always, if it matters",
    "postDeployment": "it tells people what to do afterwards",
    "integrations": "it sets up other systems, and runs nothing",
}


@dataclass(slots=True)
class Playbook:
    """One playbook on its way: its top, and what the workflow comes to need.

    `convert` converts a playbook, whatever its generation. `file` is the path of one that another uses, over those in
    `chain`; `templates` has what was made of such, by name, and `others` the notes on them.
    """

    document: Document
    options: Options
    convert: Callable[[Playbook], Conversion]
    file: str | None = None
    chain: tuple[str, ...] = ()
    templates: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    others: tuple[Note, ...] = ()
    notes: Notes = field(init=False)
    origins: Origins = field(init=False)
    top: Members = field(init=False)
    scripts: Scripts | None = field(init=False)
    variables: Variables = field(default_factory=Variables)
    inputs: dict[str, object] = field(default_factory=dict)
    env: dict[str, object] = field(default_factory=dict)
    calls_scripts: bool = False
    _said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.notes = Notes(self.document, self.file)
        self.origins = Origins(self.notes)
        self.top = Members(Part(self.document.value, (), self.notes))
        self.scripts = Scripts(self.options.scripts) if self.options.scripts is not None else None
        self.origins.put(("spec",), ())

    def nested(self, document: Document, name: str, file: str) -> Playbook:
        """Give a playbook that this one uses; both share what is made of others."""
        options = replace(self.options, name=name)
        return Playbook(document, options, self.convert, file, (*self.chain, name), self.templates)

    def once(self, path: Path, message: str) -> None:
        """Note, at the first place that gives reason for it, what is only nearly the same in the whole playbook."""
        if message not in self._said:
            self._said.add(message)
            self.notes.approximated(path, message)

    def about(self, members: Members) -> dict[str, object]:
        """Give the metadata of what a playbook says about itself, at its top or in `metadata`."""
        name, description = members.take("name"), members.take("description")
        written = name.text() if name is not None else None
        found: dict[str, object] = {"name": resource_name(written or "", resource_name(self.options.name))}
        if name is not None and written != found["name"]:
            name.notes.mapped(name.path, f"a resource's name has lower-case letters, digits and -: {found['name']}")
        if description is not None and (text := description.text()):
            found["annotations"] = {"fairlead.dev/description": text}
            description.notes.mapped(description.path, "description: kept as the annotation fairlead.dev/description")
        members.leave(_ABOUT, *_ABOUT_NAMES)
        return found

    def around(self) -> None:
        """Leave out what stands around the work."""
        for name, message in _AROUND.items():
            self.top.leave(message, name)
        criteria = self.top.take("successCriteria")
        if criteria is not None:
            said = (
                "SuccessCriteria: a run succeeds when every script does that isn't allowed to fail; nothing is counted"
            )
            criteria.notes.approximated(criteria.path, said)

    def numbers(self, parts: Sequence[Part]) -> list[tuple[str, Part]]:
        """Give the scripts that expressions name, each with the expression that names it first."""
        read: list[tuple[Part, tuple[sequence.Part, ...]]] = []
        for part in parts:
            text = _number_text(part)
            try:
                read += [(part, parse_sequence(text))] if text is not None else []
            except SequenceError as error:
                part.refuse(str(error))
        without = Excluded()
        for part, found in read:
            try:
                without.add(found, self.scripts)
            except SequenceError as error:
                part.refuse(str(error))
        named: dict[str, Part] = {}
        for part, found in read:
            try:
                resolution = resolve(found, self.scripts, without)
            except SequenceError as error:
                part.refuse(str(error))
                continue
            for each in resolution.empty:
                part.notes.left_out(part.path, f"no script lies in {quote(each.text)}")
            for number in resolution.numbers:
                named.setdefault(number, part)
        return list(named.items())

    def script_file(self, number: str, part: Part) -> str | None:
        """Give the file of a number; None where that shows only when it runs. Notes what is doubtful."""
        if self.scripts is None:
            said = "without --scripts the script is looked for by its number when the step runs"
            self.once(part.path, said)
            return None
        script = self.scripts.get(number)
        if script is None:
            return None
        twins = self.scripts.twins(number)
        if len(twins) > 1:
            part.notes.approximated(part.path, f"{len(twins)} scripts have the number {number}; {twins[0]} is taken")
        condition = script.header.get("condition")
        if condition:
            said = f"what {script.file} says of its own Condition ({one_line(condition, 80)}) isn't asked here"
            part.notes.left_out(part.path, said)
        return script.file

    def exists(self, number: str) -> bool:
        """Whether a script is there, as far as that is known."""
        return self.scripts is None or self.scripts.get(number) is not None

    def step(self, number: str, part: Part, call: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, object]:
        """Give the step that runs a script; `call` has the rest of a Call, `env` the step's variables."""
        if not self.exists(number):
            return self._missing(number, part)
        self.calls_scripts = True
        file = self.script_file(number, part)
        text = call_text(Call(number, file, **call))
        step: dict[str, object] = {"name": label(file.rpartition(".")[0] if file else number), "run": plain(text)}
        if env:
            step["env"] = dict(env)
        return step

    def _missing(self, number: str, part: Part) -> dict[str, object]:
        said = f"no script in the folder begins with {number}_"
        if self.options.skip_unsupported:
            part.notes.left_out(part.path, f"{said}; a step says so, as AitherZero does")
        else:
            part.refuse(f"{said}; take the number out, or give --skip-unsupported to pass over it as AitherZero does")
        return {"name": number, "run": warning_text(f"{said}, so nothing is run here")}

    def mentions(self, number: str, variable: str) -> bool:
        """Whether a script may have a parameter of this name: that its text names it, or isn't known."""
        script = self.scripts.get(number) if self.scripts is not None else None
        if script is None:
            return True
        return re.search(rf"\$\{{?{re.escape(variable)}\b", script.text, re.IGNORECASE) is not None

    def image(self) -> str:
        """Give the image with PowerShell."""
        return next((self.options.images[each] for each in _LABELS if each in self.options.images), IMAGE)

    def conversion(
        self, metadata: Mapping[str, object], spec: Mapping[str, object], *, defaults: Mapping[str, object]
    ) -> Conversion:
        """Put the resource together and check it."""
        if self.scripts is not None and not self.scripts.numbers:
            self.notes.refused((), "the folder of --scripts has no script such as 0402_Run-UnitTests.ps1")
        inputs: dict[str, object] = {**self.variables.inputs, **self.inputs}
        env: dict[str, object] = {**self.env, "AITHERZERO_NONINTERACTIVE": "true"}
        if self.calls_scripts:
            folder = _free("scripts", inputs)
            inputs[folder] = _DEFAULT_FOLDER
            env[FOLDER] = f"${{{{ inputs.{folder} }}}}"
            self.notes.approximated(
                (),
                f"scripts are run from the folder {_DEFAULT_FOLDER} of the workspace (the input {folder}), which is "
                "empty at a job's start in a cluster: give the jobs an image or a volume that has the project",
            )
        self.notes.mapped((), f"steps run in {self.image()}; another image: pwsh in --images")
        jobs = spec.get("jobs")
        if isinstance(jobs, dict):
            spec = {**spec, "jobs": {key: _in_order(job, _JOB_ORDER) for key, job in jobs.items()}}
        resource: dict[str, Any] = {
            "apiVersion": "fairlead.dev/v1alpha1",
            "kind": "Workflow",
            "metadata": dict(metadata),
            "spec": {
                **({"inputs": inputs} if inputs else {}),
                "env": env,
                "defaults": {"image": self.image(), "shell": SHELL, **defaults},
                **spec,
            },
        }
        self.origins.check(resource)
        templates = self.templates.values() if self.file is None else ()
        return Conversion((*templates, resource), (*self.notes.all, *self.others))


_JOB_ORDER: Final = ("name", "needs", "if", "strategy", "env", "continueOnError", "retry", "timeout", "outputs")
_STEP_ORDER: Final = ("id", "name", "if", "env", "continueOnError", "timeout", "shell")


def _in_order(part: object, order: Sequence[str]) -> object:
    """Put what is short before what is long."""
    if not isinstance(part, dict):
        return part
    known = {key: part[key] for key in order if key in part}
    rest = {key: value for key, value in part.items() if key not in known}
    if isinstance(rest.get("steps"), list):
        rest["steps"] = [_in_order(step, _STEP_ORDER) for step in rest["steps"]]
    return known | rest


def _free(name: str, taken: Mapping[str, object]) -> str:
    folded = {each.casefold() for each in taken}
    while name.casefold() in folded:
        name = f"{name}-folder"
    return name


def _number_text(part: Part) -> str | None:
    """Give an expression of the sequence language; a number has lost its zeros."""
    if isinstance(part.value, int) and not isinstance(part.value, bool) and 0 <= part.value <= 9999:  # noqa: PLR2004
        return f"{part.value:04}"
    return part.text()


def label(text: str) -> str:
    """Make a text the name of a job or a step: one line, not too long."""
    return one_line(plain(text), _MOST_LABEL - 10) or "step"
