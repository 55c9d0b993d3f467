from pathlib import Path

import pytest

from e2e.testcluster import leftovers
from e2e.testcluster.errors import MissingRequirement
from e2e.testcluster.images import debian
from e2e.testcluster.settings import Settings


def test_a_folder_with_somebody_elses_files_is_refused(tmp_path: Path) -> None:
    """`down` empties the state folder: a mistyped FAIRLEAD_E2E_STATE must not cost a home."""
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(MissingRequirement, match="not a state folder"):
        leftovers.own_state_folder(Settings(cache=tmp_path, state=tmp_path))


def test_our_own_state_folder_is_taken_again(tmp_path: Path) -> None:
    """The marker of the first call is what makes the second one possible."""
    settings = Settings(cache=tmp_path, state=tmp_path / "state")
    leftovers.own_state_folder(settings)
    (settings.state / "etcd").mkdir()

    leftovers.own_state_folder(settings)

    assert settings.state.stat().st_mode & 0o777 == 0o711


def test_slimming_keeps_the_copyright_files(tmp_path: Path) -> None:
    """Licences ask for them, and they sit among what makes the image big."""
    docs = tmp_path / "usr/share/doc/tool"
    docs.mkdir(parents=True)
    for name in ("copyright", "changelog.gz"):
        (docs / name).touch()
    (docs / "examples").mkdir()
    (tmp_path / "usr/share/man/man1").mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir()

    debian.slim(tmp_path)

    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not any(path.glob("*")))
    assert left == ["usr/bin", "usr/share/doc/tool/copyright", "usr/share/man"]


@pytest.mark.parametrize(
    ("environ", "cache", "state"),
    [
        ({"HOME": "/h"}, "/h/.cache/fairlead", "/var/lib/fairlead-e2e"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/fairlead", "/var/lib/fairlead-e2e"),
        ({"HOME": "/h", "XDG_CACHE_HOME": ""}, "/h/.cache/fairlead", "/var/lib/fairlead-e2e"),
        ({"FAIRLEAD_CACHE": "/c", "FAIRLEAD_E2E_STATE": "/s", "XDG_CACHE_HOME": "/x"}, "/c", "/s"),
    ],
)
def test_folders_come_from_the_environment(environ: dict[str, str], cache: str, state: str) -> None:
    """Ours before XDG's before the default, and an empty variable is no variable."""
    settings = Settings.from_environment(environ)

    assert (settings.cache, settings.state) == (Path(cache), Path(state))
