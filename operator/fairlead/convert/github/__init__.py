"""GitHub Actions' workflow files → Workflows, and WorkflowTemplates of those that others call.

on ──→ annotations, schedules, inputs                       (triggers.py)
jobs ── runs-on, container, setup actions ──→ image         (setup.py, images.py)
     ── services, strategy, uses, … ──→ the same here       (services.py, matrix.py, calls.py, jobs.py)
     ── steps ──→ scripts; checkout is a git clone          (steps.py, checkout.py)
${{ github.… }} ──→ what is known here                      (contexts.py)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.convert.github.workflow import convert

if TYPE_CHECKING:
    from fairlead.syntax.source import Document

__all__ = ["convert", "recognises"]


def recognises(document: Document) -> bool:
    """Whether a document has jobs, and either `on` or what only GitHub's jobs have."""
    value = document.value
    if not isinstance(value, dict) or "apiVersion" in value:
        return False
    jobs = value.get("jobs")
    if not isinstance(jobs, dict):
        return False
    return "on" in value or any(isinstance(job, dict) and "runs-on" in job for job in jobs.values())
