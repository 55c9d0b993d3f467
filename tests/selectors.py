"""Label selectors as an API server reads them, as far as ours go: `name=value` and `name in (one,another)`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Wanted = dict[str, frozenset[str]]

_TERM = re.compile(r"([^\s,=()]+)(?:=([^,()]*)| in \(([^()]*)\))(?:,|$)")


def read(selector: str) -> Wanted:
    """Tell which values each label may have. Raises ValueError."""
    found, at = Wanted(), 0
    while at < len(selector):
        term = _TERM.match(selector, at)
        if term is None:
            raise ValueError(f"no selector that anybody here needs: {selector}")
        name, value, values = term.groups()
        found[name] = frozenset(values.split(",") if value is None else [value])
        at = term.end()
    return found


def selects(wanted: Wanted, document: Mapping[str, Any]) -> bool:
    """Whether an object has such labels."""
    labels = document["metadata"].get("labels") or {}
    return all(labels.get(name) in values for name, values in wanted.items())
