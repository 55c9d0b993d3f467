"""Named pipes that lead from this process into a container."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_pipe(path: Path) -> None:
    """Make one that the container's user may open, whoever that is."""
    with suppress(FileExistsError):
        os.mkfifo(path)
    path.chmod(0o666)


async def write_all(writer: int, content: bytes) -> None:
    """Write to a pipe without waiting for its reader; one that went away wants no more."""
    loop, rest = asyncio.get_running_loop(), memoryview(content)
    while rest:
        try:
            rest = rest[os.write(writer, rest) :]
        except BlockingIOError:
            free = asyncio.Event()
            loop.add_writer(writer, free.set)
            try:
                await free.wait()
            finally:
                loop.remove_writer(writer)
        except BrokenPipeError:
            return
