"""Files that containers leave to others than the user: found here, and given back by the engine that made them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fairlead.local.container_engine import Kind, call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fairlead.local.container_engine import Engine
    from fairlead.local.runtime import Attempt

_MOST: Final = 200
"""Paths of one command."""

_GIVE_BACK: Final = 'owner=$(stat -c %u:%g "$1") && shift && exec chown -hR "$owner" "$@"'


def foreign(folder: Path, owner: int, *, since: float = 0) -> list[Path]:
    """Find what isn't the owner's, and has become so since then (seconds of the epoch); of folders only the topmost."""
    return list(_foreign(folder, owner, since))


def _foreign(folder: Path, owner: int, since: float) -> Iterator[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if status.st_uid != owner:
                if status.st_ctime >= since:
                    yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                yield from _foreign(Path(entry.path), owner, since)


def foreign_of(attempt: Attempt, since: float | None) -> dict[Path, list[Path]]:
    """Find what of an attempt isn't the user's, by folder.

    Without `since`, the moment when it began, nobody knows what it has changed in a workspace that isn't its own.
    """
    user = os.geteuid()
    if user == 0:
        return {}
    own = attempt.workspace.parent == attempt.folder
    found = {attempt.folder: foreign(attempt.folder, user)}
    if not own and since is not None:
        found[attempt.workspace] = foreign(attempt.workspace, user, since=since)
    return {folder: paths for folder, paths in found.items() if paths}


def open_up(folder: Path) -> None:
    """Let every user read and write what is in it, as in a volume that a kubelet makes."""
    for place, _, files in os.walk(folder):
        for path in (Path(place), *(Path(place, name) for name in files)):
            with suppress(OSError):
                mode = path.lstat().st_mode
                if not path.is_symlink():
                    # Whoever may run it, all may: what `a+rwX` says to chmod.
                    path.chmod(mode | 0o666 | (0o111 if mode & 0o111 or path.is_dir() else 0))


async def give_back(engine: Engine, image: str, folders: Mapping[Path, Sequence[Path]]) -> None:
    """Make the owner of each folder the owner of paths in it, too. `image` is one that has run here."""
    for folder, paths in folders.items():
        for start in range(0, len(paths), _MOST):
            chosen = paths[start : start + _MOST]
            if engine.kind is Kind.PODMAN and engine.rootless:
                # In the user's own namespace, where all of these are theirs.
                command = [engine.program, "unshare", "chown", "-hR", "0:0", *map(str, chosen)]
            else:
                command = _container(engine, image, folder, [str(path.relative_to(folder)) for path in chosen])
            await call(command, quiet=True)


def _container(engine: Engine, image: str, folder: Path, names: Sequence[str]) -> list[str]:
    source = f'"source={folder}"' if "," in str(folder) else f"source={folder}"
    options = [
        "--rm",
        "--pull",
        "never",
        "--network",
        "none",
        "--user",
        "0",
        "--mount",
        f"type=bind,{source},target=/mnt",
    ]
    if engine.kind is not Kind.NERDCTL:
        options += ["--security-opt", "label=disable"]
    within = [f"/mnt/{name}" for name in names]
    return [engine.program, "run", *options, "--entrypoint", "/bin/sh", image, "-c", _GIVE_BACK, "sh", "/mnt", *within]
