from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairlead.engine.errors import RefusedError
from fairlead.local.workspace import GIT_LOCAL, copy, remove
from tests.local.rights import without_privileges

if TYPE_CHECKING:
    from collections.abc import Mapping

GIT = shutil.which("git") or ""
NEEDS_GIT = pytest.mark.skipif(not GIT, reason="there is no git on this machine")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Give an empty folder."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Name a folder that isn't there."""
    return tmp_path / "runs" / "workspace"


def fill(folder: Path, content: Mapping[str, str]) -> None:
    """Write files."""
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def read(folder: Path) -> dict[str, str]:
    """Give all files of a folder but Git's own, symlinks as `-> where`."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if ".git" not in Path(name).parts and not (path.is_dir() and not path.is_symlink()):
            found[name] = f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
    return found


def git(folder: Path, *arguments: str) -> str:
    """Run Git, as somebody who has configured nothing."""
    fixed = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    command = [GIT, "-C", str(folder), *fixed, *arguments]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=env)  # noqa: S603  constants
    return done.stdout


def a_repository(folder: Path, content: Mapping[str, str]) -> None:
    """Make a repository with one commit."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    fill(folder, content)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")


def test_plain_folder(source: Path, target: Path) -> None:
    """Of a folder that is no repository everything is copied: what it is, its rights and when it was changed."""
    fill(source, {"a": "1", ".hidden/b": "2", "deep/er/c\nd": "3", "run.sh": "#!/bin/sh"})
    (source / "empty").mkdir()
    (source / "run.sh").chmod(0o750)
    (source / "link").symlink_to("a")
    (source / "dangling").symlink_to("/nowhere/at/all")
    (source / "deep" / "up").symlink_to("..")
    os.mkfifo(source / "pipe")
    os.utime(source / "a", ns=(1, 123_456_789))
    copy(source, target, share=True)
    assert read(target) == {
        ".hidden/b": "2",
        "a": "1",
        "dangling": "-> /nowhere/at/all",
        "deep/er/c\nd": "3",
        "deep/up": "-> ..",
        "link": "-> a",
        "run.sh": "#!/bin/sh",
    }
    assert (target / "empty").is_dir()
    assert stat.S_IMODE((target / "run.sh").stat().st_mode) == 0o750
    assert (target / "a").stat().st_mtime_ns == 123_456_789


def test_apart(source: Path, target: Path) -> None:
    """Neither sees what the other writes."""
    fill(source, {"a": "1", "b": "2"})
    copy(source, target, share=True)
    (target / "a").write_text("changed")
    (source / "b").write_text("changed")
    assert (read(source), read(target)) == ({"a": "1", "b": "changed"}, {"a": "changed", "b": "2"})


def test_name_that_is_no_text(source: Path, target: Path) -> None:
    """File names are bytes."""
    name = os.fsdecode(b"\xff\xfe")
    (source / name).write_text("x")
    copy(source, target, share=True)
    assert read(target) == {name: "x"}


@NEEDS_GIT
def test_repository(source: Path, target: Path) -> None:
    """Of a repository it is what a push would bring: as it stands, with what is new, without what is ignored."""
    a_repository(source, {"tracked": "1", "edited": "1", "gone": "1", ".gitignore": "build/\n*.log\n", "run.sh": ""})
    fill(source, {"edited": "2", "new/ä ö": "3", "build/out": "x", "a.log": "x", "staged": "4"})
    (source / "kept.log").write_text("forced")
    git(source, "add", "-f", "kept.log", "staged")
    (source / "gone").unlink()
    (source / "run.sh").chmod(0o755)
    (source / "link").symlink_to("tracked")
    copy(source, target, share=True)
    assert read(target) == {
        ".gitignore": "build/\n*.log\n",
        "edited": "2",
        "kept.log": "forced",
        "link": "-> tracked",
        "new/ä ö": "3",
        "run.sh": "",
        "staged": "4",
        "tracked": "1",
    }
    assert os.access(target / "run.sh", os.X_OK)
    assert git(target, "status", "--porcelain") == git(source, "status", "--porcelain")


