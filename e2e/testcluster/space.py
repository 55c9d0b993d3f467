"""Disk space: a build that fails half-way for want of it says nothing useful by itself."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from e2e.testcluster.errors import MissingRequirement

if TYPE_CHECKING:
    from pathlib import Path


def require_free_space(folder: Path, *, gibibytes: float, purpose: str) -> None:
    """Raise MissingRequirement unless `folder` (or what will hold it) has room for `purpose`."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if free < gibibytes:
        raise MissingRequirement(
            f"{existing} has {free:.1f} GiB free, and {purpose} takes about {gibibytes:g} GiB",
            "free some space there, or point FAIRLEAD_CACHE and FAIRLEAD_E2E_STATE at a disk that has more",
        )
