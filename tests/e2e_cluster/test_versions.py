import pytest

from e2e.testcluster import binaries, existing, golang


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27rc1 linux/amd64", (1, 27)),
        ("go 1.26.0", (1, 26, 0)),
        ("go version devel", ()),
    ],
)
def test_versions_of_go(text: str, version: tuple[int, ...]) -> None:
    """What cannot be read counts as too old, so that a usable Go is looked for elsewhere."""
    assert golang.parse_version(text) == version


@pytest.mark.parametrize(("text", "version"), [("v1.29.4+k3s1", (1, 29)), ("v1.30", (1, 30)), ("v1.29+", (1, 29))])
def test_versions_of_clusters(text: str, version: tuple[int, int]) -> None:
    """Distributions decorate them."""
    assert existing.parse_version(text) == version


@pytest.mark.parametrize("group", binaries.EVERYTHING, ids=lambda group: group.name)
def test_each_group_of_programs_is_pinned_and_stamped_with_its_version(group: binaries.Group) -> None:
    """The version is told once, in go.mod, and a program that has a stamp shows it."""
    sums = (group.source / "go.sum").read_text()

    assert f"{group.module} {group.version} h1:" in sums
    assert "{" not in " ".join(group.flags())
    assert (group.version in group.flags()[-1]) == bool(group.stamps)
