"""One at a time: two sessions on one machine share its cache and its cluster."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from e2e.testcluster.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = ".lock"


@contextmanager
def workshop(folder: Path, doing: str) -> Iterator[None]:
    """Hold a folder of the cache alone, rid of the unfinished work of builders that were killed.

    What is being built has a name that begins with a dot until it is whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with exclusively(folder / LOCK, doing):
        for path in folder.glob(".*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()
        yield


@contextmanager
def exclusively(lock: Path, doing: str) -> Iterator[None]:
    """Hold the file `lock`; whoever has to wait is told that another one is `doing` it.

    The kernel lets go of it when its holder dies, however it dies.
    """
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"  … another `e2e/cluster` is {doing}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