@NEEDS_GIT
@pytest.mark.parametrize("share", [True, False])
def test_git_of_its_own(source: Path, target: Path, share: bool) -> None:  # noqa: FBT001  a parameter
    """What a job does with Git is seen nowhere else, though objects may be shared."""
    a_repository(source, {"a": "1"})
    (source / ".git" / "index.lock").touch()
    copy(source, target, share=share)
    (source / ".git" / "index.lock").unlink()
    (target / "a").write_text("2")
    git(target, "commit", "-q", "-a", "-m", "second")
    git(target, "gc", "-q", "--prune=now")
    git(target, "branch", "other")
    remove(target)
    assert (git(source, "log", "--format=%s"), git(source, "branch"), git(source, "fsck")) == (
        "first\n",
        "* main\n",
        "",
    )


@NEEDS_GIT
@pytest.mark.parametrize("bare", [True, False])
def test_worktree(tmp_path: Path, source: Path, target: Path, bare: bool) -> None:  # noqa: FBT001  a parameter
    """A worktree's copy is a repository of its own: its branch and index aren't those of the worktree."""
    a_repository(source, {"a": "1"})
    if bare:
        git(tmp_path, "clone", "-q", "--bare", str(source), "bare")
        source = tmp_path / "bare"
    tree = tmp_path / "tree"
    git(source, "worktree", "add", "-q", "-b", "topic", str(tree))
    fill(tree, {"b": "2"})
    git(tree, "add", "b")
    copy(tree, target, share=True)
    seen = git(target, "status", "--porcelain", "--branch")
    git(target, "commit", "-q", "-m", "second")
    git(target, "checkout", "-q", "main")
    assert (seen, read(tree)) == ("## topic\nA  b\n", {"a": "1", "b": "2"})
    assert git(tree, "status", "--porcelain", "--branch") == "## topic\nA  b\n"
    assert git(tree, "log", "--all", "--format=%s") == "first\n"


@NEEDS_GIT
def test_submodule(tmp_path: Path, source: Path, target: Path) -> None:
    """A submodule is copied by the same rules, and its repository is the copy's."""
    a_repository(tmp_path / "lib", {"l": "1", ".gitignore": "*.o\n"})
    a_repository(source, {"a": "1"})
    git(source, "submodule", "--quiet", "add", str(tmp_path / "lib"), "vendor/lib")
    git(source, "commit", "-q", "-m", "with it")
    fill(source / "vendor" / "lib", {"l.o": "x", "new": "2"})
    copy(source, target, share=True)
    copied = read(target)
    git(target / "vendor" / "lib", "add", "new")
    git(target / "vendor" / "lib", "commit", "-q", "-m", "second")
    assert {name: copied[name] for name in copied if "lib" in name} == {
        "vendor/lib/.gitignore": "*.o\n",
        "vendor/lib/l": "1",
        "vendor/lib/new": "2",
    }
    assert git(source / "vendor" / "lib", "status", "--porcelain") == "?? new\n"
    # As the workspace itself it has its repository elsewhere.
    alone = target.with_name("alone")
    copy(source / "vendor" / "lib", alone, share=True)
    assert (sorted(read(alone)), git(alone, "status", "--porcelain")) == ([".gitignore", "l", "new"], "?? new\n")
    git(alone, "add", "new")
    assert git(source / "vendor" / "lib", "status", "--porcelain") == "?? new\n"


@NEEDS_GIT
def test_repository_within(source: Path, target: Path) -> None:
    """Another repository in the workspace is copied by the same rules."""
    a_repository(source, {"a": "1"})
    a_repository(source / "inner", {"b": "2", ".gitignore": "c\n"})
    fill(source, {"inner/c": "ignored"})
    copy(source, target, share=True)
    assert (sorted(read(target)), git(target / "inner", "status", "--porcelain")) == (
        ["a", "inner/.gitignore", "inner/b"],
        "",
    )


