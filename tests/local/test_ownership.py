from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fairlead.local.container_engine import Engine, Kind
from fairlead.local.ownership import foreign, give_back, open_up

if TYPE_CHECKING:
    from pathlib import Path


def a_folder(folder: Path) -> Path:
    """Fill a folder with a file, a folder with a file, and a link that leads nowhere."""
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("x")
    (folder / "file").write_text("x")
    (folder / "link").symlink_to("nowhere")
    return folder


def test_foreign(tmp_path: Path) -> None:
    """What belongs to others is found, of their folders only the topmost, and only what has become theirs since."""
    a_folder(tmp_path)
    somebody_else = os.geteuid() + 1
    assert foreign(tmp_path, os.geteuid()) == []
    assert sorted(foreign(tmp_path, somebody_else)) == [tmp_path / "deep", tmp_path / "file", tmp_path / "link"]
    assert foreign(tmp_path, somebody_else, since=(tmp_path / "file").stat().st_ctime + 60) == []
    assert foreign(tmp_path / "gone", somebody_else) == []


def test_open_up(tmp_path: Path) -> None:
    """All may read and write what is there, and run what somebody may run; links aren't followed."""
    a_folder(tmp_path)
    (tmp_path / "file").chmod(0o700)
    (tmp_path / "deep" / "file").chmod(0o600)
    open_up(tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path, tmp_path / "deep", tmp_path / "file")}
    assert (set(modes.values()), (tmp_path / "deep" / "file").stat().st_mode & 0o777) == ({0o777}, 0o666)


async def test_give_back(tmp_path: Path) -> None:
    """The engine is asked to: in the user's namespace, or in a container that sees the folder."""
    program = tmp_path / "engine"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{tmp_path}/asked\n')
    program.chmod(0o755)
    folders = {tmp_path / "a,b": [tmp_path / "a,b" / "-x", tmp_path / "a,b" / "y"]}
    await give_back(Engine("podman", Kind.PODMAN, str(program), rootless=True), "image", folders)
    await give_back(Engine("docker", Kind.DOCKER, str(program)), "image", folders)
    unshare, run = (tmp_path / "asked").read_text().splitlines()
    assert unshare == f"unshare chown -hR 0:0 {tmp_path}/a,b/-x {tmp_path}/a,b/y"
    assert run == (
        f'run --rm --pull never --network none --user 0 --mount type=bind,"source={tmp_path}/a,b",target=/mnt'
        " --security-opt label=disable --entrypoint /bin/sh image -c"
        ' owner=$(stat -c %u:%g "$1") && shift && exec chown -hR "$owner" "$@" sh /mnt /mnt/-x /mnt/y'
    )
