"""Images on their way: from the cache into the containerd of a running cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.testcluster.commands import run
from e2e.testcluster.components import containerd_socket
from e2e.testcluster.errors import ClusterError
from e2e.testcluster.images import archive, recipes
from e2e.testcluster.locks import workshop
from e2e.testcluster.packages import FOR_IMAGES, ensure, find_program
from e2e.testcluster.terminal import step

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from e2e.testcluster.images.recipes import Image
    from e2e.testcluster.settings import Settings


def ensure_built(images: Iterable[Image], settings: Settings) -> None:
    """Build the images that the cache does not have."""
    missing = [image for image in images if not image.tar(settings).exists()]
    if not missing:
        return
    ensure(FOR_IMAGES)
    with workshop(settings.images, "building images"):
        for image in missing:
            if not image.tar(settings).exists():
                with step(f"built image {image.reference}"):
                    recipes.build(image, settings)
                archive.forget_older(image.tar(settings))


def import_tar(tar: Path, settings: Settings) -> None:
    """Import a docker-archive into the namespace that the kubelet looks in.

    Raises ClusterError for a file that is not there, CommandFailed when containerd refuses it.
    """
    if not tar.is_file():
        raise ClusterError(f"{tar}: no such file")
    run([
        find_program("ctr") or "ctr", "--address", containerd_socket(settings),
        "--namespace", "k8s.io", "images", "import", tar,
    ])  # fmt: skip


def import_unless_there(reference: str, tar: Path, settings: Settings) -> None:
    """Import the tar of `reference`, unless it is the one that was imported last."""
    marker = settings.state / "imported" / reference.replace("/", "_")
    if marker.exists() and marker.read_text() == tar.name:
        return
    with step(f"imported image {reference}"):
        import_tar(tar, settings)
        marker.write_text(tar.name)


def import_missing(images: Iterable[Image], settings: Settings) -> None:
    """Import those of the built images that the running cluster does not have."""
    for image in images:
        import_unless_there(image.reference, image.tar(settings), settings)
