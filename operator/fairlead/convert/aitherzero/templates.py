"""A playbook that a job of another one uses: a WorkflowTemplate, made of its file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fairlead.convert import psd1
from fairlead.convert.conversion import Outcome
from fairlead.convert.origins import resource_name
from fairlead.model.problem import one_line, quote
from fairlead.syntax.source import Dialect, SourceError, read_documents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.convert.aitherzero.playbook import Playbook
    from fairlead.convert.part import Part
    from fairlead.syntax.source import Document

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,100}", re.ASCII)
"""No path: a playbook is in one of the folders."""

_PREFIX: Final = "playbook:"
_FOLDERS: Final = (
    "",
    "playbooks/",
    "orchestration/playbooks/",
    "aithercore/orchestration/playbooks/",
    "library/playbooks/",
)
_ENDINGS: Final = (".json", ".psd1", ".yaml", ".yml")
_MOST_NESTED: Final = 4
"""Templates that may call templates in a row."""


def names_playbook(uses: str) -> str | None:
    """Give the name of the playbook that a step uses, if it is one."""
    found, name = uses[: len(_PREFIX)].casefold(), uses[len(_PREFIX) :].strip()
    return name if found == _PREFIX and _NAME.fullmatch(name) else None


def template(playbook: Playbook, uses: Part, name: str) -> Mapping[str, Any] | None:
    """Give the template of a playbook, made once; None where it can't be made, which is refused."""
    known = playbook.templates.get(name)
    if known is not None:
        return known
    if name in playbook.chain or len(playbook.chain) >= _MOST_NESTED:
        row = " → ".join((*playbook.chain, name))
        uses.refuse(f"playbooks may use others up to {_MOST_NESTED} in a row, and none itself: {one_line(row)}")
        return None
    found = _document(playbook, uses, name)
    if found is None:
        return None
    path, document = found
    nested = playbook.nested(document, name, path)
    conversion = nested.convert(nested)
    playbook.others += conversion.notes
    if any(note.outcome is Outcome.REFUSED for note in conversion.notes):
        uses.refuse(f"{path} can't be converted, for the reasons that are told of it")
    made = _as_template(conversion.resources[-1], name)
    playbook.templates[name] = made
    uses.notes.mapped(uses.path, f"uses: {path} is the WorkflowTemplate {made['metadata']['name']}")
    return made


def _document(playbook: Playbook, uses: Part, name: str) -> tuple[str, Document] | None:
    for path in (f"{folder}{name}{ending}" for folder in _FOLDERS for ending in _ENDINGS):
        text = playbook.options.read(path)
        if text is None:
            continue
        try:
            read = psd1.read_documents(text) if path.endswith(".psd1") else read_documents(text, Dialect.CORE)
        except SourceError as error:
            uses.refuse(f"{path} can't be read: {error}")
            return None
        if len(read) == 1:
            return path, read[0]
        uses.refuse(f"{path} has {len(read)} documents; a playbook is one")
        return None
    if playbook.options.skip_unsupported:
        return None
    folders = ", ".join(folder or "./" for folder in _FOLDERS)
    uses.refuse(f"there is no playbook {quote(name)}; looked for {quote(name)} with {', '.join(_ENDINGS)} in {folders}")
    return None


def _as_template(workflow: Mapping[str, Any], name: str) -> dict[str, Any]:
    inputs = {
        key: {"type": _type(value), "default": value} for key, value in workflow["spec"].get("inputs", {}).items()
    }
    metadata = {**workflow["metadata"], "name": resource_name(name)}
    spec = {**workflow["spec"], **({"inputs": inputs} if inputs else {})}
    return {**workflow, "kind": "WorkflowTemplate", "metadata": metadata, "spec": spec}


def _type(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string"
