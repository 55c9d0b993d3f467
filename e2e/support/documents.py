"""Comparing whole documents: what differs between two runs is put out of sight first."""

from __future__ import annotations

from typing import Any

MOMENTS = frozenset({"startedAt", "finishedAt", "lastTransitionTime"})


def timeless(document: Any) -> Any:  # noqa: ANN401  a JSON document
    """Put "…" in the place of each moment, duration and generated name."""
    if isinstance(document, dict):
        hidden = MOMENTS | {"duration", "kubernetesJob"}
        return {key: "…" if key in hidden and value else timeless(value) for key, value in document.items()}
    return [timeless(each) for each in document] if isinstance(document, list) else document
