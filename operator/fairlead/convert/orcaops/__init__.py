"""OrcaOps' workflow files → a Workflow.

    jobs ── requires, if, unless, on_complete ──→ needs and conditions   (conditions.py)
         ── services, health_check ──→ services                         (services.py)
         ── matrix, exclude, include ──→ strategy                       (matrix.py)

What the documents of OrcaOps leave open is read as its engine does it: a job may take 300 seconds and a run 3600,
`include` of a matrix only ever adds combinations, and one that fails cancels none of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.convert.orcaops.workflow import OrcaOpsWorkflow

if TYPE_CHECKING:
    from fairlead.convert.conversion import Conversion, Options
    from fairlead.syntax.source import Document

__all__ = ["convert", "recognises"]

_OTHERS_TOP = frozenset({"on", "true", "apiVersion", "orchestration", "stages"})
_OTHERS_JOB = frozenset({"runs-on", "steps", "uses"})
_OWN_JOB = frozenset({"commands", "image", "parallel_with", "on_complete"})


def recognises(document: Document) -> bool:
    """Whether a document has jobs with images or commands, and nothing of those formats that have jobs, too."""
    value = document.value
    if not isinstance(value, dict) or value.keys() & _OTHERS_TOP:
        return False
    jobs = value.get("jobs")
    if not isinstance(jobs, dict):
        return False
    found = [job for job in jobs.values() if isinstance(job, dict)]
    return any(job.keys() & _OWN_JOB for job in found) and not any(job.keys() & _OTHERS_JOB for job in found)


def convert(document: Document, options: Options) -> Conversion:
    """Convert it; what is wrong in it is a refusal with its place."""
    return OrcaOpsWorkflow(document, options).conversion()
