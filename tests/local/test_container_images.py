from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.local.container_engine import Engine, Kind
from fairlead.local.container_images import Image, Images, full_name, pull_policy
from fairlead.local.runtime import StartError
from fairlead.model.workflow import PodSettings
from tests.builders import a_request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("busybox", "docker.io/library/busybox"),
        ("busybox:1.35", "docker.io/library/busybox:1.35"),
        ("team/app:1", "docker.io/team/app:1"),
        ("ghcr.io/team/app", "ghcr.io/team/app"),
        ("localhost/app", "localhost/app"),
        ("Registry/app", "Registry/app"),
        ("registry:5000/a/b:c", "registry:5000/a/b:c"),
        ("[::1]:5000/a", "[::1]:5000/a"),
        ("app@sha256:" + "0" * 64, "docker.io/library/app@sha256:" + "0" * 64),
        ("oci:latest", "docker.io/library/oci:latest"),
        ("", None),
        ("UPPER", None),
        ("a b", None),
        ("--privileged", None),
        ("dir:/etc/passwd", None),
        ("docker-archive:../x.tar", None),
        ("docker://busybox", None),
        ("app:", None),
        ("app:1\n", None),
        ("a" * 513, None),
    ],
)
def test_full_name(name: str, full: str | None) -> None:
    """A name means what it means to Docker and Kubernetes, and never a file or an option."""
    assert full_name(name) == full


@pytest.mark.parametrize(
    ("template", "policy"),
    [
        (None, None),
        ({"spec": {"containers": [{"name": "other"}, {"name": "main", "imagePullPolicy": "Always"}]}}, "Always"),
        ({"spec": {"containers": [{"name": "main"}]}}, None),
        ({"spec": {"containers": "?"}}, None),
    ],
)
def test_pull_policy(template: Mapping[str, Any] | None, policy: str | None) -> None:
    """A job says it where a Pod does."""
    assert pull_policy(a_request(pod=PodSettings(template=template))) == policy


class Registry:
    """An engine that is a script: it notes what it is asked, has what was pulled, and can pull what is in `offers`."""

    def __init__(self, folder: Path, kind: Kind = Kind.PODMAN, *, offers: str = "", user: str = "") -> None:
        self.folder = folder
        config = json.dumps([{"Id": "0123abcd", "Config": {"User": user}}])
        program = folder / kind.value
        program.write_text(f"""#!/bin/sh
echo "$*" >>{folder}/asked
for last; do :; done
case "$1 $last" in
image*) grep -qx "$last" {folder}/here 2>/dev/null || exit 125; echo '{config}' ;;
"pull {offers}") sleep 0.05; echo "${{last#docker://}}" >>{folder}/here ;;
*) echo "Error: no $last" >&2; exit 125 ;;
esac
""")
        program.chmod(0o755)
        self.images = Images(Engine(kind.value, kind, str(program)))

    def has(self, name: str) -> None:
        """Have an image here already."""
        with (self.folder / "here").open("a") as file:
            file.write(f"{name}\n")

    def asked(self) -> list[str]:
        """Give the commands so far, and begin anew."""
        path = self.folder / "asked"
        said = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return said


async def test_is_here(tmp_path: Path) -> None:
    """What is here is used, though its tag may have moved, and isn't looked for again."""
    registry = Registry(tmp_path)
    registry.has("busybox:latest")
    found = [await registry.images.get("busybox:latest") for _ in range(2)]
    assert (found, registry.asked()) == ([Image("0123abcd", root=True)] * 2, ["image inspect busybox:latest"])


async def test_is_pulled(tmp_path: Path) -> None:
    """What isn't here is pulled by its whole name, once, however many jobs want it."""
    registry = Registry(tmp_path, offers="docker://docker.io/library/busybox", user="app")
    found = await asyncio.gather(*(registry.images.get("busybox") for _ in range(3)))
    assert (found, registry.asked()) == (
        [Image("0123abcd", root=False)] * 3,
        [
            "image inspect busybox",
            "image inspect docker.io/library/busybox",
            "pull docker://docker.io/library/busybox",
            "image inspect docker.io/library/busybox",
        ],
    )


async def test_names_of_nerdctl(tmp_path: Path) -> None:
    """Nerdctl takes names, and no ids of images; only podman has transports."""
    registry = Registry(tmp_path, Kind.NERDCTL, offers="docker.io/team/app", user="0:0")
    assert await registry.images.get("team/app") == Image("docker.io/team/app", root=True)


@pytest.mark.parametrize(
    ("name", "policy", "reason", "message"),
    [
        ("dir:/x", None, "InvalidImageName", 'couldn\'t parse "dir:/x": invalid reference format'),
        ("app", None, "ErrImagePull", "no docker://docker.io/library/app"),
        ("app", "Never", "ErrImageNeverPull", '"app" is not on this machine, and is never pulled'),
    ],
)
async def test_trouble(tmp_path: Path, name: str, policy: str | None, reason: str, message: str) -> None:
    """What is wrong is said in the kubelet's words, with the engine's reason."""
    with pytest.raises(StartError) as caught:
        await Registry(tmp_path).images.get(name, policy)
    assert (caught.value.reason, caught.value.message) == (reason, message)


async def test_trouble_is_remembered(tmp_path: Path) -> None:
    """Who asks again at once hears the same, and the registry nothing."""
    registry = Registry(tmp_path)
    for _ in range(2):
        with pytest.raises(StartError, match="ErrImagePull"):
            await registry.images.get("app")
    assert [line for line in registry.asked() if line.startswith("pull")] == ["pull docker://docker.io/library/app"]


async def test_always(tmp_path: Path) -> None:
    """With that policy the registry is asked each time."""
    registry = Registry(tmp_path, offers="docker://docker.io/library/app")
    for _ in range(2):
        await registry.images.get("app", "Always")
    assert [line.split()[0] for line in registry.asked()] == ["pull", "image"] * 2
