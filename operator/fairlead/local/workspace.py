"""A job's workspace: a copy of the folder that the workflow is run in, as a fresh checkout would have it.

In a Git repository that is what Git tracks, as it stands, and what is new and not ignored: a job sees what it would
see after a push, and not the builds and environments that lie about. `.git` comes along. Elsewhere it is everything.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fairlead.engine.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FICLONE: Final = 0x40049409
"""The ioctl that lets two files share their blocks until one is written to (linux/fs.h), where the file system can."""

_NOT_CLONED: Final = {errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EPERM}


def copy(source: Path, target: Path, *, share: bool) -> None:
    """Make `target`, a copy of `source`. Raises RefusedError where something can't be read.

    With `share` the files of Git's objects are the same in both, as nobody writes to them who means no harm.
    """
    target.mkdir(parents=True)
    try:
        listed = _tracked(source)
        if listed is None:
            _copy_all(source, target)
            return
        for name in listed:
            _copy_one(source / name, target / name)
        git = source / ".git"
        if git.is_dir():
            _copy_git(git, target / ".git", share=share)
        elif git.exists():
            shutil.copy2(git, target / ".git")
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        raise RefusedError(f"the workspace can't be copied: {what}{error.strerror or error}", final=True) from error


def remove(folder: Path) -> None:
    """Delete a folder with all that is in it, though a job has taken rights away from itself."""

    def allow(function: object, path: str, _: object) -> None:
        with suppress(OSError):
            Path(path).parent.chmod(0o700)
            if function in (os.scandir, os.open, os.listdir):
                Path(path).chmod(0o700)
                shutil.rmtree(path, ignore_errors=True)
            else:
                Path(path).unlink()

    shutil.rmtree(folder, onerror=allow)


def _tracked(folder: Path) -> Iterable[str] | None:
    """Name what Git knows or would take, relative to the folder; None where it is no repository's root."""
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return None
    command = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  no shell, and nothing of a user's
    if listed.returncode != 0:
        return None
    return (os.fsdecode(name) for name in dict.fromkeys(listed.stdout.split(b"\0")) if name)


def _copy_one(source: Path, target: Path) -> None:
    try:
        mode = source.lstat().st_mode
    except FileNotFoundError:
        # Tracked, and deleted: that is what the job would see, too.
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISDIR(mode):
        # A submodule, or another repository within.
        _copy_all(source, target)
    elif stat.S_ISLNK(mode):
        target.symlink_to(source.readlink())
    elif stat.S_ISREG(mode):
        _copy_file(source, target)


def _copy_all(source: Path, target: Path) -> None:
    for path in _walk(source, without=target):
        _copy_or_make(path, target / path.relative_to(source))


def _walk(folder: Path, *, without: Path) -> Iterator[Path]:
    for entry in os.scandir(folder):
        path = Path(entry.path)
        # The copy may lie in what is copied.
        if path == without:
            continue
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, without=without)


def _copy_or_make(source: Path, target: Path) -> None:
    mode = source.lstat().st_mode
    if stat.S_ISDIR(mode):
        target.mkdir(exist_ok=True)
    else:
        _copy_one(source, target)


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("xb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError as error:
            if error.errno not in _NOT_CLONED:
                raise
            shutil.copyfileobj(reader, writer, 1 << 20)
    shutil.copystat(source, target)


def _copy_git(source: Path, target: Path, *, share: bool) -> None:
    objects = source / "objects"
    for path in _walk(source, without=target):
        place = target / path.relative_to(source)
        if share and path.is_relative_to(objects) and path.is_file():
            with suppress(OSError):
                place.hardlink_to(path)
                continue
        _copy_or_make(path, place)
