"""Comparing whole documents: what differs between two runs is put out of sight first."""

from __future__ import annotations

from typing import Any

MOMENTS = frozenset({"startedAt", "finishedAt", "lastTransitionTime"})

ANYTHING = "…"
"""In what is wanted: any value, if there is one."""


def timeless(document: Any) -> Any:  # noqa: ANN401  a JSON document
    """Put "…" in the place of each moment, duration and generated name."""
    if isinstance(document, dict):
        hidden = MOMENTS | {"duration", "kubernetesJob"}
        return {key: ANYTHING if key in hidden and value else timeless(value) for key, value in document.items()}
    return [timeless(each) for each in document] if isinstance(document, list) else document


def differences(found: Any, wanted: Any, place: str = "") -> list[str]:  # noqa: ANN401  JSON documents
    """Tell where a document isn't as wanted: maps may have more keys, lists may not have more items.

    A wanted null stands for nothing there, ANYTHING for anything but nothing.
    """
    match wanted:
        case dict() if isinstance(found, dict):
            return [
                each for key, value in wanted.items() for each in differences(found.get(key), value, f"{place}.{key}")
            ]
        case list() if isinstance(found, list) and len(found) == len(wanted):
            pairs = enumerate(zip(found, wanted, strict=True))
            return [each for at, (one, other) in pairs for each in differences(one, other, f"{place}[{at}]")]
        case _ if wanted == ANYTHING and found is not None:
            return []
        case _:
            same = type(found) is type(wanted) and found == wanted
            return [] if same else [f"{place} is {found!r} instead of {wanted!r}"]
