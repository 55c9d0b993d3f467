"""What a job's container reports of its steps when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from fairlead.model.phase import Result

if TYPE_CHECKING:
    from collections.abc import Mapping


class JobState(StrEnum):
    """How a running job stands so far: what success(), failure() and cancelled() ask in a step's condition.

    A job is a success until a step fails whose failure isn't allowed, and cancelled from the signal or the timeout on.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step. `exit_code` is None where it was skipped.

    Times are seconds since the driver's start; both are 0 for a skipped step, where the kernel told none, or where the
    report had no room for them. `allowed`: its failure didn't count (continueOnError). `cancelled`: it ran when the job
    was interrupted or ran out of time. `timed_out`: it ran out of its own time.
    """

    exit_code: int | None
    started: float = 0.0
    finished: float = 0.0
    allowed: bool = False
    cancelled: bool = False
    timed_out: bool = False

    @property
    def outcome(self) -> Result:
        """How it went by itself."""
        if self.exit_code is None:
            return Result.SKIPPED
        if self.cancelled:
            return Result.CANCELLED
        return Result.SUCCESS if self.exit_code == 0 else Result.FAILURE

    @property
    def conclusion(self) -> Result:
        """What it counts as."""
        return Result.SUCCESS if self.allowed and self.outcome is Result.FAILURE else self.outcome


@dataclass(frozen=True, slots=True)
class LoggedOutputs:
    """Outputs that were too large for the report, and stand in the log's last `lines` lines.

    `size` is in bytes, before they were encoded, and `checksum` their SHA-256 in hexadecimal.
    """

    lines: int
    size: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Report:
    """All of a job's steps up to its end, by their index; those that were skipped, too.

    `outputs` maps step ids to names to values; `log` tells of further ones. `exit_code` is None when the container was
    stopped before its end; `error` is the driver's own reason for a failure, such as outputs that are too large.
    `outputs_lost`: some were in the log and can't be read from there; `error` says why, where nothing else went wrong.
    """

    steps: tuple[StepReport, ...]
    outputs: Mapping[str, Mapping[str, str]]
    exit_code: int | None
    timed_out: bool = False
    error: str | None = None
    log: LoggedOutputs | None = None
    outputs_lost: bool = False

    @property
    def failed_step(self) -> int | None:
        """The index of the first step that failed the job."""
        return next((index for index, step in enumerate(self.steps) if step.conclusion is Result.FAILURE), None)
