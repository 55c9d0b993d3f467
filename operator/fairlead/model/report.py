"""What a job's container reports of its steps when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step that ran.

    Times are seconds since the driver's start; both are 0 where the kernel told none, or where the
    report had no room for them.
    """

    exit_code: int
    started: float
    finished: float


@dataclass(frozen=True, slots=True)
class Report:
    """All of a job's steps; those that didn't run are absent.

    `outputs` maps step ids to names to values. `exit_code` is None when the container was stopped before its
    end; `error` is the driver's own reason for a failure, such as outputs that are too large.
    """

    steps: tuple[StepReport, ...]
    outputs: Mapping[str, Mapping[str, str]]
    exit_code: int | None
    timed_out: bool = False
    error: str | None = None

    @property
    def failed_step(self) -> int | None:
        """The index of the first step that failed."""
        return next((index for index, step in enumerate(self.steps) if step.exit_code != 0), None)
