"""A Debian root folder: bootstrapped once, then copied and given packages for each image.

Everything that runs in such a folder runs in mount and process namespaces of its own, so that
a build that is killed leaves no mount and no daemon behind.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from e2e.testcluster.commands import run
from e2e.testcluster.errors import CommandFailed
from e2e.testcluster.images.archive import architecture
from e2e.testcluster.space import require_free_space
from e2e.testcluster.terminal import say, step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from e2e.testcluster.settings import Settings

SUITE = "bookworm"
ISOLATED = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
ENTER = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
# What no container needs, and what makes half of the size of a small image.
SUPERFLUOUS = (
    "usr/share/doc/*",
    "usr/share/man/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/lintian",
    "var/lib/apt/lists/*",
    "var/cache/apt/*",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/*",
    "var/log/*",
    "tmp/*",
)
KEEP = ("usr/share/doc/*/copyright",)


def sources() -> list[str]:
    """Return the Debian archives that apt is set up with here, as lines of a sources.list.

    apt itself is asked, because it has read every format and every variable of its configuration.
    Empty on a machine that is not set up for this Debian release; debootstrap then knows one.
    """
    try:
        found = run([
            "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ])  # fmt: skip
    except CommandFailed:
        return []
    wanted = (SUITE, f"{SUITE}-security", f"{SUITE}-updates")
    lines = [line.split() for line in found.splitlines()]
    entries = {(line[0], line[1]) for line in lines if len(line) == 3 and line[1] in wanted and line[2] == "main"}
    # The main archive comes first: it is the one to bootstrap from.
    ordered = sorted(entries, key=lambda entry: wanted.index(entry[1]))
    return [f"deb {uri} {suite} main" for uri, suite in ordered]


@contextmanager
def root_with(packages: Sequence[str], settings: Settings) -> Iterator[Path]:
    """Yield a throw-away Debian root folder with `packages` in it, small enough for an image.

    Raises CommandFailed with what debootstrap or apt-get said.
    """
    base = _base(settings)
    with _workshop("debian", settings) as folder:
        run(["tar", "--extract", "--file", base, "--directory", folder, "--numeric-owner"])
        if packages:
            with _outside_world(folder):
                _inside(folder, "apt-get", "update", "-q")
                _inside(folder, "apt-get", "install", "-q", "-y", "--no-install-recommends", *packages)
        slim(folder)
        yield folder


def slim(folder: Path) -> None:
    """Remove documentation, caches and logs, but keep the copyright files."""
    kept = {path for pattern in KEEP for path in folder.glob(pattern)}
    for pattern in SUPERFLUOUS:
        for path in folder.glob(pattern):
            _remove_except(path, kept)


def _remove_except(path: Path, kept: set[Path]) -> None:
    if path.is_dir() and not path.is_symlink():
        if not any(path in keep.parents for keep in kept):
            shutil.rmtree(path)
            return
        for child in path.iterdir():
            _remove_except(child, kept)
    elif path not in kept:
        path.unlink()


def _base(settings: Settings) -> Path:
    """Return the tar of a minimal Debian; made at the first call."""
    target = settings.images / f"debian-{SUITE}-{architecture()}.base.tar"
    if target.exists():
        return target
    require_free_space(settings.cache, gibibytes=3, purpose="making images")
    lines = sources()
    say(f"  … bootstrapping Debian {SUITE}; a minute or two, once")
    with step(f"bootstrapped Debian {SUITE}"), _workshop("base", settings) as folder:
        mirror = [lines[0].split()[1]] if lines else []
        run(
            [*ISOLATED, "debootstrap", "--variant=minbase", SUITE, folder, *mirror],
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            timeout=1200,
        )
        if lines:
            (folder / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
        shutil.rmtree(folder / "var/cache/apt/archives", ignore_errors=True)
        temporary = target.with_suffix(f".{os.getpid()}.tmp")
        run([
            "tar", "--create", "--file", temporary, "--directory", folder, "--numeric-owner",
            "--exclude=./proc/*", "--exclude=./sys/*", ".",
        ])  # fmt: skip
        temporary.rename(target)
    return target


def _inside(folder: Path, *command: str) -> None:
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND": "noninteractive",
        "LC_ALL": "C.UTF-8",
        "HOME": "/root",
        **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
    }
    run([*ISOLATED, "sh", "-c", ENTER, folder, *command], env=environment, timeout=1200)


@contextmanager
def _outside_world(folder: Path) -> Iterator[None]:
    """Provide what apt in there needs of this machine, and no image may keep."""
    resolver = folder / "etc/resolv.conf"
    policy = folder / "usr/sbin/policy-rc.d"
    before = resolver.read_bytes() if resolver.exists() else None
    shutil.copyfile("/etc/resolv.conf", resolver)
    policy.write_text("#!/bin/sh\n# No package may start its service in here.\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
        if before is None:
            resolver.unlink()
        else:
            resolver.write_bytes(before)


@contextmanager
def _workshop(name: str, settings: Settings) -> Iterator[Path]:
    folder = settings.images / f".{name}.{os.getpid()}"
    settings.images.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
