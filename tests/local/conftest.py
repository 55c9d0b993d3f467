from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fairlead.local.state import State
from tests.local.processes import alive
from tests.local.running import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give this machine, and see to it that runs leave nothing but what is to be kept of them."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "file").write_text("content")
    made = Machine(State(tmp_path / "state"), workspace)
    yield made
    assert (made.left(), alive(str(tmp_path))) == ([], [])
