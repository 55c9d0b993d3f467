"""Running other programs, so that a failure says which, how, and with what last words."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from e2e.testcluster.errors import CommandFailed, read_tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

TIMED_OUT = 124


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float = 600,
) -> str:
    """Return the standard output of a command that has to succeed.

    Raises CommandFailed with both streams; running longer than `timeout` seconds is a failure
    with exit code 124, as timeout(1) has it.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            env=env,
            cwd=cwd,
            # Empty rather than inherited: nothing here may wait for somebody at a terminal.
            input=stdin or "",
            timeout=timeout,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as missing:
        raise CommandFailed(words, 127, str(missing)) from missing
    except subprocess.TimeoutExpired as late:
        # Bytes, whatever `text` says: it is raised before anything is decoded.
        said: bytes = (late.stdout or b"") + (late.stderr or b"")
        text = f"{said.decode(errors='replace')}\nno end after {timeout:g}s"
        raise CommandFailed(words, TIMED_OUT, text) from late
    if done.returncode:
        raise CommandFailed(words, done.returncode, f"{done.stdout}\n{done.stderr}")
    return done.stdout


def succeeds(command: Sequence[str | Path], *, timeout: float = 60) -> bool:
    """Whether a command ends with 0; for questions, and for clean-up that may find nothing."""
    try:
        run(command, timeout=timeout)
    except CommandFailed:
        return False
    return True


def follow(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Yield the lines of a long command (both streams) as they come, also written to `log`.

    Raises CommandFailed with the end of the log. The command dies with its reader.
    """
    with (
        log.open("w") as copy,
        subprocess.Popen(
            command, cwd=cwd, env=env, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process,
    ):  # fmt: skip
        try:
            for line in process.stdout or ():
                copy.write(line)
                copy.flush()
                yield line.rstrip("\n")
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise CommandFailed(command, process.returncode, read_tail(log, lines=30))
