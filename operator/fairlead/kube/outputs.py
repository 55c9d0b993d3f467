"""Outputs that were too large for a job's report: where they are read, and the report with them, or without."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fairlead.render.job import MAIN
from fairlead.render.report import parse_outputs

if TYPE_CHECKING:
    from fairlead.model.ids import WorkflowKey
    from fairlead.model.report import LoggedOutputs, Report

_LINES_AFTER = 50
"""What a process that a step left behind may still write after the outputs."""

_BYTES_AFTER = 64 * 1024


def log_path(workflow: WorkflowKey, pod: str, logged: LoggedOutputs) -> str:
    """Give the path of the end of the main container's log."""
    lines = logged.lines + _LINES_AFTER
    return f"/api/v1/namespaces/{workflow.namespace}/pods/{pod}/log?container={MAIN}&tailLines={lines}"


def most_bytes(logged: LoggedOutputs) -> int:
    """Give how much of the log's end is worth keeping: base64 adds a third and its newlines."""
    return logged.size * 4 // 3 + 2 * logged.lines + _BYTES_AFTER


def complete(report: Report, logged: LoggedOutputs, tail: str) -> Report:
    """Give the report with the outputs that stand at the end of the log."""
    outputs = parse_outputs(tail, logged)
    if outputs is None:
        return without_outputs(report, "they aren't there, or not as they were written")
    steps = (*report.outputs, *outputs)
    merged = {step: {**report.outputs.get(step, {}), **outputs.get(step, {})} for step in steps}
    return replace(report, outputs=merged, log=None)


def without_outputs(report: Report, why: str) -> Report:
    """Give the report of a job whose outputs are lost. What went wrong before that is still what went wrong."""
    said = f"its outputs, at the end of its log, could not be read: {why}"
    failed = report.exit_code != 0 or report.error is not None
    return replace(report, log=None, outputs_lost=True, error=report.error if failed else said)
