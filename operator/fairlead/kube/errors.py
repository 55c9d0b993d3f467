"""What an API server can answer instead of what was asked for.

ApiError               any answer that isn't a success; `status`, `reason` and `message` are the server's own
├── NotFoundError      404
├── AlreadyExistsError 409, reason AlreadyExists
├── ConflictError      409 otherwise: the version is not the newest
├── ExpiredError       410: list again
├── TooLargeError      413, or 500 as etcd refuses it: say less
└── BusyError          429 and 5xx: come back, after `retry_after` seconds where the server says so
UnreachableError       no answer at all; whether the request was carried out isn't known
ConfigurationError     there is no cluster to talk to, or no way in
"""

from __future__ import annotations

import re

_LONGEST_WISH = 60.0
"""Seconds of a Retry-After that are respected; nobody would find out earlier that it was a mistake."""

_TOO_LARGE = re.compile(r"request is too large|trying to send message larger than max")
"""How etcd, and its client in the API server, refuse an object; the API server passes it on as an error of its own."""


class KubeError(Exception):
    """Anything that goes wrong between this program and a cluster."""


class ConfigurationError(KubeError):
    """No usable connection is configured."""


class UnreachableError(KubeError):
    """The API server gave no answer."""


class ApiError(KubeError):
    """The API server answered with an error."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{message or reason or 'no message'} (HTTP {status})")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class NotFoundError(ApiError):
    """There is no such thing."""


class AlreadyExistsError(ApiError):
    """There is one of that name."""


class ConflictError(ApiError):
    """It has changed since it was read."""


class ExpiredError(ApiError):
    """The version is too old to watch from."""


class TooLargeError(ApiError):
    """It is more than the server, or its etcd, takes."""


class BusyError(ApiError):
    """The server can't answer now."""


def pause_after(error: KubeError, pause: float) -> float:
    """Give the seconds to wait before the next try: a pause, or a longer one that the server asks for."""
    asked = error.retry_after if isinstance(error, ApiError) else None
    return max(pause, min(asked or 0.0, _LONGEST_WISH))


def error_for(status: int, reason: str, message: str, retry_after: float | None) -> ApiError:
    """Choose the class for an answer."""
    kinds: dict[int, type[ApiError]] = {
        404: NotFoundError,
        409: ConflictError,
        410: ExpiredError,
        429: BusyError,
    }
    kind = AlreadyExistsError if reason == "AlreadyExists" else kinds.get(status, ApiError)
    if status == 413 or (status == 500 and _TOO_LARGE.search(message)):  # noqa: PLR2004  as HTTP has them
        return TooLargeError(status, reason, message, retry_after)
    if status >= 500 and reason != "AlreadyExists":  # noqa: PLR2004  HTTP's server errors
        kind = BusyError
    return kind(status, reason, message, retry_after)
