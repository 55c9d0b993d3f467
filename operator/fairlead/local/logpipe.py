"""What a job prints, copied into its log.

A process that opens /dev/stderr, as `echo … >/dev/stderr` does, opens what stands behind it once more. Were that the
log itself, it would be emptied; a pipe is only another way into it.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_PIECE: Final = 64 * 1024

_MOST_WAITING: Final = 2**20
"""Bytes that a pipe may hold at most, unless somebody privileged has asked for more (pipe(7))."""


class LogPipe:
    """Copies from `writer`, which is for a process to inherit, to a file's end, until it is closed."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reader, False)
        self._open = True
        asyncio.get_running_loop().add_reader(self._reader, self._copy)

    def begun(self) -> None:
        """Leave the writing end to the process that has inherited it."""
        os.close(self.writer)

    def catch_up(self) -> None:
        """Copy what has been written so far."""
        left = _MOST_WAITING
        while self._open and left > 0 and (copied := self._copy()):
            left -= copied

    def close(self) -> None:
        """Copy what has been written so far, and nothing more."""
        self.catch_up()
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)
            os.close(self._file)

    def _copy(self) -> int:
        try:
            piece = os.read(self._reader, _PIECE)
        except BlockingIOError:
            return 0
        if not piece:
            # Nobody can write any more, and a pipe at its end would be ready for reading all the time.
            asyncio.get_running_loop().remove_reader(self._reader)
            return 0
        rest = memoryview(piece)
        # A job doesn't fail because its log can't be kept.
        with suppress(OSError):
            while rest:
                rest = rest[os.write(self._file, rest) :]
        return len(piece)
