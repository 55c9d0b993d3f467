"""A folder as a docker-archive: the tar that `docker load` and `ctr images import` read.

One layer, its configuration and a manifest are all there is to it, so no image builder is
needed for images that consist of one folder.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from e2e.testcluster.commands import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Configuration:
    """What a container of the image does unless it is told otherwise."""

    command: Sequence[str] = ()
    entrypoint: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"

    def recipe(self) -> dict[str, object]:
        """All of it as JSON would have it, for hashing."""
        return asdict(self)


def architecture() -> str:
    """Return this machine's architecture, as images and Debian call it."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def write(folder: Path, reference: str, configuration: Configuration, target: Path) -> None:
    """Pack `folder` as the image `reference` into `target`, atomically.

    Owners are numbers, and what the kernel mounts (`/proc`, `/sys`, `/dev`) stays outside.
    """
    layer = target.with_name(f".{target.name}.{os.getpid()}.layer")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        run([
            "tar", "--create", "--file", layer, "--directory", folder, "--numeric-owner",
            "--sort=name", "--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./dev/*", ".",
        ])  # fmt: skip
        with layer.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        config = _config(configuration, digest)
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": [f"{digest}.tar"]}]
        with tarfile.open(temporary, "w") as archive:
            _add(archive, config_name, config)
            archive.add(layer, f"{digest}.tar", recursive=False)
            _add(archive, "manifest.json", json.dumps(manifest).encode())
        temporary.rename(target)
    finally:
        layer.unlink(missing_ok=True)
        temporary.unlink(missing_ok=True)


def forget_older(newest: Path, keep: int = 3) -> None:
    """Remove all but the last few tars of an image, whose names end in `-<hash>.tar`.

    Some are kept, so that going back and forth between two commits builds nothing.
    """
    tars = newest.parent.glob(f"{newest.name.rpartition('-')[0]}-*.tar")
    for tar in sorted(tars, key=lambda path: path.stat().st_mtime, reverse=True)[keep:]:
        tar.unlink(missing_ok=True)


def _config(configuration: Configuration, layer_digest: str) -> bytes:
    document = {
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Env": [f"{name}={value}" for name, value in configuration.env.items()],
            "Entrypoint": list(configuration.entrypoint) or None,
            "Cmd": list(configuration.command) or None,
            "WorkingDir": configuration.working_directory,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created_by": "fairlead e2e"}],
    }
    return json.dumps(document).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
