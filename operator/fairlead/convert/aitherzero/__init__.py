"""Playbooks of AitherZero, of all generations, → a Workflow.

    v3  orchestration.jobs                   jobs.py, steps.py
    v2  orchestration.stages, stages         stages.py
    v1  Sequence (JSON or a .psd1 file)      listing.py

They run numbered PowerShell scripts, named in the sequence language (sequence.py), which look for them in a folder
(scripts.py). Conditions are PowerShell (conditions.py). A generation is told by what a playbook holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fairlead.convert.aitherzero.jobs import convert_jobs
from fairlead.convert.aitherzero.listing import convert_listing
from fairlead.convert.aitherzero.members import Members
from fairlead.convert.aitherzero.playbook import Playbook
from fairlead.convert.aitherzero.stages import convert_stages

if TYPE_CHECKING:
    from fairlead.convert.conversion import Conversion, Options
    from fairlead.syntax.source import Document

__all__ = ["convert", "recognises"]

_SCRIPTS: Final = frozenset({"sequence", "sequences", "scripts", "command"})


def recognises(document: Document) -> bool:
    """Whether a document has an orchestration of jobs or stages, stages of numbered scripts, or a sequence."""
    top = _folded(document.value)
    orchestration = _folded(top.get("orchestration"))
    if isinstance(orchestration.get("jobs"), dict) or isinstance(orchestration.get("stages"), list):
        return True
    if isinstance(top.get("sequence"), list | str) and "apiversion" not in top:
        return True
    stages = top.get("stages")
    return isinstance(stages, list) and any(_folded(each).keys() & _SCRIPTS for each in stages)


def _folded(value: object) -> dict[str, object]:
    return {key.casefold(): each for key, each in value.items()} if isinstance(value, dict) else {}


def convert(document: Document, options: Options) -> Conversion:
    """Convert it; what is wrong in it is a refusal with its place."""
    return _convert(Playbook(document, options, _convert))


def _convert(playbook: Playbook) -> Conversion:
    part = playbook.top.take("orchestration")
    orchestration = Members(part) if part is not None and isinstance(part.value, dict) else None
    if orchestration is not None and orchestration.take("jobs") is not None:
        return convert_jobs(playbook, orchestration)
    if (orchestration or playbook.top).take("stages") is not None:
        sequence = playbook.top.take("sequence")
        if sequence is not None:
            playbook.notes.left_out(sequence.path, "Sequence: the stages have sequences of their own, and count alone")
        return convert_stages(playbook, orchestration)
    return convert_listing(playbook)
