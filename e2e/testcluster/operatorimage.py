"""The operator's image, from the Dockerfile that users build too, without Docker.

What takes long is cached by what it is made of: wheels of the dependencies and their layer by
requirements.lock, the image by the Dockerfile, the lock and the sources.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from e2e.testcluster import machine
from e2e.testcluster.commands import run, succeeds
from e2e.testcluster.errors import MissingRequirement
from e2e.testcluster.images import archive
from e2e.testcluster.images.recipes import PYTHON
from e2e.testcluster.images.store import ensure_built
from e2e.testcluster.leftovers import mounts_below
from e2e.testcluster.locks import workshop
from e2e.testcluster.packages import FOR_OPERATOR_IMAGE, ensure
from e2e.testcluster.settings import REPOSITORY, Settings
from e2e.testcluster.space import require_free_space
from e2e.testcluster.terminal import step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

REFERENCE = "fairlead/fairlead:dev"
# The base is Debian's Python: wheels are fetched for its version, whichever runs this.
PYTHON_VERSION = PYTHON.reference.partition(":")[2]
LOCK = REPOSITORY / "requirements.lock"
PROJECT = REPOSITORY / "pyproject.toml"
DOCKERFILE = REPOSITORY / "Dockerfile"
# What the wheel is made of, besides the sources.
WHEEL_INPUTS = (PROJECT, REPOSITORY / "README.md", REPOSITORY / "LICENSE")


def build(settings: Settings) -> Path:
    """Return the tar of the image for the sources as they are now; builds only what has changed.

    Raises MissingRequirement or CommandFailed.
    """
    target = settings.images / f"fairlead-dev-{_digest()}.tar"
    if target.exists():
        return target
    machine.require_root()
    ensure(FOR_OPERATOR_IMAGE)
    ensure_built([PYTHON], settings)
    require_free_space(settings.cache, gibibytes=2, purpose="the operator's image")
    with workshop(settings.cache / "operator", "building it"), _context(settings) as context:
        with step("collected wheels"):
            _collect_wheels(context / "dist" / "wheels", settings)
        with step(f"built image {REFERENCE}"):
            _build(context, target, settings)
    archive.forget_older(target)
    return target


def _digest() -> str:
    sources = sorted(
        path for path in (REPOSITORY / "operator").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    return _hash([DOCKERFILE, LOCK, *WHEEL_INPUTS, *sources], PYTHON.digest())


def _hash(files: Iterable[Path], *words: str) -> str:
    recipe = hashlib.sha256("\0".join(words).encode())
    for file in files:
        content = file.read_bytes()
        recipe.update(f"\0{file.relative_to(REPOSITORY)}\0{len(content)}\0".encode())
        recipe.update(content)
    return recipe.hexdigest()[:12]


@contextmanager
def _context(settings: Settings) -> Iterator[Path]:
    """Yield a folder with what the Dockerfile copies, and nothing else; the checkout stays clean."""
    folder = settings.cache / "operator" / f".context.{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "dist" / "wheels").mkdir(parents=True)
    for file in (DOCKERFILE, LOCK):
        shutil.copyfile(file, folder / file.name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _collect_wheels(target: Path, settings: Settings) -> None:
    tools = _tools(settings)
    shutil.copytree(_dependencies(tools, settings), target / "dependencies", copy_function=os.link)
    run(
        [tools, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", target, REPOSITORY],
    )  # fmt: skip


def _dependencies(tools: Path, settings: Settings) -> Path:
    """Return a folder with the wheel of each dependency, of exactly the bytes that the lock names."""
    folder = settings.cache / "operator" / f"wheels-{_hash([LOCK], PYTHON_VERSION)}"
    if not folder.is_dir():
        temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        try:
            run([
                tools, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps",
                "--only-binary=:all:", "--python-version", PYTHON_VERSION,
                "--requirement", LOCK, "--dest", temporary,
            ])  # fmt: skip
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _tools(settings: Settings) -> Path:
    """Return a Python with pip and the project's build backend, in a virtual environment of its own."""
    requirements: list[str] = tomllib.loads(PROJECT.read_text())["build-system"]["requires"]
    key = hashlib.sha256("\0".join([sys.version, *requirements]).encode()).hexdigest()[:12]
    folder = settings.cache / "operator" / f"tools-{key}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        if importlib.util.find_spec("ensurepip") is None:
            raise MissingRequirement(
                f"{sys.executable} cannot make virtual environments: it has no ensurepip",
                "install python3-venv, or run this with a Python that has it",
            )
        shutil.rmtree(folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", folder])
        run([python, "-m", "pip", "install", "--quiet", *requirements])
        (folder / "complete").touch()
    return python


def _build(context: Path, target: Path, settings: Settings) -> None:
    base = _base(settings)
    buildah = _buildah(settings)
    # What an earlier build that was killed was working in.
    succeeds([*buildah, "rm", "--all"])
    build: list[str | Path] = [
        *buildah, "build", "--isolation=chroot", "--network=host", "--layers", "--pull-never",
        "--quiet", "--build-arg", f"BASE={base}", "--file", context / "Dockerfile",
    ]  # fmt: skip
    # A name of its own keeps the dependencies' layers from being pruned below.
    run([*build, "--target=dependencies", "--tag=localhost/fairlead-dependencies", context],
        timeout=900)  # fmt: skip
    run([*build, "--tag", REFERENCE, context], timeout=900)
    temporary = settings.cache / "operator" / f".image.{os.getpid()}.tmp"
    try:
        run([*buildah, "push", "--quiet", REFERENCE, f"docker-archive:{temporary}:{REFERENCE}"])
        temporary.rename(target)
    finally:
        temporary.unlink(missing_ok=True)
    # Each build takes the name from the one before, whose layers would stay for ever.
    succeeds([*buildah, "rmi", "--prune", "--force"])


def _base(settings: Settings) -> str:
    """Return the name of the base image in buildah's store; brings it there at the first call."""
    name = f"localhost/fairlead-base:{PYTHON.digest()}"
    buildah = _buildah(settings)
    if not succeeds([*buildah, "inspect", "--type=image", name]):
        # All that is in the store was built on the old base.
        _empty(settings.cache / "buildah")
        buildah = _buildah(settings)
        tar = PYTHON.tar(settings)
        image_id = run([*buildah, "pull", "--quiet", f"docker-archive:{tar}"]).split()[-1]
        run([*buildah, "tag", image_id, name])
    return name


def _empty(store: Path) -> None:
    for mount in mounts_below(store):
        run(["umount", "--lazy", mount])
    shutil.rmtree(store)


def _buildah(settings: Settings) -> list[str]:
    folder = settings.cache / "buildah"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    driver = _storage_driver(folder)
    store, running = folder / driver, folder / f"{driver}-run"
    return ["buildah", f"--root={store}", f"--runroot={running}", f"--storage-driver={driver}"]


def _storage_driver(store: Path) -> str:
    """`overlay` where the kernel can, and `vfs`, which copies everything, where it cannot.

    An overlay on an overlay (a cache inside a container's own root) is what it cannot.
    """
    below = run(["stat", "--file-system", "--format=%T", store]).strip()
    return "vfs" if below == "overlayfs" else "overlay"
