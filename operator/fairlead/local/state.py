"""Runs of this machine, on disk: what the API server is to a cluster.

    runs/NAME/workflow.json    the Workflow, as the API has it: metadata, spec, status
             /owner            locked by the process that runs it, for as long as that lives
             /sweep            locked by the one that deletes what a dead owner left
             /jobs/JOB/        one attempt: its log, its services' logs, job.json, and `works` while it does: in what
    version                    counts the changes of all of them
    lock                       held while one is made

Every change is a new file under an old name, so nobody ever reads half of one, and it carries the count of the changes
before it: that is its resourceVersion. Who doesn't hold `lock` may read.
"""

from __future__ import annotations

import fcntl
import re
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from fairlead.engine.errors import ConflictError, GoneError, RefusedError
from fairlead.local import workspace
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NAMESPACE = "default"
"""Where Workflows are said to be that don't say so themselves: kubectl's own."""

Json = dict[str, Any]

_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
"""What Kubernetes takes, and no way out of the folder."""

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def state_home(variables: Mapping[str, str]) -> Path:
    """Give the folder that runs are recorded under: XDG's for state, or `~/.local/state`, and in it `fairlead`."""
    named = variables.get("XDG_STATE_HOME", "")
    # A relative path is invalid, says the XDG Base Directory Specification, and to be ignored.
    home = Path(named) if named.startswith("/") else Path(variables.get("HOME") or "~").expanduser() / ".local/state"
    return home / "fairlead"