@NEEDS_GIT
def test_no_git_program(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Git a repository is a folder like any other."""
    a_repository(source, {"a": "1", ".gitignore": "b\n"})
    fill(source, {"b": "ignored"})
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nonexistent")
        copy(source, target, share=True)
    assert (sorted(read(target)), git(target, "log", "--format=%s")) == ([".gitignore", "a", "b"], "first\n")


@NEEDS_GIT
def test_broken_repository(source: Path, target: Path) -> None:
    """What Git doesn't take for a repository is a folder like any other."""
    fill(source, {"a": "1", ".git": "gitdir: /nowhere\n"})
    copy(source, target, share=True)
    assert (read(target), (target / ".git").read_text()) == ({"a": "1"}, "gitdir: /nowhere\n")


@NEEDS_GIT
def test_in_a_hook(tmp_path: Path, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that a hook of another repository has set don't lead astray."""
    a_repository(tmp_path / "other", {"wrong": "1"})
    a_repository(source, {"right": "1"})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other" / ".git" / "index"))
    copy(source, target, share=True)
    assert read(target) == {"right": "1"}


@NEEDS_GIT
def test_variables_of_git() -> None:
    """They are those that Git names itself."""
    named = set(git(Path(), "rev-parse", "--local-env-vars").split())
    assert named - {"GIT_INTERNAL_SUPER_PREFIX"} <= GIT_LOCAL


@NEEDS_GIT
@pytest.mark.parametrize("repository", [True, False])
def test_state_folder_inside(source: Path, repository: bool) -> None:  # noqa: FBT001  a parameter
    """The folder in which runs are recorded isn't copied, though it lies in what is."""
    if repository:
        a_repository(source, {"a": "1"})
    fill(source, {"a": "1", "state/fairlead/runs/other/log": "x", "state/kept": "2"})
    state = source / "state" / "fairlead"
    target = state / "runs" / "ci" / "workspace"
    copy(source, target, share=True, without=state)
    assert read(target) == {"a": "1", "state/kept": "2"}


def test_copy_inside_of_itself(source: Path) -> None:
    """A copy doesn't contain itself."""
    fill(source, {"a": "1"})
    copy(source, source / "deep" / "copy", share=True)
    assert read(source / "deep" / "copy") == {"a": "1"}


def test_no_right_to_read(source: Path, target: Path) -> None:
    """What can't be read is named, and nothing is left half copied."""
    fill(source, {"a": "1", "secret": "2"})
    (source / "secret").chmod(0)
    with without_privileges(), pytest.raises(RefusedError) as caught:
        copy(source, target, share=True)
    said = f"the workspace can't be copied: {source}/secret: Permission denied"
    assert (caught.value.message, caught.value.final, target.exists()) == (said, True, False)


def test_no_such_folder(source: Path, target: Path) -> None:
    """A workspace that isn't there is named."""
    with pytest.raises(RefusedError, match=r"the workspace can't be copied: .*gone: No such file or directory"):
        copy(source / "gone", target, share=True)


def test_remove_without_rights(target: Path) -> None:
    """A folder of which a job has taken all rights is removed with all that is in it."""
    fill(target, {"a/b/c": "1", "d": "2"})
    outside = target.parent / "outside"
    outside.mkdir(mode=0o500)
    (target / "a" / "link").symlink_to(outside)
    for name in ("a/b/c", "a/b", "a", "d", "."):
        (target / name).chmod(0)
    with without_privileges():
        remove(target)
    assert (target.exists(), stat.S_IMODE(outside.stat().st_mode)) == (False, 0o500)


def test_remove_what_became_a_link(source: Path, target: Path) -> None:
    """Where a job has put a link in its workspace's place, the link is removed and not what it leads to."""
    fill(source, {"a": "1"})
    target.parent.mkdir()
    target.symlink_to(source)
    remove(target)
    remove(target)
    assert (read(source), os.path.lexists(target)) == ({"a": "1"}, False)
