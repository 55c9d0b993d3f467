"""The smallest JSON merge patch (RFC 7386) from one document to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MISSING: Final = object()


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Give the patch that turns `before` into `after`; empty where they are equal. Lists are replaced whole."""
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        known = before.get(key, _MISSING)
        if known is value:
            # Of a large document most parts are handed on as they are.
            continue
        if isinstance(value, dict) and isinstance(known, dict):
            if inner := merge_patch(known, value):
                patch[key] = inner
        elif known is _MISSING or known != value:
            patch[key] = value
    return patch
