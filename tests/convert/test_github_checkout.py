"""What stands for actions/checkout, run by a real shell with a real git."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from fairlead.convert.conversion import Outcome
from fairlead.convert.formats import FormatName
from tests.convert.trial import Trial

if TYPE_CHECKING:
    from pathlib import Path

AUTHOR = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"]


def trial(settings: str = "") -> Trial:
    """Convert a workflow with a checkout."""
    given = f"\n        with: {{{settings}}}" if settings else ""
    return Trial(
        FormatName.GITHUB,
        f"on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4{given}\n",
    )


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder."""
    done = subprocess.run(["git", *AUTHOR, *arguments], cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603, S607
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a repository with two commits, the first of which is tagged v1."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for name in ("one", "two"):
        (folder / name).write_text(name)
        git(folder, "add", name)
        git(folder, "commit", "--quiet", "-m", name)
        if name == "one":
            git(folder, "tag", "v1")
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Give an empty folder."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def run(workspace: Path, settings: str = "", repository: object = "", ref: str = "") -> tuple[int, list[str], str]:
    """Run the step; give its exit code, the files that are there then, and its last line."""
    (step,) = trial(settings).steps()
    own = {"CHECKOUT_REPOSITORY": str(repository), "CHECKOUT_REF": ref}
    given = {name: own.get(name, "") if "${{" in value else value for name, value in step["env"].items()}
    env = {**os.environ, "HOME": str(workspace.parent), "GIT_CONFIG_NOSYSTEM": "1", **given}
    done = subprocess.run(  # noqa: S603
        ["sh", "-e", "-c", step["run"]],  # noqa: S607
        cwd=workspace,
        env=env,
        check=False,
        capture_output=True,
        text=True,
    )
    files = sorted(path.relative_to(workspace).as_posix() for path in workspace.rglob("*") if ".git/" not in f"{path}/")
    return done.returncode, files, (done.stdout + done.stderr).strip().split("\n")[-1]


def test_clone(workspace: Path, project: Path) -> None:
    """The repository that the input names is cloned, at its newest commit."""
    code, files, last = run(workspace, repository=project)
    assert (code, files, last.split(" ", 1)[1]) == (0, ["one", "two"], "two")


@pytest.mark.parametrize("ref", ["v1", "refs/tags/v1"])
def test_ref(workspace: Path, project: Path, ref: str) -> None:
    """The other input names a branch, a tag or a commit."""
    assert run(workspace, repository=project, ref=ref)[:2] == (0, ["one"])


def test_whole_history(workspace: Path, project: Path) -> None:
    """Depth 0 is the whole history, with branches and tags."""
    run(workspace, "fetch-depth: 0", repository=f"file://{project}")
    assert (git(workspace, "tag"), git(workspace, "rev-list", "--count", "HEAD")) == ("v1", "2")
    assert git(workspace, "rev-parse", "origin/main") == git(project, "rev-parse", "main")


def test_shallow(workspace: Path, project: Path) -> None:
    """Otherwise it is one commit."""
    run(workspace, repository=f"file://{project}")
    assert git(workspace, "rev-list", "--count", "HEAD") == "1"


def test_sources_are_there(workspace: Path) -> None:
    """On a laptop the workspace has the sources, and nothing is fetched."""
    (workspace / "file").write_text("")
    assert run(workspace) == (0, ["file"], "the sources are here already")


def test_clone_is_there(workspace: Path, project: Path) -> None:
    """A second checkout of the same does nothing, and throws nothing away."""
    run(workspace, repository=project)
    (workspace / "one").write_text("changed")
    assert run(workspace, repository=project) == (0, ["one", "two"], "the sources are here already")
    assert (workspace / "one").read_text() == "changed"


def test_nothing_to_check_out(workspace: Path) -> None:
    """Without sources and without a repository it fails, and says what to do."""
    code, files, last = run(workspace)
    assert (code, files) == (1, [])
    assert last == "nothing to check out: set the input repository, as https://example.com/team/project.git"


def test_another_repository(workspace: Path, project: Path) -> None:
    """One that the workflow itself names is cloned into its folder, at its commit, beside what is there."""
    (workspace / "file").write_text("")
    settings = f"repository: '{project}', ref: v1, path: sub"
    for _ in range(2):
        assert run(workspace, settings)[:2] == (0, ["file", "sub", "sub/one"])


def test_ref_of_the_workflow(workspace: Path, project: Path) -> None:
    """A ref that the workflow itself names is gone to, also where the sources are there."""
    run(workspace, repository=project)
    assert run(workspace, "ref: v1", repository=project)[:2] == (0, ["one"])


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("sparse-checkout: docs", "7 sparse-checkout: everything is checked out"),
        ("token: x", "7 token: a private repository needs an address with credentials, or an image"),
        ("ssh-key: x", "7 checkout's input ssh-key has no counterpart here"),
        ("persist-credentials: false", None),
    ],
)
def test_settings(settings: str, line: str | None) -> None:
    """What can't be kept of its inputs is said."""
    told = trial(settings).told(Outcome.LEFT_OUT, Outcome.REFUSED)
    assert told[1:] == ([] if line is None else [line])


def test_github_is_the_default_host(workspace: Path) -> None:
    """A short name is one of GitHub's; a branch of its own says where to, without asking it."""
    (step,) = trial("repository: team/other, path: x").steps()
    assert step["env"] == {"CHECKOUT_REPOSITORY": "team/other", "CHECKOUT_REF": "", "CHECKOUT_PATH": "x"}
    assert "CHECKOUT_REPOSITORY=https://github.com/$CHECKOUT_REPOSITORY" in step["run"]
    assert workspace.exists()
