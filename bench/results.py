"""Results as JSON: one file, in which each scenario's part is replaced when it is measured again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FOLDER = Path(__file__).resolve().parent / "results"
LATEST = FOLDER / "latest.json"


def load(path: Path) -> Json:
    """Read a file of results; empty where there is none."""
    found: Json = json.loads(path.read_text()) if path.exists() else {}
    return found


def keep(path: Path, scenario: str, part: Json, machine: Json, scale: float) -> None:
    """Put a scenario's result in place, with what it was measured on, and at which part of the full size.

    Written whole, or not at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    results = {**load(path), scenario: {**part, "scale": scale, "machine": machine}}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n")
    fresh.replace(path)
