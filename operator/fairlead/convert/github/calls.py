"""Jobs that call another workflow of the project, which becomes a WorkflowTemplate."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from fairlead.convert.origins import resource_name
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from fairlead.convert.conversion import Note
    from fairlead.convert.github.contexts import Contexts
    from fairlead.convert.part import Part

_LOCAL: Final = re.compile(r"\./(\.github/workflows/([\w.-]+)\.ya?ml)")
_MOST_DEEP: Final = 4
_RENAMED: Final = re.compile(r"\s*\$\{\{\s*secrets\.(\w+)\s*\}\}\s*")


@dataclass(frozen=True, slots=True)
class Called:
    """A workflow that is called: its template, those that it calls itself, the report, and its source inputs."""

    resources: tuple[dict[str, Any], ...]
    notes: tuple[Note, ...]
    source_inputs: tuple[str, str] | None


Convert: TypeAlias = "Callable[[str, str, Templates], Called | None]"
"""Converts the file of a path, in a text, to a template."""


@dataclass(slots=True)
class Templates:
    """The workflows that one file calls, each by its path; `open` are those that are being converted."""

    convert: Convert
    open: tuple[str, ...] = ()
    found: dict[str, Called] = field(default_factory=dict)


def call(part: Part, contexts: Contexts, templates: Templates) -> dict[str, Any]:
    """Convert `uses`, `with` and `secrets` of a job."""
    uses, draft = part.get("uses"), contexts.draft
    text = (uses.text() or "") if uses else ""
    local = _LOCAL.fullmatch(text)
    if uses is None or local is None:
        said = f"{quote(text)} is in another project; copy it into .github/workflows, and call it from there"
        draft.unsupported(uses or part, said)
        return _skipped(text)
    path = local[1]
    called = templates.found.get(path) or _convert(path, uses, contexts, templates)
    if called is None:
        return _skipped(text)
    templates.found[path] = called
    name = resource_name(local[2], "workflow")
    draft.notes.mapped(uses.path, f"{path} is the WorkflowTemplate {quote(name)}")
    given = part.get("with")
    values = {key: _value(each, contexts) for key, each in given.members().items()} if given else {}
    if called.source_inputs is not None:
        draft.sources = True
        values |= {
            theirs: f"${{{{ inputs.{ours} }}}}"
            for theirs, ours in zip(called.source_inputs, draft.source_inputs, strict=True)
            if theirs not in values
        }
    _secrets(part.get("secrets"), contexts)
    return {"uses": name, **({"with": values} if values else {})}


def _convert(path: str, uses: Part, contexts: Contexts, templates: Templates) -> Called | None:
    draft = contexts.draft
    if path in templates.open:
        uses.refuse(f"{path} would call itself")
        return None
    if len(templates.open) >= _MOST_DEEP:
        uses.refuse(f"templates call each other at most {_MOST_DEEP} deep")
        return None
    text = draft.options.read(path)
    called = None if text is None else templates.convert(path, text, templates)
    if called is None:
        why = "there is no such file in this project" if text is None else "it can't be read, or isn't to be called"
        draft.unsupported(uses, f"{path}: {why}")
    return called


def _value(part: Part, contexts: Contexts) -> str | int | float | bool:
    if isinstance(part.value, bool | int | float):
        return part.value
    return contexts.text("" if part.value is None else part.text() or "", part.path)


def _secrets(part: Part | None, contexts: Contexts) -> None:
    if part is None:
        return
    if part.value == "inherit":
        contexts.draft.notes.mapped(part.path, "the template reads the same Secret as its caller (fairlead-secrets)")
        return
    for name, each in part.members().items():
        same = _RENAMED.fullmatch(each.text() or "")
        if same is None or same[1].casefold() != name.casefold():
            said = f"the template reads the key {name} of the Secret fairlead-secrets: put the value there"
            contexts.draft.notes.approximated(each.path, said)


def _skipped(uses: str) -> dict[str, Any]:
    """Make what stands in for a call that isn't possible."""
    shown = re.sub(r"[^\w./@:+-]", "", uses)
    return {"image": "busybox", "steps": [{"run": f"echo 'skipped: uses: {shown}'"}]}
