"""What can go wrong when a plan is carried out, each with what to do about it.

EngineError
├── RefusedError       the cluster says no: show it; try again unless `final`, and not for ever where `impatient`
│   └── TooLargeError  it is more than the cluster keeps in one object: say less
├── ConflictError      the resource has changed meanwhile: look again
│   └── OutrunError    nothing was written, for certain: another engine was faster
├── GoneError          the resource is no more: forget it
├── NotOwnedError      another replica works on it now: let it be
└── UnavailableError   the cluster can't be reached or is too busy: try again, after `retry_after` if it says so
    └── OverloadedError  it asks everybody to pause, and has done nothing: send nothing until then
"""

from __future__ import annotations


class EngineError(Exception):
    """Carrying out a plan failed."""


class RefusedError(EngineError):
    """The cluster doesn't do what it is asked for; `final` where the same request will never do.

    `impatient`: what is missing may come within the grace that an image has, and counts as an error after it.
    """

    def __init__(self, message: str, *, final: bool, impatient: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.final = final
        self.impatient = impatient


class TooLargeError(RefusedError):
    """More than the cluster keeps in one object."""


class ConflictError(EngineError):
    """Somebody else has written to the resource."""


class OutrunError(ConflictError):
    """Another engine has taken meanwhile what was to be given here, so that it wasn't."""


class GoneError(EngineError):
    """The resource has been deleted."""


class NotOwnedError(EngineError):
    """Another replica works on the resource now; nothing was sent."""


class UnavailableError(EngineError):
    """No answer, or one that says to come back later; `retry_after` in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OverloadedError(UnavailableError):
    """The cluster has too much to do for anybody's request, and says for how many seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, retry_after)
        self.seconds = retry_after
