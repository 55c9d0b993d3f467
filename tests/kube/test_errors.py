from __future__ import annotations

import pytest

from fairlead.kube.errors import (
    AlreadyExistsError,
    ApiError,
    BusyError,
    ConflictError,
    ExpiredError,
    KubeError,
    NotFoundError,
    TooLargeError,
    UnreachableError,
    error_for,
    pause_after,
)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "BadRequest", ApiError),
        (401, "Unauthorized", ApiError),
        (403, "Forbidden", ApiError),
        (404, "NotFound", NotFoundError),
        (404, "", NotFoundError),
        (405, "MethodNotAllowed", ApiError),
        (409, "Conflict", ConflictError),
        (409, "AlreadyExists", AlreadyExistsError),
        (410, "Expired", ExpiredError),
        (422, "Invalid", ApiError),
        (429, "TooManyRequests", BusyError),
        (500, "InternalError", BusyError),
        (413, "RequestEntityTooLarge", TooLargeError),
        (503, "", BusyError),
        (504, "Timeout", BusyError),
    ],
)
def test_kinds(status: int, reason: str, kind: type[ApiError]) -> None:
    """The answer's status, and where that isn't enough its reason, decide what kind of error it is."""
    error = error_for(status, reason, "why", 3)
    assert (type(error), error.status, error.reason, error.message, error.retry_after) == (
        kind,
        status,
        reason,
        "why",
        3,
    )


@pytest.mark.parametrize(
    "message",
    [
        "etcdserver: request is too large",
        "rpc error: code = ResourceExhausted desc = trying to send message larger than max (3000564 vs. 2097152)",
    ],
)
def test_too_large_for_etcd(message: str) -> None:
    """What etcd never takes comes as an error of the server's own, and isn't tried again for ever."""
    assert type(error_for(500, "", message, None)) is TooLargeError


@pytest.mark.parametrize(
    ("reason", "message", "text"),
    [
        ("Forbidden", "not you", "not you (HTTP 403)"),
        ("Forbidden", "", "Forbidden (HTTP 403)"),
        ("", "", "no message (HTTP 403)"),
    ],
)
def test_text(reason: str, message: str, text: str) -> None:
    """An error says what the server said."""
    assert str(error_for(403, reason, message, None)) == text


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (UnreachableError("no route"), 2),
        (error_for(503, "", "starting", None), 2),
        (error_for(429, "TooManyRequests", "later", 1), 2),
        (error_for(429, "TooManyRequests", "later", 7), 7),
        (error_for(503, "", "much later", 86_400), 60),
    ],
)
def test_pauses(error: KubeError, seconds: float) -> None:
    """The next try waits as long as the server asks for, within reason, and no shorter than it would have anyway."""
    assert pause_after(error, 2) == seconds
