"""The client's errors in the engine's words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from fairlead.engine import errors as engine
from fairlead.kube.errors import ApiError, BusyError, TooLargeError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PERMANENT: Final = frozenset({"Invalid", "BadRequest", "MethodNotAllowed"})
_TOO_MANY_REQUESTS: Final = 429


@contextmanager
def translated() -> Iterator[None]:
    """Say in the engine's words what can be tried again, and what is refused."""
    try:
        yield
    except BusyError as error:
        if error.status == _TOO_MANY_REQUESTS:
            raise engine.OverloadedError(str(error), error.retry_after or 1.0) from error
        raise engine.UnavailableError(str(error), error.retry_after) from error
    except TooLargeError as error:
        raise engine.TooLargeError(error.message, final=True) from error
    except ApiError as error:
        raise engine.RefusedError(error.message, final=error.reason in _PERMANENT) from error
    except UnreachableError as error:
        raise engine.UnavailableError(str(error)) from error
