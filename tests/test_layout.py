"""What keeps the code findable. Which package may import which is held by import-linter, in `make check`."""

from __future__ import annotations

from pathlib import Path

OPERATOR = Path(__file__).parents[1] / "operator"
MODULES = sorted((OPERATOR / "fairlead").rglob("*.py"))


def test_operator_is_no_package() -> None:
    """`operator/` is only a source root: as a package it would stand before the standard library's `operator`."""
    assert not (OPERATOR / "__init__.py").exists()


def test_every_folder_is_a_package() -> None:
    """Each folder with modules is a package that says what it is for."""
    folders = {module.parent for module in MODULES}
    silent = [
        folder.name
        for folder in folders
        if not (folder / "__init__.py").exists() or '"""' not in (folder / "__init__.py").read_text()
    ]
    assert silent == []


def test_modules_are_short() -> None:
    """No module is longer than one can keep in mind."""
    sizes = {module.relative_to(OPERATOR): len(module.read_text().splitlines()) for module in MODULES}
    assert {str(name): size for name, size in sizes.items() if size > 400} == {}


def test_modules_have_names() -> None:
    """No module is called after nothing in particular."""
    nothing = {"utils", "util", "helpers", "common", "misc", "manager"}
    parts = {str(module): {*module.relative_to(OPERATOR).with_suffix("").parts} for module in MODULES}
    assert [name for name, found in parts.items() if found & nothing] == []
