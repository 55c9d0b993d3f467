"""What is in each test image. They carry the names of public ones and behave enough like them."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.testcluster.commands import run
from e2e.testcluster.images import archive, debian
from e2e.testcluster.images.archive import Configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from e2e.testcluster.settings import Settings

FILES = Path(__file__).parent / "files"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Raise it when `build` or `_lay_out_busybox` makes something else of the same recipe.
REVISION = 1


@dataclass(frozen=True)
class Image:
    """One test image: `packages` on a Debian root (or `busybox`), `files` and `finish` upon it.

    `files` maps a path in the image to a file beside this module. `always` are the images that
    each cluster gets.
    """

    reference: str
    configuration: Configuration
    packages: Sequence[str] = ()
    busybox: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    finish: Callable[[Path], None] | None = None
    always: bool = True

    @property
    def name(self) -> str:
        """The reference as a file name."""
        return self.reference.rpartition("/")[2].replace(":", "-")

    def digest(self) -> str:
        """Names the image by all that goes into it, but for newer versions of its packages."""
        recipe = {
            "reference": self.reference,
            "configuration": self.configuration.recipe(),
            "packages": list(self.packages),
            "files": {path: (FILES / name).read_text() for path, name in self.files.items()},
            "finish": inspect.getsource(self.finish) if self.finish else "",
            "base": [debian.SUITE, archive.architecture(), REVISION],
        }
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]

    def tar(self, settings: Settings) -> Path:
        """Where the image is, or will be."""
        return settings.images / f"{self.name}-{self.digest()}.tar"


def build(image: Image, settings: Settings) -> None:
    """Make the image's tar. Raises CommandFailed with what went wrong."""
    root = _busybox_root(settings) if image.busybox else debian.root_with(image.packages, settings)
    with root as folder:
        for path, name in image.files.items():
            target = folder / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(FILES / name, target)
            target.chmod(0o755)
        if image.finish:
            image.finish(folder)
        archive.write(folder, image.reference, image.configuration, image.tar(settings))


@contextmanager
def _busybox_root(settings: Settings) -> Iterator[Path]:
    """One static binary, a link for each of its applets, and the few files that tools expect."""
    settings.images.mkdir(parents=True, exist_ok=True)
    workshop = settings.images / f".busybox.{os.getpid()}"
    shutil.rmtree(workshop, ignore_errors=True)
    folder = workshop / "root"
    folder.mkdir(parents=True)
    try:
        # Unpacked rather than installed: it would replace the busybox that this machine may have.
        run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", "busybox-static"],
            cwd=workshop)  # fmt: skip
        package = next(workshop.glob("busybox-static_*.deb"))
        run(["dpkg-deb", "--extract", package, workshop / "package"])
        _lay_out_busybox(workshop / "package" / "bin" / "busybox", folder)
        yield folder
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _lay_out_busybox(binary: Path, folder: Path) -> None:
    for name in ("bin", "usr/bin", "etc", "root", "tmp", "home", "dev", "proc", "sys", "var/tmp"):
        (folder / name).mkdir(parents=True)
    for name in ("tmp", "var/tmp"):
        (folder / name).chmod(0o1777)
    shutil.copyfile(binary, folder / "bin/busybox")
    (folder / "bin/busybox").chmod(0o755)
    for applet in run([binary, "--list"]).split():
        if applet != "busybox":
            (folder / "bin" / applet).symlink_to("busybox")
    (folder / "usr/bin/env").symlink_to("../../bin/busybox")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n")
    (folder / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (folder / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")


def _finish_python(folder: Path) -> None:
    # In a container, pip may write where it is told to: the public image lets it, too.
    for marker in folder.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    # git asks for all of Perl, 70 MB, for the few of its commands that CI never runs.
    for pattern in ("usr/share/perl/5*", "usr/lib/*/perl/5*", "usr/lib/*/libperl.so*"):
        for path in folder.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _finish_postgres(folder: Path) -> None:
    (folder / "docker-entrypoint-initdb.d").mkdir()
    # Debian makes a cluster when the package is installed; the entrypoint makes its own.
    shutil.rmtree(folder / "var/lib/postgresql/15", ignore_errors=True)
    setting = folder / "usr/share/postgresql/15/postgresql.conf.sample"
    text = setting.read_text().replace("#listen_addresses = 'localhost'", "listen_addresses = '*'")
    setting.write_text(text)
    # The compiler for queries is half of the image, and the server does without when it is gone.
    for pattern in ("usr/lib/*/libLLVM*", "usr/lib/postgresql/15/lib/llvmjit.so"):
        for path in folder.glob(pattern):
            path.unlink()
    shutil.rmtree(folder / "usr/lib/postgresql/15/lib/bitcode")


def _finish_redis(folder: Path) -> None:
    (folder / "data").mkdir()


# A Pod's sandbox: waits for ever, ends at once when asked to, and reaps orphans while it waits.
WAIT_FOR_EVER = 'trap "exit 0" TERM INT; while :; do sleep 2147483647 & wait; done'
PAUSE = Image(
    "fairlead/pause:1",
    Configuration(command=["/bin/sh", "-c", WAIT_FOR_EVER], env={"PATH": "/bin"}),
    busybox=True,
)
BUSYBOX = Image(
    "busybox:1.35",
    Configuration(command=["sh"], env={"PATH": PATH}),
    busybox=True,
)
PYTHON = Image(
    "python:3.11",
    Configuration(command=["python3"], env={"PATH": PATH, "LANG": "C.UTF-8"}),
    packages=[
        "bash",
        "ca-certificates",
        "curl",
        "git",
        "python-is-python3",
        "python3",
        "python3-pip",
        "python3-venv",
    ],
    finish=_finish_python,
)
POSTGRES = Image(
    "postgres:15",
    Configuration(
        entrypoint=["docker-entrypoint.sh"],
        command=["postgres"],
        env={
            "PATH": f"{PATH}:/usr/lib/postgresql/15/bin",
            "LANG": "C.UTF-8",
            "PGDATA": "/var/lib/postgresql/data",
        },
    ),
    packages=["postgresql-15"],
    files={"/usr/local/bin/docker-entrypoint.sh": "postgres-entrypoint.sh"},
    finish=_finish_postgres,
    always=False,
)
REDIS = Image(
    "redis:7",
    Configuration(
        entrypoint=["docker-entrypoint.sh"],
        command=["redis-server"],
        env={"PATH": PATH},
        working_directory="/data",
    ),
    packages=["redis-server"],
    files={"/usr/local/bin/docker-entrypoint.sh": "redis-entrypoint.sh"},
    finish=_finish_redis,
    always=False,
)
IMAGES = (PAUSE, BUSYBOX, PYTHON, POSTGRES, REDIS)