class State:
    """The folder. Its methods raise OSError where the disk does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._runs = folder / "runs"

    # Reading

    def version(self) -> int:
        """Give the number of changes so far."""
        try:
            return int((self.folder / "version").read_bytes() or b"0")
        except FileNotFoundError:
            return 0

    def names(self) -> list[str]:
        """Name the Workflows that are recorded."""
        try:
            return sorted(each.name for each in self._runs.iterdir() if (each / "workflow.json").exists())
        except FileNotFoundError:
            return []

    def read(self, name: str) -> Json | None:
        """Give a Workflow."""
        if not _NAME.fullmatch(name):
            return None
        try:
            document: Json = orjson.loads((self._runs / name / "workflow.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except orjson.JSONDecodeError as error:
            raise RefusedError(
                f"what is recorded of {name} can't be read: {error}; see {self._runs}", final=True
            ) from error
        return document

    def job_folder(self, name: str, job: str) -> Path:
        """Give the folder of an attempt."""
        return self._runs / name / "jobs" / job

    def job_names(self, name: str) -> list[str]:
        """Name the attempts at a Workflow's nodes that left anything."""
        try:
            return sorted(each.name for each in (self._runs / name / "jobs").iterdir())
        except FileNotFoundError:
            return []

    def jobs(self, name: str, *, working: bool = False) -> Iterator[Json]:
        """Give the attempts, or those that are said to work, as the Kubernetes Jobs that they would be."""
        for job in self.job_names(name):
            folder = self.job_folder(name, job)
            if not working or (folder / "works").exists():
                with suppress(FileNotFoundError):
                    yield orjson.loads((folder / "job.json").read_bytes())

    def works_in(self, name: str, job: str) -> str | None:
        """Say what an attempt is said to work in, as `--engine` calls it; None where it doesn't work."""
        try:
            return (self.job_folder(name, job) / "works").read_text()
        except FileNotFoundError:
            return None

    # Writing

    def create(self, document: Mapping[str, Any], *, called: bool = False) -> Json:
        """Record a Workflow, under its name, or one made of its generateName.

        Where there is one of that name, that is given back if it was `called`; else raises ConflictError.
        """
        metadata = document["metadata"]
        with self._lock():
            name = metadata.get("name") or self._fresh(metadata.get("generateName") or "workflow-")
            if not _NAME.fullmatch(name):
                raise RefusedError(f"{quote(name)} can't be the name of a Workflow", final=True)
            known = self.read(name)
            if known is not None:
                if called:
                    return known
                raise ConflictError(f"there is a Workflow {name}")
            (self._runs / name).mkdir(parents=True, exist_ok=True)
            identity = {"name": name, "uid": secrets.token_hex(16), "generation": 1}
            return self._write(name, {**document, "metadata": {"namespace": NAMESPACE, **metadata, **identity}})

    def change(self, name: str, change: Callable[[Json], Json], *, version: int | None = None) -> Json:
        """Record what `change` makes of a Workflow.

        Raises GoneError where there is none, and ConflictError where it isn't of that version any more.
        """
        with self._lock():
            return self._write(name, change(self._of_version(name, version)))

    def remove(self, name: str, *, version: int | None = None) -> None:
        """Delete a Workflow with all that it left. Raises ConflictError as `change`; what is gone is gone."""
        with self._lock():
            try:
                self._of_version(name, version)
            except GoneError:
                return
            # Away at once, since the name may be given again before all of it is deleted.
            removed = self.folder / f"removed.{secrets.token_hex(8)}"
            (self._runs / name).rename(removed)
            self._count()
        workspace.remove(removed)

    def remove_job(self, name: str, job: str) -> None:
        """Delete what an attempt left."""
        workspace.remove(self.job_folder(name, job))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep everybody else from writing and from becoming anything's owner, so that what is decided rests on it."""
        with self._lock():
            yield

    # Who runs it

    @contextmanager
    def own(self, name: str) -> Iterator[bool]:
        """Be the process that runs a Workflow, unless another one is: tell which."""
        path = self._runs / name / "owner"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            yield self._try(file, fcntl.LOCK_EX)

    @contextmanager
    def sweeping(self, name: str) -> Iterator[bool]:
        """Be the only one to delete what a process left that ran a Workflow and was killed: tell whether so."""
        with (self._runs / name / "sweep").open("a+b") as file:
            yield self._try(file, fcntl.LOCK_EX)

    def is_owned(self, name: str) -> bool:
        """Tell whether a process that lives runs a Workflow."""
        if not _NAME.fullmatch(name):
            return False
        try:
            with (self._runs / name / "owner").open("rb") as file:
                return not self._try(file, fcntl.LOCK_SH)
        except (FileNotFoundError, NotADirectoryError):
            return False

    # Inside

    def _try(self, file: BinaryIO, lock: int) -> bool:
        # One at a time: who only looks must not keep anybody from becoming the owner.
        with self._lock():
            try:
                fcntl.flock(file, lock | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if lock == fcntl.LOCK_SH:
                fcntl.flock(file, fcntl.LOCK_UN)
            return True

    def _of_version(self, name: str, version: int | None) -> Json:
        known = self.read(name)
        if known is None:
            raise GoneError(f"there is no Workflow {name}")
        if version is not None and known["metadata"]["resourceVersion"] != str(version):
            raise ConflictError(f"{name} was changed meanwhile")
        return known

    def _fresh(self, base: str) -> str:
        while True:
            name = base + "".join(secrets.choice(_LETTERS) for _ in range(5))
            if not (self._runs / name).exists():
                return name

    def _write(self, name: str, document: Json) -> Json:
        document = {**document, "metadata": {**document["metadata"], "resourceVersion": str(self._count())}}
        # The API server sorts as well, so that a matrix has the same order of combinations wherever it runs.
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        _replace(self._runs / name / "workflow.json", content)
        written: Json = orjson.loads(content)
        return written

    def _count(self) -> int:
        version = self.version() + 1
        # First the count: one that stands for nothing does no harm, one that stands for two changes hides one.
        _replace(self.folder / "version", b"%d" % version)
        return version

    @contextmanager
    def _lock(self) -> Iterator[None]:
        if self._held:
            yield
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / "lock"
        # Who may only read still has to ask who owns what.
        with path.open("rb" if path.exists() else "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._held = True
            try:
                yield
            finally:
                self._held = False

    _held = False


def _replace(path: Path, content: bytes) -> None:
    # One name for all, as they write one at a time: what a process leaves that is killed here, the next one replaces.
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
