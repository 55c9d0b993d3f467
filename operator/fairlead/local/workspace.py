"""A job's workspace: a copy of the folder that the workflow is run in, as a fresh checkout would have it.

In a Git repository that is what Git tracks, as it stands, and what is new and not ignored: a job sees what it would
see after a push, and not the builds and environments that lie about. `.git` comes along, one that is whole by itself:
what a job does with Git is seen nowhere else. Elsewhere it is everything.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fairlead.engine.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FICLONE: Final = 0x40049409
"""The ioctl that lets two files share their blocks until one is written to (linux/fs.h), where the file system can."""

GIT_LOCAL: Final = frozenset(
    f"GIT_{name}"
    for name in (
        *("ALTERNATE_OBJECT_DIRECTORIES", "COMMON_DIR", "CONFIG", "CONFIG_COUNT", "CONFIG_PARAMETERS", "DIR"),
        *("GRAFT_FILE", "IMPLICIT_WORK_TREE", "INDEX_FILE", "NO_REPLACE_OBJECTS", "OBJECT_DIRECTORY", "PREFIX"),
        *("REPLACE_REF_BASE", "SHALLOW_FILE", "WORK_TREE"),
    )
)
"""Variables that lead Git to one repository wherever it is started (`git rev-parse --local-env-vars`), as in a hook."""

_OF_A_WORKTREE: Final = frozenset({"commondir", "gitdir", "locked"})
"""What tells a worktree's own folder from a repository's."""

_OF_THE_MAIN_ONE: Final = frozenset({"HEAD", "index", "logs", "worktrees"})
"""What worktrees don't share, or have no use for."""


def copy(source: Path, target: Path, *, share: bool, without: Path | None = None) -> None:
    """Make `target`, a copy of `source`. Raises RefusedError where something can't be read.

    With `share` the copy's repository reads the objects of the one that it is a copy of, where they lie, and writes its
    own: there are thousands. `without` is left out, should it lie in what is copied.
    """
    source = source.resolve()
    apart = {target.resolve(), *([without.resolve()] if without is not None else [])}
    try:
        target.mkdir(parents=True)
        _Copy(source, target, share, frozenset(map(str, apart))).tree(source, target)
    except OSError as error:
        remove(target)
        what = f"{error.filename}: " if error.filename else ""
        raise RefusedError(f"the workspace can't be copied: {what}{error.strerror or error}", final=True) from error


def remove(folder: Path) -> None:
    """Delete a folder with all that is in it, though a job has taken rights away from itself. Fine if it isn't there.

    What can't be deleted even so, because it is somebody else's, stays.
    """
    if folder.is_symlink():
        with suppress(OSError):
            folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _allow(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _allow(folder: Path) -> None:
    with suppress(OSError):
        folder.chmod(0o700)
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False):
                _allow(Path(entry.path))


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


@dataclass(frozen=True, slots=True)
class _Copy:
    """One copy being made, of `source` to `target`; `apart` is left out."""

    source: Path
    target: Path
    share: bool
    apart: frozenset[str]
    _made: set[Path] = field(default_factory=set)

    def tree(self, source: Path, target: Path) -> None:
        """Copy a folder: what Git would take of a repository, else everything."""
        listed = _tracked(source)
        if listed is None:
            self._everything(source, target)
            return
        for name in listed:
            path = source / name
            if not self._is_apart(path):
                self._one(path, target / name)
        self._repository(source, target)

    def _is_apart(self, path: Path) -> bool:
        text = str(path)
        return any(text == each or text.startswith(f"{each}/") for each in self.apart)

    def _one(self, source: Path, target: Path) -> None:
        try:
            mode = source.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            # Tracked, and deleted: that is what the job would see, too.
            return
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        if stat.S_ISDIR(mode):
            # A submodule, or another repository within.
            target.mkdir(exist_ok=True)
            self.tree(source, target)
        elif stat.S_ISLNK(mode):
            target.symlink_to(source.readlink())
        elif stat.S_ISREG(mode):
            _copy_file(source, target)

    def _everything(self, source: Path, target: Path) -> None:
        for entry in self._walk(source):
            place = target / os.path.relpath(entry.path, source)
            if entry.is_dir(follow_symlinks=False):
                place.mkdir(exist_ok=True)
            else:
                self._one(Path(entry.path), place)

    def _walk(self, folder: Path | str) -> Iterator[os.DirEntry[str]]:
        for entry in _entries(folder):
            if entry.path not in self.apart:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(entry.path)

    def _repository(self, source: Path, target: Path) -> None:
        """Copy a repository's `.git`. One of a worktree, which rests on another repository, becomes whole."""
        git = source / ".git"
        if git.is_dir():
            self._git_folder(git, target / ".git")
            return
        own, common = (
            (source / os.fsdecode(line)).resolve()
            for line in _git(source, "rev-parse", "--git-dir", "--git-common-dir").splitlines()
        )
        if own.is_relative_to(self.source):
            # A submodule, whose repository comes along with the one around it.
            place = os.path.relpath(self.target / own.relative_to(self.source), target)
            (target / ".git").write_text(f"gitdir: {place}\n", "utf-8", "surrogateescape")
            return
        self._git_folder(common, target / ".git", _OF_THE_MAIN_ONE if own != common else frozenset())
        if own != common:
            self._git_folder(own, target / ".git", _OF_A_WORKTREE)
        for setting in (("--unset-all", "core.worktree"), ("core.bare", "false")):
            _git(source, "config", "--file", str(target / ".git" / "config"), *setting)

    def _git_folder(self, source: Path, target: Path, without: frozenset[str] = frozenset()) -> None:
        objects = source / "objects"
        target.mkdir(exist_ok=True)
        for entry in _entries(source):
            path, place = Path(entry.path), target / entry.name
            # A lock is held by who works on the repository that is copied.
            if entry.name in without or entry.name.endswith(".lock"):
                continue
            if path == objects and self.share:
                (place / "info").mkdir(parents=True)
                (place / "info" / "alternates").write_text(f"{path}\n", "utf-8", "surrogateescape")
            elif entry.is_dir():
                place.mkdir(exist_ok=True)
                self._everything(path, place)
            else:
                self._one(path, place)


def _tracked(folder: Path) -> Iterable[str] | None:
    """Name what Git knows or would take, relative to the folder; None where it is no repository's root."""
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return None
    try:
        listed = _git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    except subprocess.CalledProcessError:
        return None
    return (os.fsdecode(name) for name in dict.fromkeys(listed.split(b"\0")) if name)


def _git(folder: Path, *arguments: str) -> bytes:
    # Who runs a workflow here trusts the folder, whoever owns it; and nothing is to be left running.
    command = ["git", "-C", str(folder), "-c", "safe.directory=*", "-c", "core.fsmonitor=false", *arguments]
    env = {name: value for name, value in os.environ.items() if name not in GIT_LOCAL}
    # No shell, and nothing of a workflow's.
    done = subprocess.run(command, capture_output=True, check=False, env=env)  # noqa: S603
    if done.returncode != 0 and arguments[0] != "config":
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb", 0) as reader, target.open("xb", 0) as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:
            shutil.copyfileobj(reader, writer, 1 << 20)
        known = os.fstat(reader.fileno())
        os.fchmod(writer.fileno(), stat.S_IMODE(known.st_mode))
        os.utime(writer.fileno(), ns=(known.st_atime_ns, known.st_mtime_ns))
