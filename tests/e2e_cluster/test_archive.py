import hashlib
import json
import os
import tarfile
from pathlib import Path

from e2e.testcluster.images import archive
from e2e.testcluster.images.archive import Configuration


def test_an_archive_is_what_its_manifest_and_digests_say(tmp_path: Path) -> None:
    """Both digests are verified by containerd, but only once a Pod starts."""
    root = tmp_path / "root"
    for name in ("bin", "proc", "dev"):
        (root / name).mkdir(parents=True)
    (root / "bin" / "tool").write_text("content")
    (root / "proc" / "cpuinfo").write_text("of the machine that built it")
    target = tmp_path / "image.tar"

    archive.write(root, "some/image:1", Configuration(command=["tool"], env={"A": "b"}), target)

    with tarfile.open(target) as image:
        [manifest] = json.load(image.extractfile("manifest.json") or _missing())
        config_bytes = (image.extractfile(manifest["Config"]) or _missing()).read()
        layer_bytes = (image.extractfile(manifest["Layers"][0]) or _missing()).read()
    (tmp_path / "layer.tar").write_bytes(layer_bytes)
    with tarfile.open(tmp_path / "layer.tar") as layer:
        names = layer.getnames()
    config = json.loads(config_bytes)
    assert manifest["RepoTags"] == ["some/image:1"]
    assert manifest["Config"] == f"{hashlib.sha256(config_bytes).hexdigest()}.json"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer_bytes).hexdigest()}"]
    assert config["config"] == {"Env": ["A=b"], "Entrypoint": None, "Cmd": ["tool"], "WorkingDir": "/"}
    assert names == [".", "./bin", "./bin/tool", "./dev", "./proc"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.tar", "layer.tar", "root"]


def test_only_older_tars_of_the_same_image_are_forgotten(tmp_path: Path) -> None:
    """`python-3.11` and another image must not throw each other out."""
    for age, name in enumerate(["a-1-new.tar", "a-1-mid.tar", "a-1-old.tar", "b-1-ancient.tar"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))

    archive.forget_older(tmp_path / "a-1-new.tar", keep=2)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1-mid.tar", "a-1-new.tar", "b-1-ancient.tar"]


def _missing() -> tarfile.ExFileObject:
    raise AssertionError("a file that the manifest names is missing")
